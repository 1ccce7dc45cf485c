//! The `.p2p` file that a command writes.

use std::fs::{self, File, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use peerit_core::manifest::{Manifest, TRACKER_COUNT_MAX};
use peerit_core::store::create::{CreateOptions, may_be_of};
use tempfile::NamedTempFile;

use crate::args::Create;
use crate::env::Env;
use crate::error::CliError;
use crate::p2p::read_limited;

/// Where a `.p2p` file is to be. Another content's file is replaced only by force.
pub(crate) struct Target {
    path: PathBuf,
    force: bool,
    /// Of the file that is there, beyond those that the user names.
    kept_trackers: Vec<String>,
}

impl Target {
    /// Hashing may take hours: what will keep the file from being written is told before, as far as it is known
    /// without the content's bytes.
    pub(crate) fn find(env: &Env, args: &Create, content: &Path) -> Result<Self, CliError> {
        let path = place(env, args.output.as_deref(), content)?;
        let mut target = Self { path, force: args.force, kept_trackers: Vec::new() };
        target.refuse_unfit()?;
        target.refuse_inside(content)?;
        let options = CreateOptions {
            chunk_length: args.chunk_size,
            hash_algorithm: args.hash.unwrap_or_default(),
            ..CreateOptions::default()
        };
        // What content cannot be shared at all is told by who hashes it.
        let old = target.refuse_others(|old| may_be_of(old, content, &options).unwrap_or(true))?;
        // People have that file: whoever is found by its trackers is to be found by them still.
        let old = old.iter().flat_map(|old| old.trackers());
        let new = old.filter(|tracker| !args.trackers.contains(tracker)).cloned();
        let room = TRACKER_COUNT_MAX.saturating_sub(args.trackers.len());
        target.kept_trackers = new.take(room).collect();
        // A folder tells whether it can be written to only by being written to.
        target.beside()?;
        Ok(target)
    }

    /// Trackers of the file that is replaced, to be named after those that the user names.
    pub(crate) fn kept_trackers(&self) -> &[String] {
        &self.kept_trackers
    }

    /// Tells which trackers are kept.
    pub(crate) fn note_kept(&self, env: &mut Env) {
        if !self.kept_trackers.is_empty() {
            let (path, kept) = (self.path.display(), self.kept_trackers.join(", "));
            env.note(&format!("{path} goes on naming {kept}: --force leaves that out"));
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the file; nobody ever sees half of it.
    pub(crate) fn write(&self, manifest: &Manifest) -> Result<(), CliError> {
        self.put(self.written_beside(&manifest.encode())?, manifest)
    }

    /// Puts a whole file where it is to be.
    fn put(&self, file: NamedTempFile, manifest: &Manifest) -> Result<(), CliError> {
        let file = match file.persist_noclobber(&self.path) {
            Ok(_) => return Ok(()),
            // Something is there, or this file system cannot tell.
            Err(failed) => failed.file,
        };
        self.refuse_others(|old| old.content_id() == manifest.content_id())?;
        file.persist(&self.path).map_err(|error| self.failed(error.error))?;
        Ok(())
    }

    fn written_beside(&self, content: &[u8]) -> Result<NamedTempFile, CliError> {
        let mut file = self.beside()?;
        // The file itself does not add its name to errors.
        file.as_file_mut().write_all(content).map_err(|error| self.failed(error))?;
        file.as_file().sync_all().map_err(|error| self.failed(error))?;
        Ok(file)
    }

    /// An empty file that is gone again unless it is put somewhere.
    fn beside(&self) -> Result<NamedTempFile, CliError> {
        tempfile::Builder::new()
            .prefix(".peerit")
            // The umask takes away what it must.
            .permissions(Permissions::from_mode(0o666))
            .tempfile_in(self.folder())
            // Its own text ends with a name that is nobody's business.
            .map_err(|error| self.failed(error.kind().into()))
    }

    /// A file needs a folder, and takes the place of nothing but a file: not of a device, even by force.
    fn refuse_unfit(&self) -> Result<(), CliError> {
        let folder = fs::metadata(self.folder()).map_err(|error| self.failed(error))?;
        if !folder.is_dir() {
            return Err(self.failed(ErrorKind::NotADirectory.into()));
        }
        match fs::metadata(&self.path) {
            Ok(there) if !there.is_file() => Err(CliError::Usage(format!(
                "{}: is there already and is no regular file: choose another with -o",
                self.path.display()
            ))),
            _ => Ok(()),
        }
    }

    /// In the content it would be a part of what it describes, and make it other content the next time.
    fn refuse_inside(&self, content: &Path) -> Result<(), CliError> {
        let path = canonical(self.folder())?.join(self.path.file_name().unwrap_or_default());
        if path.starts_with(canonical(content)?) {
            return Err(CliError::Usage(format!(
                "{}: is inside of the content that it would describe: choose another place with -o",
                self.path.display()
            )));
        }
        Ok(())
    }

    /// What is there, if it may be replaced and is not to be so by force; fails when it must not be.
    fn refuse_others(
        &self,
        is_same: impl FnOnce(&Manifest) -> bool,
    ) -> Result<Option<Manifest>, CliError> {
        if self.force {
            return Ok(None);
        }
        let bytes = match File::open(&self.path).and_then(|mut file| read_limited(&mut file)) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.failed(error)),
        };
        match Manifest::parse(&bytes) {
            Ok(old) if is_same(&old) => Ok(Some(old)),
            _ => Err(CliError::Usage(format!(
                "{} is there already and is not of this content: choose another file with -o, or replace it \
                 with --force",
                self.path.display()
            ))),
        }
    }

    fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("/"))
    }

    fn failed(&self, error: std::io::Error) -> CliError {
        CliError::io(&self.path)(error)
    }
}

