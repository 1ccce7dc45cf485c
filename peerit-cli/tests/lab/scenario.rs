//! One seed and some leeches, from the start of all to the end of the last.

use std::fs;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use crate::bench::{Bench, stop_if_interrupted};
use crate::host::Host;
use crate::measure::{self, Traffic, fluid_bound};
use crate::namespace::{run, said};
use crate::report::{Outcome, Sample};
use crate::segment::{Link, Segment};
use crate::tracker::Tracker;

/// Time between two looks at the links; each costs about 3 ms of CPU.
const SAMPLE_INTERVAL: Duration = Duration::from_millis(100);
/// Of the content's file.
const NAME: &str = "content";
/// The segment's number of the seed; the leeches follow.
const SEED_NUMBER: u8 = 2;

/// What a run is about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scenario {
    pub(crate) content_bytes: u32,
    pub(crate) leech_count: u8,
    pub(crate) seed: Link,
    pub(crate) leech: Link,
}

/// The end of a `peerit download`.
struct End {
    leech: usize,
    at: Instant,
    said: Result<String, String>,
}

/// The scenarios of the measurement; see the head of `main.rs`.
pub(crate) fn chosen() -> Vec<Scenario> {
    let chosen = |name: &str, default: &str| std::env::var(name).unwrap_or(default.to_owned());
    let mib: u32 = chosen("LAB_MIB", "48").parse().expect("LAB_MIB is a number");
    let leech_counts = chosen("LAB_LEECHES", "8,16");
    let links = chosen("LAB_LINKS", "20/20/100,10/40/100,100/10/100");
    let mut scenarios = Vec::new();
    for leech_count in leech_counts.split(',') {
        for links in links.split(',') {
            let speeds: Vec<u32> = links.split('/').flat_map(str::parse).collect();
            let &[seed_up, leech_up, down_mbit] = &speeds[..] else {
                panic!("LAB_LINKS is like 20/20/100,10/40/100")
            };
            scenarios.push(Scenario {
                content_bytes: mib << 20,
                leech_count: leech_count.parse().expect("LAB_LEECHES is like 8,16"),
                seed: Link { up_mbit: seed_up, down_mbit },
                leech: Link { up_mbit: leech_up, down_mbit },
            });
        }
    }
    scenarios
}

impl Scenario {
    /// Plays it. The clock runs from before the first `peerit download` is started, with no daemon running yet,
    /// until the last has ended by itself, which it does within 0.2 s after the last chunk is verified.
    pub(crate) fn run(self, bench: &Bench) -> Outcome {
        let swarm = Swarm::new(bench, self);
        let content = content(self.content_bytes);
        swarm.share(&content);
        let (load, machine_before) = (measure::load(), measure::machine_cpu_seconds());
        let (completions, samples) = swarm.download();
        let machine_cpu_seconds = measure::machine_cpu_seconds() - machine_before;
        let cpu_seconds = swarm.cpu_seconds();
        swarm.compare(&content);
        let shares: Vec<_> = swarm.hosts.iter().map(Host::share).collect();
        let bytes =
            |field: &str| shares.iter().map(|share| share[field].as_u64().unwrap()).collect();
        Outcome {
            scenario: self,
            bound: fluid_bound(&self),
            completions,
            samples,
            payload_up_bytes: bytes("uploaded_bytes"),
            payload_down_bytes: bytes("downloaded_bytes"),
            cpu_seconds,
            machine_cpu_seconds,
            load,
        }
    }
}

/// Everything of a run: the hosts, seed first, on their internet with its tracker.
struct Swarm {
    hosts: Vec<Host>,
    _tracker: Tracker,
    internet: Segment,
    /// How long the downloads may take, in seconds: many times what they should.
    patience: f64,
}

impl Swarm {
    fn new(bench: &Bench, scenario: Scenario) -> Self {
        let internet = Segment::new(bench, "internet", [198, 51, 100]);
        let tracker = Tracker::start(internet.namespace(), internet.address(1));
        let mut hosts = vec![Host::new(bench, &internet, "seed", SEED_NUMBER, scenario.seed)];
        for index in 1..=scenario.leech_count {
            let (name, number) = (format!("leech{index}"), SEED_NUMBER + index);
            hosts.push(Host::new(bench, &internet, &name, number, scenario.leech));
            stop_if_interrupted();
        }
        let patience = 60.0 + 5.0 * fluid_bound(&scenario);
        Self { hosts, _tracker: tracker, internet, patience }
    }

    fn seed(&self) -> &Host {
        &self.hosts[0]
    }

    fn leeches(&self) -> &[Host] {
        &self.hosts[1..]
    }

    fn share(&self, content: &[u8]) {
        fs::write(self.seed().folder().join(NAME), content).unwrap();
        let tracker = Tracker::address(self.internet.address(1));
        run(&mut self.seed().peerit(&["share", NAME, "--tracker", &tracker])).unwrap();
    }

    /// Starts all downloads and waits for them; when each was complete, and what went over the links meanwhile.
    fn download(&self) -> (Vec<Duration>, Vec<Sample>) {
        let before = self.traffic();
        let started = Instant::now();
        let ends = self.start_downloads();
        let (mut completions, mut samples) = (Vec::new(), Vec::new());
        while completions.len() < self.leeches().len() {
            match ends.recv_timeout(SAMPLE_INTERVAL) {
                Ok(end) => {
                    end.said.unwrap_or_else(|error| panic!("leech{}: {error}", end.leech));
                    completions.push(end.at.duration_since(started));
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(error) => panic!("{error}"),
            }
            let at = started.elapsed();
            let now = self.traffic();
            let links = now.iter().zip(&before).map(|(now, before)| now.since(*before)).collect();
            samples.push(Sample { at, links });
            stop_if_interrupted();
            let complete = completions.len();
            assert!(at.as_secs_f64() < self.patience, "only {complete} are complete after {at:?}");
        }
        (completions, samples)
    }

    /// All at once; a thread waits for each.
    fn start_downloads(&self) -> Receiver<End> {
        let (sender, receiver) = mpsc::channel();
        let manifest = self.seed().folder().join(format!("{NAME}.p2p"));
        for (index, host) in self.leeches().iter().enumerate() {
            let child = host.peerit(&["download", manifest.to_str().unwrap()]).spawn().unwrap();
            let sender = sender.clone();
            thread::spawn(move || {
                let said = said(child.wait_with_output());
                // Nobody listens any more when the test has failed.
                let _ = sender.send(End { leech: index + 1, at: Instant::now(), said });
            });
        }
        receiver
    }

    fn compare(&self, content: &[u8]) {
        for host in self.leeches() {
            let same = fs::read(host.folder().join(NAME)).unwrap() == content;
            assert!(same, "{} has other content", host.namespace().name());
        }
    }

    fn traffic(&self) -> Vec<Traffic> {
        measure::traffic(&self.internet, &self.hosts)
    }

    /// Of all daemons and the tracker, since they started.
    fn cpu_seconds(&self) -> f64 {
        let namespaces = self.hosts.iter().map(Host::namespace).chain([self.internet.namespace()]);
        namespaces.map(measure::cpu_seconds).sum()
    }
}

/// Bytes that no part of repeats.
pub(crate) fn content(length: u32) -> Vec<u8> {
    (0..length / 4).flat_map(|n| n.wrapping_mul(0x9e37_79b9).to_le_bytes()).collect()
}
