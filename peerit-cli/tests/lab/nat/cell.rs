//! One pairing: a share, a download, and the path that it took.

use std::fs;
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::expected::Pairing;
use super::kind::Kind;
use super::network::{Internet, Place, Site};
use crate::bench::{Bench, stop_if_interrupted};
use crate::host::Host;
use crate::namespace::{run, said};
use crate::scenario::content;

/// Of a pairing's content.
const CONTENT_BYTES: u32 = 8 << 20;
/// Of the content's file.
const NAME: &str = "content";
/// Time between two looks at the download.
pub(crate) const LOOK_INTERVAL: Duration = Duration::from_millis(20);
/// How long a download may take to begin, and how long it is watched where none is expected: longer than a
/// tracker needs that is asked by UDP in vain and then by TCP.
const PATIENCE: Duration = Duration::from_secs(8);
/// How long the download of 8 MiB may take from there.
const TRANSFER_PATIENCE: Duration = Duration::from_secs(30);

/// What came of a pairing.
pub(crate) struct Outcome {
    pub(crate) pairing: Pairing,
    /// When the first chunk was verified, from the start of `peerit download`, and how its sender was reached.
    pub(crate) first_chunk: Option<(Duration, String)>,
    /// When all was there.
    pub(crate) complete: Option<Duration>,
    /// What is not as expected; empty if all is.
    pub(crate) problem: String,
}

/// Two machines on an internet.
pub(crate) struct Cell {
    pub(crate) internet: Internet,
    pub(crate) sites: Vec<Site>,
    content_bytes: u32,
}

impl Cell {
    pub(crate) fn new(bench: &Bench, pairing: Pairing, content_bytes: u32) -> Self {
        let internet = Internet::new(bench);
        let site = |place, kind, count| Site::new(bench, &internet, place, kind, count);
        let sites = match pairing {
            Pairing::Apart { sharer, downloader } => {
                vec![site(Place::Near, sharer, 1), site(Place::Far, downloader, 1)]
            }
            Pairing::Together(kind) => vec![site(Place::Near, kind, 2)],
        };
        Self { internet, sites, content_bytes }
    }

    pub(crate) fn sharer(&self) -> &Host {
        self.sites.first().unwrap().hosts.first().unwrap()
    }

    pub(crate) fn downloader(&self) -> &Host {
        self.sites.last().unwrap().hosts.last().unwrap()
    }

    /// Starts what is to be there before the download.
    pub(crate) fn prepare(&self, pairing: Pairing) {
        let kinds = match pairing {
            Pairing::Apart { sharer, downloader } => [sharer, downloader],
            Pairing::Together(kind) => [kind, kind],
        };
        let ice = std::env::var("LAB_ICE").unwrap_or_default();
        let ice = ice
            .split_once('/')
            .map_or([None; 2], |(sharer, downloader)| [Some(sharer), Some(downloader)]);
        let hosts = [self.sharer(), self.downloader()];
        for ((host, kind), ice) in hosts.into_iter().zip(kinds).zip(ice) {
            listen(host, kind, ice);
        }
        fs::write(self.sharer().folder().join(NAME), content(self.content_bytes)).unwrap();
        let trackers = self.internet.trackers();
        let trackers = trackers.iter().flat_map(|tracker| ["--tracker", tracker.as_str()]);
        let args: Vec<&str> = ["share", NAME].into_iter().chain(trackers).collect();
        run(&mut self.sharer().peerit(&args)).unwrap();
    }

    /// Starts a download on this machine.
    pub(crate) fn download(&self, host: &Host) -> Child {
        self.download_of(host, &self.manifest())
    }

    /// The same of what is named: a file, or a link.
    pub(crate) fn download_of(&self, host: &Host, what: &str) -> Child {
        host.peerit(&["download", what]).spawn().unwrap()
    }

    /// What names the content in few words.
    pub(crate) fn link(&self) -> String {
        let shown = run(&mut self.sharer().peerit(&["show", "--json", &self.manifest()])).unwrap();
        let shown: Value = serde_json::from_str(&shown).unwrap();
        shown["link"].as_str().unwrap().to_owned()
    }

    fn manifest(&self) -> String {
        let path = self.sharer().folder().join(format!("{NAME}.p2p"));
        path.into_os_string().into_string().unwrap()
    }

    /// Waits for the end of a download that has begun, and looks at what came.
    pub(crate) fn finish(&self, host: &Host, mut download: Child) -> Result<(), String> {
        let started = Instant::now();
        while download.try_wait().map_err(|error| error.to_string())?.is_none() {
            stop_if_interrupted();
            if started.elapsed() > TRANSFER_PATIENCE {
                return Err("the download does not end".to_owned());
            }
            thread::sleep(LOOK_INTERVAL);
        }
        said(download.wait_with_output())?;
        let received = fs::read(host.folder().join(NAME)).map_err(|error| error.to_string())?;
        if received == content(self.content_bytes) {
            Ok(())
        } else {
            Err("other content".to_owned())
        }
    }
}

/// Starts a daemon that uses both families where there are, and which checks paths as `LAB_ICE` says.
fn listen(host: &Host, kind: Kind, ice: Option<&str>) {
    let mut args = vec!["daemon"];
    if kind.has_ipv6() {
        args.extend(["--listen", "[::]:0"]);
    }
    if let Some(library) = ice {
        args.extend(["--ice", library]);
    }
    if args.len() > 1 {
        run(&mut host.peerit(&args)).unwrap();
    }
}

/// Plays a pairing.
pub(crate) fn play(bench: &Bench, pairing: Pairing) -> Outcome {
    let expected = pairing.expected();
    let cell = Cell::new(bench, pairing, CONTENT_BYTES);
    cell.prepare(pairing);
    let started = Instant::now();
    let download = cell.download(cell.downloader());
    let first_chunk = first_chunk(cell.downloader(), started, PATIENCE);
    let mut outcome = Outcome { pairing, first_chunk, complete: None, problem: String::new() };
    match (&outcome.first_chunk, expected) {
        (None, None) => {}
        (None, Some(path)) => outcome.problem = format!("nothing came, {path} was expected"),
        (Some((_, path)), expected)
            if !expected.unwrap_or_default().split(" or ").any(|one| one == path) =>
        {
            let expected = expected.unwrap_or("nothing");
            outcome.problem = format!("{path}, where the table says {expected}");
        }
        (Some(_), _) => match cell.finish(cell.downloader(), download) {
            Ok(()) => outcome.complete = Some(started.elapsed()),
            Err(problem) => outcome.problem = problem,
        },
    }
    outcome
}

/// When the first chunk was verified, and by which path it came.
pub(crate) fn first_chunk(
    downloader: &Host,
    started: Instant,
    patience: Duration,
) -> Option<(Duration, String)> {
    while started.elapsed() < patience {
        stop_if_interrupted();
        let share = downloader.try_share().unwrap_or_default();
        if share["verified_bytes"].as_u64().is_some_and(|bytes| bytes > 0) {
            return Some((started.elapsed(), path(&share)));
        }
        thread::sleep(LOOK_INTERVAL);
    }
    None
}

/// How the peer is reached that has given something.
pub(crate) fn path(share: &Value) -> String {
    let peers = share["peers"].as_array().unwrap();
    let giver = peers.iter().find(|peer| peer["downloaded_bytes"].as_u64() > Some(0));
    giver.map_or("from nobody", |peer| peer["path"].as_str().unwrap()).to_owned()
}
