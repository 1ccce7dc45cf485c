//! Where a swarm's relays are: its trackers, whose names are looked up.

use std::convert::Infallible;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use async_channel::Receiver;
use futures_util::{FutureExt, select_biased};

use super::super::context::Context;
use crate::id::ContentId;
use crate::nat::Event;
use crate::runtime::blocking;

/// When names that have no address are looked up again, doubled each time up to the longest wait: as trackers are.
const RETRY_FIRST: Duration = Duration::from_secs(10);
const RETRY_MAX: Duration = Duration::from_secs(15 * 60);

/// Tells the traversal, and goes on until all have an address or `left` is closed.
pub(super) async fn find(
    context: Arc<Context>,
    content_id: ContentId,
    trackers: Vec<String>,
    left: Receiver<Infallible>,
) {
    let Some(paths) = &context.paths else { return };
    let mut wait = RETRY_FIRST;
    loop {
        let relays = resolve(&context, trackers.clone()).await;
        let is_complete = relays.len() == trackers.len();
        let (topic, key) = (content_id.topic(), content_id.swarm_key());
        paths.event(Event::Join { topic, key, relays });
        if is_complete {
            return;
        }
        select_biased! {
            // Nothing is ever sent.
            _ = left.recv().fuse() => return,
            () = context.runtime.sleep(wait).fuse() => wait = (2 * wait).min(RETRY_MAX),
        }
    }
}

/// The first address of each tracker that has one, IPv4 before IPv6; on a thread that may block.
async fn resolve(context: &Context, trackers: Vec<String>) -> Vec<SocketAddr> {
    let first = |tracker: &String| match tracker.to_socket_addrs() {
        Ok(addresses) => addresses.min_by_key(SocketAddr::is_ipv6),
        Err(error) => {
            log::debug!("the relay {tracker} is not found: {error}");
            None
        }
    };
    blocking(&*context.runtime, move || trackers.iter().filter_map(first).collect()).await
}
