//! `peerit download --no-daemon`: the node runs in this process and ends with it.

use std::path::Path;
use std::time::{Duration, Instant};

use futures_lite::StreamExt;
use peerit_core::node::{DownloadOptions, Node, RateLimits, Share, resolve_peers};

use super::download::finish;
use crate::amount::{clock, rate, size};
use crate::args::Download;
use crate::daemon::runtime;
use crate::env::Env;
use crate::error::CliError;
use crate::follow;
use crate::interrupts::Listener;
use crate::p2p::Source;
use crate::progress::Display;

/// What Ctrl-C leaves behind.
const AFTER_INTERRUPT: &str = ": what is verified stays, the same command goes on from there";

pub(crate) async fn download(
    args: &Download,
    source: Source,
    folder: &Path,
    env: &mut Env,
) -> Result<(), CliError> {
    let peers = resolve_peers(&args.peers).map_err(|error| CliError::Usage(error.to_string()))?;
    let options =
        DownloadOptions { peers, overwrite: args.overwrite, ..DownloadOptions::default() };
    let (up, down) = (args.up.flatten(), args.down.flatten());
    let limits = RateLimits { up, down, ..RateLimits::default() };
    let node = Node::builder().runtime(runtime()?).rate_limits(limits).start().await?;
    let interrupts = env.interrupts.listen()?;
    let share = match source {
        Source::Manifest(manifest) => node.download(manifest, folder, options).await?,
        Source::Link(link) => node.download_link(link, folder, options).await?,
    };
    let result = to_the_end(args, &share, &interrupts, env).await;
    // Also after an interrupt: what is verified is made durable, trackers are told.
    node.shutdown().await;
    result
}

async fn to_the_end(
    args: &Download,
    share: &Share,
    interrupts: &Listener,
    env: &mut Env,
) -> Result<(), CliError> {
    let started = Instant::now();
    let statuses = Box::pin(share.progress().map(Ok));
    let status = follow::to_the_end(env, statuses, interrupts, args.json, AFTER_INTERRUPT).await?;
    finish(env, &status, status.downloaded, started.elapsed(), args.json)?;
    match args.seed_for {
        Some(duration) => seed(share, duration, interrupts, env).await,
        None => Ok(()),
    }
}

async fn seed(
    share: &Share,
    duration: Duration,
    interrupts: &Listener,
    env: &mut Env,
) -> Result<(), CliError> {
    let mut display = Display::new(env.columns);
    let mut progress = share.progress();
    let started = Instant::now();
    let result = loop {
        let left = duration.saturating_sub(started.elapsed());
        if left.is_zero() {
            break Ok(());
        }
        match interrupts.or(progress.next()).await {
            None => break Err(CliError::Interrupted(": the content is complete")),
            Some(None) => break Ok(()),
            Some(Some(status)) => {
                let line = format!(
                    "seeding for {}  {}  {} sent  {} peers",
                    clock(left),
                    rate(status.upload_rate),
                    size(status.uploaded),
                    status.peers.len()
                );
                display.draw(&mut env.err, &[line]);
            }
        }
    };
    display.clear(&mut env.err);
    result
}
