//! What a run has shown, and how it is printed.

use std::fmt::Write;
use std::time::Duration;

use crate::measure::Traffic;
use crate::scenario::Scenario;

/// What the seed must have sent before the first leech counts as started, in bytes: more than handshakes.
const FIRST_BYTES: u64 = 64 << 10;

/// What went over the links since the start.
pub(crate) struct Sample {
    pub(crate) at: Duration,
    /// Of each host, the seed's first.
    pub(crate) links: Vec<Traffic>,
}

/// A run in figures. What is of each host starts with the seed.
pub(crate) struct Outcome {
    pub(crate) scenario: Scenario,
    /// See [`crate::measure::fluid_bound`], in seconds.
    pub(crate) bound: f64,
    /// Of each leech, from the first to the last.
    pub(crate) completions: Vec<Duration>,
    /// From the start to the last completion.
    pub(crate) samples: Vec<Sample>,
    /// Chunk data that the hosts say they sent.
    pub(crate) payload_up_bytes: Vec<u64>,
    /// Chunk data that the hosts say they received.
    pub(crate) payload_down_bytes: Vec<u64>,
    /// Of all daemons and the tracker.
    pub(crate) cpu_seconds: f64,
    /// Of everything on this machine while the downloads ran.
    pub(crate) machine_cpu_seconds: f64,
    /// Before the run.
    pub(crate) load: f64,
}

impl Outcome {
    fn seconds(&self) -> f64 {
        self.completions.last().unwrap().as_secs_f64()
    }

    /// How many times the shortest possible time it took.
    pub(crate) fn ratio(&self) -> f64 {
        self.seconds() / self.bound
    }

    /// What went over the links in all.
    fn links(&self) -> &[Traffic] {
        &self.samples.last().unwrap().links
    }

    /// When the seed had sent the first bytes of content.
    fn first_bytes(&self) -> f64 {
        let first = self.samples.iter().find(|sample| sample.links[0].up_bytes > FIRST_BYTES);
        first.unwrap().at.as_secs_f64()
    }

    fn delivered_bytes(&self) -> f64 {
        f64::from(self.scenario.content_bytes) * f64::from(self.scenario.leech_count)
    }

    fn wire_bytes(&self) -> f64 {
        self.links().iter().map(|link| link.up_bytes as f64).sum()
    }

    /// Chunk data that leeches received and did not need, as a share of what they did.
    fn duplicates(&self) -> f64 {
        self.payload_down_bytes[1..].iter().sum::<u64>() as f64 / self.delivered_bytes() - 1.0
    }

    /// How often the seed sent the content, counted in chunk data and in bytes on its link.
    fn seed_copies(&self) -> (f64, f64) {
        let copies = |bytes: u64| bytes as f64 / f64::from(self.scenario.content_bytes);
        (copies(self.payload_up_bytes[0]), copies(self.links()[0].up_bytes))
    }

    /// How much of their uplinks the seed and all leeches together used, in percent, second by second.
    fn uplink_use(&self) -> Vec<(f64, f64)> {
        let leech_mbit = self.scenario.leech.up_mbit * u32::from(self.scenario.leech_count);
        let (mut uses, mut before) = (Vec::new(), (0.0, [0; 2]));
        for sample in &self.samples {
            let at = sample.at.as_secs_f64();
            let seconds = at - before.0;
            if seconds < 1.0 && !std::ptr::eq(sample, self.samples.last().unwrap()) {
                continue;
            }
            let up = |links: &[Traffic]| links.iter().map(|link| link.up_bytes).sum::<u64>();
            let bytes = [up(&sample.links[..1]), up(&sample.links[1..])];
            let percent = |index: usize, mbit: u32| {
                let bits = 8.0 * (bytes[index] - before.1[index]) as f64;
                100.0 * bits / (f64::from(mbit) * 1e6 * seconds)
            };
            uses.push((percent(0, self.scenario.seed.up_mbit), percent(1, leech_mbit)));
            before = (at, bytes);
        }
        uses
    }
}

/// One line for each run.
pub(crate) fn table(outcomes: &[Outcome]) -> String {
    let mut text = "links Mbit/s  leeches  bound s   first bytes  first done   last done  ratio  \
                    seed copies (wire)  duplicates  efficiency  CPU s  load\n"
        .to_owned();
    for outcome in outcomes {
        let (seed, leech) = (outcome.scenario.seed, outcome.scenario.leech);
        let links = format!("{}/{}/{}", seed.up_mbit, leech.up_mbit, leech.down_mbit);
        let (copies, on_wire) = outcome.seed_copies();
        let first_done = outcome.completions[0].as_secs_f64();
        writeln!(
            text,
            "{links:<12}  {:>7}  {:>7.2}  {:>11.1}s  {first_done:>9.2}s  {:>9.2}s  {:>5.3}  \
             {copies:>10.2} ({on_wire:.2})  {:>9.1}%  {:>9.1}%  {:>5.1}  {:>4.1}",
            outcome.scenario.leech_count,
            outcome.bound,
            outcome.first_bytes(),
            outcome.seconds(),
            outcome.ratio(),
            100.0 * outcome.duplicates(),
            100.0 * outcome.delivered_bytes() / outcome.wire_bytes(),
            outcome.cpu_seconds,
            outcome.load,
        )
        .unwrap();
    }
    text
}

/// All figures of one run.
pub(crate) fn details(outcome: &Outcome) -> String {
    let mut text = table(std::slice::from_ref(outcome));
    let list = |figures: &mut dyn Iterator<Item = String>| figures.collect::<Vec<_>>().join(" ");
    let mb = |bytes: u64| format!("{:.1}", bytes as f64 / 1e6);
    let rows = [
        (
            "complete after, s",
            list(&mut outcome.completions.iter().map(|at| format!("{:.2}", at.as_secs_f64()))),
        ),
        ("sent, MB on the wire", list(&mut outcome.links().iter().map(|link| mb(link.up_bytes)))),
        (
            "sent, MB of chunk data",
            list(&mut outcome.payload_up_bytes.iter().map(|&bytes| mb(bytes))),
        ),
        (
            "received, MB on the wire",
            list(&mut outcome.links().iter().map(|link| mb(link.down_bytes))),
        ),
        (
            "bytes in a frame sent",
            list(
                &mut outcome
                    .links()
                    .iter()
                    .map(|link| (link.up_bytes / link.up_frames.max(1)).to_string()),
            ),
        ),
        (
            "use of the seed's uplink, %/s",
            list(&mut outcome.uplink_use().iter().map(|(seed, _)| format!("{seed:.0}"))),
        ),
        (
            "use of leeches' uplinks, %/s",
            list(&mut outcome.uplink_use().iter().map(|(_, leeches)| format!("{leeches:.0}"))),
        ),
        ("CPU s, everything here", format!("{:.1}", outcome.machine_cpu_seconds)),
    ];
    for (name, figures) in rows {
        writeln!(text, "{name:<30} {figures}").unwrap();
    }
    text
}
