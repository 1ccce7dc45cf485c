//! Whole commands, run in this process.

use std::fs;
use std::io::{self, Cursor, Write};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex};

use async_channel::Sender;
use futures_lite::future::block_on;
use peerit_core::daemon::{Daemon, DaemonClient, DaemonConfig, Stopper};
use peerit_core::id::{ContentId, PeerId};
use peerit_core::manifest::Manifest;
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
use crate::json;

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

#[test]
fn create_writes_a_file_that_show_and_verify_read() {
    let world = World::new();
    world.file("a.txt", b"content");
    let created = world.run("create a.txt --tracker host:1");
    assert_eq!(created.code, 0, "{created:?}");
    let (file, link) = created.out.trim().split_once('\n').unwrap();
    assert_eq!(fs::canonicalize(file).unwrap(), fs::canonicalize(world.path("a.txt.p2p")).unwrap());
    assert!(link.starts_with("peerit:") && link.ends_with("tr=host:1"), "{link}");

    let shown = world.run("show a.txt.p2p");
    assert_eq!(shown.code, 0, "{shown:?}");
    assert!(
        shown.out.contains("a.txt") && shown.out.contains("host:1") && shown.out.contains(link)
    );

    for path in ["a.txt", "."] {
        let verified = world.run(&format!("verify a.txt.p2p {path}"));
        assert_eq!(verified.code, 0, "{verified:?}");
    }
}

#[test]
fn verify_fails_when_content_differs() {
    let world = World::new();
    world.file("a.txt", b"content");
    world.run("create a.txt");
    world.file("a.txt", b"contend");
    let verified = world.run("verify a.txt.p2p a.txt --json");
    assert_eq!(verified.code, 1, "{verified:?}");
    let json = verified.json();
    assert_eq!(json["complete"], false);
    assert_eq!(json["good_chunk_count"], 0);
    assert_eq!(json["chunk_count"], 1);
    assert!(!json["bad_files"].as_array().unwrap().is_empty());
    assert!(verified.err.contains("peerit download"));
    let missing = world.run("verify a.txt.p2p gone");
    assert!(missing.code == 2 && missing.err.contains("No such file"), "{missing:?}");
    assert!(missing.out.is_empty(), "{missing:?}");
}

#[test]
fn what_verify_advises_works() {
    let world = World::new();
    fs::create_dir(world.path("content")).unwrap();
    let (full, empty) = (world.file("content/full", b"content"), world.file("content/empty", b""));
    world.run("create content");
    let verified = || world.run("verify content.p2p content");
    let download = |option: &str| {
        world.run(&format!("download content.p2p --no-daemon --seed-for 0s {option}"))
    };

    fs::remove_file(empty).unwrap();
    let missing = verified();
    assert_eq!(missing.code, 1, "{missing:?}");
    assert!(missing.err.contains("content/empty is not as"), "{missing:?}");
    assert!(missing.err.contains("`peerit download` gets"), "{missing:?}");
    assert_eq!(download("").code, 0);
    assert_eq!(verified().code, 0);

    fs::write(&full, "content and more").unwrap();
    let longer = verified();
    assert!(longer.err.contains("content/full is not as"), "{longer:?}");
    assert!(longer.err.contains("`peerit download --overwrite`"), "{longer:?}");
    assert_eq!(download("").code, 1);
    assert_eq!(download("--overwrite").code, 0);
    assert_eq!(verified().code, 0);

    fs::remove_file(&full).unwrap();
    fs::create_dir(&full).unwrap();
    let in_the_way = verified();
    assert!(in_the_way.err.contains("move it away first"), "{in_the_way:?}");
    assert_eq!(download("--overwrite").code, 1);
}

