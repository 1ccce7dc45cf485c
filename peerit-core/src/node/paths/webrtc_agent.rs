//! The agent of the crate `webrtc-ice`, beside that of `is`: all that names the crate is here.
//!
//! It is a program of its own on tokio, with clocks and tasks. So each agent has a thread with a runtime, and
//! believes that its datagrams go through a UDP mux ([`Mux`]): what comes from the shared socket is handed in, and what
//! it sends is fetched. It opens no socket. The thread ends when its agent is dropped, and takes all tasks with it: the
//! crate's own `close`, which its authors say may lock up, is never called.
//!
//! The crate takes a datagram for one of whichever of its local candidates asks for the next, so there may be only one:
//! an IPv6 one, with IPv4 peers at their mapped addresses (RFC 4291, section 2.5.5.2), or where this machine has no
//! IPv6 an IPv4 one.
//!
//! Its threads wake nobody, so it asks to be looked at again and again while it lives.

use std::any::Any;
use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::{Mutex as AsyncMutex, mpsc};
use webrtc_ice::agent::Agent;
use webrtc_ice::agent::agent_config::AgentConfig;
use webrtc_ice::candidate::CandidateType;
use webrtc_ice::candidate::candidate_base::CandidateBaseConfig;
use webrtc_ice::candidate::candidate_host::CandidateHostConfig;
use webrtc_ice::mdns::MulticastDnsMode;
use webrtc_ice::network_type::NetworkType;
use webrtc_ice::udp_mux::UDPMux;
use webrtc_ice::udp_network::UDPNetwork;
use webrtc_util::{Conn, Error as ConnError};

use super::super::interfaces::own_ips;
use crate::nat::{Candidate, IceAgent, IceSetup, Transport, is_proven};
use crate::time::Timestamp;
use crate::wire::address::{canonical, mapped};

/// When an agent is looked at again: checks are answered so much later at most, a tenth of a usual round trip.
const LOOK_INTERVAL: Duration = Duration::from_millis(10);

/// Time between two checks of an address: it checks all of them at once, so 16 candidates are 64 datagrams a second.
const CHECK_INTERVAL: Duration = Duration::from_millis(250);

/// Checks of one address until it is given up: 6 s, as with the other library.
const CHECKS_MAX: u16 = 24;

/// Datagrams that wait on either side, further ones are dropped as the network would: two rounds of checks.
const QUEUE_MAX: usize = 64;

/// Where the crate believes its socket to be bound to; it does not matter, see [`IceAgent`].
const SOCKET: SocketAddr = SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), 9);

/// Starts an agent, and its thread.
pub(super) fn start(now: Timestamp, setup: IceSetup) -> Box<dyn IceAgent> {
    let (datagrams, incoming) = mpsc::channel(QUEUE_MAX);
    let (candidates, remotes) = mpsc::unbounded_channel();
    let shared = Arc::<Mutex<Shared>>::default();
    let mux = Mux(Arc::new(Wire::new(incoming, shared.clone())));
    let (setup_there, shared_there) = (setup.clone(), shared.clone());
    let thread = thread::Builder::new().name("webrtc-ice".to_owned());
    let started = thread.spawn(move || live(&setup_there, mux, shared_there, remotes));
    if let Err(error) = started {
        log::warn!("no checks: {error}");
    }
    Box::new(WebrtcAgent { setup, datagrams, candidates, shared, looked_at: now })
}

/// The node's side of an agent.
struct WebrtcAgent {
    setup: IceSetup,
    datagrams: mpsc::Sender<(SocketAddr, Bytes)>,
    /// Without a bound: an attempt names 32 at most. Closed, it ends the thread.
    candidates: mpsc::UnboundedSender<Candidate>,
    shared: Arc<Mutex<Shared>>,
    looked_at: Timestamp,
}

