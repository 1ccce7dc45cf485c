//! `peerit show`: prints what a `.p2p` file describes.

use peerit_core::manifest::Manifest;

use super::create::link;
use crate::amount::size;
use crate::args::Show;
use crate::env::Env;
use crate::error::CliError;
use crate::progress::shorten;
use crate::{json, p2p};

/// Files printed unless all are asked for.
const FILES_MAX: usize = 20;

pub(crate) fn run(args: &Show, env: &mut Env) -> Result<(), CliError> {
    let manifest = p2p::read(env, &args.file)?;
    let link = link(&manifest);
    if args.json {
        return json::print(env, &json::Shown::of(&manifest, link), false);
    }
    let layout = manifest.layout();
    let trackers = match manifest.trackers() {
        [] => "none".to_owned(),
        trackers => trackers.join(", "),
    };
    let lines = [
        ("name", shorten(manifest.name(), usize::MAX)),
        ("size", format!("{} ({} bytes)", size(layout.length()), layout.length())),
        ("files", manifest.files().len().to_string()),
        ("chunks", format!("{} of {}", layout.chunk_count(), size(layout.chunk_length().into()))),
        ("hash", manifest.hash_algorithm().to_string()),
        ("id", manifest.content_id().to_string()),
        ("link", link),
        ("trackers", shorten(&trackers, usize::MAX)),
        ("comment", shorten(manifest.comment(), usize::MAX)),
    ];
    for (name, value) in lines.iter().filter(|(_, value)| !value.is_empty()) {
        env.print(&format!("{name:<9} {value}"))?;
    }
    if manifest.is_single_file() { Ok(()) } else { print_files(env, &manifest, args.files) }
}

fn print_files(env: &mut Env, manifest: &Manifest, all: bool) -> Result<(), CliError> {
    let files = manifest.files();
    let shown = if all { files.len() } else { files.len().min(FILES_MAX) };
    env.print("")?;
    for file in &files[..shown] {
        let mark = if file.executable { "  (executable)" } else { "" };
        let path = shorten(&file.path, usize::MAX);
        env.print(&format!("{:>9}  {path}{mark}", size(file.length)))?;
    }
    match files.len() - shown {
        0 => Ok(()),
        more => env.print(&format!("{:>9}  and {more} more: --files shows them", "")),
    }
}
