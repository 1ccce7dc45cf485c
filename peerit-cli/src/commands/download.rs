//! `peerit download`: fetches content, by the daemon unless told otherwise.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use futures_lite::StreamExt;
use peerit_core::daemon::{ClientError, DaemonClient, DownloadRequest};
use peerit_core::id::ContentId;
use peerit_core::node::{RateLimits, ShareState, ShareStatus};

use super::alone;
use crate::amount::{clock, mean_rate, rate, size};
use crate::args::Download;
use crate::env::Env;
use crate::error::CliError;
use crate::follow::{self, Statuses};
use crate::p2p::Source;
use crate::{daemon, json};

/// Time between two looks at a download.
const INTERVAL: Duration = Duration::from_millis(200);
/// The daemon was stopped or killed.
const GONE: &str =
    "the daemon has stopped: the same command starts it again and goes on from there";

pub(crate) async fn run(args: &Download, env: &mut Env) -> Result<(), CliError> {
    if args.seed_for.is_some() && !args.no_daemon {
        return Err(CliError::Usage(
            "--seed-for needs --no-daemon: the daemon seeds until `peerit remove`".to_owned(),
        ));
    }
    let source = Source::read(env, &args.source)?;
    let folder = folder(env, args.dir.as_deref())?;
    if !source.has_trackers() && args.peers.is_empty() {
        env.note("no tracker is named: without --peer HOST:PORT nobody may be found");
    }
    if args.no_daemon {
        return alone::download(args, source, &folder, env).await;
    }
    let id = source.content_id();
    let mut client = daemon::connect(env).await?;
    let before = match client.status(Some(id)).await {
        Ok(mut status) => status.shares.pop(),
        // It is no share yet.
        Err(ClientError::Refused { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    let request = DownloadRequest { peers: args.peers.clone(), overwrite: args.overwrite };
    match &source {
        Source::Manifest(manifest) => client.download(manifest, &folder, &request).await?,
        Source::Link(link) => client.download_link(link, &folder, &request).await?,
    };
    if args.up.is_some() || args.down.is_some() {
        let now = before.as_ref().map(|share| share.limits).unwrap_or_default();
        let (up, down) = (args.up.unwrap_or(now.up), args.down.unwrap_or(now.down));
        let limits = RateLimits { up, down, ..now };
        client.limit(Some(id), limits).await?;
    }
    if before.as_ref().is_some_and(|share| share.state == ShareState::Paused) && !args.json {
        env.note("it was paused: now it goes on");
    }
    let interrupts = env.interrupts.listen()?;
    let started = Instant::now();
    let after_interrupt =
        ": the daemon goes on in the background, see `peerit status` and `peerit pause`";
    let statuses = watch(client, id);
    let status = follow::to_the_end(env, statuses, &interrupts, args.json, after_interrupt).await?;
    let received = match before {
        // One that had to be started again counts from 0 again.
        Some(before) if before.downloaded <= status.downloaded => {
            status.downloaded - before.downloaded
        }
        _ => status.downloaded,
    };
    finish(env, &status, received, started.elapsed(), args.json)?;
    if !args.json {
        env.note("the daemon goes on seeding it: see `peerit status`");
    }
    Ok(())
}

/// Tells that every chunk is verified, for which `received` bytes have come.
pub(crate) fn finish(
    env: &mut Env,
    status: &ShareStatus,
    received: u64,
    took: Duration,
    json: bool,
) -> Result<(), CliError> {
    if json {
        return json::print(env, &json::Share::of(status), true);
    }
    let traffic = match received {
        0 => "was there already".to_owned(),
        bytes => format!("in {} ({})", clock(took), rate(mean_rate(bytes, took))),
    };
    env.print(&format!("{}: {} verified, {traffic}", status.path.display(), size(status.total)))
}

fn watch(client: DaemonClient, id: ContentId) -> Statuses<'static> {
    let statuses = client.watch(Some(id), INTERVAL).filter_map(|status| match status {
        // The daemon answers for one share with that share.
        Ok(mut status) => status.shares.pop().map(Ok),
        Err(ClientError::Gone) => Some(Err(CliError::Incomplete(GONE.to_owned()))),
        Err(error) => Some(Err(error.into())),
    });
    Box::pin(statuses)
}

/// Where to put the content; made if it is not there.
fn folder(env: &Env, dir: Option<&Path>) -> Result<PathBuf, CliError> {
    let folder = env.dir.join(dir.unwrap_or(Path::new("")));
    std::fs::create_dir_all(&folder).map_err(CliError::io(&folder))?;
    std::fs::canonicalize(&folder).map_err(CliError::io(&folder))
}
