//! Shared files that somebody works on: the share ends, and says why.

#![cfg(feature = "async-std")]
#![allow(missing_docs)]
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic")]

mod support;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use futures_lite::future::block_on;
use peerit_core::node::{Node, Share, ShareError, ShareState};
use support::*;

const LENGTH: usize = 3 << 20;

/// A film that is shared in the folder.
async fn shared(folder: &Path) -> (Node, Share, PathBuf) {
    let film = folder.join("film.mkv");
    write(&film, &noise(LENGTH));
    let node = loopback().start().await.unwrap();
    let (share, _) = share(&node, &film).await;
    (node, share, film)
}

async fn failed(share: &Share) -> ShareError {
    let status = until(share, |status| status.state == ShareState::Failed).await;
    assert_eq!((status.complete, status.verified), (false, 0));
    let error = share.completed().await.unwrap_err();
    assert_eq!(status.reason, error.to_string());
    error
}

#[test]
fn an_edit_in_place_is_found_when_a_peer_asks_for_it() {
    block_on(async {
        let temp = tempfile::tempdir().unwrap();
        let (seed, share, film) = shared(temp.path()).await;
        // Somebody has read from it, so that it is open.
        let manifest = share.manifest().unwrap().clone();
        let node = loopback().start().await.unwrap();
        let folder = temp.path().join("before");
        let copy = node.download(manifest.clone(), folder, from_nodes(&[&seed])).await.unwrap();
        complete(&copy).await;

        flip(&film, 1_234_567);
        let node = loopback().start().await.unwrap();
        let folder = temp.path().join("after");
        let copy = node.download(manifest, folder, from_nodes(&[&seed])).await.unwrap();
        let error = failed(&share).await;
        assert!(matches!(error, ShareError::Changed(path) if path == film));
        assert!(
            copy.status().peers.iter().all(|peer| peer.banned.is_none()),
            "it has sent nothing"
        );
    });
}

#[test]
fn an_edit_in_place_is_found_when_the_share_is_resumed() {
    block_on(async {
        let temp = tempfile::tempdir().unwrap();
        let (_seed, share, film) = shared(temp.path()).await;
        flip(&film, 1_234_567);
        share.resume().await;
        assert!(matches!(failed(&share).await, ShareError::Changed(_)));
        flip(&film, 1_234_567);
        share.resume().await;
        complete(&share).await;
    });
}

#[test]
fn a_touch_changes_nothing() {
    block_on(async {
        let temp = tempfile::tempdir().unwrap();
        let (seed, share, film) = shared(temp.path()).await;
        let file = File::options().write(true).open(&film).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
        let node = loopback().start().await.unwrap();
        let manifest = share.manifest().unwrap().clone();
        let folder = temp.path().join("copy");
        let copy = node.download(manifest, folder, from_nodes(&[&seed])).await.unwrap();
        complete(&copy).await;
        assert_eq!(share.status().state, ShareState::Seeding);
    });
}

#[test]
fn a_file_that_was_taken_away_is_not_called_changed() {
    block_on(async {
        let temp = tempfile::tempdir().unwrap();
        let (_seed, share, film) = shared(temp.path()).await;
        std::fs::remove_file(&film).unwrap();
        share.resume().await;
        let error = failed(&share).await;
        assert_eq!(error.to_string(), format!("{}: is not there", film.display()));
        share.resume().await;
        assert_eq!(failed(&share).await.to_string(), error.to_string());
    });
}
