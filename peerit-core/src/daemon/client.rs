//! The daemon as another process sees it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::io::BufReader;
use futures_util::{Stream, stream};
use peerit_proto::daemon::v1 as proto;
use proto::request::Body as Ask;
use proto::response::Body as Answer;

use super::convert::{self, Invalid};
use super::ipc::{self, IpcError};
use super::socket;
use crate::hash::HashAlgorithm;
use crate::id::{ContentId, PeerId};
use crate::manifest::{Link, Manifest, ManifestError};
use crate::node::{RateLimits, ShareStatus};
use crate::runtime::{BoxStream, Runtime};

/// Why the daemon did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens on the socket.
    #[error("no daemon runs for {}", .0.display())]
    NotRunning(PathBuf),
    /// The socket cannot be used.
    #[error("{}: {source}", path.display())]
    Socket {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The daemon ended in the middle.
    #[error("the daemon has stopped")]
    Gone,
    /// What the daemon said makes no sense: it is of another version.
    #[error("the daemon's answer is not understood ({0}): stop it with `peerit daemon stop`")]
    NotUnderstood(String),
    /// The daemon has as many clients as it takes, and has closed the connection.
    #[error("{0}")]
    Full(String),
    /// The daemon said no.
    #[error("{message}")]
    Refused {
        /// Why, for people.
        message: String,
        /// Whether the cause is the request or the machine (true), or the content (false).
        usage: bool,
    },
}

impl From<IpcError> for ClientError {
    fn from(error: IpcError) -> Self {
        match error {
            IpcError::Io(_) => Self::Gone,
            error => Self::NotUnderstood(error.to_string()),
        }
    }
}

impl From<Invalid> for ClientError {
    fn from(error: Invalid) -> Self {
        Self::NotUnderstood(error.to_string())
    }
}

impl From<ManifestError> for ClientError {
    fn from(error: ManifestError) -> Self {
        Self::NotUnderstood(error.to_string())
    }
}

/// How [`DaemonClient::share`] makes a manifest; see [`ShareOptions`](crate::node::ShareOptions).
#[derive(Clone, Debug, Default)]
pub struct ShareRequest {
    /// Trackers as "host:port". None (the default): the daemon's own, at the addresses of this machine.
    pub trackers: Vec<String>,
    /// Trackers to be asked after those, also when they are the daemon's own; beyond
    /// [`TRACKER_COUNT_MAX`](crate::manifest::TRACKER_COUNT_MAX) in all they are left out. Default: none.
    pub more_trackers: Vec<String>,
    /// Chunk length in bytes. Default: by the content's length.
    pub chunk_length: Option<u32>,
    /// What the digests are made with. Default: BLAKE3.
    pub hash_algorithm: HashAlgorithm,
}

/// How the daemon fetches content; see [`DownloadOptions`](crate::node::DownloadOptions).
#[derive(Clone, Debug, Default)]
pub struct DownloadRequest {
    /// Peers to dial besides those that trackers name, as "host:port"; at most 256.
    pub peers: Vec<String>,
    /// Whether files that are there, but not part of the content, may be replaced; also after a restart of the
    /// daemon, but not once the content was complete: what differs then is somebody's work. Default: no.
    pub overwrite: bool,
}

/// What the daemon is doing.
#[derive(Clone, Debug)]
pub struct DaemonStatus {
    /// The shares asked for, in the order of adding.
    pub shares: Vec<ShareStatus>,
    /// The port on which peers can dial the daemon.
    pub listen_port: u16,
    /// Who the daemon is to peers.
    pub peer_id: PeerId,
    /// How fast content is sent and received at most, all shares together.
    pub limits: RateLimits,
}

/// A connection to a daemon: the calls of [`Node`](crate::node::Node), one at a time. A call that is dropped leaves the
/// connection useless: drop the client too.
pub struct DaemonClient {
    stream: BufReader<BoxStream>,
}

