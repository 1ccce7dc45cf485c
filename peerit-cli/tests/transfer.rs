//! The program as people run it: real processes, sockets and files.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic")]

mod support;

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::UdpSocket;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use serde_json::Value;
use support::Machine;

/// A folder with what folders have: a file of many chunks, a small, an empty and an executable one.
fn make_content(folder: &Path) {
    fs::create_dir_all(folder.join("sub/ünï")).unwrap();
    let big: Vec<u8> =
        (0..3_000_000_u32).flat_map(|n| n.wrapping_mul(0x9e37_79b9).to_le_bytes()).collect();
    fs::write(folder.join("big"), big).unwrap();
    fs::write(folder.join("sub/small"), "small").unwrap();
    fs::write(folder.join("empty"), "").unwrap();
    let program = folder.join("sub/ünï/run ✓");
    fs::write(&program, "#!/bin/sh\n").unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
}

fn assert_same(one: &Path, other: &Path) {
    for name in ["big", "sub/small", "empty", "sub/ünï/run ✓"] {
        assert!(fs::read(one.join(name)).unwrap() == fs::read(other.join(name)).unwrap(), "{name}");
    }
    let mode = fs::metadata(other.join("sub/ünï/run ✓")).unwrap().permissions().mode();
    assert_eq!(mode & 0o111, 0o111);
}

#[test]
fn a_folder_travels_from_daemon_to_daemon() {
    let (sharing, loading) = (Machine::offline(), Machine::offline());
    make_content(&sharing.path("content"));
    sharing.run(&["share", "content"]);
    fs::copy(sharing.path("content.p2p"), loading.path("content.p2p")).unwrap();
    let peer = sharing.address();
    let said = loading.run(&["download", "content.p2p", "--peer", &peer]);
    assert!(said.contains("verified"), "{said}");
    assert_same(&sharing.path("content"), &loading.path("content"));
    loading.run(&["verify", "content.p2p", "content"]);
    let share = &loading.status()["shares"][0];
    assert_eq!(
        (share["state"].as_str(), &share["complete"]),
        (Some("seeding"), &Value::Bool(true))
    );
    assert_eq!(share["verified_bytes"], share["total_bytes"]);
}

#[test]
fn a_link_is_enough_and_no_daemon_is_needed() {
    let (sharing, loading) = (Machine::offline(), Machine::new());
    make_content(&sharing.path("content"));
    let printed: Value =
        serde_json::from_str(&sharing.run(&["share", "content", "--json"])).unwrap();
    let (link, peer) = (printed["link"].as_str().unwrap(), sharing.address());
    loading.run(&["download", link, "--peer", &peer, "--no-daemon"]);
    assert_same(&sharing.path("content"), &loading.path("content"));
    assert!(!loading.data_dir().exists(), "no daemon was started");
}

#[test]
fn a_daemon_that_is_killed_comes_back_with_its_shares_and_port() {
    let machine = Machine::new();
    make_content(&machine.path("content"));
    let daemon = machine.daemon();
    machine.run(&["share", "content"]);
    let before = machine.status();
    daemon.kill();
    let after = machine.status();
    assert_eq!(after["shares"][0]["name"], "content");
    assert_eq!(after["listen_port"], before["listen_port"]);
    assert_eq!(after["peer_id"], before["peer_id"]);
}

#[test]
fn a_stranger_s_file_is_not_overwritten_unless_asked() {
    let (sharing, loading) = (Machine::offline(), Machine::offline());
    fs::write(sharing.path("a.txt"), "content").unwrap();
    sharing.run(&["share", "a.txt"]);
    fs::copy(sharing.path("a.txt.p2p"), loading.path("a.txt.p2p")).unwrap();
    fs::write(loading.path("a.txt"), "my work").unwrap();
    let peer = sharing.address();
    let refused = loading.try_run(&["download", "a.txt.p2p", "--peer", &peer]);
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    assert_eq!(fs::read(loading.path("a.txt")).unwrap(), b"my work");
    loading.run(&["download", "a.txt.p2p", "--peer", &peer, "--overwrite"]);
    assert_eq!(fs::read(loading.path("a.txt")).unwrap(), b"content");
}

#[test]
fn a_download_that_finds_nobody_says_why_in_a_pipe() {
    let machine = Machine::new();
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let tracker = silent.local_addr().unwrap();
    let link = format!("peerit:{}?tr={tracker}", "07".repeat(32));
    let mut command = machine.command(&["download", &link, "--no-daemon"]);
    let mut download = command.stderr(Stdio::piped()).spawn().unwrap();
    let (told, said) = mpsc::channel();
    let err = BufReader::new(download.stderr.take().unwrap());
    let reader = thread::spawn(move || told.send(err.lines().next()));
    let said = said.recv_timeout(Duration::from_secs(60));
    download.kill().unwrap();
    download.wait().unwrap();
    reader.join().unwrap().unwrap();
    let said = said.expect("it is told within a minute").unwrap().unwrap();
    let expected = format!("peerit: waiting: tracker {tracker} ");
    assert!(said.starts_with(&expected), "{said}");
}

#[test]
fn what_is_seeded_although_its_file_cannot_be_written_is_told() {
    let machine = Machine::new();
    fs::write(machine.path("a.txt"), "content").unwrap();
    let daemon = machine.daemon();
    // A full disk to this process: files can be made, but hold nothing.
    let mut full = Command::new("sh");
    full.args(["-c", "trap '' XFSZ; ulimit -f 0; exec \"$0\" share a.txt -o b.p2p"])
        .arg(env!("CARGO_BIN_EXE_peerit"))
        .current_dir(machine.path(""))
        .env("PEERIT_DATA_DIR", machine.data_dir());
    let output = full.output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("/b.p2p: ") && !said.contains(".peerit"), "{said}");
    let id = machine.status()["shares"][0]["id"].as_str().unwrap().to_owned();
    let expected = format!("until `peerit remove {}`: peerit:{id}", &id[..12]);
    assert!(said.contains(&expected), "{said}");
    daemon.kill();
}