#[test]
fn another_contents_file_is_replaced_only_by_force() {
    let world = World::new();
    world.file("a.txt", b"content");
    assert_eq!(world.run("create a.txt").code, 0);
    assert_eq!(world.run("create a.txt --tracker host:1").code, 0, "the same content may be");
    world.file("a.txt", b"other content");
    let refused = world.run("create a.txt");
    assert_eq!(refused.code, 2);
    assert!(refused.err.contains("--force"), "{refused:?}");
    assert_eq!(world.run("create a.txt -o b.p2p").code, 0);
    assert_eq!(world.run("create a.txt --force").code, 0);
    world.file("notes.p2p", b"not a manifest");
    assert_eq!(world.run("create a.txt -o notes.p2p").code, 2);
    assert_eq!(fs::read(world.path("notes.p2p")).unwrap(), b"not a manifest");
}

#[test]
fn trackers_of_the_file_that_is_replaced_are_kept() {
    let world = World::new();
    let daemon = world.daemon();
    world.file("a.txt", b"content");
    let trackers = || {
        let shown = world.run("show a.txt.p2p --json").json();
        shown["trackers"].as_array().unwrap().iter().map(Value::to_string).collect::<Vec<_>>()
    };
    world.run("create a.txt --tracker host:1 --tracker host:2");
    let again = world.run("create a.txt --tracker host:3 --tracker host:2");
    assert!(again.err.contains("goes on naming host:1: --force"), "{again:?}");
    assert_eq!(trackers(), ["\"host:3\"", "\"host:2\"", "\"host:1\""]);
    world.run("create a.txt --tracker 127.0.0.1:9 --force");
    assert_eq!(trackers(), ["\"127.0.0.1:9\""]);

    assert_eq!(world.run("share a.txt").code, 0);
    let (own, old) = (trackers().len() - 1, "\"127.0.0.1:9\"".to_owned());
    assert!(own > 0 && trackers()[own] == old, "{:?}", trackers());
    let announced = world.run("status a.txt --json").json()["shares"][0]["trackers"].clone();
    assert!(announced.as_array().unwrap().iter().any(|one| one["tracker"] == "127.0.0.1:9"));
    world.run("share a.txt --force");
    assert!(trackers().contains(&old), "the daemon goes on with what it shares");
    daemon.stop();
}

#[test]
fn what_is_in_the_way_is_told_before_anything_is_hashed() {
    let world = World::new();
    world.file("a.txt", b"content");
    assert_eq!(world.run("create a.txt").code, 0);
    world.file("notes.p2p", b"not a manifest");
    fs::create_dir(world.path("folder.p2p")).unwrap();
    fs::create_dir(world.path("unfit")).unwrap();
    std::os::unix::fs::symlink("nowhere", world.path("unfit/link")).unwrap();
    let told = |line: &str| world.run(line).err;
    // There is no daemon: whoever asks for it would hash.
    let no_daemon = told("share a.txt -o new.p2p");
    for line in ["share a.txt", "share a.txt --force", "share a.txt --tracker host:1"] {
        assert_eq!(told(line), no_daemon, "{line}");
    }
    // What is unfit is told when hashing would begin.
    for line in ["share a.txt -o notes.p2p", "share a.txt --hash sha1", "create unfit -o notes.p2p"]
    {
        assert!(told(line).contains("--force"), "{line}: {}", told(line));
    }
    assert!(told("share a.txt -o folder.p2p --force").contains("folder.p2p: "));
    assert!(told("share a.txt -o gone/a.p2p").contains("gone/a.p2p: "));
    // No user can make files there.
    assert!(told("share a.txt -o /proc/a.p2p").contains("/proc/a.p2p: "));
    world.file("a.txt", b"longer content");
    assert!(told("share a.txt").contains("--force"));
}

