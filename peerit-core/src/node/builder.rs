//! How a node is started.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread::available_parallelism;

use super::announcer::Announcer;
use super::clock::Clock;
use super::context::{Context, Shares};
use super::error::NodeError;
use super::paths::{self, IceLibrary, Means, Paths};
use super::ports::{self, Ports};
use super::rate_limit::{Limits, RateLimits};
use super::tracker_service::{TrackerService, TrackerServiceConfig};
use super::workers::Workers;
use super::{Node, accept};
use crate::runtime::{self, Runtime};
use crate::transport::{
    Identity, QuicTransport, RacingTransport, RelayDialer, SharedUdp, TcpTransport, Transport,
    TransportError,
};
use crate::wire::AGENT_LENGTH_MAX;

/// Reads for uploads that run at once: enough to keep a solid-state disk's queue busy.
const READERS: usize = 8;
/// Long jobs that run at once. They use all cores themselves, so more would only compete; several,
/// so that a small share need not wait until a large one is hashed.
const CHORES: usize = 4;
/// How often a free port is sought that is free for TCP and UDP.
const PORT_TRIES: usize = 16;

/// How a node is started; see [`Node::builder`].
#[must_use = "a builder does nothing until it is started"]
pub struct NodeBuilder {
    listen: SocketAddr,
    identity: Option<Identity>,
    runtime: Option<Arc<dyn Runtime>>,
    transport: Option<(Arc<dyn Transport>, Identity)>,
    agent: String,
    embedded_tracker: Option<SocketAddr>,
    port_mapping: bool,
    ice: IceLibrary,
    rate_limits: RateLimits,
    stamps: Option<PathBuf>,
}

impl NodeBuilder {
    pub(crate) fn new() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
            identity: None,
            runtime: None,
            transport: None,
            agent: concat!("peerit/", env!("CARGO_PKG_VERSION")).to_owned(),
            embedded_tracker: None,
            port_mapping: false,
            ice: IceLibrary::default(),
            rate_limits: RateLimits::default(),
            stamps: None,
        }
    }

    /// Where peers can dial this node by TCP and by QUIC, on one port number, and where its datagrams come
    /// from. Default: any free port on all interfaces.
    pub fn listen(mut self, listen: SocketAddr) -> Self {
        self.listen = listen;
        self
    }

    /// Who this node is. Default: somebody new.
    pub fn identity(mut self, identity: Identity) -> Self {
        self.identity = Some(identity);
        self
    }

    /// What runs the node's tasks. Default: async-std if that feature is on, else the tokio runtime
    /// that [`NodeBuilder::start`] is awaited in.
    pub fn runtime(mut self, runtime: Arc<dyn Runtime>) -> Self {
        self.runtime = Some(runtime);
        self
    }

    /// What carries connections, instead of TCP and QUIC, and the identity it proves.
    pub fn transport(mut self, transport: Arc<dyn Transport>, identity: Identity) -> Self {
        self.transport = Some((transport, identity));
        self
    }

    /// Program and version that peers are told; cut to 64 bytes. Default: `peerit/` and the version of this crate.
    pub fn agent(mut self, agent: impl Into<String>) -> Self {
        self.agent = agent.into();
        // Peers would refuse a longer one, and us with it.
        while self.agent.len() > AGENT_LENGTH_MAX {
            self.agent.pop();
        }
        self
    }

    /// Runs a tracker on this address (UDP and TCP), for shares that name none. Default: no; see
    /// [`Node::start_tracker`] for later.
    pub fn embedded_tracker(mut self, listen: SocketAddr) -> Self {
        self.embedded_tracker = Some(listen);
        self
    }

    /// Asks the router of this machine's own network to map the TCP and UDP port by PCP, NAT-PMP or UPnP, so that peers
    /// reach this node where no hole can be punched; in the background, from the start to [`Node::shutdown`]. Nobody
    /// else is asked. Nothing is mapped for a transport of the application's own.
    ///
    /// Default: no, as it opens a port on another machine, which its owner should have heard of. The daemon does it
    /// unless it is told not to.
    pub fn port_mapping(mut self, port_mapping: bool) -> Self {
        self.port_mapping = port_mapping;
        self
    }

    /// What checks which paths to a peer work. Default: the smaller and quicker of the two, see `manual/nat.md`.
    pub fn ice(mut self, library: IceLibrary) -> Self {
        self.ice = library;
        self
    }

    /// How fast content is sent and received, all shares together. Default: as fast as it goes. See
    /// [`Node::set_rate_limits`] for later.
    pub fn rate_limits(mut self, limits: RateLimits) -> Self {
        self.rate_limits = limits;
        self
    }

    /// A folder, made by the caller, for what vouches for complete content: one small file per
    /// share, named by its content id, so that a restart need not hash the content again. Default:
    /// none.
    pub fn stamps(mut self, folder: impl Into<PathBuf>) -> Self {
        self.stamps = Some(folder.into());
        self
    }

    /// Binds the sockets and starts the node's tasks. Waits for neither network nor disk.
    ///
    /// # Errors
    /// When there is no runtime or no randomness, or a port is taken.
    pub async fn start(self) -> Result<Node, NodeError> {
        let runtime = self.runtime.or_else(runtime::default).ok_or(NodeError::NoRuntime)?;
        let listen_error = |source| NodeError::Listen { address: self.listen, source };
        let (transport, identity, udp, means) = match self.transport {
            Some((transport, identity)) => {
                let udp = runtime.udp_socket(bind_udp(self.listen, 0)?).map_err(listen_error)?;
                (transport, identity, udp, None)
            }
            None => {
                let identity = self.identity.map_or_else(Identity::generate, Ok)?;
                let Bound { transport, trackers, means } =
                    bind(&runtime, &identity, self.listen, self.ice)?;
                (transport, identity, trackers, Some(means))
            }
        };
        let tracker = match self.embedded_tracker {
            Some(listen) => Some(start_tracker(&runtime, listen)?),
            None => None,
        };
        let peer_id = identity.peer_id();
        let cores = available_parallelism().map_or(1, usize::from);
        let (closing, shut_down) = async_channel::bounded(1);
        let (paths, inbox) = Paths::new();
        let (ports, orders) = Ports::new();
        let maps_ports = self.port_mapping && means.is_some();
        let mut secret = [0; 32];
        getrandom::fill(&mut secret)?;
        let clock = Clock::start();
        let context = Arc::new(Context {
            announcer: Announcer::start(Arc::clone(&runtime), udp, peer_id, getrandom::u64()?),
            paths: means.is_some().then_some(paths),
            ports: maps_ports.then_some(ports),
            transport,
            peer_id,
            agent: self.agent,
            clock,
            memory: Arc::default(),
            limits: Arc::new(Limits::new(clock, self.rate_limits)),
            tracker: Mutex::new(tracker),
            checkers: Workers::new(Arc::clone(&runtime), cores),
            chores: Workers::new(Arc::clone(&runtime), CHORES),
            readers: Workers::new(Arc::clone(&runtime), READERS),
            stamps: self.stamps,
            handles: Arc::default(),
            shares: Mutex::new(Shares::default()),
            runtime,
            closing,
        });
        if let Some(means) = means {
            let run = paths::run(Arc::clone(&context), means, secret, inbox, shut_down.clone());
            context.runtime.spawn(Box::pin(run));
        }
        if maps_ports {
            let bound = SocketAddr::new(self.listen.ip(), context.listen_port());
            context.runtime.spawn(Box::pin(ports::run(Arc::clone(&context), bound, orders)));
        }
        context.runtime.spawn(Box::pin(accept::run(Arc::clone(&context), shut_down)));
        Ok(Node::new(context))
    }
}

