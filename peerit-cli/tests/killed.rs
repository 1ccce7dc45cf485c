//! A daemon that is killed in the middle of a download: what it has is not fetched again.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic")]

mod support;

use std::fs;
use std::path::Path;
use std::time::Duration;

use futures_lite::StreamExt;
use futures_lite::future::block_on;
use peerit_core::daemon::{DaemonClient, DownloadRequest};
use peerit_core::manifest::Manifest;
use peerit_core::node::{ShareState, ShareStatus};
use support::Machine;

/// Lengths of the two files of the content, in bytes.
const LENGTHS: [usize; 2] = [32 << 20, 8 << 20];

async fn client(machine: &Machine) -> DaemonClient {
    let runtime = peerit_core::runtime::default().unwrap();
    DaemonClient::connect(&machine.data_dir(), &runtime).await.unwrap()
}

/// Begins the download, or goes on with it.
async fn download(machine: &Machine, manifest: &Manifest, peers: Vec<String>) {
    let request = DownloadRequest { peers, ..DownloadRequest::default() };
    client(machine).await.download(manifest, &machine.path(""), &request).await.unwrap();
}

/// The only share, once it is as wanted.
async fn until(machine: &Machine, is_wanted: impl Fn(&ShareStatus) -> bool) -> ShareStatus {
    let mut watch = client(machine).await.watch(None, Duration::from_millis(50));
    loop {
        let share = watch.next().await.unwrap().unwrap().shares.pop().unwrap();
        assert_ne!(share.state, ShareState::Failed, "{}", share.reason);
        if is_wanted(&share) {
            return share;
        }
    }
}

fn is_downloading(share: &ShareStatus) -> bool {
    share.state == ShareState::Downloading
}

fn make_content(folder: &Path) {
    fs::create_dir(folder).unwrap();
    for (name, length) in ["first", "second"].iter().zip(LENGTHS) {
        let words = (0..u32::try_from(length / 4).unwrap()).map(|n| n.wrapping_mul(0x9e37_79b9));
        let noise: Vec<u8> = words.flat_map(u32::to_le_bytes).collect();
        fs::write(folder.join(name), noise).unwrap();
    }
}

#[test]
fn a_daemon_killed_in_mid_download_fetches_only_the_rest() {
    block_on(async {
        let [seed, half, leech] = [Machine::offline(), Machine::offline(), Machine::offline()];
        make_content(&seed.path("content"));
        seed.run(&["share", "content", "--chunk-size", "64K"]);
        let manifest = Manifest::parse(&fs::read(seed.path("content.p2p")).unwrap()).unwrap();
        // Nobody is found but who is named.
        let manifest = manifest.with_trackers(Vec::new()).unwrap();

        // Of a peer that has one of the files, the download cannot be completed.
        fs::create_dir(half.path("content")).unwrap();
        fs::copy(seed.path("content/first"), half.path("content/first")).unwrap();
        let giving = half.daemon();
        download(&half, &manifest, Vec::new()).await;
        until(&half, is_downloading).await;
        let taking = leech.daemon();
        download(&leech, &manifest, vec![half.address()]).await;
        let seen = until(&leech, |share| is_downloading(share) && share.verified > 0).await;
        taking.kill();
        giving.kill();

        let taking = leech.daemon();
        let kept = until(&leech, is_downloading).await;
        assert!(kept.verified >= seen.verified, "{} of {}", kept.verified, seen.verified);
        download(&leech, &manifest, vec![seed.address()]).await;
        let end = until(&leech, |share| share.complete).await;
        assert_eq!(end.downloaded, end.total - kept.verified);
        for name in ["first", "second"] {
            let [theirs, ours] = [&seed, &leech].map(|at| at.path("content").join(name));
            assert!(fs::read(theirs).unwrap() == fs::read(ours).unwrap(), "{name} differs");
        }
        taking.kill();
    });
}