fn canonical(path: &Path) -> Result<PathBuf, CliError> {
    fs::canonicalize(path).map_err(CliError::io(path))
}

/// What the user says, or `NAME.p2p`: here, or, when that is inside of the content, beside it.
fn place(env: &Env, output: Option<&Path>, content: &Path) -> Result<PathBuf, CliError> {
    if output == Some(Path::new("-")) {
        return Err(CliError::Usage(
            "-o -: a .p2p file is not written to standard output: name a file, such as ./- for one of that name"
                .to_owned(),
        ));
    }
    if let Some(output) = output {
        return Ok(env.dir.join(output));
    }
    let is_inside = canonical(&env.dir)?.starts_with(canonical(content)?);
    let folder = content.parent().filter(|_| is_inside).unwrap_or(&env.dir);
    let name = content.file_name().unwrap_or_default().to_string_lossy();
    Ok(folder.join(format!("{name}.p2p")))
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::thread;

    use peerit_core::store::create::create_manifest;

    use super::*;

    #[test]
    fn of_those_who_write_at_once_one_succeeds() {
        let temp = tempfile::tempdir().unwrap();
        let manifests: Vec<_> = (0..4_u8)
            .map(|number| {
                let content = temp.path().join("content");
                fs::write(&content, [number]).unwrap();
                create_manifest(&content, &CreateOptions::default(), &|_, _| {}).unwrap()
            })
            .collect();
        let path = temp.path().join("content.p2p");
        let target = Target { path, force: false, kept_trackers: Vec::new() };
        let start = Barrier::new(manifests.len());
        let write = |manifest: &Manifest| {
            let file = target.written_beside(&manifest.encode()).unwrap();
            start.wait();
            target.put(file, manifest).is_ok()
        };
        for _ in 0..100 {
            let written: Vec<_> = thread::scope(|scope| {
                let writers: Vec<_> =
                    manifests.iter().map(|manifest| scope.spawn(|| write(manifest))).collect();
                writers.into_iter().map(|writer| writer.join().unwrap()).collect()
            });
            let winners: Vec<_> = (0..manifests.len()).filter(|&number| written[number]).collect();
            assert_eq!(winners.len(), 1, "{written:?}");
            assert_eq!(fs::read(target.path()).unwrap(), manifests[winners[0]].encode());
            fs::remove_file(target.path()).unwrap();
        }
        assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 1, "nothing is left beside it");
    }
}
