//! The daemon: a node, a data folder and a socket.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use async_channel::{Receiver, Sender};
use futures_util::lock::Mutex;
use futures_util::{FutureExt, select_biased};
use peerit_proto::daemon::v1 as proto;

use super::data_dir::{Addresses, DataDir};
use super::error::DaemonError;
use super::limits::CLIENTS_MAX;
use super::office::Office;
use super::requests::Client;
use super::shares::Shares;
use super::{atomic, ipc, socket};
use crate::node::{IceLibrary, Node, NodeBuilder, NodeError};
use crate::runtime::{BoxStream, Runtime, UnixListener, blocking};

/// Wait after the system refused to accept a connection (most often for want of file descriptors).
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// How long a folder is waited for that another daemon has: a process ends within milliseconds.
const HANDOVER: Duration = Duration::from_millis(500);
/// Time between two looks at it.
const HANDOVER_LOOK: Duration = Duration::from_millis(10);

/// How a daemon is started.
pub struct DaemonConfig {
    /// The folder for everything it keeps; made if it is not there.
    pub data_dir: PathBuf,
    /// Where peers dial (TCP and UDP). Default: where the last run listened, at first any free port
    /// on all interfaces.
    pub listen: Option<SocketAddr>,
    /// Whether the router of this machine's network is asked to map the port on which peers dial, see
    /// [`NodeBuilder::port_mapping`](crate::node::NodeBuilder::port_mapping). Default: as in the last run, at first yes.
    pub port_mapping: Option<bool>,
    /// What checks which paths to a peer work, see [`NodeBuilder::ice`](crate::node::NodeBuilder::ice).
    pub ice: IceLibrary,
    /// What runs its tasks.
    pub runtime: Arc<dyn Runtime>,
}

/// A node served over a Unix socket, until it is told to stop.
pub struct Daemon {
    office: Arc<Office>,
    data_dir: Arc<DataDir>,
    listener: Arc<dyn UnixListener>,
    stopping: Receiver<()>,
}

/// Ends a daemon. Cheap to clone.
#[derive(Clone)]
pub struct Stopper(Sender<()>);

impl Stopper {
    /// Lets [`Daemon::run`] end. Returns at once.
    pub fn stop(&self) {
        // Fails when it is stopping already.
        let _ = self.0.try_send(());
    }
}

impl Daemon {
    /// Takes the data folder, starts the node and all saved shares, and listens for clients. A share that
    /// cannot be started is listed as failed.
    ///
    /// # Errors
    /// When another daemon has the data folder, it cannot be written, or no port can be listened on.
    pub async fn start(config: DaemonConfig) -> Result<Self, DaemonError> {
        let DaemonConfig { data_dir, listen, port_mapping, ice, runtime } = config;
        let opened = blocking(&*runtime, move || -> Result<_, DaemonError> {
            let data_dir = take(&data_dir)?;
            // Nothing else may be done in vain.
            socket::address(&socket::path(data_dir.path()))?;
            let (identity, addresses) = (data_dir.identity()?, data_dir.addresses()?);
            Ok((data_dir, identity, addresses))
        });
        let (data_dir, identity, last) = opened.await?;
        let data_dir = Arc::new(data_dir);
        let port_mapping = port_mapping.or(last.map(|last| last.port_mapping)).unwrap_or(true);
        let limits = last.map(|last| last.limits).unwrap_or_default();
        let start = || {
            let builder = Node::builder().runtime(Arc::clone(&runtime)).identity(identity.clone());
            let builder = builder.stamps(data_dir.stamps()).rate_limits(limits);
            builder.port_mapping(port_mapping).ice(ice)
        };
        let node = start_node(start, listen, last).await?;
        let ip = listen.or(last.map(|last| last.listen)).map(|at| at.ip());
        let addresses = Addresses {
            listen: (ip.unwrap_or(Ipv4Addr::UNSPECIFIED.into()), node.listen_port()).into(),
            tracker: node.tracker_address(),
            port_mapping,
            limits,
        };
        if Some(addresses) != last {
            let data_dir = Arc::clone(&data_dir);
            blocking(&*runtime, move || data_dir.save_addresses(addresses)).await?;
        }
        let shares = Shares::new(node, Arc::clone(&data_dir), Arc::clone(&runtime));
        shares.load_all().await?;
        let listener = socket::open(data_dir.path())?;
        let listener = runtime
            .unix_listener(listener)
            .map_err(DaemonError::io(&socket::path(data_dir.path())))?;
        let (stop, stopping) = async_channel::bounded(1);
        let stopper = Stopper(stop);
        let office = Arc::new(Office { shares, runtime, turn: Mutex::new(()), stopper });
        Ok(Self { office, data_dir, listener, stopping })
    }

