//! `peerit demo`: a tracker, a seed and two downloads, on real sockets of this machine.

use std::fs::{self, File};
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use peerit_core::manifest::Manifest;
use peerit_core::node::{
    DownloadOptions, Node, Share, ShareOptions, ShareState, TrackerService, TrackerServiceConfig,
};
use peerit_core::rng::Rng;
use peerit_core::store::verify::verify;

use crate::amount::{clock, mean_rate, rate, size};
use crate::args::Demo;
use crate::daemon::runtime;
use crate::env::Env;
use crate::error::CliError;
use crate::progress::{Display, Line};
use crate::{hashing, p2p};

/// Length of the file that is made, in bytes: some seconds of work.
const LENGTH: u64 = 256 << 20;
/// Time between two drawings.
const INTERVAL: Duration = Duration::from_millis(100);

/// Everything that runs. All of it is in this process; only sockets connect it.
struct Cast {
    tracker: TrackerService,
    nodes: Vec<Node>,
}

pub(crate) async fn run(args: &Demo, env: &mut Env) -> Result<(), CliError> {
    let interrupts = env.interrupts.listen()?;
    let stage = tempfile::Builder::new().prefix("peerit-demo").tempdir();
    let stage = stage.map_err(CliError::io(std::env::temp_dir()))?;
    let path = match &args.path {
        Some(path) => p2p::content_path(env, path)?,
        None => make_content(env, stage.path())?,
    };
    let config = TrackerServiceConfig { listen: loopback(), ..TrackerServiceConfig::default() };
    let tracker = TrackerService::start(runtime()?, config)
        .map_err(|error| CliError::Usage(format!("the tracker cannot listen: {error}")))?;
    let mut cast = Cast { tracker, nodes: Vec::new() };
    let played = interrupts.or(play(&mut cast, &path, stage.path(), env)).await;
    let played = match played {
        Some(result) => result,
        None => Err(CliError::Interrupted("")),
    };
    cast.leave().await;
    // Dropping it would not tell.
    let folder = stage.path().to_owned();
    stage.close().map_err(CliError::io(folder))?;
    played
}

async fn play(cast: &mut Cast, path: &Path, stage: &Path, env: &mut Env) -> Result<(), CliError> {
    let tracker = cast.tracker.local_address().to_string();
    env.print(&format!("$ peerit-tracker --listen {tracker}"))?;
    let seed = share(cast, path, &tracker, env).await?;
    let manifest = seed.manifest().cloned().ok_or_else(|| went_wrong("the seed is gone"))?;
    let mut downloads = Vec::new();
    for folder in ["one", "two"] {
        env.print(&format!("$ peerit download {}.p2p -d {folder}", manifest.name()))?;
        downloads.push(download(cast, &manifest, &stage.join(folder)).await?);
    }
    let started = Instant::now();
    watch(&seed, &downloads, env).await?;
    let took = started.elapsed();
    for share in &downloads {
        check(&manifest, share, env)?;
    }
    let total = manifest.layout().length();
    // Paused, it shows the last byte it has sent.
    seed.pause().await;
    env.print(&format!(
        "{} to 2 downloads in {}: {} each, {} together; the seed sent {}",
        size(total),
        clock(took),
        rate(mean_rate(total, took)),
        rate(mean_rate(2 * total, took)),
        size(seed.status().uploaded),
    ))
}

async fn share(
    cast: &mut Cast,
    path: &Path,
    tracker: &str,
    env: &mut Env,
) -> Result<Share, CliError> {
    env.print(&format!("$ peerit share {} --tracker {tracker}", path.display()))?;
    let node = cast.enter().await?;
    let options = ShareOptions { trackers: vec![tracker.to_owned()], ..ShareOptions::default() };
    let share = node.share(path, options).await?;
    share.completed().await.map_err(|error| CliError::Incomplete(error.to_string()))?;
    Ok(share)
}

async fn download(cast: &mut Cast, manifest: &Manifest, folder: &Path) -> Result<Share, CliError> {
    fs::create_dir(folder).map_err(CliError::io(folder))?;
    let node = cast.enter().await?;
    Ok(node.download(manifest.clone(), folder, DownloadOptions::default()).await?)
}

/// Draws all until the downloads are complete.
async fn watch(seed: &Share, downloads: &[Share], env: &mut Env) -> Result<(), CliError> {
    let mut display = Display::new(env.columns);
    let runtime = runtime()?;
    let result = loop {
        let statuses: Vec<_> = downloads.iter().map(Share::status).collect();
        if let Some(failed) = statuses.iter().find(|status| status.state == ShareState::Failed) {
            break Err(CliError::Incomplete(failed.reason.clone()));
        }
        let seeding = seed.status();
        let sent = format!("sends {}", rate(seeding.upload_rate));
        let mut lines = vec![Line { name: "seed", rate: None, note: sent, ..Line::of(&seeding) }];
        let names = ["one ", "two "];
        lines.extend(
            names.iter().zip(&statuses).map(|(name, status)| Line { name, ..Line::of(status) }),
        );
        display.draw_progress(&mut env.err, &lines);
        if statuses.iter().all(|status| status.complete) {
            break Ok(());
        }
        runtime.sleep(INTERVAL).await;
    };
    display.clear(&mut env.err);
    result
}

/// Reads the files again: the demo takes nobody's word for it.
fn check(manifest: &Manifest, share: &Share, env: &mut Env) -> Result<(), CliError> {
    let path = share.status().path;
    let total = manifest.layout().length();
    let report = hashing::run(env, manifest.name(), "verifying", |count| {
        verify(manifest, &path, &|done| count.tell(done, total))
    })??;
    if !report.is_complete() {
        return Err(went_wrong("a download is not as it should be"));
    }
    let folder = share.folder().file_name().unwrap_or_default().to_string_lossy();
    env.print(&format!("{folder}/{}: verified", manifest.name()))
}

/// A file that cannot be compressed and is never the same in its chunks.
fn make_content(env: &mut Env, stage: &Path) -> Result<PathBuf, CliError> {
    let path = stage.join("demo.bin");
    hashing::run(env, "demo.bin", "making it", |count| {
        write_random(&path, |done| count.tell(done, LENGTH))
    })?
    .map_err(CliError::io(&path))?;
    Ok(path)
}

fn write_random(path: &Path, progress: impl Fn(u64)) -> io::Result<()> {
    let mut rng = Rng::from_seed(0x7065_6572_6974);
    let mut file = File::create(path)?;
    let mut block = vec![0; 1 << 20];
    for done in (0..LENGTH).step_by(block.len()) {
        block
            .chunks_exact_mut(8)
            .for_each(|word| word.copy_from_slice(&rng.next_u64().to_le_bytes()));
        file.write_all(&block)?;
        progress(done);
    }
    Ok(())
}

impl Cast {
    async fn enter(&mut self) -> Result<Node, CliError> {
        let node = Node::builder().runtime(runtime()?).listen(loopback()).start().await?;
        self.nodes.push(node.clone());
        Ok(node)
    }

    async fn leave(&self) {
        for node in &self.nodes {
            node.shutdown().await;
        }
        self.tracker.shutdown().await;
    }
}

fn loopback() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
}

fn went_wrong(what: &str) -> CliError {
    CliError::Incomplete(format!("{what}: this is a fault of peerit"))
}
