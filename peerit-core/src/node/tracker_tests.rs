//! The tracker and its clients on real sockets of this machine.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{AsyncReadExt, AsyncWriteExt};
use peerit_proto::Message;
use peerit_proto::tracker::v1 as proto;

use super::{Announcer, TrackerService, TrackerServiceConfig, TrackerServiceError};
use crate::id::{PeerId, Topic};
use crate::nat;
use crate::runtime::testing::on_each_runtime;
use crate::runtime::{BoxFuture, BoxStream, Runtime, UdpSocket};
use crate::tracker::{STREAM_RESPONSE_MAX, stun};
use crate::transport::messages::{read_message, write_message};

const TOPIC: Topic = Topic([0x70; 32]);

fn service(runtime: &Arc<dyn Runtime>) -> TrackerService {
    let listen = "127.0.0.1:0".parse().unwrap();
    let config = TrackerServiceConfig { listen, ..TrackerServiceConfig::default() };
    TrackerService::start(runtime.clone(), config).unwrap()
}

fn socket(runtime: &dyn Runtime) -> Arc<dyn UdpSocket> {
    runtime.udp_socket(std::net::UdpSocket::bind("127.0.0.1:0").unwrap()).unwrap()
}

fn announcer(runtime: &Arc<dyn Runtime>, number: u8) -> Announcer {
    let socket = socket(&**runtime);
    Announcer::start(runtime.clone(), socket, PeerId([number; 32]), number.into())
}

async fn connected(runtime: &dyn Runtime, to: SocketAddr) -> BoxStream {
    runtime.connect_tcp(to).await.unwrap()
}

