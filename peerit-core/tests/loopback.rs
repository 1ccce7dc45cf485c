//! Real nodes on loopback: sockets, TLS, files and tracker, in one process.

#![cfg(feature = "async-std")]
#![allow(missing_docs)]

mod support;

use futures_lite::future::block_on;
use peerit_core::id::PeerId;
use peerit_core::node::{
    Announcer, DownloadOptions, SeedOptions, ShareOptions, ShareState, ShareStatus, TrackerService,
    TrackerServiceConfig,
};
use peerit_core::runtime;
use peerit_core::store::create::{CreateOptions, create_manifest};
use peerit_core::transport::Carrier;
use support::*;

#[test]
fn a_folder_reaches_two_nodes_through_a_tracker() {
    block_on(async {
        let temp = tempfile::tempdir().unwrap();
        let content = temp.path().join("album");
        write(&content.join("big.bin"), &noise(5 << 20));
        write(&content.join("empty"), b"");
        write(&content.join("deep/er/naïve ☃.txt"), b"snow");
        for index in 0..300 {
            write(&content.join(format!("small/{index}")), &noise(index * 11));
        }
        let seed = with_tracker().start().await.unwrap();
        let (_, manifest) = share(&seed, &content).await;

        let (one, other) = (loopback().start().await.unwrap(), loopback().start().await.unwrap());
        let (first, second) = (temp.path().join("first"), temp.path().join("second"));
        let options = DownloadOptions::default;
        let first_copy = one.download(manifest.clone(), &first, options()).await.unwrap();
        let second_copy = other.download(manifest, &second, options()).await.unwrap();
        complete(&first_copy).await;
        complete(&second_copy).await;

        assert_eq!(tree(&first.join("album")), tree(&content));
        assert_eq!(tree(&second), tree(&first), "nothing but the content is left in the folder");
        for node in [one, other, seed] {
            node.shutdown().await;
        }
    });
}

#[cfg(unix)]
#[test]
fn programs_stay_executable() {
    use std::os::unix::fs::PermissionsExt;
    block_on(async {
        let temp = tempfile::tempdir().unwrap();
        let tool = temp.path().join("tool");
        write(&tool, b"#!/bin/sh\n");
        std::fs::set_permissions(&tool, PermissionsExt::from_mode(0o755)).unwrap();
        let seed = loopback().start().await.unwrap();
        let (_, manifest) = share(&seed, &tool).await;
        let node = loopback().start().await.unwrap();
        let copy =
            node.download(manifest, temp.path().join("copy"), from_nodes(&[&seed])).await.unwrap();
        complete(&copy).await;
        let mode = std::fs::metadata(temp.path().join("copy/tool")).unwrap().permissions().mode();
        assert_ne!(mode & 0o111, 0);
    });
}

#[test]
fn a_leech_serves_when_the_seed_is_gone() {
    block_on(async {
        let temp = tempfile::tempdir().unwrap();
        let (seed, manifest) = seed_of_film(temp.path(), 3 << 20).await;
        let (one, other) = (loopback().start().await.unwrap(), loopback().start().await.unwrap());
        let first = one
            .download(manifest.clone(), temp.path().join("first"), from_nodes(&[&seed]))
            .await
            .unwrap();
        complete(&first).await;
        seed.shutdown().await;
        let second = other
            .download(manifest, temp.path().join("second"), from_nodes(&[&one]))
            .await
            .unwrap();
        complete(&second).await;
        assert_eq!(tree(&temp.path().join("second")), tree(&temp.path().join("first")));
    });
}

#[test]
fn a_link_is_enough() {
    block_on(async {
        let temp = tempfile::tempdir().unwrap();
        let content = temp.path().join("film.mkv");
        write(&content, &noise(3 << 20));
        let seed = with_tracker().start().await.unwrap();
        let (shared, manifest) = share(&seed, &content).await;
        let node = loopback().start().await.unwrap();
        let link = shared.link().to_string().parse().unwrap();
        let folder = temp.path().join("copy");
        let copy = node.download_link(link, &folder, DownloadOptions::default()).await.unwrap();
        complete(&copy).await;
        assert_eq!(copy.manifest().unwrap().info_bytes(), manifest.info_bytes());
        assert_eq!(std::fs::read(folder.join("film.mkv")).unwrap(), noise(3 << 20));
    });
}

