//! What the end-to-end tests share: nodes on loopback, content in temporary folders.

#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests may panic")]

use std::net::SocketAddr;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_lite::{FutureExt, StreamExt};
use peerit_core::hash::{Digest, HashAlgorithm};
use peerit_core::manifest::Manifest;
use peerit_core::node::{DownloadOptions, Node, NodeBuilder, Share, ShareOptions, ShareStatus};
use peerit_core::rng::Rng;
use peerit_core::runtime;
use peerit_core::transport::{Identity, QuicTransport, SharedUdp};

/// Long enough for the slowest machine; a test that works never waits for it.
const DEADLINE: Duration = Duration::from_secs(120);

/// A node on loopback that knows no tracker of its own.
pub(crate) fn loopback() -> NodeBuilder {
    Node::builder().listen(([127, 0, 0, 1], 0).into())
}

/// A node on loopback with a tracker for what it shares.
pub(crate) fn with_tracker() -> NodeBuilder {
    loopback().embedded_tracker(([127, 0, 0, 1], 0).into())
}

/// A node that takes QUIC, while nobody listens on the TCP port of that number.
pub(crate) async fn without_tcp() -> Node {
    let runtime = runtime::default().unwrap();
    let identity = Identity::generate().unwrap();
    let socket = std::net::UdpSocket::bind(("127.0.0.1", 0)).unwrap();
    let socket = SharedUdp::new(&*runtime, socket).unwrap();
    let quic = QuicTransport::new(runtime, &identity, &socket).unwrap();
    loopback().transport(Arc::new(quic), identity).start().await.unwrap()
}

/// Bytes that are the same at every run.
pub(crate) fn noise(length: usize) -> Vec<u8> {
    let mut rng = Rng::from_seed(length as u64);
    (0..length.div_ceil(8)).flat_map(|_| rng.next_u64().to_le_bytes()).take(length).collect()
}

/// Writes a file and the folders above it.
pub(crate) fn write(path: &Path, content: &[u8]) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
}

/// Changes one bit of a file in place.
pub(crate) fn flip(path: &Path, position: u64) {
    let file = std::fs::File::options().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, position).unwrap();
    file.write_all_at(&[byte[0] ^ 1], position).unwrap();
    // Whatever the clock of the file system: now it was written to.
    file.set_modified(std::time::SystemTime::now() + Duration::from_secs(1)).unwrap();
}

/// Shares `path`; gives the handle and what others need.
pub(crate) async fn share(node: &Node, path: &Path) -> (Share, Manifest) {
    let share = node.share(path, ShareOptions::default()).await.unwrap();
    let manifest = share.manifest().unwrap().clone();
    (share, manifest)
}

/// A node that shares a film of so many bytes, in the folder.
pub(crate) async fn seed_of_film(folder: &Path, length: usize) -> (Node, Manifest) {
    let content = folder.join("film.mkv");
    write(&content, &noise(length));
    let seed = loopback().start().await.unwrap();
    let (_, manifest) = share(&seed, &content).await;
    (seed, manifest)
}

/// Downloads without a tracker, from these nodes only.
pub(crate) fn from_nodes(nodes: &[&Node]) -> DownloadOptions {
    DownloadOptions {
        peers: nodes.iter().map(|node| address(node)).collect(),
        ..Default::default()
    }
}

/// Where a node can be dialled.
pub(crate) fn address(node: &Node) -> SocketAddr {
    ([127, 0, 0, 1], node.listen_port()).into()
}

/// Waits until the share is complete.
pub(crate) async fn complete(share: &Share) {
    let deadline = async {
        async_io_sleep(DEADLINE).await;
        panic!("not complete in time: {:?}", share.status());
    };
    share.completed().or(deadline).await.unwrap();
}

/// Waits until the share looks as wanted.
pub(crate) async fn until(share: &Share, wanted: impl Fn(&ShareStatus) -> bool) -> ShareStatus {
    let mut progress = share.progress();
    let reached = async {
        while let Some(status) = progress.next().await {
            if wanted(&status) {
                return status;
            }
        }
        panic!("the share ended first: {:?}", share.status());
    };
    let deadline = async {
        async_io_sleep(DEADLINE).await;
        panic!("did not come to pass: {:?}", share.status());
    };
    reached.or(deadline).await
}

async fn async_io_sleep(duration: Duration) {
    runtime::default().unwrap().sleep(duration).await;
}

/// All files below a folder with the digests of their bytes, sorted.
pub(crate) fn tree(folder: &Path) -> Vec<(String, Digest)> {
    let mut files: Vec<_> = walkdir::WalkDir::new(folder)
        .into_iter()
        .map(Result::unwrap)
        .filter(|entry| entry.file_type().is_file())
        .map(|entry| {
            let path = entry.path().strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
            (path, HashAlgorithm::Blake3.digest(&std::fs::read(entry.path()).unwrap()))
        })
        .collect();
    files.sort_by(|one, other| one.0.cmp(&other.0));
    files
}
