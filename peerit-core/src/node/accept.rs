//! Takes connections of peers and hands them to the shares they ask for.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::context::Context;
use super::input::Input;
use crate::runtime::timeout;
use crate::swarm::Direction;
use crate::transport::{Incoming, answer_swarm};

/// How long a dialling peer has to prove that it knows a manifest.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Handshakes under way at once; more are dropped. About 160 KiB of buffers each: 40 MiB.
const HANDSHAKES_MAX: usize = 256;

/// Accepts until the transport is closed or the node shuts down.
pub(crate) async fn run(context: Arc<Context>, shut_down: async_channel::Receiver<Infallible>) {
    let handshakes = Arc::new(AtomicUsize::new(0));
    loop {
        let accept = context.transport.accept();
        let closing = shut_down.recv();
        let incoming = match futures_util::future::select(accept, std::pin::pin!(closing)).await {
            futures_util::future::Either::Left((Ok(incoming), _)) => incoming,
            futures_util::future::Either::Left((Err(error), _)) => {
                log::error!("no more connections are taken: {error}");
                return;
            }
            futures_util::future::Either::Right(_) => return,
        };
        if handshakes.fetch_add(1, Ordering::Relaxed) >= HANDSHAKES_MAX {
            handshakes.fetch_sub(1, Ordering::Relaxed);
            continue;
        }
        let (context, handshakes) = (Arc::clone(&context), Arc::clone(&handshakes));
        let runtime = Arc::clone(&context.runtime);
        runtime.spawn(Box::pin(async move {
            let answered =
                timeout(&*context.runtime, HANDSHAKE_TIMEOUT, answer(&context, incoming));
            if answered.await.is_err() {
                log::debug!("a peer that dialled did not say in time what it wants");
            }
            handshakes.fetch_sub(1, Ordering::Relaxed);
        }));
    }
}

async fn answer(context: &Context, incoming: Incoming) {
    let connection = match incoming.await {
        Ok(connection) => connection,
        Err(error) => return log::debug!("a peer that dialled failed: {error}"),
    };
    let address = connection.address;
    let find_key = |topic| context.swarm_key(topic);
    match answer_swarm(connection, context.peer_id, find_key).await {
        Ok((topic, stream)) => {
            if let Some(share) = context.answering(topic) {
                let direction = Direction::Answered;
                let opened = Input::Opened { stream: Box::new(stream), direction };
                // Fails when the share has just ended.
                let _ = share.inputs().send(opened).await;
            }
        }
        Err(error) => log::debug!("{address} is not one of us: {error}"),
    }
}
