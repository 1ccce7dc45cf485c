//! A tracker that relays, on real sockets of this machine.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{join, join3};
use futures_util::{AsyncReadExt, AsyncWriteExt};

use super::{TrackerService, TrackerServiceConfig};
use crate::path::Path;
use crate::runtime::testing::on_each_runtime;
use crate::runtime::{BoxStream, Runtime, TcpListener};
use crate::tracker::STREAM_RESPONSE_MAX;
use crate::tracker::relay::{
    RelayConfig, RelayEnd, RelayOpen, RelayRefusal, RelaySide, RelayToken, encode_answer,
    encode_open, parse_answer,
};
use crate::transport::messages::{read_message, write_message};
use crate::transport::{Connection, Identity, RelayDialer, RelayError, TransportError};

const OFFER: RelayOpen = RelayOpen { token: RelayToken([7; 16]), side: RelaySide::Offer };
const ANSWER: RelayOpen = RelayOpen { token: RelayToken([7; 16]), side: RelaySide::Answer };

fn service(runtime: &Arc<dyn Runtime>, relay: Option<RelayConfig>) -> TrackerService {
    let listen = "127.0.0.1:0".parse().unwrap();
    let config = TrackerServiceConfig { listen, relay, ..TrackerServiceConfig::default() };
    TrackerService::start(runtime.clone(), config).unwrap()
}

fn relay(runtime: &Arc<dyn Runtime>) -> TrackerService {
    service(runtime, Some(RelayConfig::default()))
}

/// A peer that has nothing but the relay.
struct Peer {
    dialer: RelayDialer,
    identity: Identity,
}

impl Peer {
    fn new(runtime: &Arc<dyn Runtime>) -> Self {
        let identity = Identity::generate().unwrap();
        Self { dialer: RelayDialer::new(runtime.clone(), &identity).unwrap(), identity }
    }
}

/// Two peers that have met.
async fn meet(runtime: &Arc<dyn Runtime>, relay: SocketAddr) -> (Connection, Connection) {
    let (a, b) = (Peer::new(runtime), Peer::new(runtime));
    let (here, there) = join(a.dialer.meet(relay, OFFER), b.dialer.meet(relay, ANSWER)).await;
    let (here, there) = (here.unwrap(), there.unwrap());
    assert_eq!((here.peer_id, there.peer_id), (b.identity.peer_id(), a.identity.peer_id()));
    assert_eq!((here.path, there.path), (Path::Relayed, Path::Relayed));
    assert_eq!(here.binding, there.binding);
    (here, there)
}

/// A connection without TLS inside, after its request.
async fn raw(runtime: &dyn Runtime, relay: SocketAddr, open: RelayOpen) -> BoxStream {
    let mut stream = runtime.connect_tcp(relay).await.unwrap();
    write_message(&mut stream, &encode_open(5, open)).await.unwrap();
    stream
}

async fn answer(stream: &mut BoxStream) -> Option<Result<(), RelayRefusal>> {
    let message = read_message(stream, STREAM_RESPONSE_MAX).await.ok()??;
    Some(parse_answer(message, 5).unwrap())
}

/// Two sides without TLS that have met.
async fn raw_pair(runtime: &dyn Runtime, relay: SocketAddr) -> (BoxStream, BoxStream) {
    let mut here = raw(runtime, relay, OFFER).await;
    let mut there = raw(runtime, relay, ANSWER).await;
    assert_eq!(answer(&mut here).await, Some(Ok(())));
    assert_eq!(answer(&mut there).await, Some(Ok(())));
    (here, there)
}

fn refusal(met: Result<Connection, TransportError>) -> RelayRefusal {
    match met.err() {
        Some(TransportError::Relay(RelayError::Refused(refusal))) => refusal,
        other => panic!("{other:?}"),
    }
}

/// What the relay said at the end of a stream.
fn why(error: &std::io::Error) -> RelayEnd {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<RelayEnd>());
    *inner.unwrap_or_else(|| panic!("{error:?}"))
}

