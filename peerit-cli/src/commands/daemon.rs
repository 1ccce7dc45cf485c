//! `peerit daemon` and `peerit daemon stop`.

use std::path::PathBuf;

use env_logger::Target;
use futures_lite::future;
use peerit_core::daemon::{Daemon as Service, DaemonConfig};

use crate::args::{Daemon, DaemonOrder};
use crate::daemon::{Wishes, running, runtime, start};
use crate::env::Env;
use crate::error::CliError;
use crate::log_file::{self, LogFile};

pub(crate) async fn run(args: &Daemon, env: &mut Env) -> Result<(), CliError> {
    match args.order {
        Some(DaemonOrder::Stop) => stop(env).await,
        None if args.foreground => serve(args, env).await,
        None => start_in_background(args, env).await,
    }
}

async fn stop(env: &mut Env) -> Result<(), CliError> {
    match running(env).await? {
        Some(client) => {
            client.stop().await?;
            env.print("the daemon has stopped")
        }
        None => env.print("no daemon runs"),
    }
}

async fn start_in_background(args: &Daemon, env: &mut Env) -> Result<(), CliError> {
    let Daemon { listen, port_mapping, ice, .. } = *args;
    let wishes = Wishes { listen, port_mapping, ice };
    if running(env).await?.is_some() {
        return match wishes == Wishes::default() {
            true => env.print("the daemon runs already"),
            false => Err(CliError::Usage(
                "the daemon runs already: `peerit daemon stop` it before it can be told otherwise"
                    .to_owned(),
            )),
        };
    }
    let mut client = start(env, wishes).await?;
    let port = client.status(None).await?.listen_port;
    env.print(&format!("the daemon runs; peers dial port {port}"))
}

/// Runs the daemon in this process until it is told to stop, or interrupted.
async fn serve(args: &Daemon, env: &mut Env) -> Result<(), CliError> {
    if args.detached {
        rustix::process::setsid()
            .map_err(|error| CliError::Usage(format!("leaving the session: {error}")))?;
    }
    let data_dir = env.data_dir()?.to_owned();
    start_logging(args.detached.then(|| log_file::path(&data_dir)))?;
    let interrupts = env.interrupts.listen()?;
    let config = DaemonConfig {
        data_dir,
        listen: args.listen,
        port_mapping: args.port_mapping,
        ice: args.ice.unwrap_or_default(),
        runtime: runtime()?,
    };
    let service = Service::start(config).await?;
    log::info!(
        "serving {}, peers dial port {}",
        service.data_dir().display(),
        service.listen_port()
    );
    let stopper = service.stopper();
    let stop_at_interrupt = async {
        interrupts.next().await;
        stopper.stop();
        future::pending::<()>().await;
    };
    future::or(service.run(), stop_at_interrupt).await;
    log::info!("stopped");
    Ok(())
}

/// Logs to a file, or else to standard error; `RUST_LOG` chooses what. Does nothing when a test logs already.
fn start_logging(path: Option<PathBuf>) -> Result<(), CliError> {
    let filter = env_logger::Env::default().default_filter_or("info");
    let mut logger = env_logger::Builder::from_env(filter);
    if let Some(path) = path {
        let log = LogFile::of_output(path.clone()).map_err(CliError::io(path))?;
        logger.target(Target::Pipe(Box::new(log)));
    }
    let _ = logger.try_init();
    Ok(())
}
