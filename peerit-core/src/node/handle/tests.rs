//! What is stopped ends, whatever else goes on in the node.

use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::join3;
use tempfile::TempDir;

use super::super::status::ShareState;
use super::*;
use crate::runtime::testing::on_each_runtime;
use crate::runtime::{Runtime, timeout};

/// Long enough for the slowest machine; a test that works never waits for it.
const DEADLINE: Duration = Duration::from_secs(60);

async fn node(runtime: &Arc<dyn Runtime>) -> Node {
    let listen = ([127, 0, 0, 1], 0).into();
    Node::builder().listen(listen).runtime(Arc::clone(runtime)).start().await.unwrap()
}

/// A small file, and the folder that it is in for as long as that is kept.
fn film() -> (TempDir, PathBuf) {
    let temp = tempfile::tempdir().unwrap();
    let film = temp.path().join("film.mkv");
    std::fs::write(&film, b"content").unwrap();
    (temp, film)
}

#[test]
fn what_is_wanted_of_a_share_that_is_ending_is_answered() {
    on_each_runtime(|runtime| async move {
        let node = node(&runtime).await;
        let link = Link { content_id: ContentId([7; 32]), trackers: Vec::new() };
        let share = node.download_link(link, "nowhere", DownloadOptions::default()).await.unwrap();
        let mut removed = Box::pin(share.remove());
        let mut paused = Box::pin(share.pause());
        let mut removed_again = Box::pin(share.remove());
        {
            // Without them the task cannot end, so that all is queued before.
            let _shares = node.context.shares();
            assert!((&mut removed).now_or_never().is_none());
            assert!((&mut paused).now_or_never().is_none());
            assert!((&mut removed_again).now_or_never().is_none());
        }
        timeout(&*runtime, DEADLINE, join3(removed, paused, removed_again)).await.unwrap();
        timeout(&*runtime, DEADLINE, node.shutdown()).await.unwrap();
    });
}

#[test]
fn a_stop_does_not_wait_for_a_check_that_has_not_begun() {
    on_each_runtime(|runtime| async move {
        let (temp, content) = film();
        let manifest = create(&content, &CreateOptions::default(), &|_, _| {}).unwrap().manifest;
        let node = node(&runtime).await;
        // More of them than run at once.
        let (release, held) = async_channel::bounded::<()>(1);
        for _ in 0..64 {
            let held = held.clone();
            node.context.chores.submit(move || assert!(held.recv_blocking().is_err()));
        }
        let copy = temp.path().join("copy");
        let share = node.download(manifest, &copy, DownloadOptions::default()).await.unwrap();
        timeout(&*runtime, DEADLINE, share.remove()).await.unwrap();
        drop(release);
        // Whatever was queued before this has begun.
        node.context.chores.run(|| {}).await;
        timeout(&*runtime, DEADLINE, node.shutdown()).await.unwrap();
        assert!(!copy.exists(), "it was taken back");
    });
}

#[test]
fn what_is_shared_again_while_it_is_removed_stays() {
    on_each_runtime(|runtime| async move {
        let (_temp, content) = film();
        let node = node(&runtime).await;
        let share = node.share(&content, ShareOptions::default()).await.unwrap();
        let manifest = share.manifest().unwrap().clone();
        let seed = || Box::pin(node.seed(manifest.clone(), &content, SeedOptions::default()));
        // Nobody waits for the removal of a share() that is given up.
        drop(RemovedOnDrop { node: &node, share: Some(share.clone()) });
        let again = seed().await.unwrap();
        share.ended().await;
        assert!(node.find(again.content_id()).is_some());

        again.leave();
        let mut last = seed();
        assert!((&mut last).now_or_never().is_none(), "it waits");
        again.remove().await;
        timeout(&*runtime, DEADLINE, last).await.unwrap().unwrap().completed().await.unwrap();
        timeout(&*runtime, DEADLINE, node.shutdown()).await.unwrap();
    });
}

#[test]
fn what_is_shared_again_is_given_to_peers_again() {
    on_each_runtime(|runtime| async move {
        let (_temp, content) = film();
        let node = node(&runtime).await;
        let share = || node.share(&content, ShareOptions::default());
        let before = share().await.unwrap();
        before.pause().await;
        assert_eq!(share().await.unwrap().status().state, ShareState::Seeding);

        std::fs::write(&content, b"another").unwrap();
        let file = std::fs::File::options().write(true).open(&content).unwrap();
        file.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
        // The look has come to its end by then, but not all that follows from it.
        while before.completed().await.is_ok() {
            before.resume().await;
        }
        std::fs::write(&content, b"content").unwrap();
        assert_eq!(share().await.unwrap().status().state, ShareState::Seeding);
        timeout(&*runtime, DEADLINE, node.shutdown()).await.unwrap();
    });
}
