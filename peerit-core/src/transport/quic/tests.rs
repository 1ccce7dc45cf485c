//! QUIC on loopback, on every runtime.

use std::net::{Ipv4Addr, Ipv6Addr, UdpSocket};

use futures_util::future::{join, join_all};
use futures_util::{AsyncReadExt, AsyncWriteExt, FutureExt};

use super::*;
use crate::runtime::testing::on_each_runtime;

fn bind(ip: impl Into<std::net::IpAddr>, runtime: &Arc<dyn Runtime>) -> io::Result<SharedUdp> {
    SharedUdp::new(&**runtime, UdpSocket::bind((ip.into(), 0))?)
}

fn with_tls(runtime: &Arc<dyn Runtime>, tls: &Tls) -> (QuicTransport, SocketAddr) {
    let socket = bind(Ipv4Addr::LOCALHOST, runtime).unwrap();
    let transport = QuicTransport::with_tls(Arc::clone(runtime), tls, &socket).unwrap();
    assert_eq!(transport.listen_port(), socket.local_address().port());
    (transport, socket.local_address())
}

fn identity(seed: u8) -> Identity {
    Identity::from_seed(&[seed; 32]).unwrap()
}

fn node(runtime: &Arc<dyn Runtime>, seed: u8) -> (QuicTransport, SocketAddr) {
    with_tls(runtime, &Tls::new(&identity(seed)).unwrap())
}

async fn answer(transport: &QuicTransport) -> Result<Connection, TransportError> {
    transport.accept().await?.handshake.await
}

/// Dials, says one byte, and expects it back: in TLS 1.3 the dialling side is done before its own key was
/// looked at, and a stream is there for the other side with the first byte.
async fn dial(transport: &QuicTransport, to: SocketAddr) -> Result<Connection, TransportError> {
    let mut connection = transport.dial(to).await?;
    connection.stream.write_all(&[7]).await?;
    connection.stream.read_exact(&mut [0; 1]).await?;
    Ok(connection)
}

async fn echo(transport: &QuicTransport) -> Result<Connection, TransportError> {
    let mut connection = answer(transport).await?;
    let mut byte = [0; 1];
    connection.stream.read_exact(&mut byte).await?;
    connection.stream.write_all(&byte).await?;
    Ok(connection)
}

/// Both ends of an open connection.
async fn meet(runtime: &Arc<dyn Runtime>) -> (Connection, Connection) {
    let ((dialler, _), (answerer, address)) = (node(runtime, 1), node(runtime, 2));
    let (here, there) = join(dial(&dialler, address), echo(&answerer)).await;
    (here.unwrap(), there.unwrap())
}

#[test]
fn both_sides_learn_who_the_other_is() {
    on_each_runtime(|runtime| async move {
        let ((dialler, from), (answerer, address)) = (node(&runtime, 1), node(&runtime, 2));
        let (here, there) = join(dial(&dialler, address), echo(&answerer)).await;
        let (here, there) = (here.unwrap(), there.unwrap());
        assert_eq!((here.peer_id, here.address), (identity(2).peer_id(), address));
        assert_eq!((there.peer_id, there.address), (identity(1).peer_id(), from));
        assert_eq!(here.binding, there.binding);
        assert_eq!((here.path, there.path), (Path::Direct, Path::Direct));

        let (again, _) = meet(&runtime).await;
        assert_ne!(again.binding, here.binding, "each connection has its own");
    });
}

#[test]
fn a_way_that_was_found_is_told() {
    on_each_runtime(|runtime| async move {
        let ((dialler, _), (answerer, address)) = (node(&runtime, 1), node(&runtime, 2));
        let dial = async {
            let mut connection = dialler.dial_path(address, Path::Punched).await.unwrap();
            connection.stream.write_all(&[7]).await.unwrap();
            connection
        };
        assert_eq!(join(dial, echo(&answerer)).await.0.path, Path::Punched);
    });
}

