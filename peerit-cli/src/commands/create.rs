//! `peerit create`: hashes a file or folder and writes its `.p2p` file.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use peerit_core::hash::HashAlgorithm;
use peerit_core::manifest::{Link, Manifest};
use peerit_core::store::create::{CreateOptions, create_manifest};

use crate::args::Create;
use crate::env::Env;
use crate::error::CliError;
use crate::target::Target;
use crate::{hashing, json, p2p};

pub(crate) fn run(args: &Create, env: &mut Env) -> Result<(), CliError> {
    let path = p2p::content_path(env, &args.path)?;
    let target = Target::find(env, args, &path)?;
    let hash_algorithm = args.hash.unwrap_or_default();
    if hash_algorithm == HashAlgorithm::Sha1 {
        p2p::warn_of_sha1(env);
    }
    let options = CreateOptions {
        chunk_length: args.chunk_size,
        hash_algorithm,
        trackers: [&args.trackers, target.kept_trackers()].concat(),
        created_unix_s: now_unix_s(),
        ..CreateOptions::default()
    };
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let manifest = hashing::run(env, &name, "hashing", |count| {
        create_manifest(&path, &options, &|done, total| count.tell(done, total))
    })??;
    target.write(&manifest)?;
    if !args.json {
        target.note_kept(env);
        if manifest.trackers().is_empty() {
            env.note("no --tracker: peers will have to be named with --peer");
        }
    }
    print(env, &manifest, target.path(), args.json)
}

/// Tells where the `.p2p` file is, and the link.
pub(crate) fn print(
    env: &mut Env,
    manifest: &Manifest,
    file: &Path,
    json: bool,
) -> Result<(), CliError> {
    let link = link(manifest);
    if json {
        let created = json::Created {
            id: manifest.content_id().to_string(),
            name: manifest.name().to_owned(),
            total_bytes: manifest.layout().length(),
            file: file.display().to_string(),
            link,
        };
        return json::print(env, &created, false);
    }
    env.print(&file.display().to_string())?;
    env.print(&link)
}

/// What to hand to others instead of the file.
pub(crate) fn link(manifest: &Manifest) -> String {
    let (content_id, trackers) = (manifest.content_id(), manifest.trackers().to_vec());
    Link { content_id, trackers }.to_string()
}

fn now_unix_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