/// What an agent wants its node to do.
#[derive(Default)]
struct Shared {
    outgoing: VecDeque<(SocketAddr, Bytes)>,
    selected: Option<SocketAddr>,
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    // What is in it is whole between any two statements.
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl IceAgent for WebrtcAgent {
    fn add_remote(&mut self, _: Timestamp, candidate: &Candidate) {
        if candidate.transport == Transport::Udp {
            // An error means that there is no thread.
            let _gone = self.candidates.send(*candidate);
        }
    }

    fn handle_datagram(&mut self, _: Timestamp, from: SocketAddr, datagram: &[u8]) -> bool {
        let is_proven = is_proven(datagram, &self.setup);
        if is_proven {
            // An error means that there is no thread, or that it does not keep up.
            let _dropped = self.datagrams.try_send((from, Bytes::copy_from_slice(datagram)));
        }
        is_proven
    }

    fn handle_timeout(&mut self, now: Timestamp) {
        self.looked_at = now;
    }

    fn poll_transmit(&mut self) -> Option<(SocketAddr, Bytes)> {
        lock(&self.shared).outgoing.pop_front()
    }

    fn poll_selected(&mut self) -> Option<SocketAddr> {
        lock(&self.shared).selected.take()
    }

    fn poll_timeout(&self) -> Option<Timestamp> {
        (!self.candidates.is_closed()).then(|| self.looked_at + LOOK_INTERVAL)
    }
}

/// The life of an agent's thread.
fn live(
    setup: &IceSetup,
    mux: Mux,
    shared: Arc<Mutex<Shared>>,
    remotes: mpsc::UnboundedReceiver<Candidate>,
) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let ended = runtime.map(|runtime| runtime.block_on(check(setup, mux, shared, remotes)));
    match ended {
        Ok(Ok(())) => {}
        Ok(Err(error)) => log::warn!("checks have ended: {error}"),
        Err(error) => log::warn!("no checks: {error}"),
    }
}

/// Checks what comes, until the node's side is dropped.
async fn check(
    setup: &IceSetup,
    mux: Mux,
    shared: Arc<Mutex<Shared>>,
    mut remotes: mpsc::UnboundedReceiver<Candidate>,
) -> Result<(), webrtc_ice::Error> {
    let is_ipv6 = mux.0.is_ipv6;
    let agent = Agent::new(config(setup, mux)).await?;
    agent.on_candidate(Box::new(|_| Box::pin(async {})));
    agent.on_selected_candidate_pair_change(Box::new(move |_, remote| {
        lock(&shared).selected = Some(canonical(remote.addr()));
        Box::pin(async {})
    }));
    agent.gather_candidates()?;
    // Held, as it would end the checks.
    let (_cancel, cancelled) = mpsc::channel(1);
    let (fragment, password) = (setup.remote.fragment.clone(), setup.remote.password.clone());
    let connect = async {
        match setup.controlling {
            true => agent.dial(cancelled, fragment, password).await.map(drop),
            false => agent.accept(cancelled, fragment, password).await.map(drop),
        }
    };
    let add = async {
        while let Some(candidate) = remotes.recv().await {
            if is_ipv6 || candidate.address.is_ipv4() {
                add_remote(&agent, &candidate, is_ipv6)?;
            }
        }
        Ok(())
    };
    let mut add = std::pin::pin!(add);
    tokio::select! {
        connected = connect => {
            connected?;
            // A better pair may be found still.
            add.await
        }
        added = &mut add => added,
    }
}

fn config(setup: &IceSetup, mux: Mux) -> AgentConfig {
    // One local address stands for the socket.
    let is_taken = AtomicBool::new(false);
    let is_first = move |_| !is_taken.swap(true, Ordering::Relaxed);
    let network_type = if mux.0.is_ipv6 { NetworkType::Udp6 } else { NetworkType::Udp4 };
    let at_once = Some(Duration::ZERO);
    AgentConfig {
        udp_network: UDPNetwork::Muxed(Arc::new(mux)),
        local_ufrag: setup.local.fragment.clone(),
        local_pwd: setup.local.password.clone(),
        multicast_dns_mode: MulticastDnsMode::Disabled,
        network_types: vec![network_type],
        candidate_types: vec![CandidateType::Host],
        check_interval: CHECK_INTERVAL,
        max_binding_requests: Some(CHECKS_MAX),
        is_controlling: setup.controlling,
        host_acceptance_min_wait: at_once,
        srflx_acceptance_min_wait: at_once,
        prflx_acceptance_min_wait: at_once,
        ip_filter: Arc::new(Some(Box::new(is_first))),
        include_loopback: true,
        ..AgentConfig::default()
    }
}

