//! A client against a daemon, over a real socket in a temporary folder.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::num::NonZeroU64;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_lite::StreamExt;
use futures_lite::future::block_on;

use super::data_dir::DataDir;
use super::limits::CLIENTS_MAX;
use super::{
    ClientError, Daemon, DaemonClient, DaemonConfig, DaemonError, DownloadRequest, ShareRequest,
};
use crate::id::ContentId;
use crate::manifest::{Link, Manifest};
use crate::node::{
    IceLibrary, RateLimits, ShareState, ShareStatus, TrackerService, TrackerServiceConfig,
};
use crate::runtime::{self, Runtime, timeout};
use crate::store::create::{CreateOptions, create_manifest};

/// A folder for a daemon, and one for content.
struct World {
    folder: tempfile::TempDir,
    runtime: Arc<dyn Runtime>,
}

/// A daemon that runs in the background.
struct Running {
    data_dir: PathBuf,
    runtime: Arc<dyn Runtime>,
    ended: async_channel::Receiver<()>,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("content")).unwrap();
        Self { folder, runtime: runtime::default().unwrap() }
    }

    fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn content(&self) -> PathBuf {
        self.folder.path().join("content")
    }

    fn file(&self, name: &str) -> PathBuf {
        let path = self.content().join(name);
        fs::write(&path, format!("content of {name}")).unwrap();
        path
    }

    /// Where the tracker of the daemon that has just stopped will listen.
    fn tracker(&self) -> Option<SocketAddr> {
        let addresses = DataDir::open(&self.data_dir()).unwrap().addresses().unwrap();
        addresses.unwrap().tracker
    }

    fn saved_manifest(&self, id: ContentId) -> Manifest {
        let path = self.data_dir().join("shares").join(id.to_string()).join("manifest.p2p");
        Manifest::parse(&fs::read(path).unwrap()).unwrap()
    }

    fn run_tracker(&self) -> TrackerService {
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let config = TrackerServiceConfig { listen, ..TrackerServiceConfig::default() };
        TrackerService::start(Arc::clone(&self.runtime), config).unwrap()
    }

    async fn start(&self) -> Result<Daemon, DaemonError> {
        Daemon::start(DaemonConfig {
            data_dir: self.data_dir(),
            listen: Some(SocketAddr::from(([127, 0, 0, 1], 0))),
            port_mapping: Some(false),
            ice: IceLibrary::default(),
            runtime: Arc::clone(&self.runtime),
        })
        .await
    }

    async fn run(&self) -> Running {
        let daemon = self.start().await.unwrap();
        let (ending, ended) = async_channel::bounded(1);
        self.runtime.spawn(Box::pin(async move {
            daemon.run().await;
            drop(ending);
        }));
        Running { data_dir: self.data_dir(), runtime: Arc::clone(&self.runtime), ended }
    }
}

impl Running {
    async fn client(&self) -> DaemonClient {
        DaemonClient::connect(&self.data_dir, &self.runtime).await.unwrap()
    }

    /// Of all shares together, and of the only one.
    async fn limits(&self) -> (RateLimits, RateLimits) {
        let status = self.client().await.status(None).await.unwrap();
        (status.limits, status.shares[0].limits)
    }

    async fn share(&self, path: &Path) -> Manifest {
        let request = ShareRequest::default();
        self.client().await.share(path, &request, |_, _| {}).await.unwrap()
    }

    /// The one share there is, once it has done what goes on in the background.
    async fn settled(&self) -> ShareStatus {
        self.until(|share| share.state != ShareState::Checking).await
    }

    async fn complete_or_failed(&self) -> ShareStatus {
        self.until(ShareStatus::is_at_end).await
    }

    /// The one share there is, once it is as wanted.
    async fn until(&self, is_wanted: impl Fn(&ShareStatus) -> bool) -> ShareStatus {
        let mut watch = self.client().await.watch(None, Duration::from_millis(50));
        loop {
            let status = watch.next().await.unwrap().unwrap();
            let [share] = <[ShareStatus; 1]>::try_from(status.shares).unwrap();
            if is_wanted(&share) {
                return share;
            }
        }
    }

    async fn stop(self) {
        self.client().await.stop().await.unwrap();
        assert!(self.ended.recv().await.is_err(), "run has returned");
    }
}

fn link(id: u8) -> Link {
    Link { content_id: ContentId([id; 32]), trackers: Vec::new() }
}

