//! What a transfer keeps in memory when the disk is slower than the network.

#![cfg(feature = "async-std")]
#![allow(missing_docs)]

#[path = "support/still_disk.rs"]
mod still_disk;
mod support;

use std::sync::Arc;

use futures_lite::future::block_on;
use peerit_core::node::{DownloadOptions, ShareState};
use still_disk::StillDisk;
use support::*;

/// As `manual/data_path.md` says.
const BEGUN_BYTES_MAX: u64 = 48 << 20;

#[test]
fn a_disk_that_stands_still_stops_the_transfer_and_loses_nothing() {
    block_on(async {
        let temp = tempfile::tempdir().unwrap();
        let (seed, manifest) = seed_of_film(temp.path(), 96 << 20).await;

        let disk = StillDisk::new();
        let node = loopback().runtime(Arc::new(disk.clone())).start().await.unwrap();
        let options = DownloadOptions { paused: true, ..from_nodes(&[&seed]) };
        let copy =
            node.download(manifest.clone(), temp.path().join("copy"), options).await.unwrap();
        until(&copy, |status| status.state == ShareState::Paused).await;
        disk.stand_still(true);
        copy.resume().await;
        until(&copy, |status| status.downloaded >= BEGUN_BYTES_MAX * 3 / 4).await;
        // As long as another one takes for all of it, nothing more is asked for than there is room for.
        let other = loopback().start().await.unwrap();
        let folder = temp.path().join("other");
        complete(&other.download(manifest, folder, from_nodes(&[&seed])).await.unwrap()).await;
        let status = copy.status();
        assert_eq!(status.verified, 0);
        assert!(status.downloaded <= BEGUN_BYTES_MAX, "{}", status.downloaded);

        disk.stand_still(false);
        complete(&copy).await;
        assert_eq!(tree(&temp.path().join("copy")), tree(&temp.path().join("other")));
    });
}
