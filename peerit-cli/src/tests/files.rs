//! `.p2p` files: `create`, `show` and `verify`.

use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixListener;
use std::process::Command;

use super::*;

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
