//! `peerit share`: as `create`, and the daemon seeds the content.

use std::net::SocketAddr;

use peerit_core::daemon::ShareRequest;
use peerit_core::hash::HashAlgorithm;

use super::create;
use crate::args::Create;
use crate::env::Env;
use crate::error::CliError;
use crate::hashing::Meter;
use crate::target::Target;
use crate::{daemon, p2p};

pub(crate) async fn run(args: &Create, env: &mut Env) -> Result<(), CliError> {
    let path = p2p::content_path(env, &args.path)?;
    let target = Target::find(env, args, &path)?;
    let hash_algorithm = args.hash.unwrap_or_default();
    if hash_algorithm == HashAlgorithm::Sha1 {
        p2p::warn_of_sha1(env);
    }
    let mut client = daemon::connect(env).await?;
    let request = ShareRequest {
        trackers: args.trackers.clone(),
        chunk_length: args.chunk_size,
        hash_algorithm,
    };
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut meter = Meter::start(env, &name, "hashing");
    let shared = client.share(&path, &request, |done, total| meter.draw(env, done, total)).await;
    meter.end(env);
    let manifest = shared?;
    target.write(&manifest)?;
    if !args.json {
        env.note("the daemon seeds it: see `peerit status`");
    }
    if args.trackers.is_empty() && are_of_loopback(manifest.trackers()) {
        env.note(
            "warning: only this machine can use it, as it has no address but its own: connect it to a network and \
             share again, or name a --tracker",
        );
    }
    create::print(env, &manifest, target.path(), args.json)
}

/// Whether no other machine can reach any of them.
fn are_of_loopback(trackers: &[String]) -> bool {
    let is_loopback =
        |text: &String| text.parse::<SocketAddr>().is_ok_and(|address| address.ip().is_loopback());
    trackers.iter().all(is_loopback)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_for_others_is_enough() {
        let names = |texts: &[&str]| texts.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert!(are_of_loopback(&names(&["127.0.0.1:1", "[::1]:2"])));
        assert!(!are_of_loopback(&names(&["127.0.0.1:1", "192.0.2.1:2"])));
        assert!(!are_of_loopback(&names(&["tracker.example:1"])));
    }
}