#[test]
fn only_a_regular_file_is_replaced() {
    let world = World::new();
    world.file("a.txt", b"content");
    let fifo = world.path("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    // What is like a device, but can be made by every user.
    let _socket = UnixListener::bind(world.path("socket")).unwrap();
    std::os::unix::fs::symlink("fifo", world.path("link")).unwrap();
    for name in ["fifo", "socket", "link"] {
        for force in ["", "--force"] {
            let refused = world.run(&format!("create a.txt -o {name} {force}"));
            assert!(refused.code == 2 && refused.err.contains("no regular file"), "{refused:?}");
        }
    }
    assert!(fs::symlink_metadata(fifo).unwrap().file_type().is_fifo());
}

#[test]
fn a_dash_is_no_name_for_a_file() {
    let world = World::new();
    world.file("a.txt", b"content");
    let refused = world.run("create a.txt -o -");
    assert!(refused.code == 2 && refused.err.contains("standard output"), "{refused:?}");
    assert!(!world.path("-").exists());
    assert_eq!(world.run("create a.txt -o ./-").code, 0);
    assert!(world.path("-").exists());
}

#[test]
fn a_file_is_never_inside_of_the_content_that_it_describes() {
    let world = World::new();
    world.file("a.txt", b"content");
    for _ in 0..2 {
        let created = world.run("create .");
        assert_eq!(created.code, 0, "{created:?}");
    }
    assert!(world.folder.path().join("work.p2p").exists(), "beside the folder");
    std::os::unix::fs::symlink("work", world.folder.path().join("alias")).unwrap();
    for line in ["create . -o b.p2p", "create ../alias -o b.p2p", "create a.txt -o a.txt --force"] {
        let refused = world.run(line);
        assert!(refused.code == 2 && refused.err.contains("inside of the content"), "{refused:?}");
    }
    assert_eq!(fs::read(world.path("a.txt")).unwrap(), b"content");
    assert!(!world.path("b.p2p").exists());
}

#[test]
fn create_and_show_print_json() {
    let world = World::new();
    world.file("a.txt", b"content");
    let created = world.run("create a.txt --json --chunk-size 64K").json();
    assert_eq!(created["name"], "a.txt");
    assert_eq!(created["total_bytes"], 7);
    let shown = world.run("show a.txt.p2p --json").json();
    assert_eq!(shown["id"], created["id"]);
    assert_eq!(shown["link"], created["link"]);
    assert_eq!(shown["chunk_length_bytes"], 65_536);
    assert_eq!(shown["hash_algorithm"], "blake3");
    assert_eq!(shown["files"][0]["length_bytes"], 7);
}

#[test]
fn show_reads_standard_input_and_cuts_long_lists() {
    let world = World::new();
    fs::create_dir(world.path("many")).unwrap();
    for number in 0..25 {
        world.file(&format!("many/{number:02}"), b"x");
    }
    assert_eq!(world.run("create many").code, 0);
    let file = fs::read(world.path("many.p2p")).unwrap();
    let cut = world.run_with("show -", &file).0;
    assert!(cut.out.contains("and 5 more") && !cut.out.contains("24"), "{cut:?}");
    let whole = world.run("show many.p2p --files");
    assert!(whole.out.contains("24") && !whole.out.contains("more"), "{whole:?}");
}

#[test]
fn weak_digests_are_warned_of() {
    let world = World::new();
    world.file("a.txt", b"content");
    assert!(world.run("create a.txt --hash sha1").err.contains("SHA-1"));
    assert!(world.run("show a.txt.p2p").err.contains("SHA-1"));
}

#[test]
fn what_is_missing_or_wrong_is_named() {
    let world = World::new();
    let missing = world.run("create gone");
    assert!(missing.code == 2 && missing.err.contains("gone"), "{missing:?}");
    let missing = world.run("show gone.p2p");
    assert!(missing.code == 2 && missing.err.contains("gone.p2p"), "{missing:?}");
    world.file("bad.p2p", b"\xff\xff");
    let bad = world.run("show bad.p2p");
    assert!(bad.code == 2 && bad.err.contains("bad.p2p is not a .p2p file"), "{bad:?}");
    let link = world.run("download peerit:x");
    assert!(link.code == 2 && link.err.contains("link"), "{link:?}");
    let usage = world.run("verify");
    assert!(usage.code == 2 && usage.err.contains("USAGE") && usage.out.is_empty(), "{usage:?}");
    let help = world.run("--help");
    assert!(help.code == 0 && help.out.contains("demo") && help.err.is_empty(), "{help:?}");
}

#[test]
fn share_seeds_by_the_daemon_and_prints_file_and_link() {
    let world = World::new();
    let daemon = world.daemon();
    world.file("a.txt", b"content");
    let shared = world.run("share a.txt --json");
    assert_eq!(shared.code, 0, "{shared:?}");
    let manifest = Manifest::parse(&fs::read(world.path("a.txt.p2p")).unwrap()).unwrap();
    assert_eq!(shared.json()["id"], manifest.content_id().to_string());
    assert!(!manifest.trackers().is_empty(), "the daemon's own tracker is named");

    let status = world.run("status --json").json();
    assert_eq!(status["shares"][0]["name"], "a.txt");
    assert_eq!(status["shares"][0]["state"], "seeding");
    assert_eq!(status["shares"][0]["complete"], true);
    assert!(world.run("status").out.contains("a.txt"));
    daemon.stop();
}

#[test]
fn share_warns_of_trackers_that_do_not_answer_and_of_no_other() {
    let world = World::new();
    let daemon = world.daemon();
    world.file("a.txt", b"content");
    let tracker = tracker();
    let shared = world.run(&format!("share a.txt --tracker {}", tracker.local_address()));
    assert!(shared.code == 0 && !shared.err.contains("warning"), "{shared:?}");

    let silent = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    world.file("b.txt", b"other content");
    let shared = world.run(&format!("share b.txt --json --tracker {silent}"));
    assert_eq!(shared.code, 0, "{shared:?}");
    let expected = format!("warning: tracker {silent} ");
    assert!(shared.err.contains(&expected) && shared.err.contains("goes on trying"), "{shared:?}");
    assert!(shared.json()["link"].is_string());
    daemon.stop();
}

#[test]
fn shares_are_paused_resumed_and_removed_by_name_or_id() {
    let world = World::new();
    let daemon = world.daemon();
    world.file("a.txt", b"content");
    let id = world.run("share a.txt --json").json()["id"].as_str().unwrap().to_owned();
    let state = || world.run("status a.txt --json").json()["shares"][0]["state"].clone();
    assert_eq!(world.run("pause a.t").code, 0);
    assert_eq!(state(), "paused");
    assert_eq!(world.run(&format!("resume {}", &id[..8])).code, 0);
    assert_eq!(world.run("pause nothing").code, 2);
    let removed = world.run("remove a.txt");
    assert!(removed.code == 0 && removed.out.contains("files stay"), "{removed:?}");
    assert!(world.path("a.txt").exists());
    assert!(world.run("status").out.contains("no shares"));
    daemon.stop();
}

#[test]
fn content_that_is_there_is_verified_and_used() {
    let world = World::new();
    let daemon = world.daemon();
    world.file("a.txt", b"content");
    assert_eq!(world.run("create a.txt").code, 0);
    let downloaded = world.run("download a.txt.p2p");
    assert_eq!(downloaded.code, 0, "{downloaded:?}");
    assert!(downloaded.out.contains("verified"), "{downloaded:?}");
    let last = world.run("download a.txt.p2p --json").json();
    assert_eq!(last["complete"], true);
    daemon.stop();
}

#[test]
fn a_paused_download_says_that_it_goes_on() {
    let world = World::new();
    let daemon = world.daemon();
    world.file("a.txt", b"content");
    assert!(!world.run("share a.txt").err.contains("paused"));
    world.run("pause a.txt");
    let downloaded = world.run("download a.txt.p2p");
    assert!(downloaded.err.contains("it was paused: now it goes on"), "{downloaded:?}");
    daemon.stop();
}

#[test]
fn what_came_before_is_no_part_of_a_download() {
    let (giving, taking) = (World::new(), World::new());
    let (giver, taker) = (giving.daemon(), taking.daemon());
    giving.file("a.txt", b"content");
    giving.run("share a.txt --tracker 127.0.0.1:9");
    let port = {
        let runtime = runtime().unwrap();
        let data_dir = giving.folder.path().join("data");
        let mut client = block_on(DaemonClient::connect(&data_dir, &runtime)).unwrap();
        block_on(client.status(None)).unwrap().listen_port
    };
    fs::copy(giving.path("a.txt.p2p"), taking.path("a.txt.p2p")).unwrap();
    let line = format!("download a.txt.p2p --peer 127.0.0.1:{port}");
    let first = taking.run(&line);
    assert!(first.out.contains("verified, in "), "{first:?}");
    let again = taking.run(&line);
    assert!(again.out.contains("was there already"), "{again:?}");
    giver.stop();
    taker.stop();
}

#[test]
fn a_file_that_cannot_be_written_is_named_as_the_user_did() {
    let world = World::new();
    world.file("a.txt", b"content");
    let refused = world.run("create a.txt -o gone/a.p2p");
    assert_eq!(refused.code, 2);
    assert!(
        refused.err.contains("gone/a.p2p: ") && !refused.err.contains(".peerit"),
        "{refused:?}"
    );
}

#[test]
fn content_that_is_there_needs_no_daemon() {
    let world = World::new();
    world.file("a.txt", b"content");
    assert_eq!(world.run("create a.txt").code, 0);
    let downloaded = world.run("download a.txt.p2p --no-daemon --seed-for 0s");
    assert_eq!(downloaded.code, 0, "{downloaded:?}");
}

#[test]
fn seeding_for_a_time_needs_no_daemon() {
    let refused = World::new().run("download x.p2p --seed-for 10m");
    assert_eq!(refused.code, 2);
    assert!(refused.err.contains("--seed-for needs --no-daemon"), "{refused:?}");
}

#[test]
fn an_interrupted_download_says_what_goes_on() {
    let world = World::new();
    let daemon = world.daemon();
    let link = format!("peerit:{}", "07".repeat(32));
    let (interrupt, interrupts) = async_channel::bounded(1);
    interrupt.try_send(()).unwrap();
    let by_daemon = world.run_interrupted(&format!("download {link}"), b"", interrupts.clone());
    assert_eq!(by_daemon.code, 130, "{by_daemon:?}");
    assert!(by_daemon.err.contains("goes on in the background"), "{by_daemon:?}");
    assert!(world.run("status").out.contains("fetching manifest"));
    daemon.stop();

    interrupt.try_send(()).unwrap();
    let alone = world.run_interrupted(&format!("download {link} --no-daemon"), b"", interrupts);
    assert_eq!(alone.code, 130, "{alone:?}");
    assert!(alone.err.contains("the same command goes on"), "{alone:?}");
}

#[test]
fn without_a_daemon_that_is_said() {
    let world = World::new();
    let status = world.run("status");
    assert!(status.code == 2 && status.err.contains("peerit daemon"), "{status:?}");
    assert_eq!(world.run("daemon stop").code, 0);
}

#[test]
fn the_daemon_is_stopped_and_another_address_needs_that() {
    let world = World::new();
    let _daemon = world.daemon();
    assert!(world.run("daemon").out.contains("already"));
    assert_eq!(world.run("daemon --listen 127.0.0.1:1").code, 2);
    assert!(world.run("daemon stop").out.contains("has stopped"));
    assert!(world.run("daemon stop").out.contains("no daemon"));
}

#[test]
fn a_port_that_is_taken_is_named_with_what_to_do() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let refused = World::new().run(&format!("daemon --foreground --listen {address}"));
    assert_eq!(refused.code, 2);
    let expected = format!("cannot listen on {address}: ");
    assert!(refused.err.contains(&expected) && refused.err.contains("--listen"), "{refused:?}");
    assert_eq!(refused.err.lines().count(), 1, "all of it is the last line of a log");
}

