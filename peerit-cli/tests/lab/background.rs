//! A share in the background beside other traffic, on one path: it uses what is free, and gives way.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Child;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::bench::{Bench, stop_if_interrupted};
use crate::host::Host;
use crate::namespace::{enter, run};
use crate::scenario::content;
use crate::segment::{Link, Segment};
use crate::tracker::Tracker;

/// In Mbit/s, and in bytes of content a second: headers take 5 %.
const PATH_MBIT: u32 = 20;
const PATH_BYTES: f64 = 20e6 / 8.0 * 0.95;

/// What a router keeps before it. Below the 30 ms that are aimed at nothing would be seen.
const QUEUE_MS: u32 = 200;

const NAME: &str = "content";
const SEED_NUMBER: u8 = 2;
const LEECH_NUMBER: u8 = 3;
const LEECH: &str = "198.51.100.3";
/// Of the other traffic, in a namespace of its own.
const PORT: u16 = 5001;

/// Before measuring, until all are at their pace.
const SETTLING: Duration = Duration::from_secs(6);
const MEASURED: Duration = Duration::from_secs(6);

#[test]
#[ignore = "a measurement of half a minute: see the head of main.rs"]
fn a_share_in_the_background_gives_way_and_comes_back() {
    let Some(bench) = super::bench() else { return };
    for carrier in ["tcp", "quic"] {
        let pair = Pair::new(&bench, carrier);
        let mut download = pair.download();
        let alone = pair.rate();
        let other = Other::start(&pair);
        let (beside, others) = other.rates(&pair);
        other.stop();
        let after = pair.rate();
        download.kill().unwrap();
        download.wait().unwrap();
        let [alone, beside, others, after] =
            [alone, beside, others, after].map(|rate| (rate * 100.0 / PATH_BYTES).round());
        println!(
            "{carrier}: alone {alone} % of the path; {beside} % beside one that has {others} %; then {after} %"
        );
        assert!(alone >= 85.0 && after >= 85.0);
        assert!(beside <= 10.0 && others >= 85.0);
    }
}

/// A sharer and a downloader.
struct Pair {
    seed: Host,
    leech: Host,
    _tracker: Tracker,
    _internet: Segment,
}

impl Pair {
    fn new(bench: &Bench, carrier: &str) -> Self {
        let internet = Segment::new(bench, "internet", [198, 51, 100]);
        let tracker = Tracker::start(internet.namespace(), internet.address(1));
        let host = |name, number| {
            Host::new(bench, &internet, name, number, Link { up_mbit: 100, down_mbit: 100 })
        };
        let (seed, leech) = (host("seed", SEED_NUMBER), host("leech", LEECH_NUMBER));
        // The narrow part of the way is not at the sender, as Linux keeps its own queue short (TCP small queues).
        let port = Segment::port(LEECH_NUMBER);
        internet.namespace().exec(&format!(
            "tc qdisc replace dev {port} root tbf rate {PATH_MBIT}mbit burst 32kb latency {QUEUE_MS}ms"
        ));
        let inside = seed.namespace();
        // Fills the queue until something is lost, as most others do.
        inside.exec("sysctl -q net.ipv4.tcp_congestion_control=reno");
        // Else it begins with what the last connection has learned, slowly.
        inside.set("net/ipv4/tcp_no_metrics_save", 1);
        if carrier == "quic" {
            inside.nft(&format!(
                "table ip t {{\n chain c {{\n type filter hook input priority 0\n \
                 ip saddr {LEECH} tcp sport != {PORT} drop\n }}\n }}"
            ));
        }
        let address = Tracker::address(internet.address(1));
        let pair = Self { seed, leech, _tracker: tracker, _internet: internet };
        fs::write(pair.seed.folder().join(NAME), content(96 << 20)).unwrap();
        run(&mut pair.seed.peerit(&["share", NAME, "--tracker", &address])).unwrap();
        run(&mut pair.seed.peerit(&["limit", NAME, "--background", "on"])).unwrap();
        pair
    }

    fn download(&self) -> Child {
        let manifest = self.seed.folder().join(format!("{NAME}.p2p"));
        self.leech.peerit(&["download", manifest.to_str().unwrap()]).spawn().unwrap()
    }

    /// What the share receives in bytes a second, once it has settled.
    fn rate(&self) -> f64 {
        rates(|| [self.received()])[0]
    }

    fn received(&self) -> u64 {
        self.leech.share()["downloaded_bytes"].as_u64().unwrap()
    }
}

/// Others' traffic on the same path: a connection on which as much is sent as it takes.
struct Other {
    received: Arc<AtomicU64>,
    is_over: Arc<AtomicBool>,
    threads: [JoinHandle<()>; 2],
}

impl Other {
    fn start(pair: &Pair) -> Self {
        let (received, is_over) = (Arc::<AtomicU64>::default(), Arc::<AtomicBool>::default());
        let (listening, is_listening) = mpsc::channel();
        let name = |host: &Host| host.namespace().name().to_owned();
        let (from, to) = (name(&pair.seed), name(&pair.leech));
        let count = Arc::clone(&received);
        let receiving = thread::spawn(move || {
            enter(&to);
            let listener = TcpListener::bind((LEECH, PORT)).unwrap();
            listening.send(()).unwrap();
            let (mut stream, mut buffer) = (listener.accept().unwrap().0, vec![0; 64 << 10]);
            while let Ok(length @ 1..) = stream.read(&mut buffer) {
                count.fetch_add(length as u64, Ordering::Relaxed);
            }
        });
        let over = Arc::clone(&is_over);
        let sending = thread::spawn(move || {
            enter(&from);
            is_listening.recv().unwrap();
            let mut stream = TcpStream::connect((LEECH, PORT)).unwrap();
            while !over.load(Ordering::Relaxed) {
                stream.write_all(&[0; 16 << 10]).unwrap();
            }
        });
        Self { received, is_over, threads: [receiving, sending] }
    }

    /// What the share receives, and what this one.
    fn rates(&self, pair: &Pair) -> (f64, f64) {
        let [share, own] = rates(|| [pair.received(), self.received.load(Ordering::Relaxed)]);
        (share, own)
    }

    fn stop(self) {
        self.is_over.store(true, Ordering::Relaxed);
        self.threads.into_iter().for_each(|thread| thread.join().unwrap());
    }
}

/// How fast counters grow, a second, once all have settled.
fn rates<const N: usize>(read: impl Fn() -> [u64; N]) -> [f64; N] {
    thread::sleep(SETTLING);
    stop_if_interrupted();
    let (before, started) = (read(), Instant::now());
    thread::sleep(MEASURED);
    let (after, seconds) = (read(), started.elapsed().as_secs_f64());
    std::array::from_fn(|one| (after[one] - before[one]) as f64 / seconds)
}
