//! `peerit share`: as `create`, and the daemon seeds the content.

use peerit_core::daemon::ShareRequest;
use peerit_core::hash::HashAlgorithm;

use super::create;
use crate::args::Create;
use crate::env::Env;
use crate::error::CliError;
use crate::hashing::Meter;
use crate::{daemon, p2p};

pub(crate) async fn run(args: &Create, env: &mut Env) -> Result<(), CliError> {
    let path = p2p::content_path(env, &args.path)?;
    if args.hash == HashAlgorithm::Sha1 {
        p2p::warn_of_sha1(env);
    }
    let mut client = daemon::connect(env).await?;
    let request = ShareRequest {
        trackers: args.trackers.clone(),
        chunk_length: args.chunk_size,
        hash_algorithm: args.hash,
    };
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut meter = Meter::start(env, &name, "hashing");
    let shared = client.share(&path, &request, |done, total| meter.draw(env, done, total)).await;
    meter.end(env);
    let manifest = shared?;
    let file = p2p::write(env, &manifest, args.output.as_deref(), args.force)?;
    if !args.json {
        env.note("the daemon seeds it: see `peerit status`");
    }
    create::print(env, &manifest, &file, args.json)
}