#[test]
fn two_peers_meet_and_much_arrives_intact_in_both_directions() {
    on_each_runtime(|runtime| async move {
        let service = relay(&runtime);
        let (here, there) = meet(&runtime, service.local_address()).await;
        let bytes: Vec<u8> = (0..=250).cycle().take(3 << 20).collect();
        let ends = [here.stream, there.stream].map(async |stream| {
            let (mut reader, mut writer) = stream.split();
            let write = async {
                writer.write_all(&bytes).await.unwrap();
                writer.close().await.unwrap();
            };
            let mut received = Vec::new();
            join(write, reader.read_to_end(&mut received)).await.1.unwrap();
            assert!(received == bytes);
        });
        futures_util::future::join_all(ends).await;
        while service.relay_counters().unwrap().open > 0 {
            runtime.sleep(Duration::from_millis(1)).await;
        }
        let counters = service.relay_counters().unwrap();
        assert_eq!((counters.opened, counters.cut), (1, 0));
        assert!(counters.carried_bytes > 6 << 20, "{counters}");
    });
}

#[test]
fn a_tracker_is_no_relay_unless_asked() {
    on_each_runtime(|runtime| async move {
        let service = service(&runtime, TrackerServiceConfig::default().relay);
        let met = Peer::new(&runtime).dialer.meet(service.local_address(), OFFER).await;
        assert_eq!(refusal(met), RelayRefusal::Off);
        assert_eq!(service.relay_counters(), None);
    });
}

#[test]
fn who_has_another_token_waits_in_vain() {
    on_each_runtime(|runtime| async move {
        let config = RelayConfig { wait_max: Duration::from_millis(50), ..Default::default() };
        let service = service(&runtime, Some(config));
        let other = RelayOpen { token: RelayToken([8; 16]), ..ANSWER };
        let (a, b) = (Peer::new(&runtime), Peer::new(&runtime));
        let address = service.local_address();
        let (here, there) =
            join(a.dialer.meet(address, OFFER), b.dialer.meet(address, other)).await;
        assert_eq!(refusal(here), RelayRefusal::Unknown);
        assert_eq!(refusal(there), RelayRefusal::Unknown);
        assert_eq!(service.relay_counters().unwrap().waiting, 0);
    });
}

#[test]
fn a_third_party_and_an_old_token_get_nothing() {
    on_each_runtime(|runtime| async move {
        let config = RelayConfig { wait_max: Duration::from_millis(500), ..Default::default() };
        let service = service(&runtime, Some(config));
        let address = service.local_address();
        let (mut here, mut there) = raw_pair(&*runtime, address).await;
        for open in [OFFER, ANSWER] {
            let mut third = raw(&*runtime, address, open).await;
            assert_eq!(answer(&mut third).await, Some(Err(RelayRefusal::Taken)));
        }
        here.write_all(b"hello").await.unwrap();
        let mut frame = [0; 7];
        there.read_exact(&mut frame).await.unwrap();
        assert_eq!(&frame, b"\x00\x05hello");

        drop((here, there));
        while service.relay_counters().unwrap().open > 0 {
            runtime.sleep(Duration::from_millis(1)).await;
        }
        let mut again = raw(&*runtime, address, ANSWER).await;
        assert_eq!(answer(&mut again).await, Some(Err(RelayRefusal::Unknown)));
    });
}

/// A relay that keeps what it passes on from each of two peers.
async fn spy(listener: Arc<dyn TcpListener>) -> [Vec<u8>; 2] {
    let mut sides = Vec::new();
    for _ in 0..2 {
        let mut stream = listener.accept().await.unwrap().0;
        let request = read_message(&mut stream, STREAM_RESPONSE_MAX).await.unwrap().unwrap();
        // The transaction is the first field, eight bytes, little-endian.
        let transaction = u64::from_le_bytes(request[1..9].try_into().unwrap());
        sides.push((stream, transaction));
    }
    let mut halves = Vec::new();
    for (mut stream, transaction) in sides {
        write_message(&mut stream, &encode_answer(transaction, Ok(()))).await.unwrap();
        halves.push(stream.split());
    }
    let (from_b, to_b) = halves.pop().unwrap();
    let (from_a, to_a) = halves.pop().unwrap();
    let copies = [(from_a, to_b), (from_b, to_a)].map(async |(mut from, mut to)| {
        let (mut kept, mut buffer) = (Vec::new(), [0; 1_000]);
        loop {
            let length = from.read(&mut buffer).await.unwrap_or(0);
            let Ok(head @ 1..) = u16::try_from(length) else { return kept };
            kept.extend_from_slice(&buffer[..length]);
            let _gone = to.write_all(&head.to_be_bytes()).await;
            let _gone = to.write_all(&buffer[..length]).await;
            let _gone = to.flush().await;
        }
    });
    futures_util::future::join_all(copies).await.try_into().unwrap()
}