#[test]
fn a_daemon_with_too_many_clients_says_so() {
    let world = World::new();
    let daemon = world.daemon();
    let data_dir = world.folder.path().join("data");
    let client = || async {
        let mut client = DaemonClient::connect(&data_dir, &runtime().unwrap()).await.unwrap();
        // Only one that was answered is surely served.
        client.status(None).await.map(|_| client)
    };
    let clients: Vec<_> = std::iter::from_fn(|| block_on(client()).ok()).collect();
    let refused = world.run("status");
    assert!(refused.code == 2 && refused.err.contains("64 clients"), "{refused:?}");
    drop(clients);
    daemon.stop();
}

#[test]
fn a_status_has_these_fields() {
    let document = serde_json::to_value(json::Share::of(&status())).unwrap();
    let expected = serde_json::json!({
        "id": "ab".repeat(32),
        "name": "big.iso",
        "state": "downloading",
        "reason": "",
        "complete": false,
        "verified_bytes": 25,
        "total_bytes": 100,
        "download_bytes_per_s": 5,
        "upload_bytes_per_s": 1,
        "downloaded_bytes": 30,
        "uploaded_bytes": 10,
        "upload_limit_bytes_per_s": null,
        "download_limit_bytes_per_s": null,
        "background": false,
        "path": "/there/big.iso",
        "peers": [{
            "id": "02".repeat(32),
            "address": "192.0.2.1:7",
            "path": "direct",
            "carrier": "quic",
            "downloaded_bytes": 1,
            "uploaded_bytes": 2,
            "download_bytes_per_s": 3,
            "upload_bytes_per_s": 4,
            "choking_us": true,
            "choked": false,
            "interested_in_us": true,
            "interesting": true,
            "chunk_count": 5,
            "banned": null,
            "agent": "peerit/1",
            "tried": null,
            "nat_is_symmetric": null,
            "its_nat_is_symmetric": null,
        }],
        "trackers": [],
    });
    assert_eq!(document, expected);
}