impl DaemonClient {
    /// Connects to the daemon of a data folder.
    ///
    /// # Errors
    /// [`ClientError::NotRunning`] when there is none. One that is full says so at the first call, by
    /// [`ClientError::Full`].
    pub async fn connect(data_dir: &Path, runtime: &Arc<dyn Runtime>) -> Result<Self, ClientError> {
        let path = socket::path(data_dir);
        match runtime.connect_unix(path.clone()).await {
            Ok(stream) => Ok(Self { stream: BufReader::new(stream) }),
            Err(error) => match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                    Err(ClientError::NotRunning(data_dir.to_owned()))
                }
                _ => Err(ClientError::Socket { path, source: error }),
            },
        }
    }

    /// Hashes the file or folder at `path` (absolute) and seeds it. `progress` is told bytes hashed and bytes in all,
    /// about ten times a second. Resolves once it is seeded. Dropping the call stops the hashing.
    ///
    /// # Errors
    /// When the daemon cannot, or is gone.
    pub async fn share(
        &mut self,
        path: &Path,
        request: &ShareRequest,
        mut progress: impl FnMut(u64, u64),
    ) -> Result<Manifest, ClientError> {
        self.send(Ask::Share(proto::Share {
            path: convert::path_to_bytes(path),
            trackers: request.trackers.clone(),
            more_trackers: request.more_trackers.clone(),
            chunk_length_bytes: request.chunk_length.unwrap_or(0),
            hash_algorithm: match request.hash_algorithm {
                HashAlgorithm::Blake3 => 1,
                HashAlgorithm::Sha1 => 2,
            },
        }))
        .await?;
        loop {
            match self.receive().await? {
                Answer::Progress(report) => progress(report.done_bytes, report.total_bytes),
                Answer::Shared(shared) => return Ok(Manifest::parse(&shared.manifest)?),
                other => return Err(unexpected(&other)),
            }
        }
    }

    /// Fetches content into `folder` (absolute). Returns at once, see [`DaemonClient::watch`].
    ///
    /// # Errors
    /// When the daemon cannot, or is gone.
    pub async fn download(
        &mut self,
        manifest: &Manifest,
        folder: &Path,
        request: &DownloadRequest,
    ) -> Result<ContentId, ClientError> {
        self.add(manifest.encode(), String::new(), folder, request).await
    }

    /// As [`DaemonClient::download`], but asks peers for the manifest first.
    ///
    /// # Errors
    /// When the daemon cannot, or is gone.
    pub async fn download_link(
        &mut self,
        link: &Link,
        folder: &Path,
        request: &DownloadRequest,
    ) -> Result<ContentId, ClientError> {
        self.add(Vec::new(), link.to_string(), folder, request).await
    }

    /// What one share, or all of them, are doing.
    ///
    /// # Errors
    /// When there is no such share, or the daemon is gone.
    pub async fn status(&mut self, wanted: Option<ContentId>) -> Result<DaemonStatus, ClientError> {
        let content_id = wanted.map(|id| convert::id_to_bytes(&id.0)).unwrap_or_default();
        self.send(Ask::Status(proto::StatusRequest { content_id })).await?;
        self.receive_status().await
    }

    /// What one share, or all of them, are doing, every `interval` (50 ms to one minute); of one share also as soon as
    /// it is complete or has failed. Ends after the first error: the share was removed, or the daemon is gone.
    pub fn watch(
        self,
        wanted: Option<ContentId>,
        interval: Duration,
    ) -> impl Stream<Item = Result<DaemonStatus, ClientError>> + Send + Unpin + use<> {
        let watch = proto::Watch {
            content_id: wanted.map(|id| convert::id_to_bytes(&id.0)).unwrap_or_default(),
            interval_ms: u32::try_from(interval.as_millis()).unwrap_or(u32::MAX),
        };
        let ask = Some(Ask::Watch(watch));
        Box::pin(stream::unfold(Some((self, ask)), |state| async {
            let (mut client, ask) = state?;
            let status = client.next_status(ask).await;
            let next = status.is_ok().then_some((client, None));
            Some((status, next))
        }))
    }

    /// Says how fast content of one share, or of all of them together, may be sent and received from now on, in later
    /// runs too.
    ///
    /// # Errors
    /// When there is no such share, it cannot be saved, or the daemon is gone.
    pub async fn limit(
        &mut self,
        wanted: Option<ContentId>,
        limits: RateLimits,
    ) -> Result<(), ClientError> {
        let content_id = wanted.map(|id| convert::id_to_bytes(&id.0)).unwrap_or_default();
        let limits = Some(convert::limits_to_proto(limits));
        self.ask_done(Ask::Limit(proto::Limit { content_id, limits })).await
    }

    /// Stops the traffic of a share until it is resumed.
    ///
    /// # Errors
    /// When there is no such share, or the daemon is gone.
    pub async fn pause(&mut self, content_id: ContentId) -> Result<(), ClientError> {
        let content_id = convert::id_to_bytes(&content_id.0);
        self.ask_done(Ask::Pause(proto::Pause { content_id })).await
    }

    /// Starts a share again that is paused or failed.
    ///
    /// # Errors
    /// When there is no such share, it still cannot be started, or the daemon is gone.
    pub async fn resume(&mut self, content_id: ContentId) -> Result<(), ClientError> {
        let content_id = convert::id_to_bytes(&content_id.0);
        self.ask_done(Ask::Resume(proto::Resume { content_id })).await
    }

    /// Forgets a share; its files stay.
    ///
    /// # Errors
    /// When there is no such share, or the daemon is gone.
    pub async fn remove(&mut self, content_id: ContentId) -> Result<(), ClientError> {
        let content_id = convert::id_to_bytes(&content_id.0);
        self.ask_done(Ask::Remove(proto::Remove { content_id })).await
    }

    /// Ends the daemon. Resolves once everything is saved and the daemon has closed its connections.
    ///
    /// # Errors
    /// When it is gone already.
    pub async fn stop(mut self) -> Result<(), ClientError> {
        self.ask_done(Ask::Stop(proto::Stop {})).await?;
        // Whatever comes now, the stream's end is not far.
        while let Ok(Some(_)) = ipc::read::<proto::Response>(&mut self.stream).await {}
        Ok(())
    }

    async fn add(
        &mut self,
        manifest: Vec<u8>,
        link: String,
        folder: &Path,
        request: &DownloadRequest,
    ) -> Result<ContentId, ClientError> {
        self.send(Ask::Download(proto::Download {
            manifest: manifest.into(),
            link,
            folder: convert::path_to_bytes(folder),
            peers: request.peers.clone(),
            overwrite: request.overwrite,
        }))
        .await?;
        match self.receive().await? {
            Answer::Added(added) => Ok(convert::content_id(&added.content_id)?),
            other => Err(unexpected(&other)),
        }
    }

    async fn next_status(&mut self, ask: Option<Ask>) -> Result<DaemonStatus, ClientError> {
        if let Some(ask) = ask {
            self.send(ask).await?;
        }
        self.receive_status().await
    }

    async fn receive_status(&mut self) -> Result<DaemonStatus, ClientError> {
        match self.receive().await? {
            Answer::Status(status) => Ok(DaemonStatus {
                shares: status
                    .shares
                    .into_iter()
                    .map(convert::share_from_proto)
                    .collect::<Result<_, _>>()?,
                listen_port: status.listen_port.try_into().map_err(|_| Invalid("listen_port"))?,
                peer_id: convert::peer_id(&status.peer_id)?,
                limits: convert::limits_from_proto(status.limits.unwrap_or_default()),
            }),
            other => Err(unexpected(&other)),
        }
    }

    async fn ask_done(&mut self, ask: Ask) -> Result<(), ClientError> {
        self.send(ask).await?;
        match self.receive().await? {
            Answer::Done(_) => Ok(()),
            other => Err(unexpected(&other)),
        }
    }

    async fn send(&mut self, ask: Ask) -> Result<(), ClientError> {
        let sent = ipc::write(&mut self.stream, &proto::Request { body: Some(ask) }).await;
        // A daemon that is full says so before it closes: its answer tells more than our error.
        match sent {
            Err(IpcError::Io(_)) => Ok(()),
            sent => Ok(sent?),
        }
    }

    async fn receive(&mut self) -> Result<Answer, ClientError> {
        let response: Option<proto::Response> = ipc::read(&mut self.stream).await?;
        match response.ok_or(ClientError::Gone)?.body {
            Some(Answer::Failure(failure)) if failure.full => {
                Err(ClientError::Full(failure.message))
            }
            Some(Answer::Failure(failure)) => {
                Err(ClientError::Refused { message: failure.message, usage: failure.usage })
            }
            Some(answer) => Ok(answer),
            None => Err(ClientError::NotUnderstood("it is empty".to_owned())),
        }
    }
}

fn unexpected(answer: &Answer) -> ClientError {
    let name = match answer {
        Answer::Failure(_) => "failure",
        Answer::Done(_) => "done",
        Answer::Progress(_) => "progress",
        Answer::Shared(_) => "shared",
        Answer::Added(_) => "added",
        Answer::Status(_) => "status",
    };
    ClientError::NotUnderstood(format!("{name} is not due"))
}