#[test]
fn a_relay_sees_tls_records_only() {
    on_each_runtime(|runtime| async move {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let spying = spy(runtime.tcp_listener(listener).unwrap());
        let secret = b"what nobody else may read".repeat(100);
        let talk = async {
            let (mut here, mut there) = meet(&runtime, address).await;
            here.stream.write_all(&secret).await.unwrap();
            here.stream.close().await.unwrap();
            let mut received = Vec::new();
            there.stream.read_to_end(&mut received).await.unwrap();
            assert_eq!(received, secret);
        };
        let (kept, ()) = join(spying, talk).await;
        assert!(kept.iter().map(Vec::len).sum::<usize>() > secret.len());
        for mut records in kept.iter().map(Vec::as_slice) {
            assert!(!records.windows(6).any(|bytes| bytes == &secret[..6]));
            // Head of a record (RFC 8446, section 5.1): type, version 1.2 or, at first, 1.0; length.
            while let [kind, 3, 1 | 3, high, low, rest @ ..] = records {
                assert!((20..=23).contains(kind), "{kind}");
                records = &rest[usize::from(u16::from_be_bytes([*high, *low]))..];
            }
            assert_eq!(records, []);
        }
    });
}

#[test]
fn a_thief_of_a_token_does_not_get_the_peers_connection() {
    on_each_runtime(|runtime| async move {
        let service = relay(&runtime);
        let address = service.local_address();
        let (victim, thief) = (Peer::new(&runtime), Peer::new(&runtime));
        let (met, _) =
            join(victim.dialer.meet(address, OFFER), thief.dialer.meet(address, ANSWER)).await;
        // He can only be himself: who expected another sees that by the peer id.
        assert_eq!(met.unwrap().peer_id, thief.identity.peer_id());
    });
}

#[test]
fn a_session_over_its_quota_ends_with_the_reason() {
    on_each_runtime(|runtime| async move {
        let config = RelayConfig { session_bytes_max: 1 << 20, ..Default::default() };
        let service = service(&runtime, Some(config));
        let (here, mut there) = meet(&runtime, service.local_address()).await;
        let (mut reader, mut writer) = here.stream.split();
        // Twice as much as may be; the relay takes it, and throws the rest away.
        let write = async {
            writer.write_all(&vec![1; 2 << 20]).await.unwrap();
            writer.flush().await.unwrap();
        };
        let listen = async {
            let error = reader.read(&mut [0; 1]).await.unwrap_err();
            assert_eq!(why(&error), RelayEnd::SessionBytes);
        };
        let read = async {
            let mut received = Vec::new();
            let error = there.stream.read_to_end(&mut received).await.unwrap_err();
            assert_eq!(why(&error), RelayEnd::SessionBytes);
            assert!(error.to_string().contains("all bytes that one session may have"), "{error}");
            assert!(received.len() > 512 << 10 && received.len() <= 1 << 20);
        };
        join3(write, listen, read).await;
        drop((reader, writer, there));
        while service.relay_counters().unwrap().cut == 0 {
            runtime.sleep(Duration::from_millis(1)).await;
        }
    });
}

#[test]
fn an_idle_session_ends() {
    on_each_runtime(|runtime| async move {
        let config = RelayConfig { idle_max: Duration::from_millis(50), ..Default::default() };
        let service = service(&runtime, Some(config));
        let (mut here, mut there) = meet(&runtime, service.local_address()).await;
        let error = here.stream.read(&mut [0; 1]).await.unwrap_err();
        assert_eq!(why(&error), RelayEnd::Idle);
        assert_eq!(why(&there.stream.read(&mut [0; 1]).await.unwrap_err()), RelayEnd::Idle);
    });
}

