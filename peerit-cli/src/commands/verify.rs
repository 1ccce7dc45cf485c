//! `peerit verify`: checks a file or folder against a `.p2p` file.

use std::path::PathBuf;

use peerit_core::manifest::Manifest;
use peerit_core::store::verify::{BadFile, BadReason, verify};

use crate::amount::{percent, size};
use crate::args::Verify;
use crate::env::Env;
use crate::error::CliError;
use crate::{hashing, json, p2p};

/// Bad files named in text; JSON names all.
const NAMED_MAX: usize = 20;

pub(crate) fn run(args: &Verify, env: &mut Env) -> Result<(), CliError> {
    let manifest = p2p::read(env, &args.file)?;
    let named = env.dir.join(&args.path);
    // What is not there is a slip of the user, not content that lacks everything.
    std::fs::metadata(&named).map_err(CliError::io(&named))?;
    // Components leave out what says nothing, such as a dot.
    let path = content(&manifest, named.components().collect());
    let total = manifest.layout().length();
    let report = hashing::run(env, manifest.name(), "verifying", |count| {
        verify(&manifest, &path, &|done| count.tell(done, total))
    })??;
    let (good, all) = (report.held.count(), manifest.layout().chunk_count());
    let complete = report.is_complete();
    if args.json {
        let verified = json::Verified {
            id: manifest.content_id().to_string(),
            name: manifest.name().to_owned(),
            complete,
            good_chunk_count: good,
            chunk_count: all,
            bad_files: report.bad_files.iter().map(bad_file).collect(),
        };
        json::print(env, &verified, false)?;
    } else {
        for file in report.bad_files.iter().take(NAMED_MAX).map(bad_file) {
            env.print(&format!("{}: {}", file.path, file.reason))?;
        }
        if report.bad_files.len() > NAMED_MAX {
            env.print(&format!("and {} more files", report.bad_files.len() - NAMED_MAX))?;
        }
    }
    match complete {
        true if args.json => Ok(()),
        true => env.print(&format!("{}: all {} verified", path.display(), size(total))),
        false => Err(CliError::Incomplete(format!(
            "{}: {} not as the .p2p file says, {good} of {all} chunks ({}%) match: {}",
            path.display(),
            bad_count(&report.bad_files),
            percent(good.into(), all.into()),
            remedy(&report.bad_files),
        ))),
    }
}

fn bad_count(bad: &[BadFile]) -> String {
    match bad {
        [one] => format!("{} is", one.path.display()),
        many => format!("{} files and folders are", many.len()),
    }
}

/// What a download does about files like these.
fn remedy(bad: &[BadFile]) -> &'static str {
    let is_in_the_way =
        |file: &BadFile| matches!(file.reason, BadReason::Unfit(_) | BadReason::Unreadable(_));
    if bad.iter().any(is_in_the_way) {
        "no download replaces what is no file or cannot be read, move it away first"
    } else if bad.iter().all(|file| matches!(file.reason, BadReason::Missing)) {
        "`peerit download` gets what is missing"
    } else {
        "`peerit download --overwrite` replaces what differs"
    }
}

fn bad_file(file: &BadFile) -> json::BadFile {
    json::BadFile { path: file.path.display().to_string(), reason: file.reason.to_string() }
}

/// The user names the content, or the folder that it is in.
fn content(manifest: &Manifest, path: PathBuf) -> PathBuf {
    let inside = path.join(manifest.name());
    let is_inside = match manifest.is_single_file() {
        true => path.is_dir(),
        false => inside.is_dir() && path.file_name() != inside.file_name(),
    };
    if is_inside { inside } else { path }
}