#[test]
fn both_sides_dial_at_once_from_the_ports_they_answer_on() {
    on_each_runtime(|runtime| async move {
        let ((one, one_at), (two, two_at)) = (node(&runtime, 1), node(&runtime, 2));
        let dials = join(dial(&one, two_at), dial(&two, one_at));
        let answers = join(echo(&one), echo(&two));
        let ((from_one, from_two), (at_one, at_two)) = join(dials, answers).await;
        assert!(from_one.is_ok() && from_two.is_ok());
        assert_eq!((at_one.unwrap().address, at_two.unwrap().address), (two_at, one_at));
    });
}

#[test]
fn a_key_of_somebody_else_does_not_help() {
    on_each_runtime(|runtime| async move {
        let thief = tls::tests::thief(&identity(1), &identity(2));
        let ((thief, thief_at), (honest, honest_at)) =
            (with_tls(&runtime, &thief), node(&runtime, 3));
        let (here, there) = join(dial(&thief, honest_at), echo(&honest)).await;
        assert!(here.is_err() && there.is_err());
        let (here, there) = join(dial(&honest, thief_at), echo(&thief)).await;
        assert!(here.is_err() && there.is_err());
    });
}

#[test]
fn both_families_are_reached_from_one_socket() {
    on_each_runtime(|runtime| async move {
        let both = match bind(Ipv6Addr::UNSPECIFIED, &runtime) {
            // Not every machine has IPv6.
            Err(_) => return,
            Ok(socket) => QuicTransport::new(Arc::clone(&runtime), &identity(1), &socket).unwrap(),
        };
        let (other, address) = node(&runtime, 2);
        let (here, there) = join(dial(&both, address), echo(&other)).await;
        assert_eq!(here.unwrap().address, address);
        let back = there.unwrap().address;
        let (here, there) = join(dial(&other, back), echo(&both)).await;
        assert!(here.is_ok());
        assert_eq!(there.unwrap().address, address, "an IPv4 address is written as one");
    });
}