#[test]
fn who_does_not_read_holds_no_memory_and_is_not_waited_for_for_ever() {
    on_each_runtime(|runtime| async move {
        let relay = RelayConfig { idle_max: Duration::from_millis(200), ..Default::default() };
        let config = TrackerServiceConfig {
            listen: "127.0.0.1:0".parse().unwrap(),
            relay: Some(relay),
            stream_deadline: Duration::from_millis(200),
            ..TrackerServiceConfig::default()
        };
        let service = TrackerService::start(runtime.clone(), config).unwrap();
        let (here, _there) = raw_pair(&*runtime, service.local_address()).await;
        let (mut reader, mut writer) = here.split();
        let mut heard = Vec::new();
        // Fails once the relay gives up.
        let flood = async { while writer.write_all(&[1; 64 << 10]).await.is_ok() {} };
        join(reader.read_to_end(&mut heard), flood).await.0.unwrap();
        assert_eq!(heard, [0, 0, RelayEnd::Idle.to_byte()]);
        // The kernel's buffers are what was carried: no other grows.
        assert!(service.relay_counters().unwrap().carried_bytes < 64 << 20);
    });
}

#[test]
fn half_sessions_of_one_host_are_bounded_and_go_with_their_connections() {
    on_each_runtime(|runtime| async move {
        let config = RelayConfig { sessions_per_host_max: 20, ..Default::default() };
        let service = service(&runtime, Some(config));
        let address = service.local_address();
        let mut open = Vec::new();
        for number in 0..20 {
            let token = RelayToken([number; 16]);
            open.push(raw(&*runtime, address, RelayOpen { token, ..OFFER }).await);
            // More than a host may have for requests: who waits here has no place there.
            while service.relay_counters().unwrap().waiting != u32::from(number) + 1 {
                runtime.sleep(Duration::from_millis(1)).await;
            }
        }
        let token = RelayToken([99; 16]);
        let mut more = raw(&*runtime, address, RelayOpen { token, ..OFFER }).await;
        assert_eq!(answer(&mut more).await, Some(Err(RelayRefusal::Full)));
        open.clear();
        while service.relay_counters().unwrap().waiting > 0 {
            runtime.sleep(Duration::from_millis(1)).await;
        }
        meet(&runtime, address).await;
    });
}

#[test]
fn who_speaks_before_the_other_is_there_is_dropped() {
    on_each_runtime(|runtime| async move {
        let service = relay(&runtime);
        let mut eager = raw(&*runtime, service.local_address(), OFFER).await;
        eager.write_all(b"x").await.unwrap();
        assert_eq!(answer(&mut eager).await, Some(Err(RelayRefusal::Unknown)));
    });
}

#[test]
fn a_broken_connection_is_told() {
    on_each_runtime(|runtime| async move {
        let service = relay(&runtime);
        let (mut here, mut there) = raw_pair(&*runtime, service.local_address()).await;
        there.write_all(b"x").await.unwrap();
        here.read_exact(&mut [0; 1]).await.unwrap();
        // With bytes unread, which makes a reset of it.
        drop(here);
        let mut received = Vec::new();
        there.read_to_end(&mut received).await.unwrap();
        assert_eq!(received, [0, 0, RelayEnd::Lost.to_byte()]);
    });
}

#[test]
fn an_orderly_end_is_passed_on() {
    on_each_runtime(|runtime| async move {
        let service = relay(&runtime);
        let (mut here, mut there) = raw_pair(&*runtime, service.local_address()).await;
        here.close().await.unwrap();
        let mut received = Vec::new();
        there.read_to_end(&mut received).await.unwrap();
        assert_eq!(received, [], "no frame of the relay's");
        there.write_all(b"still").await.unwrap();
        there.close().await.unwrap();
        here.read_to_end(&mut received).await.unwrap();
        assert_eq!(received, b"\x00\x05still");
    });
}
