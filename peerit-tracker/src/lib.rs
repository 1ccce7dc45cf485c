//! The tracker of peerit: tells the peers of a swarm about each other.
//!
//! All it does is in [`peerit_core::tracker`] and [`peerit_core::node::TrackerService`]; here are
//! its flags and messages.

mod error;
mod options;

use std::ffi::OsString;
use std::future::pending;
use std::io::{self, Write};
use std::sync::Arc;

use peerit_core::node::TrackerService;
use peerit_core::runtime::async_std::AsyncStd;

pub use error::Error;
pub use options::Options;

/// Runs the program with these arguments, the first of which is its name.
///
/// Returns only after `--help` and `--version`: a tracker keeps nothing that would have to be
/// saved, so it is ended by a signal. Logs as `RUST_LOG` says, warnings and errors by default, to
/// standard error.
///
/// # Errors
/// When the arguments are wrong, or the address cannot be had.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> Result<(), Error> {
    let Some(options) = Options::parse(arguments)? else { return Ok(()) };
    let log = env_logger::Env::default().default_filter_or("warn");
    // An error means that there is a logger already: an embedding program's.
    let _set_already = env_logger::Builder::from_env(log).try_init();
    let service = TrackerService::start(Arc::new(AsyncStd), options.into())?;
    // Whoever started it may have closed its output: that is no reason to end.
    let _closed = writeln!(
        io::stdout(),
        "peerit-tracker listens on {} (UDP and TCP)",
        service.local_address()
    );
    AsyncStd::block_on(pending())
}
