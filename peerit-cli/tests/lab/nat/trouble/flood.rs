//! Floods of garbage on the socket that carries a transfer.

use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::super::bench;
use super::super::network::Place;
use super::{Transfer, time_to_resume};
use crate::host::Host;
use crate::namespace::{enter, run};

/// Datagrams a second, and how they are spread.
const PER_SECOND: u32 = 50_000;
const BURST: u32 = 100;
/// What a daemon may need more of memory by a flood, in KiB: the queues of its socket (4 MiB) and of the two lanes
/// (1.5 MiB), and as much again.
const GROWTH_MAX_KIB: u64 = 16 << 10;

/// What came of a flood.
#[derive(Debug, Default)]
struct Flood {
    sent: u64,
    sent_bytes: u64,
    answers: u64,
    answered_bytes: u64,
}

/// Of every kind that the shared socket tells apart by its first byte, most of it close to something real.
fn garbage(number: u64) -> Vec<u8> {
    let noise = number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes();
    let mut datagram = match number % 6 {
        // STUN's request, STUN's answer, a tracker's, QUIC with a long header of version 1 and a short one, others.
        0 => vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42],
        1 => vec![1, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42],
        2 => vec![9],
        3 => vec![0xc3, 0, 0, 0, 1, 8],
        4 => vec![0x43],
        _ => vec![noise[0]],
    };
    datagram.extend(noise.iter().cycle().take(24 + usize::from(noise[7] % 32)));
    datagram
}

/// Sends garbage from one host to a socket until it is stopped, and counts what comes back.
fn flood(from: &Host, target: SocketAddr, stop: &AtomicBool) -> Flood {
    enter(from.namespace().name());
    let socket = UdpSocket::bind(("0.0.0.0", 0)).unwrap();
    socket.set_nonblocking(true).unwrap();
    let (mut flood, mut buffer, started) = (Flood::default(), [0; 2_048], Instant::now());
    while !stop.load(Ordering::Relaxed) {
        for _ in 0..BURST {
            // One that finds no room in the queue is lost, as on any link.
            if let Ok(length) = socket.send_to(&garbage(flood.sent), target) {
                flood.sent_bytes += length as u64;
            }
            flood.sent += 1;
        }
        while let Ok(length) = socket.recv(&mut buffer) {
            flood.answers += 1;
            flood.answered_bytes += length as u64;
        }
        let due = Duration::from_secs(flood.sent) / PER_SECOND;
        thread::sleep(due.saturating_sub(started.elapsed()));
    }
    flood
}

/// The most memory that a process of a host has had, in KiB.
fn peak_kib(host: &Host) -> u64 {
    let of_process = |pid: &rustix::process::Pid| {
        let status = fs::read_to_string(format!("/proc/{}/status", pid.as_raw_nonzero())).ok()?;
        let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
        line.split_whitespace().nth(1)?.parse().ok()
    };
    host.namespace().processes().iter().filter_map(of_process).max().unwrap()
}

/// Datagrams that programs of a host were given so far.
fn datagrams(host: &Host) -> u64 {
    let counters = run(host.namespace().command("cat").arg("/proc/net/snmp")).unwrap();
    let mut of_udp = counters.lines().filter_map(|line| line.strip_prefix("Udp: "));
    of_udp.nth(1).unwrap().split(' ').next().unwrap().parse().unwrap()
}

#[test]
fn a_flood_of_garbage_neither_stops_a_transfer_nor_is_answered() {
    let Some(bench) = bench() else { return };
    // Only the shared socket is open to others, so that it carries the transfer.
    let transfer = Transfer::begin_after(&bench, "open/restricted", 64, "direct", |cell| {
        cell.sharer().namespace().nft(
            "table ip shut {
                chain own { type filter hook input priority filter; iifname \"eth0\" tcp flags syn / syn,ack drop; }
            }",
        );
    });
    let cell = &transfer.cell;
    let target = peer_address(cell.downloader());
    let (before, datagrams_before) = (peak_kib(cell.sharer()), datagrams(cell.sharer()));
    let attacker = cell.internet.open_host(&bench, Place::Near, "attacker", 9);
    let stop = AtomicBool::new(false);
    let (flood, lasted) = thread::scope(|scope| {
        let started = Instant::now();
        let flood = scope.spawn(|| flood(&attacker, target, &stop));
        thread::sleep(Duration::from_secs(1));
        let pause = time_to_resume(cell.downloader());
        println!("1 MiB more came within {pause:.2?} of the flood");
        thread::sleep(Duration::from_secs(4));
        stop.store(true, Ordering::Relaxed);
        (flood.join().unwrap(), started.elapsed())
    });
    let came = datagrams(cell.sharer()) - datagrams_before;
    println!(
        "{} a second were sent, {came} datagrams came with those of the transfer",
        flood.sent / lasted.as_secs()
    );
    let growth = peak_kib(cell.sharer()) - before;
    println!("{flood:?}; the daemon's memory has grown by {growth} KiB from {before} KiB");
    assert!(flood.answered_bytes * 100 < flood.sent_bytes, "{flood:?}");
    assert!(growth < GROWTH_MAX_KIB, "{growth} KiB");
    transfer.end();
}

/// Where the peer of a download is, which is connected by QUIC.
fn peer_address(host: &Host) -> SocketAddr {
    let share = host.share();
    let peer = &share["peers"][0];
    assert_eq!(peer["carrier"], "quic");
    peer["address"].as_str().unwrap().parse().unwrap()
}
