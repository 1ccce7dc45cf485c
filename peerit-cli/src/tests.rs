//! Whole commands, run in this process.

mod files;
mod shares;

use std::fs;
use std::io::{self, Cursor, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use async_channel::Sender;
use futures_lite::future::block_on;
use peerit_core::daemon::{Daemon, DaemonConfig, Stopper};
use peerit_core::id::{ContentId, PeerId};
use peerit_core::node::{
    IceLibrary, PeerStatus, RateLimits, ShareState, ShareStatus, TrackerService,
    TrackerServiceConfig,
};
use peerit_core::swarm::Path;
use peerit_core::transport::Carrier;
use serde_json::Value;

use crate::daemon::runtime;
use crate::env::Env;
use crate::interrupts::Interrupts;

/// What a command wrote.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Written {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

/// What came of a command.
#[derive(Debug)]
struct Outcome {
    code: u8,
    out: String,
    err: String,
}

impl Outcome {
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// A folder to work in, and one for a daemon.
struct World {
    folder: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("work")).unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("work").join(name)
    }

    fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        fs::write(self.path(name), content).unwrap();
        self.path(name)
    }

    fn run(&self, line: &str) -> Outcome {
        self.run_with(line, b"").0
    }

    fn run_with(&self, line: &str, input: &[u8]) -> (Outcome, Sender<()>) {
        let (interrupt, interrupts) = async_channel::bounded(1);
        (self.run_interrupted(line, input, interrupts), interrupt)
    }

    fn run_interrupted(
        &self,
        line: &str,
        input: &[u8],
        interrupts: async_channel::Receiver<()>,
    ) -> Outcome {
        let (out, err) = (Written::default(), Written::default());
        let mut env = Env {
            args: line.split_whitespace().map(Into::into).collect(),
            dir: self.folder.path().join("work"),
            input: Box::new(Cursor::new(input.to_vec())),
            out: Box::new(out.clone()),
            err: Box::new(err.clone()),
            columns: None,
            data_dir: Some(self.folder.path().join("data")),
            program: None,
            interrupts: Interrupts::Of(interrupts),
        };
        let code = crate::run(&mut env);
        Outcome { code, out: out.text(), err: err.text() }
    }

    /// A daemon in this process, until the stopper is dropped or used.
    fn daemon(&self) -> Stopper {
        let runtime = runtime().unwrap();
        let config = DaemonConfig {
            data_dir: self.folder.path().join("data"),
            listen: Some(SocketAddr::from(([127, 0, 0, 1], 0))),
            port_mapping: Some(false),
            ice: IceLibrary::default(),
            runtime: Arc::clone(&runtime),
        };
        let daemon = block_on(Daemon::start(config)).unwrap();
        let stopper = daemon.stopper();
        runtime.spawn(Box::pin(daemon.run()));
        stopper
    }
}

fn tracker() -> TrackerService {
    let config = TrackerServiceConfig {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        ..TrackerServiceConfig::default()
    };
    TrackerService::start(runtime().unwrap(), config).unwrap()
}

/// A share in the middle of its download.
pub(crate) fn status() -> ShareStatus {
    ShareStatus {
        content_id: ContentId([0xab; 32]),
        name: "big.iso".to_owned(),
        state: ShareState::Downloading,
        reason: String::new(),
        complete: false,
        verified: 25,
        total: 100,
        download_rate: 5,
        upload_rate: 1,
        downloaded: 30,
        uploaded: 10,
        peers: vec![PeerStatus {
            peer_id: PeerId([2; 32]),
            address: SocketAddr::from(([192, 0, 2, 1], 7)),
            path: Path::Direct,
            carrier: Some(Carrier::Quic),
            downloaded: 1,
            uploaded: 2,
            download_rate: 3,
            upload_rate: 4,
            choking_us: true,
            choked: false,
            interested_in_us: true,
            interesting: true,
            chunk_count: 5,
            banned: None,
            agent: "peerit/1".to_owned(),
            tried: None,
        }],
        trackers: Vec::new(),
        path: PathBuf::from("/there/big.iso"),
        limits: RateLimits::default(),
    }
}
