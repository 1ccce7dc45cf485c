//! Takes connections of peers and hands them to the shares they ask for.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{FutureExt, select_biased};

use super::context::Context;
use super::input::{Input, Opened};
use super::places::{Place, Places};
use crate::runtime::timeout;
use crate::transport::{Incoming, answer_swarm};

/// How long a dialling peer has to prove that it knows a manifest.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Strangers at once: handshakes under way, and connections that their swarm has not looked at yet. More are
/// dropped. About 160 KiB of buffers each, and over QUIC 256 KiB that the peer may send ahead: 104 MiB.
const STRANGERS_MAX: u32 = 256;

/// The same of one host: 16 hosts are needed to keep all others out.
const STRANGERS_PER_HOST_MAX: u32 = 16;

/// Accepts until the transport is closed or the node shuts down.
pub(crate) async fn run(context: Arc<Context>, shut_down: async_channel::Receiver<Infallible>) {
    let places = Places::new(STRANGERS_MAX, STRANGERS_PER_HOST_MAX);
    loop {
        let incoming = select_biased! {
            _ = shut_down.recv().fuse() => return,
            incoming = context.transport.accept().fuse() => incoming,
        };
        let incoming = match incoming {
            Ok(incoming) => incoming,
            Err(error) => return log::error!("no more connections are taken: {error}"),
        };
        let Some(place) = places.take(incoming.address.ip()) else { continue };
        let context = Arc::clone(&context);
        let runtime = Arc::clone(&context.runtime);
        runtime.spawn(Box::pin(async move {
            let answered =
                timeout(&*context.runtime, HANDSHAKE_TIMEOUT, answer(&context, incoming, place));
            if answered.await.is_err() {
                log::debug!("a peer that dialled did not say in time what it wants");
            }
        }));
    }
}

async fn answer(context: &Context, incoming: Incoming, place: Place) {
    let connection = match incoming.handshake.await {
        Ok(connection) => connection,
        Err(error) => return log::debug!("a peer that dialled failed: {error}"),
    };
    let address = connection.address;
    let find_key = |topic| context.swarm_key(topic);
    match answer_swarm(connection, context.peer_id, find_key).await {
        Ok((topic, stream)) => {
            let opened = Opened::accepted(stream, place);
            if let Some(paths) = &context.paths {
                paths.accepted(topic, opened);
            } else if let Some(share) = context.answering(topic) {
                // Fails when the share has just ended.
                let _ = share.inputs().send(Input::Opened(opened)).await;
            }
        }
        Err(error) => log::debug!("{address} is not one of us: {error}"),
    }
}