#[test]
fn a_seed_that_sends_something_else_is_banned_and_named() {
    block_on(async {
        let temp = tempfile::tempdir().unwrap();
        let (good, bad) = (temp.path().join("good/film.mkv"), temp.path().join("bad/film.mkv"));
        write(&good, &noise(3 << 20));
        write(&bad, &noise(3 << 20));
        let (honest, liar) = (loopback().start().await.unwrap(), loopback().start().await.unwrap());
        let (_, manifest) = share(&honest, &good).await;
        share(&liar, &bad).await;
        // A change that the seed itself cannot see.
        let before = std::fs::metadata(&bad).unwrap().modified().unwrap();
        flip(&bad, 1_234_567);
        std::fs::File::options().write(true).open(&bad).unwrap().set_modified(before).unwrap();

        let node = loopback().start().await.unwrap();
        let folder = temp.path().join("copy");
        let copy = node.download(manifest.clone(), &folder, from_nodes(&[&liar])).await.unwrap();
        let status =
            until(&copy, |status| status.peers.iter().any(|peer| peer.banned.is_some())).await;
        let banned = status.peers.iter().find(|peer| peer.banned.is_some()).unwrap();
        assert_eq!(banned.peer_id, liar.peer_id());
        assert_eq!(banned.banned.as_deref(), Some("sent corrupt chunk 18"));

        // The other one dials us.
        honest.find(manifest.content_id()).unwrap().remove().await;
        honest.download(manifest, temp.path().join("good"), from_nodes(&[&node])).await.unwrap();
        complete(&copy).await;
        assert_eq!(std::fs::read(folder.join("film.mkv")).unwrap(), noise(3 << 20));
    });
}

#[test]
fn what_is_there_already_is_used() {
    block_on(async {
        let temp = tempfile::tempdir().unwrap();
        let (_seed, manifest) = seed_of_film(temp.path(), 3 << 20).await;
        let node = loopback().start().await.unwrap();
        write(&temp.path().join("copy/film.mkv"), &noise(3 << 20));
        let copy = node
            .download(manifest, temp.path().join("copy"), DownloadOptions::default())
            .await
            .unwrap();
        complete(&copy).await;
        assert_eq!(copy.status().downloaded, 0);
    });
}

#[test]
fn what_is_not_ours_is_not_overwritten() {
    block_on(async {
        let temp = tempfile::tempdir().unwrap();
        let (seed, manifest) = seed_of_film(temp.path(), 1 << 20).await;
        let node = loopback().start().await.unwrap();
        let (folder, theirs) = (temp.path().join("copy"), temp.path().join("copy/film.mkv"));
        write(&theirs, b"my holidays");
        let copy = node.download(manifest.clone(), &folder, from_nodes(&[&seed])).await.unwrap();
        assert!(copy.completed().await.is_err());
        assert_eq!(copy.status().state, ShareState::Failed);
        assert_eq!(std::fs::read(&theirs).unwrap(), b"my holidays");

        copy.remove().await;
        let options = DownloadOptions { overwrite: true, ..from_nodes(&[&seed]) };
        let copy = node.download(manifest, &folder, options).await.unwrap();
        complete(&copy).await;
        assert_eq!(std::fs::read(&theirs).unwrap(), noise(1 << 20));
    });
}

#[test]
fn a_file_that_vanishes_fails_the_share_and_nothing_else() {
    block_on(async {
        let temp = tempfile::tempdir().unwrap();
        let (gone, stays) = (temp.path().join("gone.bin"), temp.path().join("stays.bin"));
        write(&gone, &noise(1 << 20));
        write(&stays, &noise(1 << 20));
        let seed = loopback().start().await.unwrap();
        let (gone_share, gone_manifest) = share(&seed, &gone).await;
        let (_, stays_manifest) = share(&seed, &stays).await;
        std::fs::remove_file(&gone).unwrap();

        let node = loopback().start().await.unwrap();
        let options = || from_nodes(&[&seed]);
        node.download(gone_manifest, temp.path().join("copy"), options()).await.unwrap();
        let copy =
            node.download(stays_manifest, temp.path().join("copy"), options()).await.unwrap();
        complete(&copy).await;
        let failed = until(&gone_share, |status| status.state == ShareState::Failed).await;
        assert!(failed.reason.contains("gone.bin"), "{}", failed.reason);
    });
}

