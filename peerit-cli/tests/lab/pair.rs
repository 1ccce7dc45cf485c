//! A sharer and a downloader with one narrow path between them.

use std::fs;
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

use crate::bench::{Bench, stop_if_interrupted};
use crate::host::Host;
use crate::namespace::{Namespace, run};
use crate::scenario::content;
use crate::segment::{Link, Segment};
use crate::tracker::Tracker;

pub(crate) const NAME: &str = "content";
/// The downloader's address.
pub(crate) const LEECH: &str = "198.51.100.3";
/// Of other traffic, in namespaces of its own.
pub(crate) const OTHERS_PORT: u16 = 5001;
const SEED_NUMBER: u8 = 2;
const LEECH_NUMBER: u8 = 3;

/// The way to the downloader.
#[derive(Clone, Copy)]
pub(crate) struct Path {
    /// With all headers from Ethernet's on.
    pub(crate) mbit: u32,
    /// What a router keeps before it.
    pub(crate) queue_ms: u32,
    /// Whether hosts send and receive frame by frame, which links of little rate need to be honest. Fast network cards cut and
    /// join them.
    pub(crate) whole_frames: bool,
}

impl Path {
    /// Where a path is fast a token bucket has to last until the machine looks at it again.
    const BURST_MS: u32 = 2;

    /// The narrow part of the way is not at the sender, as Linux keeps its own queue short (TCP small queues).
    fn lay(self, internet: &Segment, hosts: [&Host; 2]) {
        let port = Segment::port(LEECH_NUMBER);
        let (mbit, queue_ms) = (self.mbit, self.queue_ms);
        let burst_kb = (mbit * Self::BURST_MS / 8).max(32);
        let inside = internet.namespace();
        inside.exec(&format!(
            "tc qdisc replace dev {port} root tbf rate {mbit}mbit burst {burst_kb}kb latency {queue_ms}ms"
        ));
        if self.whole_frames {
            return;
        }
        let uncut = |namespace: &Namespace, device: &str| {
            namespace.exec(&format!("ethtool -K {device} tso on gso on gro on"));
        };
        for (host, number) in hosts.into_iter().zip([SEED_NUMBER, LEECH_NUMBER]) {
            uncut(host.namespace(), "eth0");
            host.namespace().exec("tc qdisc del dev eth0 root");
            uncut(inside, &Segment::port(number));
        }
    }
}

/// A sharer and a downloader.
pub(crate) struct Pair {
    pub(crate) seed: Host,
    pub(crate) leech: Host,
    _tracker: Tracker,
    _internet: Segment,
}

impl Pair {
    /// Shares so many MiB; by QUIC, TCP is blocked between the two, but for [`OTHERS_PORT`].
    pub(crate) fn new(bench: &Bench, carrier: &str, path: Path, mib: u32) -> Self {
        let internet = Segment::new(bench, "internet", [198, 51, 100]);
        let tracker = Tracker::start(internet.namespace(), internet.address(1));
        let wide = path.mbit * 5;
        let host = |name, number| {
            Host::new(bench, &internet, name, number, Link { up_mbit: wide, down_mbit: wide })
        };
        let (seed, leech) = (host("seed", SEED_NUMBER), host("leech", LEECH_NUMBER));
        path.lay(&internet, [&seed, &leech]);
        if carrier == "quic" {
            seed.namespace().nft(&format!(
                "table ip t {{\n chain c {{\n type filter hook input priority 0\n \
                 ip saddr {LEECH} tcp sport != {OTHERS_PORT} drop\n }}\n }}"
            ));
        }
        let address = Tracker::address(internet.address(1));
        let pair = Self { seed, leech, _tracker: tracker, _internet: internet };
        fs::write(pair.seed.folder().join(NAME), content(mib << 20)).unwrap();
        run(&mut pair.seed.peerit(&["share", NAME, "--tracker", &address])).unwrap();
        pair
    }

    pub(crate) fn download(&self) -> Child {
        let manifest = self.seed.folder().join(format!("{NAME}.p2p"));
        self.leech.peerit(&["download", manifest.to_str().unwrap()]).spawn().unwrap()
    }

    pub(crate) fn received(&self) -> u64 {
        self.leech.share()["downloaded_bytes"].as_u64().unwrap()
    }
}

/// How fast counters grow, a second, once all have settled.
pub(crate) fn rates<const N: usize>(
    settling: Duration,
    measured: Duration,
    read: impl Fn() -> [u64; N],
) -> [f64; N] {
    thread::sleep(settling);
    stop_if_interrupted();
    let (before, started) = (read(), Instant::now());
    thread::sleep(measured);
    let (after, seconds) = (read(), started.elapsed().as_secs_f64());
    std::array::from_fn(|one| (after[one] - before[one]) as f64 / seconds)
}
