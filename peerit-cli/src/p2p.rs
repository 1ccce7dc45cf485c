//! `.p2p` files and links.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use peerit_core::hash::HashAlgorithm;
use peerit_core::id::ContentId;
use peerit_core::manifest::{Link, MANIFEST_LENGTH_MAX, Manifest};

use crate::env::Env;
use crate::error::CliError;

/// What a download starts from.
pub(crate) enum Source {
    Manifest(Manifest),
    Link(Link),
}

impl Source {
    /// A link when the text is one, else a `.p2p` file.
    pub(crate) fn read(env: &mut Env, source: &Path) -> Result<Self, CliError> {
        match source.to_str().filter(|text| text.starts_with("peerit:")) {
            Some(text) => text
                .parse()
                .map(Self::Link)
                .map_err(|error| CliError::Usage(format!("the link is not valid: {error}"))),
            None => read(env, source).map(Self::Manifest),
        }
    }

    /// Whether it names somebody who knows peers.
    pub(crate) fn has_trackers(&self) -> bool {
        match self {
            Self::Manifest(manifest) => !manifest.trackers().is_empty(),
            Self::Link(link) => !link.trackers.is_empty(),
        }
    }

    pub(crate) fn content_id(&self) -> ContentId {
        match self {
            Self::Manifest(manifest) => manifest.content_id(),
            Self::Link(link) => link.content_id,
        }
    }
}

/// Reads a `.p2p` file; `-` is standard input. Warns when its digests are weak.
pub(crate) fn read(env: &mut Env, file: &Path) -> Result<Manifest, CliError> {
    let path = env.dir.join(file);
    let (bytes, path) = match file.to_str() {
        Some("-") => (read_limited(&mut env.input), PathBuf::from("standard input")),
        _ => (File::open(&path).and_then(|mut file| read_limited(&mut file)), path),
    };
    let bytes = bytes.map_err(CliError::io(&path))?;
    let manifest = Manifest::parse(&bytes).map_err(|source| CliError::Manifest { path, source })?;
    if manifest.hash_algorithm() == HashAlgorithm::Sha1 {
        warn_of_sha1(env);
    }
    Ok(manifest)
}

pub(crate) fn warn_of_sha1(env: &mut Env) {
    env.note("warning: SHA-1 digests do not protect from content made to deceive; prefer blake3");
}

/// One byte more than the limit is enough for the parser to refuse it.
pub(crate) fn read_limited(reader: &mut dyn Read) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.take(MANIFEST_LENGTH_MAX as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The path to a content that a user names: absolute, with the last component as given, since it names the
/// content even where it is a link.
pub(crate) fn content_path(env: &Env, path: &Path) -> Result<PathBuf, CliError> {
    let path = env.dir.join(path);
    let canonical = |path: &Path| fs::canonicalize(path).map_err(CliError::io(path));
    match (path.parent(), path.file_name()) {
        (Some(folder), Some(name)) => {
            let path = canonical(folder)?.join(name);
            fs::metadata(&path).map_err(CliError::io(&path))?;
            Ok(path)
        }
        _ => canonical(&path),
    }
}