/// What a node without a transport of the application's own listens on.
struct Bound {
    /// TCP, preferred, and QUIC.
    transport: Arc<dyn Transport>,
    /// The trackers' lane of the socket that QUIC is on.
    trackers: Arc<dyn runtime::UdpSocket>,
    /// What else finds paths on that socket.
    means: Means,
}

fn bind(
    runtime: &Arc<dyn Runtime>,
    identity: &Identity,
    listen: SocketAddr,
    ice: IceLibrary,
) -> Result<Bound, NodeError> {
    let (tcp, udp) = bind_ports(runtime, identity, listen)?;
    let address = SocketAddr::new(listen.ip(), tcp.listen_port());
    let udp =
        SharedUdp::new(&**runtime, udp).map_err(|source| NodeError::Listen { address, source })?;
    let quic = Arc::new(QuicTransport::new(Arc::clone(runtime), identity, &udp)?);
    let second = Box::new(Arc::clone(&quic));
    let both = RacingTransport::new(Arc::clone(runtime), Box::new(tcp), second);
    let relays = RelayDialer::new(Arc::clone(runtime), identity)?;
    let means = Means { stun: udp.stun(), quic, relays, ice: ice.backend() };
    Ok(Bound { transport: Arc::new(both), trackers: udp.tracker(), means })
}

/// TCP and UDP on the same number, so that what the tracker sees of one serves the other.
fn bind_ports(
    runtime: &Arc<dyn Runtime>,
    identity: &Identity,
    listen: SocketAddr,
) -> Result<(TcpTransport, UdpSocket), NodeError> {
    let mut tries = if listen.port() == 0 { PORT_TRIES } else { 1 };
    loop {
        tries -= 1;
        let tcp =
            TcpTransport::bind(Arc::clone(runtime), identity, listen).map_err(
                |error| match error {
                    TransportError::Io(source) => NodeError::Listen { address: listen, source },
                    error => error.into(),
                },
            )?;
        match bind_udp(listen, tcp.listen_port()) {
            Ok(udp) => return Ok((tcp, udp)),
            Err(error) if tries == 0 => return Err(error),
            Err(_) => {}
        }
    }
}

fn bind_udp(listen: SocketAddr, port: u16) -> Result<UdpSocket, NodeError> {
    let address = SocketAddr::new(listen.ip(), port);
    UdpSocket::bind(address).map_err(|source| NodeError::Listen { address, source })
}

/// A tracker for the node's own shares.
pub(super) fn start_tracker(
    runtime: &Arc<dyn Runtime>,
    listen: SocketAddr,
) -> Result<Arc<TrackerService>, NodeError> {
    let config = TrackerServiceConfig { listen, ..TrackerServiceConfig::default() };
    Ok(Arc::new(TrackerService::start(Arc::clone(runtime), config)?))
}
