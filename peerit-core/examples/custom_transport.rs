//! A transport of one's own: counts connections, and leaves the rest to TCP and TLS. Any ordered byte stream whose ends know each other's keys
//! can carry a swarm: `cargo run --example custom_transport`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_lite::future::block_on;
use peerit_core::node::{DownloadOptions, Node, ShareOptions};
use peerit_core::runtime::{self, BoxFuture};
use peerit_core::transport::{
    Connection, Identity, Incoming, TcpTransport, Transport, TransportError,
};

struct Counting {
    inner: TcpTransport,
    dials: AtomicUsize,
}

impl Transport for Counting {
    fn dial(&self, address: SocketAddr) -> BoxFuture<'_, Result<Connection, TransportError>> {
        self.dials.fetch_add(1, Ordering::Relaxed);
        self.inner.dial(address)
    }

    fn accept(&self) -> BoxFuture<'_, Result<Incoming, TransportError>> {
        self.inner.accept()
    }

    fn listen_port(&self) -> u16 {
        self.inner.listen_port()
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let content = folder.path().join("zeros.bin");
    std::fs::write(&content, vec![0; 1 << 20])?;
    block_on(async {
        let seeding = Node::builder().start().await?;
        let shared = seeding.share(&content, ShareOptions::default()).await?;
        let manifest = shared.manifest().cloned().ok_or("a share has a manifest")?;

        let runtime = runtime::default().ok_or("no runtime")?;
        let identity = Identity::generate()?;
        let inner = TcpTransport::bind(runtime, &identity, ([127, 0, 0, 1], 0).into())?;
        let transport = Arc::new(Counting { inner, dials: AtomicUsize::new(0) });
        let downloading = Node::builder().transport(transport.clone(), identity).start().await?;
        let peers = vec![([127, 0, 0, 1], seeding.listen_port()).into()];
        let options = DownloadOptions { peers, ..DownloadOptions::default() };
        let copy = downloading.download(manifest, folder.path().join("copy"), options).await?;
        copy.completed().await?;
        println!("complete after {} dials", transport.dials.load(Ordering::Relaxed));
        downloading.shutdown().await;
        seeding.shutdown().await;
        Ok(())
    })
}
