//! The rules, and which files they are for.

use std::fmt;

use super::source::{Named, Token, names, tokens};

/// The modules of `peerit-core`, from the ground up: each may name those beside and below it.
const LAYERS: &[&[&str]] = &[
    &["allowance", "bitfield", "host", "id", "layout", "path", "rng", "time"],
    &["hash", "manifest", "wire"],
    &["nat", "scheduler", "swarm", "tracker"],
    &["sim"],
    &["block_buffer", "runtime", "store", "transport"],
    &["node"],
    &["daemon"],
];
/// How many of the layers are pure.
const PURE_LAYER_COUNT: usize = 4;

/// Words of the world: sockets, clocks, futures and randomness.
const WORLD_WORDS: &[&str] = &[
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "UnixStream",
    "UnixListener",
    "UnixDatagram",
    "Instant",
    "SystemTime",
    "async",
    "await",
    "async_std",
    "tokio",
    "getrandom",
    "fastrand",
    "rand",
];
/// Paths of the world.
const WORLD_PATHS: &[[&str; 2]] =
    &[["std", "fs"], ["std", "thread"], ["std", "process"], ["std", "env"], ["std", "os"]];

/// Words of the world that one file each may name: what wraps them for the rest.
const WRAPPERS: &[(&str, &str)] = &[("rng.rs", "fastrand"), ("nat/ice/is_agent.rs", "Instant")];

const LINE_COUNT_MAX: usize = 800;
/// Marks of work that is not done; in two parts, so that they are not found here.
pub(crate) const MARKS: [&str; 2] = [concat!("TO", "DO"), concat!("FIX", "ME")];

/// A broken rule and where.
pub(crate) struct Finding {
    pub(crate) path: String,
    pub(crate) line: usize,
    pub(crate) rule: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.rule)
    }
}

/// What is wrong with a file; `path` is '/'-separated, from the workspace's root.
pub(crate) fn check(path: &str, text: &str) -> Vec<Finding> {
    let mut broken = check_text(path, text);
    if path.ends_with(".rs") {
        let tokens = tokens(text);
        let names = names(&tokens);
        if let Some(inside) = path.strip_prefix("peerit-core/src/") {
            broken.extend(check_layer(inside, &names));
            broken.extend(check_async_std(inside, &tokens, &names));
        }
        broken.extend(check_structopt(path, &names));
    }
    let finding = |(line, rule)| Finding { path: path.to_owned(), line, rule };
    broken.into_iter().map(finding).collect()
}

/// A line and the rule it breaks.
type Broken = (usize, String);

fn check_text(path: &str, text: &str) -> Vec<Broken> {
    let mut broken = Vec::new();
    if path.ends_with(".rs") && !text.starts_with("//!") {
        broken.push((1, "does not start with a `//!` comment".to_owned()));
    }
    if text.lines().count() > LINE_COUNT_MAX {
        broken.push((LINE_COUNT_MAX + 1, format!("has more than {LINE_COUNT_MAX} lines")));
    }
    for (index, line) in text.lines().enumerate() {
        let marks = MARKS.into_iter().filter(|mark| line.contains(mark));
        broken.extend(marks.map(|mark| (index + 1, format!("has a {mark}"))));
    }
    broken
}

/// Pure modules name nothing of the world, and no module names one above it.
fn check_layer(path: &str, names: &[Named]) -> Vec<Broken> {
    let module = path.split(['/', '.']).next().unwrap_or(path);
    if module == "lib" {
        return Vec::new();
    }
    let Some(layer) = layer_of(module) else {
        return vec![(1, format!("`{module}` has no layer"))];
    };
    let mut broken = Vec::new();
    for name in names {
        if let Some(above) = crate_module(name).filter(|it| layer_of(it) > Some(layer)) {
            broken.push((name.line, format!("`{module}` lies below `{above}` and names it")));
        } else if let Some(world) = world_of(name)
            && layer < PURE_LAYER_COUNT
            && !WRAPPERS.contains(&(path, world.as_str()))
        {
            broken.push((name.line, format!("a pure module names `{world}`")));
        }
    }
    broken
}

fn layer_of(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

/// The module of this crate that a path leads to. How many `super`s lead to the top is not counted:
/// a module inside another must not have the name of one above it.
fn crate_module<'a>(name: &Named<'a>) -> Option<&'a str> {
    let mut parts = name.parts.iter().copied();
    let first = parts.next().filter(|first| ["crate", "super"].contains(first))?;
    if first == "crate" { parts.next() } else { parts.find(|&part| part != "super") }
}

fn world_of(name: &Named) -> Option<String> {
    let starts = |path: &&[&str; 2]| name.parts.starts_with(&path[..]);
    if let Some(path) = WORLD_PATHS.iter().find(starts) {
        return Some(path.join("::"));
    }
    let is_world = |part: &&&str| WORLD_WORDS.contains(part) || part.starts_with("futures");
    name.parts.iter().find(is_world).map(|part| (*part).to_owned())
}

/// async-std is no longer developed: one file names it, so that replacing it stays an afternoon's
/// work.
fn check_async_std(path: &str, tokens: &[Token], names: &[Named]) -> Vec<Broken> {
    if path == "runtime/async_std.rs" {
        let rule = "`async_std` is in the public API".to_owned();
        return public_mentions(tokens, "async_std").map(|line| (line, rule.clone())).collect();
    }
    // Below a module of that name, the name is the module's.
    if tokens.windows(2).any(|pair| pair[0].text == "mod" && pair[1].text == "async_std") {
        return Vec::new();
    }
    let rule = "`async_std` is for runtime/async_std.rs alone".to_owned();
    let is_crate = |name: &&Named| name.parts.len() > 1 && name.parts[0] == "async_std";
    names.iter().filter(is_crate).map(|name| (name.line, rule.clone())).collect()
}

/// The lines on which the declaration of a public item names `word`; bodies and private fields do
/// not count.
fn public_mentions<'a>(tokens: &'a [Token], word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let starts = tokens.windows(2).enumerate().filter(|(_, pair)| {
        pair[0].text == "pub" && !["(", "struct", "enum", "mod"].contains(&pair[1].text)
    });
    starts.filter_map(move |(start, _)| {
        let ends = |token: &&Token| ["{", "}", ";"].contains(&token.text);
        let declaration = tokens[start..].iter().take_while(|token| !ends(token));
        declaration.into_iter().find(|token| token.text == word).map(|token| token.line)
    })
}

/// structopt is no longer developed either; arguments are the programs' matter.
fn check_structopt(path: &str, names: &[Named]) -> Vec<Broken> {
    let programs = ["peerit-cli/", "peerit-tracker/", "peerit-core/examples/"];
    if programs.iter().any(|program| path.starts_with(program)) {
        return Vec::new();
    }
    let rule = "`structopt` is for the programs alone".to_owned();
    let is_named = |name: &&Named| name.parts.contains(&"structopt");
    names.iter().filter(is_named).map(|name| (name.line, rule.clone())).collect()
}
