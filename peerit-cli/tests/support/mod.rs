//! Machines with daemons: real processes, each with a folder of its own.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, Output, Stdio};

use serde_json::Value;

/// A daemon that can be killed.
pub(crate) struct Daemon {
    process: Child,
    /// Open, so that the daemon can go on writing to it.
    _log: BufReader<ChildStderr>,
}

impl Daemon {
    /// Ends it by SIGKILL: it can do nothing about it.
    pub(crate) fn kill(mut self) {
        assert!(self.process.try_wait().unwrap().is_none(), "it runs until now");
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

/// A machine: a working folder, and a daemon of its own.
pub(crate) struct Machine {
    folder: tempfile::TempDir,
}

impl Machine {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("work")).unwrap();
        Self { folder }
    }

    /// One whose daemons know that they are to leave the router of the machine that tests run on alone.
    pub(crate) fn offline() -> Self {
        let machine = Self::new();
        machine.run(&["daemon", "--port-mapping", "off"]);
        machine.run(&["daemon", "stop"]);
        machine
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("work").join(name)
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_peerit"));
        command
            .args(args)
            .current_dir(self.path(""))
            .env("PEERIT_DATA_DIR", self.data_dir())
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn try_run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    pub(crate) fn run(&self, args: &[&str]) -> String {
        let output = self.try_run(args);
        assert!(output.status.success(), "{args:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    pub(crate) fn status(&self) -> Value {
        serde_json::from_str(&self.run(&["status", "--json"])).unwrap()
    }

    /// A daemon of this machine's own, once it answers.
    pub(crate) fn daemon(&self) -> Daemon {
        let mut command = self.command(&["daemon", "--foreground", "--port-mapping", "off"]);
        let mut process = command.env("RUST_LOG", "info").stderr(Stdio::piped()).spawn().unwrap();
        let mut log = BufReader::new(process.stderr.take().unwrap());
        let mut line = String::new();
        while !line.contains("serving") {
            line.clear();
            assert!(log.read_line(&mut line).unwrap() > 0, "the daemon has ended");
        }
        Daemon { process, _log: log }
    }

    /// How another machine reaches this one's daemon.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.status()["listen_port"])
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.command(&["daemon", "stop"]).output();
    }
}