#[test]
fn doctor_asks_only_who_is_named() {
    let world = World::new();
    let nobody = world.run("doctor");
    assert_eq!(nobody.code, 2);
    assert!(nobody.err.contains("--tracker"), "{nobody:?}");

    let tracker = tracker();
    let address = tracker.local_address();
    world.file("a.txt", b"content");
    world.run(&format!("create a.txt --tracker {address}"));
    let found =
        world.run(&format!("doctor a.txt.p2p --tracker {address} --port-mapping off --json"));
    assert_eq!(found.code, 0, "{found:?}");
    let json = found.json();
    assert_eq!(json["servers"].as_array().unwrap().len(), 1, "each once");
    assert_eq!(json["servers"][0]["addresses"][0]["tcp"], true);
    assert_eq!(json["udp_passes"], true);
    assert_eq!(json["port_mapping"]["works"], serde_json::Value::Null);
    // The tracker answers from its other port, and has no other address.
    let filtering = "endpoint-independent or address-dependent";
    assert_eq!((&json["nat_mapping"], &json["nat_filtering"]), (&"none".into(), &filtering.into()));
    let found = world.run(&format!("doctor --stun {address} --port-mapping off"));
    assert!(found.out.contains("NAT mapping    none"), "{found:?}");
    assert!(!found.out.contains("TCP:"), "{found:?}");

    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    let silent = world.run(&format!("doctor --tracker {address} --port-mapping off"));
    assert_eq!(silent.code, 2);
    assert!(silent.out.contains("UDP: no answer; TCP: "), "{silent:?}");
}