/// Seeds and leeches of the topic, as told over TCP; none if the connection is closed instead.
async fn scraped(stream: &mut BoxStream) -> Option<(u32, u32)> {
    let scrape = proto::Scrape { topics: vec![Bytes::copy_from_slice(&TOPIC.0)] };
    let body = Some(proto::request::Body::Scrape(scrape));
    let request = proto::Request { transaction: 4, body, ..Default::default() };
    write_message(stream, &request.encode_to_vec()).await.ok()?;
    let response = read_message(stream, STREAM_RESPONSE_MAX).await.ok()??;
    match proto::Response::decode(response).unwrap().body {
        Some(proto::response::Body::ScrapeReply(reply)) => {
            Some((reply.swarms[0].seeds, reply.swarms[0].leeches))
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn announcers_meet_at_a_service_and_leave_it() {
    on_each_runtime(|runtime| async move {
        let service = service(&runtime);
        let trackers = vec![service.local_address().to_string(), "not a tracker".to_owned()];
        let (a, b) = (announcer(&runtime, 1), announcer(&runtime, 2));
        let mut stream = connected(&*runtime, service.local_address()).await;

        let _none_yet = a.join(TOPIC, trackers.clone(), 7_001, true);
        while scraped(&mut stream).await != Some((1, 0)) {}
        let peers = b.join(TOPIC, trackers, 7_002, false);
        assert_eq!(
            peers.recv().await,
            Ok(vec![(PeerId([1; 32]), "127.0.0.1:7001".parse().unwrap())])
        );
        let status = b.status(TOPIC).await;
        assert!(status[0].reachable && status[0].problem.is_empty(), "{status:?}");
        assert_eq!((status[0].seeds, status[0].leeches), (1, 1));
        assert_eq!(status[1].tracker, "not a tracker");

        b.completed(TOPIC);
        while scraped(&mut stream).await != Some((2, 0)) {}
        b.leave(TOPIC);
        while scraped(&mut stream).await != Some((1, 0)) {}
        assert!(peers.recv().await.is_err());
        assert!(b.status(TOPIC).await.is_empty());

        a.shutdown().await;
        assert_eq!(scraped(&mut stream).await, Some((0, 0)));
        assert!(a.status(TOPIC).await.is_empty(), "it has ended");
        service.shutdown().await;
        assert_eq!(scraped(&mut stream).await, None);
    });
}

/// A socket in a network that blocks UDP.
struct Deaf;

impl UdpSocket for Deaf {
    fn send_to<'a>(&'a self, _: &'a [u8], _: SocketAddr) -> BoxFuture<'a, io::Result<()>> {
        Box::pin(async { Ok(()) })
    }

    fn recv_from<'a>(&'a self, _: &'a mut [u8]) -> BoxFuture<'a, io::Result<(usize, SocketAddr)>> {
        Box::pin(std::future::pending())
    }

    fn local_address(&self) -> io::Result<SocketAddr> {
        Ok("0.0.0.0:1".parse().unwrap())
    }
}

#[test]
fn signals_come_over_tcp_where_no_datagram_passes() {
    on_each_runtime(|runtime| async move {
        let service = service(&runtime);
        let trackers = vec![service.local_address().to_string()];
        let deaf = |number: u8| {
            Announcer::start(runtime.clone(), Arc::new(Deaf), PeerId([number; 32]), number.into())
        };
        let (a, b) = (deaf(1), deaf(2));
        let heard = a.follow();
        let _peers = a.join(TOPIC, trackers.clone(), 7_001, true);
        let mut stream = connected(&*runtime, service.local_address()).await;
        while scraped(&mut stream).await != Some((1, 0)) {}
        let peers = b.join(TOPIC, trackers, 7_002, false);
        assert_eq!(peers.recv().await.unwrap().len(), 1);
        b.signal(TOPIC, PeerId([1; 32]), Bytes::from_static(b"hello"));
        let (sender, sealed) = (PeerId([2; 32]), Bytes::from_static(b"hello"));
        let Ok(nat::Event::Signal { topic: TOPIC, sender: from, sender_address, sealed: heard }) =
            heard.recv().await
        else {
            panic!("no signal");
        };
        assert_eq!((from, heard), (sender, sealed));
        assert!(sender_address.is_some_and(|address| address.ip().is_loopback()));
        a.shutdown().await;
        while scraped(&mut stream).await != Some((0, 1)) {}
    });
}

#[test]
fn an_announcer_that_is_dropped_says_goodbye() {
    on_each_runtime(|runtime| async move {
        let service = service(&runtime);
        let mut stream = connected(&*runtime, service.local_address()).await;
        let a = announcer(&runtime, 1);
        let _peers = a.join(TOPIC, vec![service.local_address().to_string()], 7_001, true);
        while scraped(&mut stream).await != Some((1, 0)) {}
        drop(a);
        while scraped(&mut stream).await != Some((0, 0)) {}
    });
}

#[test]
fn shutdown_frees_the_address_and_a_taken_one_is_named() {
    on_each_runtime(|runtime| async move {
        let service = service(&runtime);
        let listen = service.local_address();
        let config = TrackerServiceConfig { listen, ..TrackerServiceConfig::default() };
        match TrackerService::start(runtime.clone(), config.clone()) {
            Err(error @ TrackerServiceError::Listen { address, .. }) => {
                assert_eq!(address, listen);
                assert!(error.to_string().contains(&listen.to_string()), "{error}");
            }
            _ => panic!("two services at one address"),
        }
        service.shutdown().await;
        service.shutdown().await;
        TrackerService::start(runtime.clone(), config).unwrap();
    });
}

#[test]
fn stun_is_answered_at_the_same_number() {
    on_each_runtime(|runtime| async move {
        let service = service(&runtime);
        let socket = socket(&*runtime);
        let mut buffer = [0; 100];
        // Garbage before does no harm.
        socket.send_to(b"\x09garbage", service.local_address()).await.unwrap();
        socket.send_to(&[], service.local_address()).await.unwrap();
        socket.send_to(&stun::request(&[3; 12]), service.local_address()).await.unwrap();
        let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
        assert_eq!(from, service.local_address());
        let seen = stun::mapped_address(&buffer[..length], &[3; 12]);
        assert_eq!(seen, Some(socket.local_address().unwrap()));
    });
}

#[test]
fn connections_that_send_no_request_are_closed() {
    on_each_runtime(|runtime| async move {
        let service = service(&runtime);
        let requests: [&[u8]; 4] = [
            // A message of 71 bytes, the code of "G".
            b"GET / HTTP/1.1\r\nHost: tracker.example:59000\r\nUser-Agent: some browser\r\nAccept: */*\r\n\r\n",
            // Lengths of 1,201 and of more than two bytes, and no message after one of 1,200.
            &[0xb1, 0x09],
            &[0x80, 0x80, 0x01],
            &[&[0xb0, 0x09][..], &[0x55; 1_200]].concat(),
        ];
        for request in requests {
            let mut stream = connected(&*runtime, service.local_address()).await;
            stream.write_all(request).await.unwrap();
            let mut answer = Vec::new();
            // The end, or a reset where bytes were left unread.
            let _reset = stream.read_to_end(&mut answer).await;
            assert_eq!(answer, []);
        }
    });
}

#[test]
fn one_address_has_a_limit_of_connections() {
    on_each_runtime(|runtime| async move {
        let service = service(&runtime);
        let mut open = Vec::new();
        for _ in 0..16 {
            let mut stream = connected(&*runtime, service.local_address()).await;
            assert_eq!(scraped(&mut stream).await, Some((0, 0)));
            open.push(stream);
        }
        let mut more = connected(&*runtime, service.local_address()).await;
        assert_eq!(scraped(&mut more).await, None);
        // One that ends makes room, as soon as the service has seen it.
        open.pop();
        let mut next = connected(&*runtime, service.local_address()).await;
        while scraped(&mut next).await.is_none() {
            next = connected(&*runtime, service.local_address()).await;
        }
    });
}

#[test]
fn a_connection_that_dawdles_is_closed() {
    on_each_runtime(|runtime| async move {
        let config = TrackerServiceConfig {
            listen: "127.0.0.1:0".parse().unwrap(),
            stream_deadline: Duration::from_millis(10),
            ..TrackerServiceConfig::default()
        };
        let service = TrackerService::start(runtime.clone(), config).unwrap();
        let mut stream = connected(&*runtime, service.local_address()).await;
        stream.write_all(&[0x40, 0x09]).await.unwrap();
        assert_eq!(stream.read(&mut [0; 1]).await.unwrap_or(0), 0);
    });
}
