//! What a byte costs on each transport, on each runtime.
//!
//! Both peers are in this process, on loopback: 64 MiB in one direction, in writes of 256 KiB. Prints the CPU time of
//! both ends for each GiB beside criterion's figures.

#![allow(clippy::unwrap_used, reason = "without its input there is nothing to measure")]

mod delay;

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput};
use futures_lite::future::{block_on, zip};
use futures_util::{AsyncReadExt, AsyncWriteExt};
use peerit_benches::CpuPerGib;
use peerit_core::id::PeerId;
use peerit_core::runtime::async_std::AsyncStd;
use peerit_core::runtime::tokio::Tokio;
use peerit_core::runtime::{BoxStream, Runtime};
use peerit_core::transport::memory::MemoryNetwork;
use peerit_core::transport::{Identity, QuicTransport, SharedUdp, TcpTransport, Transport};

const LENGTH: usize = 64 << 20;
const WRITE_LENGTH: usize = 256 << 10;
const READ_LENGTH: usize = 64 << 10;

/// Both ends of a connection; what is written to the first comes out of the second.
struct Streams {
    runtime: Arc<dyn Runtime>,
    send: BoxStream,
    receive: BoxStream,
}

impl Streams {
    /// `answerer` is dialled at `address`.
    async fn open(
        runtime: Arc<dyn Runtime>,
        (dialler, answerer): (Box<dyn Transport>, Box<dyn Transport>),
        address: SocketAddr,
    ) -> Self {
        let dial = async {
            let mut stream = dialler.dial(address).await.unwrap().stream;
            stream.write_all(&[0]).await.unwrap();
            stream.flush().await.unwrap();
            stream
        };
        let answer = async {
            let incoming = answerer.accept().await.unwrap();
            let mut stream = incoming.handshake.await.unwrap().stream;
            stream.read_exact(&mut [0]).await.unwrap();
            stream
        };
        let (send, receive) = zip(dial, answer).await;
        Self { runtime, send, receive }
    }

    /// Moves `length` bytes, each end in a task of its own.
    fn transfer(self, length: usize) -> Self {
        let Self { runtime, mut send, mut receive } = self;
        let (sent, sender) = async_channel::bounded(1);
        let (received, receiver) = async_channel::bounded(1);
        runtime.spawn(Box::pin(async move {
            let bytes = vec![7; WRITE_LENGTH];
            for _ in 0..length / WRITE_LENGTH {
                send.write_all(&bytes).await.unwrap();
            }
            send.flush().await.unwrap();
            sent.send(send).await.unwrap();
        }));
        runtime.spawn(Box::pin(async move {
            let (mut buffer, mut left) = (vec![0; READ_LENGTH], length);
            while left > 0 {
                let count = receive.read(&mut buffer[..left.min(READ_LENGTH)]).await.unwrap();
                assert!(count > 0, "the stream ends early");
                left -= count;
            }
            received.send(receive).await.unwrap();
        }));
        let (send, receive) = block_on(zip(sender.recv(), receiver.recv()));
        Self { runtime, send: send.unwrap(), receive: receive.unwrap() }
    }
}

fn measure(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, streams: Streams) {
    let mut streams = Some(streams);
    let mut cpu = CpuPerGib::default();
    group.bench_function(name, |bencher| {
        bencher.iter(|| {
            let transfer = || streams.take().map(|streams| streams.transfer(LENGTH));
            streams = cpu.measure(LENGTH as u64, transfer);
        });
    });
    cpu.print(name);
}

fn tcp(runtime: &Arc<dyn Runtime>) -> Box<dyn Transport> {
    let (identity, any) = (Identity::generate().unwrap(), (Ipv4Addr::LOCALHOST, 0).into());
    Box::new(TcpTransport::bind(Arc::clone(runtime), &identity, any).unwrap())
}

fn quic(runtime: &Arc<dyn Runtime>) -> Box<dyn Transport> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let socket = SharedUdp::new(&**runtime, socket).unwrap();
    let identity = Identity::generate().unwrap();
    Box::new(QuicTransport::new(Arc::clone(runtime), &identity, &socket).unwrap())
}

fn memory(network: &MemoryNetwork, number: u8) -> Box<dyn Transport> {
    let address = (Ipv4Addr::LOCALHOST, number.into()).into();
    Box::new(network.transport(PeerId([number; 32]), address).unwrap())
}

fn port_of(transport: &dyn Transport) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, transport.listen_port()).into()
}

fn main() {
    let tokio = ::tokio::runtime::Runtime::new().unwrap();
    let runtimes: [(&str, Arc<dyn Runtime>); 2] = [
        ("async-std", Arc::new(AsyncStd)),
        ("tokio", Arc::new(Tokio::new(tokio.handle().clone()))),
    ];
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("transport");
    group.throughput(Throughput::Bytes(LENGTH as u64)).sample_size(10);
    for (name, runtime) in &runtimes {
        for (kind, bind) in
            [("tcp", tcp as fn(&Arc<dyn Runtime>) -> Box<dyn Transport>), ("quic", quic)]
        {
            let nodes = (bind(runtime), bind(runtime));
            let address = port_of(&*nodes.1);
            let streams = block_on(Streams::open(Arc::clone(runtime), nodes, address));
            measure(&mut group, &format!("{kind}/{name}"), streams);
        }
        let network = MemoryNetwork::new();
        let nodes = (memory(&network, 1), memory(&network, 2));
        let address = port_of(&*nodes.1);
        let streams = block_on(Streams::open(Arc::clone(runtime), nodes, address));
        measure(&mut group, &format!("memory/{name}"), streams);

        let nodes = (quic(runtime), quic(runtime));
        let address = delay::line(port_of(&*nodes.1), Duration::from_millis(50));
        let streams = block_on(Streams::open(Arc::clone(runtime), nodes, address));
        measure(&mut group, &format!("quic over 100 ms/{name}"), streams);
    }
    group.finish();
    criterion.final_summary();
}