fn add_remote(
    agent: &Agent,
    candidate: &Candidate,
    is_ipv6: bool,
) -> Result<(), webrtc_ice::Error> {
    let address = if is_ipv6 { mapped(candidate.address).into() } else { candidate.address };
    let base_config = CandidateBaseConfig {
        network: "udp".to_owned(),
        address: address.ip().to_string(),
        port: address.port(),
        component: 1,
        priority: candidate.priority(),
        ..CandidateBaseConfig::default()
    };
    let config = CandidateHostConfig { base_config, ..CandidateHostConfig::default() };
    let candidate: Arc<dyn webrtc_ice::candidate::Candidate + Send + Sync> =
        Arc::new(config.new_candidate_host()?);
    agent.add_remote_candidate(&candidate)
}

/// The node's shared socket, as the crate sees it.
struct Wire {
    incoming: AsyncMutex<mpsc::Receiver<(SocketAddr, Bytes)>>,
    shared: Arc<Mutex<Shared>>,
    /// Whether all addresses are IPv6 ones there.
    is_ipv6: bool,
}

impl Wire {
    fn new(incoming: mpsc::Receiver<(SocketAddr, Bytes)>, shared: Arc<Mutex<Shared>>) -> Self {
        let is_ipv6 = own_ips().iter().any(IpAddr::is_ipv6);
        Self { incoming: AsyncMutex::new(incoming), shared, is_ipv6 }
    }
}

/// Hands every agent the one socket: each has its own.
struct Mux(Arc<Wire>);

#[async_trait]
impl UDPMux for Mux {
    async fn close(&self) -> Result<(), ConnError> {
        Ok(())
    }

    async fn get_conn(self: Arc<Self>, _: &str) -> Result<Arc<dyn Conn + Send + Sync>, ConnError> {
        Ok(Arc::clone(&self.0) as Arc<dyn Conn + Send + Sync>)
    }

    async fn remove_conn_by_ufrag(&self, _: &str) {}
}

#[async_trait]
impl Conn for Wire {
    async fn connect(&self, _: SocketAddr) -> Result<(), ConnError> {
        Ok(())
    }

    async fn recv(&self, buffer: &mut [u8]) -> Result<usize, ConnError> {
        self.recv_from(buffer).await.map(|(length, _)| length)
    }

    async fn recv_from(&self, buffer: &mut [u8]) -> Result<(usize, SocketAddr), ConnError> {
        let next = self.incoming.lock().await.recv().await;
        let (from, datagram) = next.ok_or(ConnError::ErrUseClosedNetworkConn)?;
        let length = datagram.len().min(buffer.len());
        buffer[..length].copy_from_slice(&datagram[..length]);
        Ok((length, if self.is_ipv6 { mapped(from).into() } else { from }))
    }

    async fn send(&self, _: &[u8]) -> Result<usize, ConnError> {
        Err(ConnError::ErrNoRemAddr)
    }

    async fn send_to(&self, datagram: &[u8], to: SocketAddr) -> Result<usize, ConnError> {
        let outgoing = &mut lock(&self.shared).outgoing;
        if outgoing.len() < QUEUE_MAX {
            outgoing.push_back((canonical(to), Bytes::copy_from_slice(datagram)));
        }
        Ok(datagram.len())
    }

    fn local_addr(&self) -> Result<SocketAddr, ConnError> {
        Ok(SOCKET)
    }

    fn remote_addr(&self) -> Option<SocketAddr> {
        None
    }

    async fn close(&self) -> Result<(), ConnError> {
        Ok(())
    }

    fn as_any(&self) -> &(dyn Any + Send + Sync) {
        self
    }
}

#[cfg(test)]
mod tests;
