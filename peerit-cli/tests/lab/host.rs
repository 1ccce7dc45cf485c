//! A host: a namespace on a link, a folder, and `peerit` with a daemon of its own.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::bench::Bench;
use crate::namespace::{Namespace, run};
use crate::segment::{Link, Segment};

/// A machine of the lab. When dropped, what runs on it is killed, and its files are removed.
pub(crate) struct Host {
    namespace: Namespace,
    // Dropped after the namespace: then nobody writes to it any more.
    folder: TempDir,
    /// Its place in the segment.
    pub(crate) number: u8,
}

impl Host {
    pub(crate) fn new(
        bench: &Bench,
        segment: &Segment,
        name: &str,
        number: u8,
        link: Link,
    ) -> Self {
        let folder = tempfile::Builder::new().prefix(name).tempdir_in(bench.folder()).unwrap();
        let namespace = Namespace::new(&bench.namespace_name(name));
        segment.attach(&namespace, number, link);
        Self { namespace, folder, number }
    }

    pub(crate) fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// Where commands run.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A command of `peerit`; what it needs of the daemon starts one.
    pub(crate) fn peerit(&self, args: &[&str]) -> Command {
        let mut command = self.namespace.command(env!("CARGO_BIN_EXE_peerit"));
        command
            .args(args)
            .current_dir(self.folder())
            .env("PEERIT_DATA_DIR", self.folder().join("data"))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// What `peerit status` says of the only share.
    pub(crate) fn share(&self) -> Value {
        self.try_share().unwrap()
    }

    /// The same; what is wrong while there is no daemon or no share.
    pub(crate) fn try_share(&self) -> Result<Value, String> {
        let said = run(&mut self.peerit(&["status", "--json"]))?;
        let mut status: Value = serde_json::from_str(&said).map_err(|error| error.to_string())?;
        status.pointer_mut("/shares/0").map(Value::take).ok_or_else(|| "no share".to_owned())
    }
}
