//! Fetches the manifest of a link from peers.

use std::collections::{BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use async_channel::Receiver;
use bytes::{Bytes, BytesMut};
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt, select_biased};

use super::announcer::Found;
use super::context::Context;
use super::known_peers::KnownPeers;
use crate::id::ContentId;
use crate::layout::BLOCK_LENGTH_MAX;
use crate::manifest::{Link, MANIFEST_LENGTH_MAX, Manifest};
use crate::runtime::timeout;
use crate::transport::{FrameReader, PeerStream};
use crate::wire::{Frame, Hello};

/// Peers asked at the same time. Each may hold one manifest of 64 MiB in memory: 256 MiB at most.
const PEERS_AT_ONCE: usize = 4;
/// How long one peer has for the whole manifest: 64 MiB at 1 MiB/s.
const PEER_TIMEOUT: Duration = Duration::from_secs(64);
/// Time until a peer that failed is asked again.
const RETRY_INTERVAL: Duration = Duration::from_secs(15);
/// Peers named by trackers that are remembered; more than one gives in many answers.
const NAMED_MAX: usize = 256;

/// What came of looking for peers in all ways.
pub(super) enum Arrival {
    /// A connection to one is open, whoever has opened it.
    Opened(Box<PeerStream>),
    /// The one that was wanted at this address is not reached.
    Failed(SocketAddr),
}

/// Asks peers until one sends bytes whose BLAKE3 is the content id. Those that trackers name are looked for in all ways
/// where the node has such, and then come as `arrivals`. Cancel safe: dropping it closes the connections.
pub(super) async fn fetch_manifest(
    context: &Context,
    link: &Link,
    found: &Receiver<Vec<Found>>,
    first: &[SocketAddr],
    arrivals: &Receiver<Arrival>,
) -> Manifest {
    let first = || first.iter().map(|address| (*address, None));
    let mut named = KnownPeers::new(NAMED_MAX);
    let mut waiting: VecDeque<_> = first().collect();
    // Those that are looked for in all ways.
    let mut wanted = BTreeSet::new();
    let mut asking = FuturesUnordered::new();
    let mut retry = context.runtime.sleep(RETRY_INTERVAL).fuse();
    loop {
        while asking.len() + wanted.len() < PEERS_AT_ONCE
            && let Some((address, peer)) = waiting.pop_front()
        {
            match (&context.paths, peer) {
                (Some(paths), Some(peer)) => {
                    wanted.insert(address);
                    paths.want(link.content_id.topic(), peer, address);
                }
                _ => asking.push(ask_peer(context, link.content_id, Peer::At(address))),
            }
        }
        select_biased! {
            info = asking.select_next_some() => {
                let manifest = info.and_then(|info| accept(link, info));
                if let Some(manifest) = manifest {
                    return manifest;
                }
            }
            arrival = arrivals.recv().fuse() => match arrival {
                Ok(Arrival::Opened(stream)) => {
                    wanted.remove(&stream.address);
                    // Whoever comes unasked while enough are asked may come again.
                    if asking.len() < PEERS_AT_ONCE {
                        asking.push(ask_peer(context, link.content_id, Peer::Open(stream)));
                    }
                }
                Ok(Arrival::Failed(address)) => drop(wanted.remove(&address)),
                Err(_) => std::future::pending().await,
            },
            peers = found.recv().fuse() => {
                let Ok(peers) = peers else { std::future::pending().await };
                for (peer, address) in peers {
                    // One that has no room has its turn with those that are asked again.
                    if named.insert(peer, address) && waiting.len() < NAMED_MAX {
                        waiting.push_back((address, Some(peer)));
                    }
                }
            }
            () = retry => {
                retry = context.runtime.sleep(RETRY_INTERVAL).fuse();
                if asking.is_empty() && wanted.is_empty() {
                    let named = named.iter().map(|(peer, address)| (address, Some(peer)));
                    waiting = first().chain(named).collect();
                }
            }
        }
    }
}

fn accept(link: &Link, info: Bytes) -> Option<Manifest> {
    Manifest::from_info_bytes(info, link.content_id, link.trackers.clone())
        .inspect_err(|error| log::warn!("a peer sent a manifest that is none: {error}"))
        .ok()
}

enum Peer {
    At(SocketAddr),
    Open(Box<PeerStream>),
}

async fn ask_peer(context: &Context, content_id: ContentId, peer: Peer) -> Option<Bytes> {
    let address = match &peer {
        Peer::At(address) => *address,
        Peer::Open(stream) => stream.address,
    };
    let answer = timeout(&*context.runtime, PEER_TIMEOUT, async {
        let stream = match peer {
            Peer::At(address) => context.dial(address, content_id).await.ok()?,
            Peer::Open(stream) => *stream,
        };
        receive_manifest(stream, context.hello_without_manifest()).await
    });
    let info = answer.await.ok().flatten();
    if info.is_none() {
        log::debug!("{address} did not give the manifest");
    }
    info
}

/// Asks part after part; `None` when the peer ends the connection or breaks the rules.
async fn receive_manifest(stream: PeerStream, hello: Hello) -> Option<Bytes> {
    let PeerStream { mut reader, mut writer, .. } = stream;
    writer.send(&Frame::Hello(hello)).await.ok()?;
    let mut info = BytesMut::new();
    let mut total = None;
    while total.is_none_or(|total| info.len() < total) {
        let offset = u32::try_from(info.len()).ok()?;
        let left = total.map_or(BLOCK_LENGTH_MAX as usize, |total| total - info.len());
        let length = BLOCK_LENGTH_MAX.min(u32::try_from(left).ok()?);
        writer.send(&Frame::ManifestRequest { offset, length }).await.ok()?;
        writer.flush().await.ok()?;
        let (said_total, part) = next_part(&mut reader, offset).await?;
        if said_total > MANIFEST_LENGTH_MAX || total.is_some_and(|total| total != said_total) {
            return None;
        }
        total = Some(said_total);
        info.extend_from_slice(&part);
    }
    (Some(info.len()) == total).then(|| info.freeze())
}

/// The next part of the manifest; other frames are of no interest yet.
async fn next_part(reader: &mut FrameReader, expected: u32) -> Option<(usize, Bytes)> {
    loop {
        if let (Frame::ManifestData { offset, total_length, .. }, Some(part)) =
            reader.next().await.ok()?
        {
            let due = offset == expected && !part.is_empty();
            return due.then_some((total_length as usize, part));
        }
    }
}
