//! The lanes of a socket, in peace and in a flood.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use futures_util::future::join;
use futures_util::{AsyncReadExt, AsyncWriteExt, FutureExt};

use super::*;
use crate::runtime::testing::on_each_runtime;
use crate::tracker::stun;
use crate::transport::{Identity, QuicTransport, Transport};

/// A socket and who reads it.
fn node(runtime: &Arc<dyn Runtime>) -> (SharedUdp, QuicTransport, SocketAddr) {
    let socket = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let shared = SharedUdp::new(&**runtime, socket).unwrap();
    let identity = Identity::generate().unwrap();
    let quic = QuicTransport::new(Arc::clone(runtime), &identity, &shared).unwrap();
    let address = shared.local_address();
    (shared, quic, address)
}

async fn received(lane: &dyn UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut buffer = [0; 2_048];
    let (length, from) = lane.recv_from(&mut buffer).await.unwrap();
    (buffer[..length].to_vec(), from)
}

#[test]
fn each_lane_receives_its_own_and_sends_from_the_one_port() {
    on_each_runtime(|runtime| async move {
        let ((one, _one_quic, one_at), (other, _other_quic, other_at)) =
            (node(&runtime), node(&runtime));
        let request = stun::request(&[1; 12]);
        one.stun().send_to(&request, other_at).await.unwrap();
        one.tracker().send_to(b"\x09 announce", other_at).await.unwrap();
        one.tracker().send_to(b"\x20 nobody's", other_at).await.unwrap();
        one.tracker().send_to(b"\x09 again", other_at).await.unwrap();
        assert_eq!(received(&*other.stun()).await, (request.to_vec(), one_at));
        assert_eq!(received(&*other.tracker()).await, (b"\x09 announce".to_vec(), one_at));
        assert_eq!(received(&*other.tracker()).await, (b"\x09 again".to_vec(), one_at));
        assert_eq!(other.tracker().local_address().unwrap(), other_at);
    });
}

#[test]
fn datagrams_that_the_kernel_glued_reach_their_lanes() {
    on_each_runtime(|runtime| async move {
        let (other, _quic, other_at) = node(&runtime);
        let socket = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let calls = UdpSocketState::new((&socket).into()).unwrap();
        // All as long as the request; loopback leaves together what was sent together.
        let request = stun::request(&[1; 12]);
        let glued = [&[0x40; 44][..], &request, &[0x09; 44], &[0xff; 44], &[0x09; 5]].concat();
        let segment_size = (calls.max_gso_segments() > 1).then_some(44);
        for contents in glued.chunks(segment_size.map_or(44, |_| glued.len())) {
            let transmit =
                Transmit { destination: other_at, ecn: None, contents, segment_size, src_ip: None };
            calls.send((&socket).into(), &transmit).unwrap();
        }
        assert_eq!(received(&*other.stun()).await.0, request);
        assert_eq!(received(&*other.tracker()).await.0, [0x09; 44]);
        assert_eq!(received(&*other.tracker()).await.0, [0x09; 5]);
    });
}

#[test]
fn ipv4_addresses_are_written_as_such_on_a_socket_for_both_families() {
    on_each_runtime(|runtime| async move {
        let Ok(socket) = std::net::UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)) else {
            return; // Not every machine has IPv6.
        };
        let both = SharedUdp::new(&*runtime, socket).unwrap();
        let identity = Identity::generate().unwrap();
        let _quic = QuicTransport::new(Arc::clone(&runtime), &identity, &both).unwrap();
        let (other, _quic, other_at) = node(&runtime);
        both.tracker().send_to(b"\x09", other_at).await.unwrap();
        let (_, from) = received(&*other.tracker()).await;
        other.tracker().send_to(b"\x09", from).await.unwrap();
        assert_eq!(received(&*both.tracker()).await.1, other_at);
    });
}

#[test]
fn a_lane_that_nobody_reads_keeps_a_bounded_number() {
    let (inlet, outlet) = lane();
    let from = SocketAddr::from(([192, 0, 2, 1], 1));
    for _ in 0..10_000 {
        inlet.put(&[0; 65_000], from);
    }
    let kept: Vec<_> = std::iter::from_fn(|| outlet.next().now_or_never()).collect();
    assert_eq!(kept.len(), 512);
    assert!(kept.iter().flatten().all(|datagram| datagram.bytes.len() == 1_536));
}

/// Sends garbage of every kind to `target`, about 50,000 datagrams a second, until `stop`.
fn flood(target: SocketAddr, stop: &AtomicBool) {
    let socket = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let stun = stun::request(&[1; 12]);
    // Nobody's; a tracker's; STUN's; QUIC's with a long and with a short header, long enough to be answered.
    // The last but one is an Initial of QUIC's version 1 (connection id of 8 bytes) that nobody has encrypted.
    let initial =
        [&[0xc3, 0, 0, 0, 1, 8][..], &[0x55; 8], &[0, 0, 0x44, 0xd0], &[0x55; 1_232]].concat();
    let garbage: [&[u8]; 8] = [
        &[0x20; 100],
        &[0x09; 100],
        &stun,
        &[0xc0; 1_250],
        &[0x40; 100],
        &[0xff; 1_250],
        &initial,
        &[],
    ];
    while !stop.load(Ordering::Relaxed) {
        for datagram in garbage.iter().cycle().take(80) {
            // The kernel may be full: it is a flood.
            let _ = socket.send_to(datagram, target);
        }
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_flood_of_garbage_stops_neither_quic_nor_trackers() {
    on_each_runtime(|runtime| async move {
        let ((one, one_quic, _), (other, other_quic, other_at)) = (node(&runtime), node(&runtime));
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let flood = thread::spawn(move || flood(other_at, &stopped));

        let sent = vec![7; 4 << 20];
        let dial = async {
            let mut stream = one_quic.dial(other_at).await.unwrap().stream;
            stream.write_all(&sent).await.unwrap();
            stream.close().await.unwrap();
            stream.read_to_end(&mut Vec::new()).await.unwrap();
        };
        let answer = async {
            let incoming = other_quic.accept().await.unwrap();
            let mut stream = incoming.handshake.await.unwrap().stream;
            let mut heard = Vec::new();
            stream.read_to_end(&mut heard).await.unwrap();
            assert!(heard == sent);
            stream.close().await.unwrap();
        };
        join(dial, answer).await;

        // One is lost now and then: a tracker's client asks again as well.
        let mut asked = false;
        while !asked {
            one.tracker().send_to(b"\x09 announce", other_at).await.unwrap();
            for _ in 0..1_000 {
                asked |= received(&*other.tracker()).await.0 == b"\x09 announce";
            }
        }
        stop.store(true, Ordering::Relaxed);
        flood.join().unwrap();
    });
}
