//! Connections on this machine, on every runtime: what every transport keeps, and TLS over TCP alone.

use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use futures_util::future::join;
use futures_util::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::id::{ChunkIndex, ContentId, Topic};
use crate::layout::{BLOCK_LENGTH_MAX, Block};
use crate::runtime::Runtime;
use crate::runtime::testing::on_each_runtime;
use crate::wire::Frame;

const CONTENT: ContentId = ContentId([9; 32]);

/// What carries the connections of a test, and what runs it.
#[derive(Clone)]
struct Net {
    runtime: Arc<dyn Runtime>,
    bind: fn(Arc<dyn Runtime>, &Identity) -> Box<dyn Transport>,
}

fn on_each_transport<F: Future<Output = ()>>(test: impl Fn(Net) -> F) {
    for bind in [bind_tcp, bind_quic] {
        on_each_runtime(|runtime| test(Net { runtime, bind }));
    }
}

fn bind_tcp(runtime: Arc<dyn Runtime>, identity: &Identity) -> Box<dyn Transport> {
    Box::new(TcpTransport::bind(runtime, identity, (Ipv4Addr::LOCALHOST, 0).into()).unwrap())
}

fn bind_quic(runtime: Arc<dyn Runtime>, identity: &Identity) -> Box<dyn Transport> {
    let socket = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let socket = SharedUdp::new(&*runtime, socket).unwrap();
    Box::new(QuicTransport::new(runtime, identity, &socket).unwrap())
}

impl Net {
    fn node(&self) -> (Identity, Box<dyn Transport>, SocketAddr) {
        let identity = Identity::generate().unwrap();
        let transport = (self.bind)(Arc::clone(&self.runtime), &identity);
        let address = (Ipv4Addr::LOCALHOST, transport.listen_port()).into();
        (identity, transport, address)
    }

    /// Both ends of a connection in the swarm of [`CONTENT`].
    async fn meet(&self) -> (PeerStream, PeerStream) {
        let (own, dialler, _) = self.node();
        let (other, answerer, address) = self.node();
        let dial = async {
            let connection = dialler.dial(address).await.unwrap();
            assert_eq!((connection.peer_id, connection.address), (other.peer_id(), address));
            dial_swarm(connection, own.peer_id(), CONTENT).await.unwrap()
        };
        let answer = async {
            let connection = answer(&*answerer).await.unwrap();
            assert_eq!(connection.peer_id, own.peer_id());
            let key_of = |_: Topic| Some(CONTENT.swarm_key());
            answer_swarm(connection, other.peer_id(), key_of).await.unwrap().1
        };
        join(dial, answer).await
    }
}

fn node(runtime: &Arc<dyn Runtime>) -> (Identity, TcpTransport, SocketAddr) {
    let identity = Identity::generate().unwrap();
    let any_port = (Ipv4Addr::LOCALHOST, 0).into();
    let transport = TcpTransport::bind(Arc::clone(runtime), &identity, any_port).unwrap();
    let address = transport.local_address();
    assert_eq!(address.port(), transport.listen_port());
    (identity, transport, address)
}

async fn answer(transport: &dyn Transport) -> Result<Connection, TransportError> {
    transport.accept().await?.handshake.await
}

#[test]
fn peers_meet() {
    on_each_transport(|net| async move {
        let (mut here, mut there) = net.meet().await;
        here.writer.send(&Frame::Interest(true)).await.unwrap();
        here.writer.flush().await.unwrap();
        assert_eq!(there.reader.next().await.unwrap(), (Frame::Interest(true), None));
        there.writer.send(&Frame::Choke(false)).await.unwrap();
        there.writer.flush().await.unwrap();
        assert_eq!(here.reader.next().await.unwrap(), (Frame::Choke(false), None));
    });
}

#[test]
fn an_orderly_close_is_told_from_a_broken_connection() {
    on_each_transport(|net| async move {
        let (here, mut there) = net.meet().await;
        here.writer.close().await.unwrap();
        assert!(matches!(there.reader.next().await, Err(FrameError::Closed)));

        let (here, mut there) = net.meet().await;
        drop(here);
        assert!(matches!(there.reader.next().await, Err(FrameError::Io(_))));
    });
}

