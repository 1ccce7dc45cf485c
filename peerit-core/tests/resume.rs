//! A download that is interrupted goes on where it was.

#![cfg(feature = "async-std")]
#![allow(missing_docs)]
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic")]

#[path = "support/stalling.rs"]
mod stalling;
mod support;

use std::path::Path;
use std::sync::Arc;

use futures_lite::future::block_on;
use peerit_core::manifest::Manifest;
use peerit_core::node::{DownloadOptions, Node, ShareState};
use peerit_core::transport::Identity;
use stalling::StallingTransport;
use support::*;

/// A download whose peer has fallen silent after so many bytes, and how many of them are verified.
async fn stalled(seed: &Node, manifest: &Manifest, folder: &Path, bytes: usize) -> (Node, u64) {
    let identity = Identity::generate().unwrap();
    let stalling = Arc::new(StallingTransport::new(&identity, bytes));
    let node = loopback().transport(stalling, identity).start().await.unwrap();
    let copy = node.download(manifest.clone(), folder, from_nodes(&[seed])).await.unwrap();
    // All but the chunk that was under way when the peer fell silent, and frame headers.
    let stored = bytes - (128 << 10);
    let verified = until(&copy, |status| status.verified >= stored as u64).await.verified;
    (node, verified)
}

#[test]
fn verified_chunks_are_not_fetched_again() {
    block_on(async {
        const LENGTH: usize = 8 << 20;
        let temp = tempfile::tempdir().unwrap();
        let (seed, manifest) = seed_of_film(temp.path(), LENGTH).await;
        let folder = temp.path().join("copy");
        let (_node, verified) = stalled(&seed, &manifest, &folder, LENGTH / 3).await;
        // The files as a killed process leaves them: no shutdown, nothing synced.
        let crashed = temp.path().join("crashed");
        std::fs::create_dir(&crashed).unwrap();
        for name in ["film.mkv", "film.mkv.peerit-partial"] {
            std::fs::copy(folder.join(name), crashed.join(name)).unwrap();
        }

        let node = loopback().start().await.unwrap();
        let copy = node.download(manifest, &crashed, from_nodes(&[&seed])).await.unwrap();
        complete(&copy).await;
        assert!(copy.status().downloaded <= LENGTH as u64 - verified);
        assert_eq!(std::fs::read(crashed.join("film.mkv")).unwrap(), noise(LENGTH));
        assert!(!crashed.join("film.mkv.peerit-partial").exists());
    });
}

#[test]
fn an_edit_of_what_was_complete_is_not_overwritten() {
    block_on(async {
        let temp = tempfile::tempdir().unwrap();
        let (seed, manifest) = seed_of_film(temp.path(), 1 << 20).await;
        let node = loopback().start().await.unwrap();
        let options = DownloadOptions { overwrite: true, ..from_nodes(&[&seed]) };
        let folder = temp.path().join("copy");
        let copy = node.download(manifest.clone(), &folder, options).await.unwrap();
        complete(&copy).await;

        std::fs::write(folder.join("film.mkv"), "somebody's work").unwrap();
        let other = loopback().start().await.unwrap();
        let _asks = other
            .download(manifest, temp.path().join("other"), from_nodes(&[&node]))
            .await
            .unwrap();
        until(&copy, |status| status.state == ShareState::Failed).await;
        copy.resume().await;
        let failed = until(&copy, |status| status.state == ShareState::Failed).await;
        assert!(failed.reason.contains("exists and differs"), "{}", failed.reason);
        assert_eq!(std::fs::read(folder.join("film.mkv")).unwrap(), b"somebody's work");
    });
}

#[test]
fn what_is_verified_stays_when_the_disk_takes_nothing_more() {
    block_on(async {
        const LENGTH: usize = 8 << 20;
        let temp = tempfile::tempdir().unwrap();
        let (seed, manifest) = seed_of_film(temp.path(), LENGTH).await;
        let folder = temp.path().join("copy");
        let (node, verified) = stalled(&seed, &manifest, &folder, LENGTH / 3).await;
        node.shutdown().await;

        // As on a full disk, no new marker can be written.
        let in_the_way = folder.join("film.mkv.peerit-partial~");
        std::fs::create_dir(&in_the_way).unwrap();
        let node = loopback().start().await.unwrap();
        let copy = node.download(manifest, &folder, from_nodes(&[&seed])).await.unwrap();
        assert!(copy.completed().await.is_err());
        assert_eq!(copy.status().verified, verified);
        copy.resume().await;
        assert!(copy.completed().await.is_err());
        assert_eq!(copy.status().verified, verified);
        std::fs::remove_dir(&in_the_way).unwrap();
        copy.resume().await;
        complete(&copy).await;
        assert_eq!(copy.status().downloaded, LENGTH as u64 - verified);
    });
}