fn message(error: ClientError) -> String {
    match error {
        ClientError::Refused { message, .. } => message,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_share_is_seeded_and_survives_a_restart() {
    block_on(async {
        let world = World::new();
        let path = world.file("a.txt");
        let daemon = world.run().await;
        let manifest = daemon.share(&path).await;
        assert_eq!(manifest.name(), "a.txt");
        assert!(!manifest.trackers().is_empty(), "the daemon's own tracker is named");
        assert_eq!(daemon.settled().await.state, ShareState::Seeding);
        let before = daemon.client().await.status(None).await.unwrap();
        daemon.stop().await;

        let daemon = world.run().await;
        let share = daemon.settled().await;
        assert_eq!((share.state, &share.path), (ShareState::Seeding, &path), "{}", share.reason);
        let after = daemon.client().await.status(Some(manifest.content_id())).await.unwrap();
        assert_eq!(after.peer_id, before.peer_id);
        daemon.stop().await;
    });
}

#[test]
fn a_tracker_runs_from_the_first_share_that_needs_it_and_keeps_its_port() {
    block_on(async {
        let world = World::new();
        let daemon = world.run().await;
        let mut client = daemon.client().await;
        let nothing = DownloadRequest::default();
        client.download_link(&link(7), &world.content(), &nothing).await.unwrap();
        let trackers = vec!["127.0.0.1:9".to_owned()];
        let named = ShareRequest { trackers, ..ShareRequest::default() };
        client.share(&world.file("a.txt"), &named, |_, _| {}).await.unwrap();
        daemon.stop().await;
        assert_eq!(world.tracker(), None);

        let daemon = world.run().await;
        let trackers = daemon.share(&world.file("b.txt")).await.trackers().to_vec();
        TcpStream::connect(&trackers[0]).unwrap();
        daemon.stop().await;
        let port = world.tracker().unwrap().port();
        assert!(trackers.iter().all(|tracker| tracker.ends_with(&format!(":{port}"))));

        let daemon = world.run().await;
        TcpStream::connect(&trackers[0]).unwrap();
        assert_eq!(daemon.share(&world.file("c.txt")).await.trackers(), trackers);
        daemon.stop().await;
    });
}

#[test]
fn sharing_again_is_no_second_share() {
    block_on(async {
        let world = World::new();
        let path = world.file("a.txt");
        let daemon = world.run().await;
        let id = daemon.share(&path).await.content_id();
        daemon.client().await.pause(id).await.unwrap();
        assert_eq!(daemon.share(&path).await.content_id(), id);
        assert_eq!(daemon.settled().await.state, ShareState::Seeding, "it goes on");
        daemon.stop().await;
    });
}

#[test]
fn sharing_again_adds_trackers() {
    block_on(async {
        let world = World::new();
        let path = world.file("a.txt");
        let daemon = world.run().await;
        let own = daemon.share(&path).await.trackers().to_vec();
        daemon.client().await.pause(daemon.settled().await.content_id).await.unwrap();
        let tracker = world.run_tracker();
        let trackers = vec![tracker.local_address().to_string()];
        let request = ShareRequest { trackers: trackers.clone(), ..ShareRequest::default() };
        let again = daemon.client().await.share(&path, &request, |_, _| {}).await.unwrap();
        assert_eq!(again.trackers(), [trackers, own].concat(), "new ones first");
        assert_eq!(daemon.settled().await.state, ShareState::Seeding, "it goes on");
        assert_eq!(daemon.share(&path).await.trackers(), again.trackers(), "none is lost");
        daemon.stop().await;
        assert_eq!(world.saved_manifest(again.content_id()).trackers(), again.trackers());
    });
}

#[test]
fn a_paused_share_stays_paused_until_it_is_resumed() {
    block_on(async {
        let world = World::new();
        let path = world.file("a.txt");
        let daemon = world.run().await;
        let id = daemon.share(&path).await.content_id();
        daemon.client().await.pause(id).await.unwrap();
        assert_eq!(daemon.settled().await.state, ShareState::Paused);
        daemon.stop().await;

        let daemon = world.run().await;
        assert_eq!(daemon.settled().await.state, ShareState::Paused);
        daemon.client().await.resume(id).await.unwrap();
        assert_eq!(daemon.settled().await.state, ShareState::Seeding);
        daemon.stop().await;
    });
}

#[test]
fn limits_outlive_the_daemon() {
    block_on(async {
        let world = World::new();
        let daemon = world.run().await;
        let id = daemon.share(&world.file("a.txt")).await.content_id();
        let none = RateLimits::default();
        let of_all = RateLimits {
            up: NonZeroU64::new(1 << 20),
            down: NonZeroU64::new(7),
            background: false,
        };
        let of_one = RateLimits { up: NonZeroU64::new(1 << 10), down: None, background: true };
        assert_eq!(daemon.limits().await, (none, none));
        daemon.client().await.limit(None, of_all).await.unwrap();
        daemon.client().await.limit(Some(id), of_one).await.unwrap();
        assert_eq!(daemon.limits().await, (of_all, of_one));
        daemon.client().await.pause(id).await.unwrap();
        daemon.stop().await;
        let daemon = world.run().await;
        assert_eq!(daemon.limits().await, (of_all, of_one));
        daemon.client().await.limit(None, none).await.unwrap();
        daemon.client().await.limit(Some(id), none).await.unwrap();
        assert_eq!(daemon.limits().await, (none, none));
        let unknown = Some(ContentId([9; 32]));
        let refused = daemon.client().await.limit(unknown, none).await.unwrap_err();
        assert!(matches!(refused, ClientError::Refused { .. }), "{refused}");
        daemon.stop().await;
        assert!(world.tracker().is_some(), "what else was saved is there still");
    });
}

#[test]
fn a_removed_share_is_forgotten_and_its_files_stay() {
    block_on(async {
        let world = World::new();
        let path = world.file("a.txt");
        let daemon = world.run().await;
        let id = daemon.share(&path).await.content_id();
        daemon.client().await.remove(id).await.unwrap();
        let mut client = daemon.client().await;
        assert!(client.status(None).await.unwrap().shares.is_empty());
        assert!(message(client.remove(id).await.unwrap_err()).contains("no share"));
        daemon.stop().await;

        assert!(path.exists());
        let daemon = world.run().await;
        assert!(daemon.client().await.status(None).await.unwrap().shares.is_empty());
        daemon.stop().await;
    });
}

#[test]
fn a_download_by_link_waits_for_its_manifest_also_after_a_restart() {
    block_on(async {
        let world = World::new();
        let daemon = world.run().await;
        let request = DownloadRequest { peers: vec!["127.0.0.1:9".into()], overwrite: true };
        let mut client = daemon.client().await;
        let id = client.download_link(&link(7), &world.content(), &request).await.unwrap();
        assert_eq!(id, link(7).content_id);
        assert_eq!(daemon.settled().await.state, ShareState::FetchingManifest);
        daemon.stop().await;

        let daemon = world.run().await;
        let share = daemon.settled().await;
        assert_eq!((share.content_id, share.state), (id, ShareState::FetchingManifest));
        daemon.stop().await;
    });
}

#[test]
fn files_that_may_be_replaced_may_be_so_after_a_restart() {
    block_on(async {
        let (giving, taking) = (World::new(), World::new());
        let path = giving.file("a.txt");
        let theirs = taking.content().join("a.txt");
        fs::write(&theirs, "of no use any more").unwrap();
        let manifest = create_manifest(&path, &CreateOptions::default(), &|_, _| {}).unwrap();
        let link = Link { content_id: manifest.content_id(), trackers: Vec::new() };
        let giver = giving.run().await;
        let port = giver.client().await.status(None).await.unwrap().listen_port;

        // Nobody has the manifest yet, so nothing is known of the files when the daemon ends.
        let taker = taking.run().await;
        let mut client = taker.client().await;
        let request = DownloadRequest { peers: vec![format!("127.0.0.1:{port}")], overwrite: true };
        let id = client.download_link(&link, &taking.content(), &request).await.unwrap();
        client.pause(id).await.unwrap();
        taker.stop().await;

        assert_eq!(
            giver.share(&path).await.content_id(),
            id,
            "trackers are no part of the content"
        );
        let taker = taking.run().await;
        taker.client().await.resume(id).await.unwrap();
        let share = taker.complete_or_failed().await;
        assert!(share.complete, "{}", share.reason);
        assert_eq!(fs::read(&theirs).unwrap(), fs::read(&path).unwrap());
        taker.stop().await;
        giver.stop().await;
    });
}

#[test]
fn who_watches_one_download_hears_of_its_end_at_once() {
    block_on(async {
        let (giving, taking) = (World::new(), World::new());
        let path = giving.file("a.txt");
        let (giver, taker) = (giving.run().await, taking.run().await);
        let manifest = giver.share(&path).await;
        let port = giver.client().await.status(None).await.unwrap().listen_port;
        let mut client = taker.client().await;
        let request = DownloadRequest { peers: vec![format!("127.0.0.1:{port}")], overwrite: true };
        let link = Link { content_id: manifest.content_id(), trackers: Vec::new() };
        let id = client.download_link(&link, &taking.content(), &request).await.unwrap();
        // It would say nothing else for a minute.
        let mut watch = taker.client().await.watch(Some(id), Duration::from_mins(1));
        let end = async {
            while !watch.next().await.unwrap().unwrap().shares[0].complete {}
            client.remove(id).await.unwrap();
        };
        timeout(&*taking.runtime, Duration::from_secs(30), end).await.expect("it is told");
        taker.stop().await;
        giver.stop().await;
    });
}

#[test]
fn a_second_download_goes_on_in_its_folder_and_nowhere_else() {
    block_on(async {
        let world = World::new();
        let daemon = world.run().await;
        let mut client = daemon.client().await;
        let request = DownloadRequest::default();
        let id = client.download_link(&link(7), &world.content(), &request).await.unwrap();
        client.pause(id).await.unwrap();
        client.download_link(&link(7), &world.content(), &request).await.unwrap();
        assert_eq!(daemon.settled().await.state, ShareState::FetchingManifest, "it goes on");
        let with_options = DownloadRequest { overwrite: true, ..request.clone() };
        client.download_link(&link(7), &world.content(), &with_options).await.unwrap();
        let refused = client.download_link(&link(7), world.folder.path(), &request).await;
        assert!(message(refused.unwrap_err()).contains("already at"));
        assert_eq!(client.status(None).await.unwrap().shares.len(), 1);
        daemon.stop().await;
    });
}

#[test]
fn a_newer_manifest_brings_its_trackers_to_a_download() {
    block_on(async {
        let (giving, taking) = (World::new(), World::new());
        let (tracker, knows_nobody) = (giving.run_tracker(), taking.run_tracker());
        let knows_nobody = knows_nobody.local_address().to_string();
        let giver = giving.run().await;
        let trackers = vec![tracker.local_address().to_string()];
        let request = ShareRequest { trackers, ..ShareRequest::default() };
        let path = giving.file("a.txt");
        let live = giver.client().await.share(&path, &request, |_, _| {}).await.unwrap();
        let lonely = live.with_trackers(vec![knows_nobody.clone()]).unwrap();

        let taker = taking.run().await;
        let mut client = taker.client().await;
        let request = DownloadRequest::default();
        client.download(&lonely, &taking.content(), &request).await.unwrap();
        client.download(&live, &taking.content(), &request).await.unwrap();
        let share = taker.complete_or_failed().await;
        assert!(share.complete, "{}", share.reason);
        taker.stop().await;

        let saved = taking.saved_manifest(live.content_id());
        assert_eq!(saved.trackers(), [&*live.trackers()[0], &knows_nobody], "new ones first");
        giver.stop().await;
    });
}

#[test]
fn a_download_that_failed_at_once_may_go_elsewhere() {
    block_on(async {
        let world = World::new();
        let path = world.file("a.txt");
        let manifest = create_manifest(&path, &CreateOptions::default(), &|_, _| {}).unwrap();
        fs::write(&path, "somebody's work").unwrap();
        let daemon = world.run().await;
        let mut client = daemon.client().await;
        let request = DownloadRequest::default();
        client.download(&manifest, &world.content(), &request).await.unwrap();
        let failed = daemon.complete_or_failed().await;
        assert!(failed.reason.contains("--overwrite"), "{}", failed.reason);
        assert_eq!(failed.verified, 0);

        let elsewhere = world.folder.path().join("elsewhere");
        fs::create_dir(&elsewhere).unwrap();
        client.download(&manifest, &elsewhere, &request).await.unwrap();
        let share = daemon.until(|share| share.state == ShareState::Downloading).await;
        assert_eq!(share.path, elsewhere.join("a.txt"));
        let refused = client.download(&manifest, &world.content(), &request).await;
        assert!(message(refused.unwrap_err()).contains("already at"));
        daemon.stop().await;
    });
}

#[test]
fn nonsense_is_refused_with_its_reason() {
    block_on(async {
        let world = World::new();
        let daemon = world.run().await;
        let mut client = daemon.client().await;
        let here = Path::new("here");
        let request = DownloadRequest::default();
        let error = client.download_link(&link(1), here, &request).await.unwrap_err();
        assert!(message(error).contains("not an absolute path"));
        let error = client.share(here, &ShareRequest::default(), |_, _| {}).await.unwrap_err();
        assert!(message(error).contains("not an absolute path"));
        let request = DownloadRequest { peers: vec!["no port".into()], overwrite: false };
        let error = client.download_link(&link(1), &world.content(), &request).await.unwrap_err();
        assert!(message(error).contains("no port"));
        let request = DownloadRequest { peers: vec!["127.0.0.1:1".into(); 257], overwrite: false };
        let error = client.download_link(&link(1), &world.content(), &request).await.unwrap_err();
        assert!(message(error).contains("256"));
        let gone = world.content().join("gone");
        let error = client.share(&gone, &ShareRequest::default(), |_, _| {}).await.unwrap_err();
        assert!(matches!(error, ClientError::Refused { usage: true, .. }));
        assert!(client.status(None).await.unwrap().shares.is_empty());
        daemon.stop().await;
    });
}

#[test]
fn a_share_that_cannot_be_loaded_is_listed_as_failed() {
    block_on(async {
        let world = World::new();
        let daemon = world.run().await;
        let id = daemon.share(&world.file("a.txt")).await.content_id();
        daemon.stop().await;
        let record = world.data_dir().join("shares").join(id.to_string()).join("share");
        let good = fs::read(&record).unwrap();
        fs::write(&record, b"\xff").unwrap();

        let daemon = world.run().await;
        let share = daemon.settled().await;
        assert_eq!(share.state, ShareState::Failed);
        assert!(share.reason.contains("is damaged"), "{}", share.reason);
        let mut client = daemon.client().await;
        assert!(client.resume(id).await.is_err());
        fs::write(&record, good).unwrap();
        client.resume(id).await.unwrap();
        assert_eq!(daemon.settled().await.state, ShareState::Seeding);
        daemon.stop().await;
    });
}

#[test]
fn a_failed_share_can_be_removed() {
    block_on(async {
        let world = World::new();
        let daemon = world.run().await;
        let id = daemon.share(&world.file("a.txt")).await.content_id();
        daemon.stop().await;
        let folder = world.data_dir().join("shares").join(id.to_string());
        fs::write(folder.join("manifest.p2p"), b"").unwrap();

        let daemon = world.run().await;
        assert_eq!(daemon.settled().await.state, ShareState::Failed);
        daemon.client().await.remove(id).await.unwrap();
        assert!(!folder.exists());
        daemon.stop().await;
    });
}

#[test]
fn one_daemon_to_a_folder_and_none_after_stop() {
    block_on(async {
        let world = World::new();
        let daemon = world.run().await;
        assert!(matches!(world.start().await, Err(DaemonError::Locked(_))));
        daemon.stop().await;
        let connected = DaemonClient::connect(&world.data_dir(), &world.runtime).await;
        assert!(matches!(connected, Err(ClientError::NotRunning(_))));
    });
}

#[test]
fn a_daemon_that_was_killed_leaves_nothing_in_the_way() {
    block_on(async {
        let world = World::new();
        drop(world.start().await.unwrap());
        assert!(world.data_dir().join("daemon.sock").exists());
        let connected = DaemonClient::connect(&world.data_dir(), &world.runtime).await;
        assert!(matches!(connected, Err(ClientError::NotRunning(_))));
        world.run().await.stop().await;
    });
}

#[test]
fn a_client_that_talks_nonsense_is_told_and_left() {
    block_on(async {
        let world = World::new();
        let daemon = world.run().await;
        for nonsense in [&[0xff_u8; 16][..], &[3, 0xff, 0xff, 0xff], &[0x80, 0x80, 0x80, 0x80, 1]] {
            let mut stream = UnixStream::connect(world.data_dir().join("daemon.sock")).unwrap();
            stream.write_all(nonsense).unwrap();
            let mut answer = Vec::new();
            // The daemon may close with bytes of ours unread: that resets the connection after the answer.
            let _ = stream.read_to_end(&mut answer);
            assert!(answer.windows(9).any(|part| part == b"a message"), "{answer:?}");
        }
        let mut empty = UnixStream::connect(world.data_dir().join("daemon.sock")).unwrap();
        empty.write_all(&[0]).unwrap();
        let mut answer = [0; 3];
        empty.read_exact(&mut answer).unwrap();
        daemon.stop().await;
    });
}

#[test]
fn clients_beyond_the_limit_are_told() {
    block_on(async {
        let world = World::new();
        let daemon = world.run().await;
        let mut clients = Vec::new();
        for _ in 0..CLIENTS_MAX {
            let mut client = daemon.client().await;
            client.status(None).await.unwrap();
            clients.push(client);
        }
        let error = daemon.client().await.status(None).await.unwrap_err();
        assert!(matches!(&error, ClientError::Full(why) if why.contains("64 clients")), "{error}");
        clients.pop().unwrap().stop().await.unwrap();
        assert!(daemon.ended.recv().await.is_err());
        let gone = clients.pop().unwrap().status(None).await;
        assert!(matches!(gone, Err(ClientError::Gone)));
    });
}
