//! What a command sees of the process it runs in; tests bring their own.

use std::env;
use std::ffi::OsString;
use std::io::{self, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};

use crate::error::CliError;
use crate::interrupts::Interrupts;

/// Names the data folder.
const DATA_DIR: &str = "PEERIT_DATA_DIR";

/// What a command sees of its process.
pub(crate) struct Env {
    /// Arguments, without the program's name.
    pub(crate) args: Vec<OsString>,
    /// The working directory.
    pub(crate) dir: PathBuf,
    /// Standard input.
    pub(crate) input: Box<dyn Read>,
    /// Standard output: what was asked for.
    pub(crate) out: Box<dyn Write>,
    /// Standard error: progress, notes and errors.
    pub(crate) err: Box<dyn Write>,
    /// Columns of the terminal that `err` is; `None` when it is none.
    pub(crate) columns: Option<usize>,
    /// Where the daemon keeps everything, if that can be told.
    pub(crate) data_dir: Option<PathBuf>,
    /// What to start as daemon.
    pub(crate) program: Option<PathBuf>,
    /// Ctrl-C.
    pub(crate) interrupts: Interrupts,
}

impl Env {
    pub(crate) fn of_process() -> Self {
        let dir = env::current_dir().unwrap_or_default();
        let data_dir = match env::var_os(DATA_DIR).filter(|path| !path.is_empty()) {
            Some(path) => Some(dir.join(path)),
            None => dirs::data_dir().map(|path| path.join("peerit")),
        };
        Self {
            args: env::args_os().skip(1).collect(),
            dir,
            input: Box::new(io::stdin()),
            out: Box::new(io::stdout()),
            err: Box::new(io::stderr()),
            columns: terminal_columns(),
            data_dir,
            program: env::current_exe().ok(),
            interrupts: Interrupts::of_process(),
        }
    }

    /// Where the daemon keeps everything.
    pub(crate) fn data_dir(&self) -> Result<&Path, CliError> {
        self.data_dir
            .as_deref()
            .ok_or_else(|| CliError::Usage(format!("no home folder is known: set {DATA_DIR}")))
    }

    /// A note for people, beside what was asked for.
    pub(crate) fn note(&mut self, text: &str) {
        // A note that cannot be written is no reason to stop.
        let _ = writeln!(self.err, "peerit: {text}");
    }

    /// Prints what was asked for.
    pub(crate) fn print(&mut self, text: &str) -> Result<(), CliError> {
        writeln!(self.out, "{text}").and_then(|()| self.out.flush()).map_err(CliError::Output)
    }

    /// The name of the variable, as `start` hands it on.
    pub(crate) fn data_dir_variable() -> &'static str {
        DATA_DIR
    }
}

fn terminal_columns() -> Option<usize> {
    let stderr = io::stderr();
    let size = stderr.is_terminal().then(|| rustix::termios::tcgetwinsize(&stderr).ok())?;
    // Some terminals do not say.
    Some(size.map(|size| usize::from(size.ws_col)).filter(|&columns| columns > 0).unwrap_or(80))
}
