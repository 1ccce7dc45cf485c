//! Both libraries, each with each, on a network of the mind and the clock of the wall.

use std::time::Instant;

use super::*;
use crate::nat::{CandidateKind, Credentials, IceBackend, start_is};

const A: SocketAddr = SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::new(198, 51, 100, 1)), 7);
const B: SocketAddr = SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::new(198, 51, 100, 2)), 7);

/// Time between two looks.
const STEP: Duration = Duration::from_millis(2);

/// When an attempt hangs: twenty times as long as one takes.
const PATIENCE: Duration = Duration::from_secs(10);

fn credentials(name: &str) -> Credentials {
    Credentials { fragment: name.repeat(8), password: name.repeat(24) }
}

fn setup(controlling: bool, seed: u64) -> IceSetup {
    let (local, remote) = if controlling { ("a", "b") } else { ("b", "a") };
    let (local, remote) = (credentials(local), credentials(remote));
    IceSetup { controlling, local, remote, seed }
}

/// Two agents, the first of which chooses the path.
struct Pair {
    since: Instant,
    agents: [Box<dyn IceAgent>; 2],
    selected: [Option<SocketAddr>; 2],
    sent: usize,
}

impl Pair {
    fn new(backends: [IceBackend; 2], seed: u64) -> Self {
        let agents = [
            backends[0](Timestamp::ZERO, setup(true, seed)),
            backends[1](Timestamp::ZERO, setup(false, seed + 1)),
        ];
        Self { since: Instant::now(), agents, selected: [None; 2], sent: 0 }
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_origin(self.since.elapsed())
    }

    /// Tells one where the other is.
    fn tell(&mut self, agent: usize, address: SocketAddr) {
        let now = self.now();
        let candidate = Candidate::new(CandidateKind::Reflexive, Transport::Udp, address);
        self.agents[agent].add_remote(now, &candidate);
    }

    /// Moves what is sent, and does what is due.
    fn step(&mut self) {
        let now = self.now();
        for from in 0..2 {
            if self.agents[from].poll_timeout().is_some_and(|due| due <= now) {
                self.agents[from].handle_timeout(now);
            }
            while let Some((to, datagram)) = self.agents[from].poll_transmit() {
                self.sent += 1;
                let there = [A, B].iter().position(|address| *address == to);
                if let Some(there) = there.filter(|there| *there != from) {
                    assert!(self.agents[there].handle_datagram(now, [A, B][from], &datagram));
                }
            }
            self.selected[from] = self.agents[from].poll_selected().or(self.selected[from]);
        }
    }

    /// How long it takes until both have found the other; none if they do not.
    fn meet(&mut self) -> Option<Duration> {
        while self.selected != [Some(B), Some(A)] {
            if self.since.elapsed() > PATIENCE {
                return None;
            }
            self.step();
            thread::sleep(STEP);
        }
        Some(self.since.elapsed())
    }
}

const EACH_WITH_EACH: [(&str, [IceBackend; 2]); 4] = [
    ("is, is", [start_is, start_is]),
    ("is, webrtc-ice", [start_is, start]),
    ("webrtc-ice, is", [start, start_is]),
    ("webrtc-ice, webrtc-ice", [start, start]),
];

#[test]
fn each_library_meets_each() {
    for (names, backends) in EACH_WITH_EACH {
        let mut pair = Pair::new(backends, 1);
        pair.tell(0, B);
        pair.tell(1, A);
        assert!(pair.meet().is_some(), "{names}: {:?}", pair.selected);
    }
}

#[test]
fn a_peer_that_knows_no_address_of_ours_answers_where_checks_come_from() {
    for (names, backends) in EACH_WITH_EACH {
        for knowing in 0..2 {
            let mut pair = Pair::new(backends, 3);
            pair.tell(knowing, [B, A][knowing]);
            assert!(pair.meet().is_some(), "{names}: {knowing} knows, {:?}", pair.selected);
        }
    }
}

#[test]
fn who_does_not_know_the_credentials_is_not_heard() {
    let mut pair = Pair::new([start, start_is], 5);
    let stranger = IceSetup { local: credentials("c"), ..setup(false, 7) };
    let stranger = IceSetup { remote: credentials("c"), ..stranger };
    let mut stranger = start_is(Timestamp::ZERO, stranger);
    let now = pair.now();
    stranger.add_remote(now, &Candidate::new(CandidateKind::Host, Transport::Udp, A));
    stranger.handle_timeout(now);
    let (_, forged) = stranger.poll_transmit().unwrap();
    let garbage: [&[u8]; 4] = [&forged, b"", b"\x00\x01", &[0; 1_500]];
    for datagram in garbage {
        assert!(!pair.agents[0].handle_datagram(now, B, datagram));
    }
    pair.tell(0, B);
    pair.tell(1, A);
    assert!(pair.meet().is_some(), "those that do are");
}

#[test]
fn the_thread_of_an_agent_that_is_dropped_ends() {
    let (datagrams, incoming) = mpsc::channel(1);
    let (candidates, remotes) = mpsc::unbounded_channel();
    let shared = Arc::<Mutex<Shared>>::default();
    let mux = Mux(Arc::new(Wire::new(incoming, shared.clone())));
    let thread = thread::spawn(move || live(&setup(true, 1), mux, shared, remotes));
    drop(candidates);
    thread.join().unwrap();
    assert!(datagrams.is_closed(), "its tasks are gone too");
}

/// Figures for the manual:
/// `cargo test --release -p peerit-core --features webrtc-ice --lib -- --ignored --nocapture a_thousand_attempts`
#[test]
#[ignore = "minutes: it measures"]
fn a_thousand_attempts() {
    for (names, backends) in EACH_WITH_EACH {
        let before = resident_kib();
        let (mut times, mut sent) = (Vec::new(), 0);
        for seed in 0..1_000 {
            let mut pair = Pair::new(backends, seed);
            pair.tell(0, B);
            pair.tell(1, A);
            times.extend(pair.meet());
            sent += pair.sent;
        }
        times.sort_unstable();
        let hung = 1_000 - times.len();
        let (median, late) = (times[times.len() / 2], times[times.len() * 95 / 100]);
        let grown = resident_kib().saturating_sub(before);
        println!(
            "{names}: {hung} hung, median {median:.0?}, p95 {late:.0?}, {} datagrams each, {grown} KiB more",
            sent / 1_000
        );
    }
    let before = resident_kib();
    let started: Vec<_> = (0..64).map(|seed| start(Timestamp::ZERO, setup(true, seed))).collect();
    thread::sleep(Duration::from_millis(500));
    println!("64 agents of webrtc-ice at once: {} KiB", resident_kib().saturating_sub(before));
    drop(started);
}

/// Of this process.
fn resident_kib() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}
