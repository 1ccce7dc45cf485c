//! The way to the daemon: connect, or start one first.

use std::fs::{self, DirBuilder};
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use peerit_core::daemon::{ClientError, DaemonClient};
use peerit_core::id::ContentId;
use peerit_core::node::IceLibrary;
use peerit_core::runtime::{self, Runtime};

use crate::env::Env;
use crate::error::CliError;
use crate::log_file;

/// How long a daemon may take until its socket answers.
const START_TIMEOUT: Duration = Duration::from_secs(20);
/// Time between two looks.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);
/// No manifest has this id: asking for it costs nothing.
const NO_CONTENT: ContentId = ContentId([0; 32]);

/// What runs our tasks.
pub(crate) fn runtime() -> Result<Arc<dyn Runtime>, CliError> {
    runtime::default().ok_or_else(|| CliError::Usage("no async runtime was built in".to_owned()))
}

/// Connects to the daemon; when there is none, starts one and says so.
pub(crate) async fn connect(env: &mut Env) -> Result<DaemonClient, CliError> {
    match running(env).await? {
        Some(client) => Ok(client),
        None => start(env, Wishes::default()).await,
    }
}

/// Connects to the daemon, if there is one. One that was killed a moment ago may still take connections: only
/// an answer counts.
pub(crate) async fn running(env: &Env) -> Result<Option<DaemonClient>, CliError> {
    match DaemonClient::connect(env.data_dir()?, &runtime()?).await {
        Ok(mut client) => match client.status(Some(NO_CONTENT)).await {
            Err(ClientError::Gone) => Ok(None),
            Err(full @ ClientError::Full(_)) => Err(full.into()),
            _ => Ok(Some(client)),
        },
        Err(ClientError::NotRunning(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// What a daemon is told when it starts; what is none stays as in its last run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wishes {
    /// Where peers dial.
    pub(crate) listen: Option<SocketAddr>,
    /// Whether the router is asked for a port.
    pub(crate) port_mapping: Option<bool>,
    /// What checks paths; as by default in each run.
    pub(crate) ice: Option<IceLibrary>,
}

/// Starts a daemon in the background and connects to it.
pub(crate) async fn start(env: &mut Env, wishes: Wishes) -> Result<DaemonClient, CliError> {
    let data_dir = env.data_dir()?.to_owned();
    let program = env.program.clone().ok_or_else(|| {
        CliError::Usage("no daemon runs: start one with `peerit daemon`".to_owned())
    })?;
    let log = log_file::path(&data_dir);
    env.note(&format!("starting the daemon (log: {})", log.display()));
    let mut child = spawn(&program, &data_dir, &log, wishes)?;
    let started = Instant::now();
    loop {
        if let Some(client) = running(env).await? {
            return Ok(client);
        }
        // Another daemon may have been faster: then ours has ended, and that one answers soon.
        let patience = if has_ended(&mut child) { Duration::from_secs(2) } else { START_TIMEOUT };
        if started.elapsed() > patience {
            return Err(CliError::Usage(why_not(&log)));
        }
        runtime()?.sleep(LOOK_INTERVAL).await;
    }
}

/// The daemon leaves our session by itself (`--detached`): it can do so only as long as it leads no process group.
fn spawn(program: &Path, data_dir: &Path, log: &Path, wishes: Wishes) -> Result<Child, CliError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(data_dir)
        .map_err(CliError::io(data_dir))?;
    let out = log_file::open(log).map_err(CliError::io(log))?;
    let err = out.try_clone().map_err(CliError::io(log))?;
    let mut command = Command::new(program);
    command.args(["daemon", "--foreground", "--detached"]);
    if let Some(listen) = wishes.listen {
        command.arg("--listen").arg(listen.to_string());
    }
    if let Some(is_on) = wishes.port_mapping {
        command.arg("--port-mapping").arg(if is_on { "on" } else { "off" });
    }
    if let Some(ice) = wishes.ice {
        command.args(["--ice", ice.name()]);
    }
    command
        .env(Env::data_dir_variable(), data_dir)
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(out)
        .stderr(err)
        .spawn()
        .map_err(CliError::io(program))
}

fn has_ended(child: &mut Child) -> bool {
    !matches!(child.try_wait(), Ok(None))
}

fn why_not(log: &Path) -> String {
    let said = fs::read_to_string(log).unwrap_or_default();
    let last = said.lines().last().unwrap_or("it says nothing");
    format!("the daemon does not answer: {last} (see {})", log.display())
}