    /// Ends this daemon from elsewhere: a signal handler, a test.
    #[must_use]
    pub fn stopper(&self) -> Stopper {
        self.office.stopper.clone()
    }

    /// The folder it keeps everything in.
    #[must_use]
    pub fn data_dir(&self) -> &Path {
        self.data_dir.path()
    }

    /// The port on which peers can dial.
    #[must_use]
    pub fn listen_port(&self) -> u16 {
        self.office.shares.node().listen_port()
    }

    /// Serves clients until a client or a [`Stopper`] ends it; then all shares are stopped and what they have
    /// is durable. Dropping the future is like killing the daemon: nothing is lost that was answered.
    pub async fn run(self) {
        let (alive, all_gone) = async_channel::bounded::<Infallible>(1);
        let (ending, end) = async_channel::bounded::<Infallible>(1);
        loop {
            select_biased! {
                _ = self.stopping.recv().fuse() => break,
                accepted = self.listener.accept().fuse() => match accepted {
                    Ok(stream) => self.serve(stream, &alive, &end).await,
                    Err(error) => {
                        log::warn!("no client can be accepted: {error}");
                        self.office.runtime.sleep(ACCEPT_RETRY).await;
                    }
                }
            }
        }
        self.office.shares.shut_down().await;
        if let Err(error) = atomic::remove(&socket::path(self.data_dir.path())) {
            log::warn!("the socket stays: {error}");
        }
        drop((ending, alive));
        // Closed when the last client's task has ended.
        let _ = all_gone.recv().await;
    }

    /// Serves one client in a task of its own, which `alive` counts and `end` ends.
    async fn serve(
        &self,
        mut stream: BoxStream,
        alive: &Sender<Infallible>,
        end: &Receiver<Infallible>,
    ) {
        if alive.sender_count() > CLIENTS_MAX {
            let message = format!("the daemon has {CLIENTS_MAX} clients already: try again later");
            let failure = proto::Failure { message, usage: true, full: true };
            let body = Some(proto::response::Body::Failure(failure));
            // It fits into the empty buffer of a new socket, so this does not wait.
            let _ = ipc::write(&mut stream, &proto::Response { body }).await;
            return;
        }
        let (alive, end) = (alive.clone(), end.clone());
        let client = Client::new(Arc::clone(&self.office), stream);
        self.office.runtime.spawn(Box::pin(async move {
            let _alive = alive;
            let mut serving = Box::pin(client.serve().fuse());
            select_biased! {
                () = serving => {}
                _ = end.recv().fuse() => {}
            }
        }));
    }
}

/// Takes the folder; one that ends has told its clients already when it still has it for a moment.
fn take(path: &Path) -> Result<DataDir, DaemonError> {
    let started = Instant::now();
    loop {
        match DataDir::open(path) {
            Err(DaemonError::Locked(_)) if started.elapsed() < HANDOVER => {
                thread::sleep(HANDOVER_LOOK);
            }
            opened => return opened,
        }
    }
}

/// Listens where the user says, or else where the last run did, so that the addresses in `.p2p` files stay
/// valid, or else anywhere.
async fn start_node(
    builder: impl Fn() -> NodeBuilder,
    listen: Option<SocketAddr>,
    last: Option<Addresses>,
) -> Result<Node, NodeError> {
    let anywhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
    let start = |listen, tracker| {
        let builder = builder().listen(listen);
        match tracker {
            Some(tracker) => builder.embedded_tracker(tracker).start(),
            None => builder.start(),
        }
    };
    let last_tracker = last.and_then(|last| last.tracker);
    if let Some(last) = last {
        match start(listen.unwrap_or(last.listen), last_tracker).await {
            Ok(node) => return Ok(node),
            Err(error) => {
                log::warn!("{error}: taking other ports, older .p2p files may not find us");
            }
        }
    }
    start(listen.unwrap_or(anywhere), last_tracker.map(|_| anywhere)).await
}
