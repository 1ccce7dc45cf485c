//! Shares of the daemon, or of the command alone.

use std::net::{TcpListener, UdpSocket};

use peerit_core::daemon::DaemonClient;
use peerit_core::manifest::Manifest;

use super::*;
use crate::json;

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
