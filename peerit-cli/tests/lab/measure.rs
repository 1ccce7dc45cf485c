//! What is measured, and what it is compared with.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::host::Host;
use crate::namespace::{Namespace, run};
use crate::scenario::Scenario;
use crate::segment::Segment;

/// Units of CPU times in `/proc`, in each second: the same on all Linux.
const TICKS_PER_SECOND: f64 = 100.0;

/// The time in seconds before which no protocol can bring the content to all leeches (Kumar and Ross, "Peer-Assisted
/// File Distribution: The Minimum Distribution Time", 2006): the seed must send each byte once, the slowest
/// leech must receive each, and all uplinks together must send it once for each leech.
pub(crate) fn fluid_bound(scenario: &Scenario) -> f64 {
    let content_bits = 8.0 * scenario.content_bytes as f64;
    let seconds = |bits: f64, mbit: f64| bits / (mbit * 1e6);
    let leeches = f64::from(scenario.leech_count);
    let (seed_up, leech_up) = (f64::from(scenario.seed.up_mbit), f64::from(scenario.leech.up_mbit));
    seconds(content_bits, seed_up)
        .max(seconds(content_bits, f64::from(scenario.leech.down_mbit)))
        .max(seconds(leeches * content_bits, seed_up + leeches * leech_up))
}

/// Bytes that went over a host's link, with all headers from Ethernet's on.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Traffic {
    pub(crate) up_bytes: u64,
    pub(crate) up_frames: u64,
    pub(crate) down_bytes: u64,
}

impl Traffic {
    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            up_bytes: self.up_bytes - before.up_bytes,
            up_frames: self.up_frames - before.up_frames,
            down_bytes: self.down_bytes - before.down_bytes,
        }
    }
}

/// What went over the links of these hosts so far, seen from the segment.
pub(crate) fn traffic(segment: &Segment, hosts: &[Host]) -> Vec<Traffic> {
    let mut command = Command::new("ip");
    command.args(["-n", segment.namespace().name(), "-json", "-statistics", "link", "show"]);
    let devices: Vec<Value> = serde_json::from_str(&run(&mut command).unwrap()).unwrap();
    let name = |device: &Value| device["ifname"].as_str().unwrap().to_owned();
    let statistics: BTreeMap<String, &Value> =
        devices.iter().map(|device| (name(device), &device["stats64"])).collect();
    let count = |statistics: &Value, way: &str, what: &str| statistics[way][what].as_u64().unwrap();
    hosts
        .iter()
        .map(|host| {
            let port = statistics[&Segment::port(host.number)];
            Traffic {
                up_bytes: count(port, "rx", "bytes"),
                up_frames: count(port, "rx", "packets"),
                down_bytes: count(port, "tx", "bytes"),
            }
        })
        .collect()
}

/// CPU seconds that the processes in a namespace have used; what has ended does not count.
pub(crate) fn cpu_seconds(namespace: &Namespace) -> f64 {
    let of_process = |stat: String| {
        // The name before it is in brackets and may hold anything; user and system time are fields 14 and 15.
        let (_, fields) = stat.rsplit_once(") ")?;
        let ticks = fields.split(' ').skip(11).take(2).map(|ticks| ticks.parse::<f64>().ok());
        ticks.sum::<Option<f64>>()
    };
    let processes = namespace.processes();
    let stats = processes.iter().filter_map(|process| {
        fs::read_to_string(format!("/proc/{}/stat", process.as_raw_nonzero())).ok()
    });
    stats.filter_map(of_process).sum::<f64>() / TICKS_PER_SECOND
}

/// CPU seconds of the whole machine, by anybody, since it started.
pub(crate) fn machine_cpu_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/stat").unwrap();
    let ticks: Vec<f64> =
        stat.lines().next().unwrap().split_whitespace().flat_map(str::parse).collect();
    // User, nice, system, idle, waiting for disks, interrupts, soft interrupts.
    let idle = ticks[3] + ticks[4];
    (ticks[..7].iter().sum::<f64>() - idle) / TICKS_PER_SECOND
}

/// Processes that wanted to run in the last minute, on average.
pub(crate) fn load() -> f64 {
    let load = fs::read_to_string("/proc/loadavg").unwrap();
    load.split(' ').next().unwrap().parse().unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::segment::Link;

    fn bound(links: [u32; 3], leech_count: u8) -> f64 {
        let [seed_up, leech_up, down_mbit] = links;
        fluid_bound(&Scenario {
            content_bytes: 10_000_000,
            leech_count,
            seed: Link { up_mbit: seed_up, down_mbit },
            leech: Link { up_mbit: leech_up, down_mbit },
        })
    }

    #[test]
    fn the_bound_is_the_narrowest_of_three() {
        assert_eq!(bound([10, 40, 100], 8), 8.0, "the seed's uplink");
        assert_eq!(bound([1_000, 1_000, 100], 8), 0.8, "a downlink");
        assert_eq!(bound([100, 10, 1_000], 10), 4.0, "all uplinks");
    }
}
