//! `peerit share`: as `create`, and the daemon seeds the content.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use futures_lite::StreamExt;
use peerit_core::daemon::{DaemonClient, ShareRequest};
use peerit_core::hash::HashAlgorithm;
use peerit_core::id::ContentId;
use peerit_core::tracker::TrackerStatus;

use super::create;
use crate::args::Create;
use crate::env::Env;
use crate::error::CliError;
use crate::find::short_id;
use crate::hashing::Meter;
use crate::progress::shorten;
use crate::target::Target;
use crate::{daemon, p2p, waiting};

/// How long trackers may take to answer: a request over UDP, and one more over TCP where that is lost.
const TRACKERS_TIMEOUT: Duration = Duration::from_secs(3);
/// Time between two looks whether they have.
const INTERVAL: Duration = Duration::from_millis(50);

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
        more_trackers: target.kept_trackers().to_vec(),
        chunk_length: args.chunk_size,
        hash_algorithm,
    };
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut meter = Meter::start(env, &name, "hashing");
    let shared = client.share(&path, &request, |done, total| meter.draw(env, done, total)).await;
    meter.end(env);
    let manifest = shared?;
    if let Err(error) = target.write(&manifest) {
        // Hours of hashing may be in it: it is for the user to say what becomes of it.
        let (link, id) = (create::link(&manifest), short_id(manifest.content_id()));
        env.note(&format!("the daemon seeds it all the same, until `peerit remove {id}`: {link}"));
        return Err(error);
    }
    if !args.json {
        env.note("the daemon seeds it: see `peerit status`");
        // Without names the file may well be of the same daemon, with the same trackers.
        if !args.trackers.is_empty() {
            target.note_kept(env);
        }
    }
    if args.trackers.is_empty() && are_of_loopback(manifest.trackers()) {
        env.note(
            "warning: only this machine can use it, as it has no address but its own: connect it to a network and \
             share again, or name a --tracker",
        );
    }
    create::print(env, &manifest, target.path(), args.json)?;
    if args.trackers.is_empty() && target.kept_trackers().is_empty() {
        // The daemon's own answers.
        return Ok(());
    }
    warn_of_trackers(env, client, manifest.content_id()).await
}

/// Names the trackers that do not answer, or refuse: the share is seeded, but whoever asks them does not find it.
async fn warn_of_trackers(
    env: &mut Env,
    client: DaemonClient,
    content_id: ContentId,
) -> Result<(), CliError> {
    let started = Instant::now();
    let mut watch = client.watch(Some(content_id), INTERVAL);
    while let Some(status) = watch.next().await {
        let trackers = status?.shares.pop().map(|share| share.trackers).unwrap_or_default();
        let has_answer = |one: &TrackerStatus| one.reachable || !one.problem.is_empty();
        let are_known = !trackers.is_empty() && trackers.iter().all(has_answer);
        if !are_known && started.elapsed() < TRACKERS_TIMEOUT {
            continue;
        }
        for tracker in trackers.iter().filter(|one| !one.reachable || !one.problem.is_empty()) {
            let why = shorten(&waiting::tracker(tracker), usize::MAX);
            env.note(&format!("warning: {why}: the daemon goes on trying, see `peerit status ID`"));
        }
        break;
    }
    Ok(())
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
