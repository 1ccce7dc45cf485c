//! A share in the background beside other traffic, on one path: it uses what is free, and gives way.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::host::Host;
use crate::namespace::{enter, run};
use crate::pair::{LEECH, NAME, OTHERS_PORT as PORT, Pair, Path, rates};

/// What the path carries, in bytes of content a second: headers take 5 %.
const PATH_BYTES: f64 = 20e6 / 8.0 * 0.95;

/// Below the 30 ms of queue that are aimed at nothing would be seen.
const PATH: Path = Path { mbit: 20, queue_ms: 200, whole_frames: true };
const MIB: u32 = 96;

/// Before measuring, until all are at their pace.
const SETTLING: Duration = Duration::from_secs(6);
const MEASURED: Duration = Duration::from_secs(6);

#[test]
#[ignore = "a measurement of half a minute: see the head of main.rs"]
fn a_share_in_the_background_gives_way_and_comes_back() {
    let Some(bench) = super::bench() else { return };
    for carrier in ["tcp", "quic"] {
        let pair = Pair::new(&bench, carrier, PATH, MIB);
        // Fills the queue until something is lost, as most others do.
        let inside = pair.seed.namespace();
        inside.exec("sysctl -q net.ipv4.tcp_congestion_control=reno");
        // Else it begins with what the last connection has learned, slowly.
        inside.set("net/ipv4/tcp_no_metrics_save", 1);
        run(&mut pair.seed.peerit(&["limit", NAME, "--background", "on"])).unwrap();
        let mut download = pair.download();
        let alone = rates(SETTLING, MEASURED, || [pair.received()])[0];
        let other = Other::start(&pair);
        let (beside, others) = other.rates(&pair);
        other.stop();
        let after = rates(SETTLING, MEASURED, || [pair.received()])[0];
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
        let [share, own] =
            rates(SETTLING, MEASURED, || [pair.received(), self.received.load(Ordering::Relaxed)]);
        (share, own)
    }

    fn stop(self) {
        self.is_over.store(true, Ordering::Relaxed);
        self.threads.into_iter().for_each(|thread| thread.join().unwrap());
    }
}