#[test]
fn a_stranger_who_knows_the_topic_hears_nothing() {
    on_each_transport(|net| async move {
        let (_, stranger, _) = net.node();
        let (other, answerer, address) = net.node();
        let spy = async {
            let mut stream = stranger.dial(address).await.unwrap().stream;
            let knock = Frame::Knock { topic: CONTENT.topic(), proof: [0; 32] };
            let mut bytes = bytes::BytesMut::new();
            crate::wire::encode_frame(&knock, &mut bytes);
            stream.write_all(&bytes).await.unwrap();
            stream.flush().await.unwrap();
            let mut heard = Vec::new();
            // However it ends: no byte came.
            let _ = stream.read_to_end(&mut heard).await;
            assert_eq!(heard, []);
        };
        let answer = async {
            let connection = answer(&*answerer).await.unwrap();
            let key_of = |_: Topic| Some(CONTENT.swarm_key());
            let refusal = answer_swarm(connection, other.peer_id(), key_of).await.err();
            assert!(matches!(refusal, Some(HandshakeError::BadProof)));
        };
        join(spy, answer).await;
    });
}

#[test]
fn a_client_that_stalls_holds_up_nobody() {
    on_each_runtime(|runtime| async move {
        let (_, dialler, _) = node(&runtime);
        let (_, answerer, address) = node(&runtime);
        let silent = runtime.connect_tcp(address).await.unwrap();
        let stalled = answerer.accept().await.unwrap();
        let (dialled, answered) = join(dialler.dial(address), answer(&answerer)).await;
        assert!(dialled.is_ok() && answered.is_ok());
        drop(silent);
        assert!(stalled.handshake.await.is_err());
    });
}

#[test]
fn garbage_fails_its_own_connection_only() {
    on_each_runtime(|runtime| async move {
        let (_, dialler, _) = node(&runtime);
        let (_, answerer, address) = node(&runtime);
        let mut stream = runtime.connect_tcp(address).await.unwrap();
        stream.write_all(&b"GET / HTTP/1.1\r\n\r\n".repeat(100)).await.unwrap();
        assert!(matches!(answer(&answerer).await, Err(TransportError::Tls(_))));
        let (dialled, answered) = join(dialler.dial(address), answer(&answerer)).await;
        assert!(dialled.is_ok() && answered.is_ok());
    });
}

#[test]
fn an_address_that_is_taken_is_an_error() {
    on_each_runtime(|runtime| async move {
        let (identity, _transport, address) = node(&runtime);
        match TcpTransport::bind(runtime, &identity, address) {
            Err(TransportError::Io(error)) => {
                assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
            }
            _ => panic!("the address is bound twice"),
        }
    });
}

#[test]
fn much_data_arrives_intact_in_both_directions_at_once() {
    const BLOCKS: u8 = 128;
    on_each_transport(|net| async move {
        let (here, there) = net.meet().await;
        let block = |number: u8| Block {
            chunk: ChunkIndex(number.into()),
            offset: 0,
            length: BLOCK_LENGTH_MAX,
        };
        // A period of 251 bytes is that of nothing in TLS or in the buffers; each block starts elsewhere in it.
        let bytes: Vec<u8> = (0..=250).cycle().take(BLOCK_LENGTH_MAX as usize + 256).collect();
        let payload = |number: u8| &bytes[number.into()..][..BLOCK_LENGTH_MAX as usize];
        let both = [(here.writer, there.reader), (there.writer, here.reader)];
        let transfers = both.map(async |(mut writer, mut reader)| {
            let write = async {
                for number in 0..BLOCKS {
                    let frame = Frame::Data(block(number));
                    writer.send_with_payload(&frame, payload(number)).await.unwrap();
                }
                writer.flush().await.unwrap();
            };
            let read = async {
                for number in 0..BLOCKS {
                    let (frame, received) = reader.next().await.unwrap();
                    assert_eq!(frame, Frame::Data(block(number)));
                    assert!(received.unwrap() == payload(number));
                }
            };
            join(write, read).await;
        });
        futures_util::future::join_all(transfers).await;
    });
}
