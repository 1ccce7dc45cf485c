//! What clients ask that one message answers.

use std::path::PathBuf;
use std::sync::Arc;

use futures_util::lock::Mutex;
use peerit_proto::daemon::v1 as proto;
use proto::response::Body as Answer;

use super::Stopper;
use super::convert;
use super::data_dir::Source;
use super::limits::PEERS_MAX;
use super::shares::{RequestError, Shares};
use super::wanted::Wanted;
use crate::hash::HashAlgorithm;
use crate::id::ContentId;
use crate::manifest::Manifest;
use crate::node::{Share, ShareOptions, resolve_peers};
use crate::runtime::{Runtime, blocking};

/// What the clients of a daemon share.
pub(super) struct Office {
    pub(super) shares: Arc<Shares>,
    pub(super) runtime: Arc<dyn Runtime>,
    /// Held while a long request is read and answered.
    pub(super) turn: Mutex<()>,
    /// Tells the daemon to end.
    pub(super) stopper: Stopper,
}

/// What can be done to a share.
#[derive(Clone, Copy)]
pub(super) enum Change {
    Pause,
    Resume,
    Remove,
}

impl Office {
    /// Does something to one share.
    pub(super) async fn change(&self, id: &[u8], change: Change) -> Result<Answer, RequestError> {
        let id = content_id(id)?;
        match change {
            Change::Pause => self.shares.pause(id).await?,
            Change::Resume => self.shares.resume(id).await?,
            Change::Remove => self.shares.remove(id).await?,
        }
        Ok(Answer::Done(proto::Done {}))
    }

    pub(super) async fn limit(&self, ask: proto::Limit) -> Result<Answer, RequestError> {
        let limits = ask.limits.map(convert::limits_from_proto).unwrap_or_default();
        if ask.content_id.is_empty() {
            self.shares.limit(limits).await?;
        } else {
            self.shares.limit_share(content_id(&ask.content_id)?, limits).await?;
        }
        Ok(Answer::Done(proto::Done {}))
    }

    pub(super) async fn download(&self, ask: proto::Download) -> Result<Answer, RequestError> {
        let wanted = self.wanted(ask).await?;
        let content_id = self.shares.download(wanted).await?;
        Ok(Answer::Added(proto::Added { content_id: convert::id_to_bytes(&content_id.0) }))
    }

    async fn wanted(&self, ask: proto::Download) -> Result<Wanted, RequestError> {
        let source = match (&*ask.manifest, ask.link.as_str()) {
            (manifest, "") => Manifest::parse(manifest)
                .map(Source::Manifest)
                .map_err(|error| RequestError::Invalid(error.to_string()))?,
            (b"", link) => link
                .parse()
                .map(Source::Link)
                .map_err(|error| RequestError::Invalid(format!("link: {error}")))?,
            _ => return Err(RequestError::Invalid("manifest and link exclude each other".into())),
        };
        let folder = absolute_path(&ask.folder)?;
        if ask.peers.len() > PEERS_MAX {
            return Err(RequestError::Invalid(format!("more than {PEERS_MAX} peers")));
        }
        let resolved = blocking(&*self.runtime, move || resolve_peers(&ask.peers));
        let peers = resolved.await.map_err(|error| RequestError::Invalid(error.to_string()))?;
        Ok(Wanted { source, folder, peers, overwrite: ask.overwrite })
    }

    /// The share of this id, if the node has it.
    pub(super) fn share(&self, id: &[u8]) -> Option<Share> {
        self.shares.running(content_id(id).ok()?)
    }

    pub(super) fn status(&self, wanted: &[u8]) -> Result<Answer, RequestError> {
        let wanted = if wanted.is_empty() { None } else { Some(content_id(wanted)?) };
        let shares = self.shares.status(wanted)?;
        let node = self.shares.node();
        Ok(Answer::Status(proto::Status {
            shares: shares.iter().map(convert::share_to_proto).collect(),
            listen_port: node.listen_port().into(),
            peer_id: convert::id_to_bytes(&node.peer_id().0),
            limits: Some(convert::limits_to_proto(node.rate_limits())),
        }))
    }
}

fn content_id(bytes: &[u8]) -> Result<ContentId, RequestError> {
    convert::content_id(bytes).map_err(|error| RequestError::Invalid(error.to_string()))
}

fn absolute_path(bytes: &[u8]) -> Result<PathBuf, RequestError> {
    let path = convert::path_from_bytes(bytes);
    if path.is_absolute() {
        Ok(path)
    } else {
        Err(RequestError::Invalid(format!("{} is not an absolute path", path.display())))
    }
}

/// What to hash, and how.
pub(super) fn share_options(ask: &proto::Share) -> Result<(PathBuf, ShareOptions), RequestError> {
    let hash_algorithm = match ask.hash_algorithm {
        0 | 1 => HashAlgorithm::Blake3,
        2 => HashAlgorithm::Sha1,
        other => return Err(RequestError::Invalid(format!("hash algorithm {other} is unknown"))),
    };
    let options = ShareOptions {
        trackers: ask.trackers.clone(),
        chunk_length: Some(ask.chunk_length_bytes).filter(|&length| length > 0),
        hash_algorithm,
        ..ShareOptions::default()
    };
    Ok((absolute_path(&ask.path)?, options))
}