#[test]
fn closing_ends_one_direction() {
    on_each_runtime(|runtime| async move {
        let (mut here, mut there) = meet(&runtime).await;
        here.stream.write_all(b"last words").await.unwrap();
        here.stream.close().await.unwrap();
        let mut heard = Vec::new();
        there.stream.read_to_end(&mut heard).await.unwrap();
        assert_eq!(heard, b"last words");
        there.stream.write_all(b"the other direction is open").await.unwrap();
        there.stream.close().await.unwrap();
        heard.clear();
        here.stream.read_to_end(&mut heard).await.unwrap();
        assert_eq!(heard, b"the other direction is open");
        let error = here.stream.write_all(&[0]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    });
}

#[test]
fn what_was_written_before_the_close_arrives_although_the_stream_is_dropped() {
    on_each_runtime(|runtime| async move {
        let (mut here, mut there) = meet(&runtime).await;
        let sent: Vec<u8> = (0..=250).cycle().take(8 * window::FIRST as usize).collect();
        let write = async {
            here.stream.write_all(&sent).await.unwrap();
            here.stream.close().await.unwrap();
            drop(here);
        };
        let mut heard = Vec::new();
        let ((), read) = join(write, there.stream.read_to_end(&mut heard)).await;
        assert_eq!(read.unwrap(), sent.len());
        assert!(heard == sent);
    });
}

#[test]
fn a_dropped_end_is_noticed() {
    on_each_runtime(|runtime| async move {
        let (here, mut there) = meet(&runtime).await;
        drop(here);
        let error = there.stream.read(&mut [0; 1]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionAborted);
        let error = there.stream.write_all(&[0]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionAborted);
    });
}

#[test]
fn a_writer_waits_for_its_reader() {
    on_each_runtime(|runtime| async move {
        let (mut here, _there) = meet(&runtime).await;
        let mut taken = 0;
        loop {
            let write = here.stream.write(&[0; 4_096]);
            match timeout(&*runtime, Duration::from_millis(100), write).await {
                Ok(count) => taken += count.unwrap(),
                Err(_) => break,
            }
            // The first window of a stranger, as much as the congestion window again, and what is taken beyond it.
            assert!(taken < 4 * window::FIRST as usize);
        }
    });
}

#[test]
fn shutdown_tells_the_peers() {
    on_each_runtime(|runtime| async move {
        let ((dialler, _), (answerer, address)) = (node(&runtime, 1), node(&runtime, 2));
        let (here, there) = join(dial(&dialler, address), echo(&answerer)).await;
        let (mut here, _there) = (here.unwrap(), there.unwrap());
        answerer.shutdown().await;
        assert!(here.stream.read(&mut [0; 1]).await.is_err());
        assert!(matches!(answerer.accept().await, Err(TransportError::Closed)));
    });
}

#[test]
fn a_peer_proves_its_address_when_many_dial() {
    on_each_runtime(|runtime| async move {
        let (answerer, address) = node(&runtime, 1);
        let diallers: Vec<_> = (2..40).map(|seed| node(&runtime, seed).0).collect();
        let dials = join_all(diallers.iter().map(|dialler| dial(dialler, address)));
        let answers = async {
            let mut proved = 0;
            let mut waiting = Vec::new();
            for _ in &diallers {
                let busy = Arc::strong_count(&answerer.handshakes) > PROOF_FROM;
                let incoming = answerer.next_incoming().await.unwrap();
                assert!(!busy || incoming.remote_address_validated());
                proved += usize::from(incoming.remote_address_validated());
                waiting.push((incoming, Arc::clone(&answerer.handshakes)));
            }
            assert_eq!(proved, diallers.len() - PROOF_FROM);
            join_all(waiting.into_iter().map(|(incoming, _)| async {
                let connection = incoming.await.unwrap();
                let (mut send, _) = connection.accept_bi().await.unwrap();
                send.write_all(&[7]).await.unwrap();
                connection
            }))
            .await
        };
        let (dialled, _answered) = join(dials, answers).await;
        assert!(dialled.iter().all(Result::is_ok));
    });
}

/// A NAT in front of `server`: gives its inner address, and whoever holds what comes with it can have it forget
/// its mapping for another.
async fn nat(
    runtime: &Arc<dyn Runtime>,
    server: SocketAddr,
) -> (SocketAddr, async_channel::Sender<()>) {
    let socket = || {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        runtime.udp_socket(socket).unwrap()
    };
    let (inside, mappings) = (socket(), [socket(), socket()]);
    let address = inside.local_address().unwrap();
    let (forget, forgets) = async_channel::bounded::<()>(1);
    runtime.spawn(Box::pin(async move {
        let (mut outbound, mut inbound) = ([0; 2_048], [0; 2_048]);
        let (mut client, mut current) = (address, 0);
        loop {
            let outside = &mappings[current];
            futures_util::select! {
                received = inside.recv_from(&mut outbound).fuse() => {
                    let (length, from) = received.unwrap();
                    client = from;
                    outside.send_to(&outbound[..length], server).await.unwrap();
                }
                received = outside.recv_from(&mut inbound).fuse() => {
                    let length = received.unwrap().0;
                    inside.send_to(&inbound[..length], client).await.unwrap();
                }
                forgotten = forgets.recv().fuse() => match forgotten {
                    Ok(()) => current += 1,
                    Err(_) => return,
                },
            }
        }
    }));
    (address, forget)
}

#[test]
fn a_peer_whose_address_changes_is_not_lost() {
    on_each_runtime(|runtime| async move {
        let ((dialler, _), (answerer, address)) = (node(&runtime, 1), node(&runtime, 2));
        let (inside, forget) = nat(&runtime, address).await;
        let (here, there) = join(dial(&dialler, inside), echo(&answerer)).await;
        let (mut here, mut there) = (here.unwrap(), there.unwrap());
        forget.send(()).await.unwrap();
        here.stream.write_all(b"I have moved").await.unwrap();
        let mut heard = [0; 12];
        there.stream.read_exact(&mut heard).await.unwrap();
        there.stream.write_all(&heard).await.unwrap();
        here.stream.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"I have moved");
    });
}