#[test]
fn a_paused_share_has_no_peers_and_goes_on_when_resumed() {
    block_on(async {
        let temp = tempfile::tempdir().unwrap();
        let (seed, manifest) = seed_of_film(temp.path(), 2 << 20).await;
        let node = loopback().start().await.unwrap();
        let options = DownloadOptions { paused: true, ..from_nodes(&[&seed]) };
        let copy = node.download(manifest, temp.path().join("copy"), options).await.unwrap();
        let paused = until(&copy, |status| status.state == ShareState::Paused).await;
        assert_eq!((paused.verified, paused.peers.len()), (0, 0));
        copy.resume().await;
        complete(&copy).await;
        copy.pause().await;
        assert_eq!(copy.status().state, ShareState::Paused);
        assert!(copy.status().complete);
    });
}

#[test]
fn sha1_content_travels_too() {
    block_on(async {
        let temp = tempfile::tempdir().unwrap();
        let content = temp.path().join("old.iso");
        write(&content, &noise(1 << 20));
        let seed = loopback().start().await.unwrap();
        let hash_algorithm = peerit_core::hash::HashAlgorithm::Sha1;
        let options = ShareOptions { hash_algorithm, ..ShareOptions::default() };
        let shared = seed.share(&content, options).await.unwrap();
        let node = loopback().start().await.unwrap();
        let manifest = shared.manifest().unwrap().clone();
        let copy =
            node.download(manifest, temp.path().join("copy"), from_nodes(&[&seed])).await.unwrap();
        complete(&copy).await;
    });
}

#[test]
fn a_peer_whose_tcp_port_is_closed_is_reached_by_quic() {
    block_on(async {
        let temp = tempfile::tempdir().unwrap();
        let content = temp.path().join("film.mkv");
        write(&content, &noise(5 << 20));
        let (seed, node) = (without_tcp().await, loopback().start().await.unwrap());
        assert!(std::net::TcpStream::connect(address(&seed)).is_err());
        let (_, manifest) = share(&seed, &content).await;
        let folder = temp.path().join("copy");
        let copy = node.download(manifest.clone(), &folder, from_nodes(&[&seed])).await.unwrap();
        let by_quic = |status: &ShareStatus| {
            status.peers.iter().any(|peer| peer.carrier == Some(Carrier::Quic))
        };
        until(&copy, by_quic).await;
        complete(&copy).await;
        assert_eq!(std::fs::read(folder.join("film.mkv")).unwrap(), noise(5 << 20));

        // The other way round: it dials, by QUIC alone, and is answered.
        let third = without_tcp().await;
        let options = from_nodes(&[&node]);
        let again = third.download(manifest, temp.path().join("again"), options).await.unwrap();
        complete(&again).await;

        // A peer that leaves says so: nobody waits until it is silent for too long.
        seed.shutdown().await;
        until(&copy, |status| status.peers.iter().all(|peer| peer.peer_id != seed.peer_id())).await;
    });
}

#[test]
fn a_peer_that_is_not_reached_is_told_of_until_somebody_is() {
    block_on(async {
        let temp = tempfile::tempdir().unwrap();
        let content = temp.path().join("film.mkv");
        write(&content, &noise(1 << 20));
        let runtime = runtime::default().unwrap();
        let listen = ([127, 0, 0, 1], 0).into();
        let config = TrackerServiceConfig { listen, ..TrackerServiceConfig::default() };
        let tracker = TrackerService::start(runtime.clone(), config).unwrap();
        let trackers = vec![tracker.local_address().to_string()];
        let options = CreateOptions { trackers: trackers.clone(), ..CreateOptions::default() };
        let manifest = create_manifest(&content, &options, &|_, _| {}).unwrap();
        // Somebody whose port is closed, and who does not hear signals.
        let closed = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = closed.local_addr().unwrap().port();
        drop(closed);
        let socket = std::net::UdpSocket::bind(("127.0.0.1", 0)).unwrap();
        let socket = runtime.udp_socket(socket).unwrap();
        let ghost = Announcer::start(runtime, socket, PeerId([9; 32]), 1);
        let _found = ghost.join(manifest.content_id().topic(), trackers, port, true);

        let node = loopback().start().await.unwrap();
        let folder = temp.path().join("copy");
        let copy =
            node.download(manifest.clone(), &folder, DownloadOptions::default()).await.unwrap();
        let waiting = until(&copy, |status| !status.reason.is_empty()).await;
        assert!(
            waiting.reason.starts_with("a peer is not reached: dial 127.0.0.1:"),
            "{waiting:?}"
        );
        let seed = loopback().start().await.unwrap();
        seed.seed(manifest, &content, SeedOptions::default()).await.unwrap();
        complete(&copy).await;
        until(&copy, |status| status.reason.is_empty()).await;
    });
}
