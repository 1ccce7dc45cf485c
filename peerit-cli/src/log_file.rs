//! The file that a daemon in the background logs to.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// A log that is longer than this, in bytes, is put aside in place of the one before: so there are two at most,
/// each a line longer than this at most, 8 MiB together.
const LENGTH_MAX: u64 = 4 << 20;

/// Where the daemon of a data folder logs.
pub(crate) fn path(data_dir: &Path) -> PathBuf {
    data_dir.join("daemon.log")
}

/// Opens the log to write behind what is there, after putting aside one that is too long.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    open_bounded(path, LENGTH_MAX)
}

fn open_bounded(path: &Path, length_max: u64) -> io::Result<File> {
    if fs::metadata(path).is_ok_and(|log| log.len() > length_max) {
        fs::rename(path, path.with_extension("log.old"))?;
    }
    OpenOptions::new().create(true).append(true).mode(0o600).open(path)
}

/// A log that is put aside whenever it is too long; what cannot be put aside takes no more lines.
pub(crate) struct LogFile {
    path: PathBuf,
    length_max: u64,
    file: File,
    /// Told of each new file.
    on_new: fn(&File) -> io::Result<()>,
}

impl LogFile {
    /// The log that our output and errors go to already; what is not logged, such as a panic, follows it from
    /// file to file.
    pub(crate) fn of_output(path: PathBuf) -> io::Result<Self> {
        let file = open(&path)?;
        Ok(Self { path, length_max: LENGTH_MAX, file, on_new: redirect_output })
    }
}

impl Write for LogFile {
    /// Of the logger's calls each is a whole line.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.file.metadata()?.len() > self.length_max {
            self.file = open_bounded(&self.path, self.length_max)?;
            (self.on_new)(&self.file)?;
        }
        self.file.write(line)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

fn redirect_output(file: &File) -> io::Result<()> {
    rustix::stdio::dup2_stdout(file)?;
    rustix::stdio::dup2_stderr(file)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_that_grows_is_put_aside_in_place_of_the_one_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = path(folder.path());
        let file = open(&path).unwrap();
        let on_new = |_: &File| Ok(());
        let mut log = LogFile { path: path.clone(), length_max: 20, file, on_new };
        for number in 0..100 {
            log.write_all(format!("line {number:04}\n").as_bytes()).unwrap();
        }
        // A line has ten bytes, so the third is the one too many.
        let lines = |path: &Path| fs::read_to_string(path).unwrap();
        assert_eq!(lines(&path), "line 0099\n");
        let before = path.with_extension("log.old");
        assert_eq!(lines(&before), "line 0096\nline 0097\nline 0098\n");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_log_goes_on_where_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = path(folder.path());
        for line in ["one\n", "two\n"] {
            open(&path).unwrap().write_all(line.as_bytes()).unwrap();
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), "one\ntwo\n");
    }
}
