//! Ports of the router that lead to this node, mapped by PCP, NAT-PMP or UPnP IGD.
//!
//! For the TCP port and for the UDP port of the same number, in the background: nothing waits for it. What is mapped
//! becomes candidates ([`CandidateKind::Mapped`]), and trackers name the mapped TCP port to peers. It is renewed as
//! long as the node lives, asked for anew in another network, and released at shutdown.
//!
//! **Who is spoken to.** The router of the default route and nobody else, and only if its address and ours are
//! private and in the same subnet ([`gateway`]). It is trusted with what it can do anyway, as all traffic passes it:
//! it may map nothing or lie about its address. It cannot make this node speak to others, grow, wait long or hurry.
//!
//! **By which crates.** Both are pure Rust, maintained, and check what comes:
//!
//! - `crab_nat` for PCP and NAT-PMP (RFC 6887, RFC 6886): connected sockets, so that only the router can answer, and
//!   answers of fixed size. It knows tokio only, so it runs in a runtime of its own on a thread that may block
//!   ([`on_tokio`](crate::runtime::on_tokio)), the same on both of our runtimes.
//! - `igd-next` for UPnP, its blocking half on such a thread too: no redirects, at most 1 MiB and 10 s for an answer,
//!   bounded XML. Its search takes answers from everybody, so it is given those of the router only ([`ssdp`]).
//!
//! `portmapper` does all of it, but is bound to one async runtime, starts tasks of its own and listens to everyone in
//! the network; `natpmp` has no PCP.

mod gateway;
mod lease;
mod mapping;
mod pcp;
mod ssdp;
#[cfg(test)]
mod tests;
mod upnp;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use async_channel::{Receiver, Sender};
use futures_util::{FutureExt, select_biased};

pub(crate) use self::gateway::Gateway;
pub(crate) use self::mapping::{Mapping, PortMappingError};
use super::context::Context;
use crate::nat::{Candidate, CandidateKind, Transport};
use crate::runtime::{Runtime, blocking, timeout};

/// When a router that maps nothing is asked again: it may have been starting, or was set up otherwise meanwhile. A few
/// datagrams each time.
const RETRY_INTERVAL: Duration = Duration::from_secs(600);

/// How long a shutdown waits for the router, which answers within milliseconds if it does. What it was not told ends
/// with its lease.
const FAREWELL: Duration = Duration::from_secs(2);

/// Maps ports in the background. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Ports {
    /// Without a bound: a word for each change of the network, and one at the end.
    orders: Sender<Order>,
}

/// What the task is told.
pub(crate) enum Order {
    /// This machine has other addresses now.
    NetworkChanged,
    Shutdown(Sender<()>),
}

impl Ports {
    /// The handle, and what [`run`] takes.
    pub(crate) fn new() -> (Self, Receiver<Order>) {
        let (orders, inbox) = async_channel::unbounded();
        (Self { orders }, inbox)
    }

    pub(crate) fn network_changed(&self) {
        self.send(Order::NetworkChanged);
    }

    /// Releases what is mapped; resolves when the router knows, after 2 s at the latest. Cancel safe: it goes on in
    /// the background.
    pub(crate) async fn shutdown(&self, runtime: &dyn Runtime) {
        let (done, wait) = async_channel::bounded(1);
        self.send(Order::Shutdown(done));
        // It goes on, or has ended already: nobody needs to know which.
        let _late_or_ended = timeout(runtime, FAREWELL, wait.recv()).await;
    }

    fn send(&self, order: Order) {
        // An error means that the node has shut down.
        let _ended = self.orders.try_send(order);
    }
}

/// Keeps the ports mapped of a node that listens at `bound` until it shuts down.
pub(crate) async fn run(context: Arc<Context>, bound: SocketAddr, orders: Receiver<Order>) {
    let mut held: Option<Mapping> = None;
    let mut last_problem = String::new();
    loop {
        let before = held.take();
        match blocking(&*context.runtime, move || keep(before, bound)).await {
            Ok(mapping) => held = Some(mapping),
            // Said once, as it stays true for most.
            Err(error) if error.to_string() != last_problem => {
                last_problem = error.to_string();
                log::info!("no port is mapped: {error}");
            }
            Err(_) => {}
        }
        tell(&context, held.as_ref());
        let wait = held.as_ref().map_or(RETRY_INTERVAL, Mapping::renew_after);
        let order = select_biased! {
            order = orders.recv().fuse() => order,
            () = context.runtime.sleep(wait).fuse() => continue,
        };
        match order {
            Ok(Order::NetworkChanged) => {}
            Ok(Order::Shutdown(done)) => {
                release(&*context.runtime, held).await;
                // An error means that nobody waits any more.
                let _gone = done.try_send(());
                return;
            }
            Err(_) => return release(&*context.runtime, held).await,
        }
    }
}

async fn release(runtime: &dyn Runtime, held: Option<Mapping>) {
    if let Some(mapping) = held {
        blocking(runtime, move || mapping.release()).await;
    }
}

/// Renews what is mapped, or asks for it anew: in another network, or when the router has forgotten it. Blocks for up
/// to a minute.
fn keep(before: Option<Mapping>, bound: SocketAddr) -> Result<Mapping, PortMappingError> {
    let gateway = Gateway::find().filter(|gateway| is_reached_at(bound.ip(), *gateway));
    let gateway = gateway.ok_or(PortMappingError::NoGateway)?;
    // In another network the old router cannot be told: its address may be somebody else's there.
    if let Some(before) = before.filter(|before| before.gateway() == gateway) {
        match before.renew() {
            Ok(renewed) => return Ok(renewed),
            Err(error) => log::debug!("{gateway} does not renew: {error}"),
        }
    }
    let mapping = Mapping::ask(gateway, bound.port())?;
    log::info!("{gateway} maps {mapping}");
    Ok(mapping)
}

/// Whether what the router sends on comes to a socket that is bound there.
fn is_reached_at(bound: IpAddr, gateway: Gateway) -> bool {
    bound.is_unspecified() || bound.to_canonical() == IpAddr::V4(gateway.own)
}

/// Tells traversal and trackers.
fn tell(context: &Context, mapping: Option<&Mapping>) {
    let external = |transport| mapping.and_then(|mapping| mapping.external(transport));
    let candidate = |transport| {
        external(transport).map(|at| Candidate::new(CandidateKind::Mapped, transport, at))
    };
    let mapped = [Transport::Tcp, Transport::Udp].into_iter().filter_map(candidate).collect();
    if let Some(paths) = &context.paths {
        paths.mapped(mapped);
    }
    context.announcer.mapped(external(Transport::Tcp));
}
