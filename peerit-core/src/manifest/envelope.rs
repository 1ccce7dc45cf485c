//! What stands around the `Info`: where to ask, and what people may want to know.

use peerit_proto::manifest::v1 as proto;

use super::address::is_host_port;
use super::error::ManifestError;
use super::raw::fields;
use super::{
    COMMENT_LENGTH_MAX, TRACKER_COUNT_MAX, TRACKER_LENGTH_MAX, WEB_SEED_COUNT_MAX,
    WEB_SEED_LENGTH_MAX,
};

/// What stands around the `Info` of a manifest. The content id does not cover it: anyone may change
/// it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EnvelopeFields {
    /// Trackers as "host:port"; at most 64, each at most 255 bytes.
    pub trackers: Vec<String>,
    /// HTTP(S) addresses that serve the content; at most 64, each at most 2,048 bytes.
    pub web_seeds: Vec<String>,
    /// Free text for people; at most 4,096 bytes, no control characters but line feeds and tabs.
    pub comment: String,
    /// When the manifest was made, in seconds since the Unix epoch; 0: not said.
    pub created_unix_s: u64,
    /// Who publishes this share as one version of many; `None`: the share is never updated.
    pub publication: Option<Publication>,
}

/// One version of an updatable share. The signature is carried, not yet verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publication {
    /// The publisher's ed25519 public key.
    pub publisher: [u8; 32],
    /// The version: of two, the higher one is newer.
    pub sequence: u64,
    /// The publisher's ed25519 signature over the content id and the sequence.
    pub signature: [u8; 64],
}

impl EnvelopeFields {
    /// Not yet checked, see [`EnvelopeFields::check`].
    pub(super) fn from_proto(envelope: proto::Envelope) -> Result<Self, ManifestError> {
        Ok(Self {
            trackers: envelope.trackers,
            web_seeds: envelope.web_seeds,
            comment: envelope.comment,
            created_unix_s: envelope.created_unix_s,
            publication: envelope.publication.as_ref().map(Publication::from_proto).transpose()?,
        })
    }

    /// The envelope, its `info` still empty.
    pub(super) fn to_proto(&self) -> proto::Envelope {
        proto::Envelope {
            info: bytes::Bytes::new(),
            trackers: self.trackers.clone(),
            web_seeds: self.web_seeds.clone(),
            comment: self.comment.clone(),
            created_unix_s: self.created_unix_s,
            publication: self.publication.as_ref().map(Publication::to_proto),
        }
    }

    pub(super) fn check(&self) -> Result<(), ManifestError> {
        check_count("trackers", self.trackers.len(), TRACKER_COUNT_MAX)?;
        check_count("web_seeds", self.web_seeds.len(), WEB_SEED_COUNT_MAX)?;
        for (index, tracker) in self.trackers.iter().enumerate() {
            check_text(|| format!("trackers[{index}]"), tracker, is_tracker, TRACKER_RULE)?;
        }
        for (index, address) in self.web_seeds.iter().enumerate() {
            check_text(|| format!("web_seeds[{index}]"), address, is_web_seed, WEB_SEED_RULE)?;
        }
        check_text(|| "comment".to_owned(), &self.comment, is_comment, COMMENT_RULE)
    }
}

impl Publication {
    fn from_proto(publication: &proto::Publication) -> Result<Self, ManifestError> {
        Ok(Self {
            publisher: key("publication.publisher", &publication.publisher)?,
            sequence: publication.sequence,
            signature: key("publication.signature", &publication.signature)?,
        })
    }

    fn to_proto(&self) -> proto::Publication {
        proto::Publication {
            publisher: self.publisher.to_vec().into(),
            sequence: self.sequence,
            signature: self.signature.to_vec().into(),
        }
    }
}

/// Counts what decoding would make room for.
pub(super) fn check_counts(envelope: &[u8]) -> Result<(), ManifestError> {
    let count = |list| fields(envelope).filter(|&(number, _)| number == list).count();
    check_count("trackers", count(2), TRACKER_COUNT_MAX)?;
    check_count("web_seeds", count(3), WEB_SEED_COUNT_MAX)
}

fn check_count(field: &'static str, count: usize, max: usize) -> Result<(), ManifestError> {
    if count > max { Err(ManifestError::TooMany { field, max }) } else { Ok(()) }
}

fn check_text(
    field: impl Fn() -> String,
    text: &str,
    is_good: fn(&str) -> bool,
    rule: &'static str,
) -> Result<(), ManifestError> {
    if is_good(text) { Ok(()) } else { Err(ManifestError::text(field(), text, rule)) }
}

const TRACKER_RULE: &str = "an address \"host:port\" of at most 255 bytes";

fn is_tracker(text: &str) -> bool {
    text.len() <= TRACKER_LENGTH_MAX && is_host_port(text)
}

const WEB_SEED_RULE: &str = "an http or https address of at most 2,048 bytes";

fn is_web_seed(text: &str) -> bool {
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    text.len() <= WEB_SEED_LENGTH_MAX
        && rest.is_some_and(|rest| !rest.is_empty())
        && !text.contains(|found: char| found.is_control() || found.is_whitespace())
}

const COMMENT_RULE: &str = "a text of at most 4,096 bytes without control characters";

// A terminal obeys control characters.
fn is_comment(text: &str) -> bool {
    let is_refused = |found: char| found.is_control() && found != '\n' && found != '\t';
    text.len() <= COMMENT_LENGTH_MAX && !text.contains(is_refused)
}

fn key<const LENGTH: usize>(
    field: &'static str,
    bytes: &[u8],
) -> Result<[u8; LENGTH], ManifestError> {
    bytes.try_into().map_err(|_| ManifestError::KeyLength {
        field,
        expected: LENGTH,
        actual: bytes.len(),
    })
}
