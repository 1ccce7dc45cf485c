//! The order of the house: what each file of the workspace may name, how long it may be, how it
//! starts.
//!
//! Comments and strings are passed over. A finding says file, line and rule.

#[path = "tidy/rules.rs"]
mod rules;
#[path = "tidy/source.rs"]
mod source;

use std::fs;
use std::path::{Path, PathBuf};

use rules::{Finding, check};

#[test]
fn the_house_is_tidy() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut findings = Vec::new();
    for file in sources(&root) {
        let text = fs::read_to_string(&file).unwrap();
        let path = file.strip_prefix(&root).unwrap().to_string_lossy().replace('\\', "/");
        findings.extend(check(&path, &text).iter().map(Finding::to_string));
    }
    assert!(findings.is_empty(), "\n{}", findings.join("\n"));
}

/// All `.rs` and `.proto` files below a folder, but not those of builds and hidden folders.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let (path, name) = (entry.path(), entry.file_name());
            let name = name.to_string_lossy();
            if path.is_dir() {
                if name != "target" && !name.starts_with('.') {
                    folders.push(path);
                }
            } else if name.ends_with(".rs") || name.ends_with(".proto") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The findings in a file of `peerit-core/src` with this body, as "line: rule".
fn found_in(path: &str, body: &str) -> Vec<String> {
    let findings = check(&format!("peerit-core/src/{path}"), &format!("//! Head.\n{body}"));
    findings.iter().map(|finding| format!("{}: {}", finding.line, finding.rule)).collect()
}

#[test]
fn a_socket_in_the_swarm_is_found() {
    let rule = "a pure module names `TcpStream`";
    for body in [
        "use std::net::TcpStream;",
        "use std::{io, net::{IpAddr, TcpStream}};",
        "use std::net::{self, TcpStream as Stream};",
        "fn dial(stream: &std::net::TcpStream) {}",
        "fn dial() { let _ = r#\"\"#; ::std::net::TcpStream::connect(ADDRESS); }",
    ] {
        assert_eq!(found_in("swarm/connect.rs", body), [format!("2: {rule}")], "{body}");
    }
    let found = check("peerit-core/src/swarm/x.rs", "//! Head.\n\nuse std::net::TcpStream;\n");
    let texts: Vec<_> = found.iter().map(Finding::to_string).collect();
    assert_eq!(texts, [format!("peerit-core/src/swarm/x.rs:3: {rule}")]);
}

#[test]
fn the_world_is_found_in_pure_modules() {
    for (body, named) in [
        ("use std::fs;", "std::fs"),
        ("fn f() { std::fs::read(\"x\"); }", "std::fs"),
        ("use std::{fs::File, net::IpAddr};", "std::fs"),
        ("fn f() { std::thread::sleep(x); }", "std::thread"),
        ("use std::time::{Duration, Instant};", "Instant"),
        ("fn f(now: std::time::SystemTime) {}", "SystemTime"),
        ("async fn f() {}", "async"),
        ("fn f() { x.await; }", "await"),
        ("use tokio::spawn;", "tokio"),
        ("use futures_util::StreamExt;", "futures_util"),
        ("fn f() { fastrand::u8(..); }", "fastrand"),
        ("use getrandom::fill;", "getrandom"),
    ] {
        for path in ["id.rs", "tracker/table.rs", "scheduler/tests.rs", "wire/mod.rs"] {
            let expected = format!("2: a pure module names `{named}`");
            assert_eq!(found_in(path, body), [expected], "{path}: {body}");
        }
    }
}

#[test]
fn arrows_up_are_found() {
    for (path, body, to) in [
        ("swarm/mod.rs", "use crate::{id::PeerId, store::Store};", "store"),
        ("manifest/tree.rs", "use super::super::node::Node;", "node"),
        ("id.rs", "fn f() { crate::hash::digest(); }", "hash"),
        ("wire/mod.rs", "use crate::swarm::Path;", "swarm"),
        ("store/mod.rs", "use crate::node;", "node"),
        ("transport/tcp.rs", "use crate::daemon::Daemon;", "daemon"),
        ("node/share.rs", "use crate::daemon::Daemon;", "daemon"),
    ] {
        let from = path.split(['/', '.']).next().unwrap();
        let expected = format!("2: `{from}` lies below `{to}` and names it");
        assert_eq!(found_in(path, body), [expected], "{body}");
    }
    assert_eq!(found_in("gossip/mod.rs", ""), ["1: `gossip` has no layer"]);
}

#[test]
fn dependencies_to_be_replaced_are_found_outside_their_place() {
    let rule = "`async_std` is for runtime/async_std.rs alone";
    assert_eq!(found_in("node/mod.rs", "use async_std::task;"), [format!("2: {rule}")]);
    assert_eq!(found_in("runtime/async_std.rs", "use async_std::task;"), [""; 0]);
    let module = "mod async_std;\npub use async_std::AsyncStd;";
    assert_eq!(found_in("runtime/mod.rs", module), [""; 0]);

    let rule = "`async_std` is in the public API";
    let public = "pub use async_std::task;\npub(crate) use async_std::io;\n\
                  pub fn f() -> async_std::net::TcpStream { async_std::net::x() }";
    assert_eq!(
        found_in("runtime/async_std.rs", public),
        [2, 4].map(|line| format!("{line}: {rule}"))
    );

    let rule = "`structopt` is for the programs alone";
    assert_eq!(found_in("daemon/mod.rs", "use structopt::StructOpt;"), [format!("2: {rule}")]);
    assert!(check("peerit-cli/src/main.rs", "//! Head.\nuse structopt::StructOpt;\n").is_empty());
}

#[test]
fn untidy_files_are_found() {
    let rules = |path, text: &str| -> Vec<_> {
        check(path, text)
            .iter()
            .map(|finding| format!("{}: {}", finding.line, finding.rule))
            .collect()
    };
    let path = "peerit-cli/src/main.rs";
    assert_eq!(rules(path, "fn main() {}\n"), ["1: does not start with a `//!` comment"]);
    let long = "//! Head.\n".repeat(801);
    assert_eq!(rules(path, &long), ["801: has more than 800 lines"]);
    for mark in rules::MARKS {
        let text = format!("//! Head.\n// {mark}: more\n");
        assert_eq!(rules(path, &text), [format!("2: has a {mark}")]);
    }
    assert_eq!(rules("proto/x.proto", "syntax = 'proto3';\n"), [""; 0]);
}

#[test]
fn what_is_allowed_is_not_found() {
    let body = "
        // std::net::TcpStream, async, crate::node
        /* std::fs /* nested */ Instant */
        /// ```
        /// use crate::store::Store;
        /// ```
        use std::net::{IpAddr, SocketAddr};
        use crate::{id::PeerId, manifest::Manifest, wire};
        const TEXT: &str = \"std::net::TcpStream \\\" tokio\";
        const RAW: &[u8] = br##\"\"# await std::fs\"##;
        const QUOTES: [char; 3] = ['\"', '\\'', 'x'];
        fn instant<'a>(asynchronous: &'a str) -> u64 { 1_000 }
    ";
    assert_eq!(found_in("swarm/mod.rs", body), [""; 0]);
    assert_eq!(found_in("node/mod.rs", "use std::time::Instant;\nuse crate::store;"), [""; 0]);
    assert_eq!(found_in("lib.rs", "pub use crate::node::Node;"), [""; 0]);
    assert_eq!(found_in("rng.rs", "use fastrand::Rng;"), [""; 0]);
    assert_eq!(found_in("nat/ice/is_agent.rs", "use std::time::Instant;"), [""; 0]);
}
