//! Opening content in files: finding out what is held.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use crate::bitfield::Bitfield;
use crate::manifest::Manifest;

use super::beneath::Beneath;
use super::check::{check_chunks, chunks_of};
use super::claim::Claim;
use super::content::ContentFiles;
use super::error::StoreError;
use super::files::{FileStore, State};
use super::handles::HandleCache;
use super::locate::check_name;
use super::marker::{self, Marker};
use super::record::{BootId, Record};
use super::resume::{Evidence, plan};
use super::stamp::Stamp;
use super::survey::{Survey, path_inside};

/// Where content is, and what may be done to it.
#[derive(Clone, Debug, Default)]
pub struct OpenOptions {
    /// The folder in which the content's file or folder lies, or will.
    pub folder: PathBuf,
    /// What the content is called there. Default: the manifest's name.
    pub name: Option<String>,
    /// Whether files that are there and differ from the content may be written over. Default: no.
    /// Parts of them that match are used in either case; symbolic links and folders in the place of
    /// files are never replaced.
    pub overwrite: bool,
    /// Whether the content is given by its user, who shares it: it is never written to, and no
    /// marker is made. Default: no, it is a download.
    pub origin: bool,
    /// Where the stamp that vouches for complete content is kept. Default: nowhere; content is
    /// hashed at every start.
    pub stamp_path: Option<PathBuf>,
    /// A stamp that is already known, from [`create`](super::create::create) say; preferred to that
    /// at `stamp_path`.
    pub stamp: Option<Stamp>,
    /// Keeps files open. Default: one of its own; a process with many stores should have one for
    /// all.
    pub handles: Arc<HandleCache>,
    /// When it becomes true, checking ends with [`StoreError::Cancelled`], within the time of a
    /// chunk.
    pub cancelled: Arc<AtomicBool>,
}

impl FileStore {
    /// Opens content, found or to be downloaded, and tells which chunks of it are held.
    ///
    /// What a record or stamp vouches for is trusted if its files look as they were left; what is
    /// in doubt is hashed on all cores. `progress` is told, on this thread, how many bytes are
    /// hashed so far. A download that is not complete gets a marker; when no chunk is missing,
    /// [`Store::finish`](super::Store::finish) is due.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when there are files that differ and no download left them, and
    /// overwriting was not asked for; [`StoreError::OtherDownload`] likewise. [`StoreError::Busy`] when
    /// another process has the download, or this one, which did not [`FileStore::release`] it.
    /// [`StoreError::Unfit`] for links and folders in the place of files. [`StoreError::Missing`],
    /// [`StoreError::Length`] and [`StoreError::Modified`] when shared content is not as the manifest
    /// says. Those of the file system.
    pub fn open(
        manifest: &Manifest,
        options: OpenOptions,
        progress: &dyn Fn(u64),
    ) -> Result<(Self, Bitfield), StoreError> {
        Self::open_in_boot(manifest, options, marker::boot_id(), progress)
    }

    /// Which chunks of a download are held, as far as its marker tells; nothing is checked, and a
    /// download without a marker holds none.
    #[must_use]
    pub fn recorded(manifest: &Manifest, options: &OpenOptions) -> Bitfield {
        let name = options.name.as_deref().unwrap_or(manifest.name());
        let path = marker::path_of(&options.folder, name, manifest.content_id());
        match marker::read(&path, manifest) {
            Record::Of(history) => history.held,
            _ => Bitfield::empty(manifest.layout().chunk_count()),
        }
    }

    pub(super) fn open_in_boot(
        manifest: &Manifest,
        options: OpenOptions,
        boot: Option<BootId>,
        progress: &dyn Fn(u64),
    ) -> Result<(Self, Bitfield), StoreError> {
        let name = options.name.clone().unwrap_or_else(|| manifest.name().to_owned());
        check_name(&name)?;
        let opening = Opening { manifest, name, options, boot, progress };
        if opening.options.origin { opening.origin() } else { opening.download() }
    }
}

struct Opening<'a> {
    manifest: &'a Manifest,
    name: String,
    options: OpenOptions,
    boot: Option<BootId>,
    progress: &'a dyn Fn(u64),
}

impl Opening<'_> {
    fn origin(self) -> Result<(FileStore, Bitfield), StoreError> {
        let root = Beneath::open(&self.options.folder)?;
        let survey = Survey::of(self.manifest, &root, &self.name).without_unfit()?;
        let content = self.files(root, &survey);
        content.check_lengths(&survey)?;
        let stamp = self.stamp();
        let evidence =
            stamp.as_ref().map_or(Evidence::Nothing, |stamp| Evidence::Stamp(stamp, self.boot));
        let held = self.check(&content, &survey, evidence)?;
        if let Some(file) = self.first_changed(&survey, &held, stamp.as_ref()) {
            return Err(StoreError::Modified { path: content.path(file) });
        }
        Ok((self.read_only(content, &survey, stamp.as_ref()), held))
    }

    fn download(self) -> Result<(FileStore, Bitfield), StoreError> {
        let root = Beneath::create(&self.options.folder)?;
        let path = marker::path_of(root.path(), &self.name, self.manifest.content_id());
        let claim = Claim::of(path.clone(), &root, &self.name);
        let record = marker::read(&path, self.manifest);
        if matches!(record, Record::OtherContent) && !self.options.overwrite {
            return Err(StoreError::OtherDownload { path });
        }
        let claim = claim?;
        let survey = Survey::of(self.manifest, &root, &self.name).without_unfit()?;
        let folders_there = self.look_at_folders(&root)?;
        let stamp = if matches!(record, Record::Absent) { self.stamp() } else { None };
        let evidence = match (&record, &stamp) {
            (Record::Of(history), _) => Evidence::Record(history, self.boot),
            (_, Some(stamp)) => Evidence::Stamp(stamp, self.boot),
            _ => Evidence::Nothing,
        };
        let content = self.files(root, &survey);
        let held = self.check(&content, &survey, evidence)?;
        let ours = matches!(record, Record::Of(_) | Record::Damaged);
        if !ours && !self.options.overwrite {
            self.refuse_others(&content, &survey, &held, stamp.as_ref())?;
        }
        let in_place = folders_there && held.is_full() && content.check_lengths(&survey).is_ok();
        if matches!(record, Record::Absent) && in_place {
            return Ok((self.read_only(content, &survey, stamp.as_ref()), held));
        }
        let durable = matches!(&record, Record::Of(history) if !held.has_beyond(&history.durable));
        let mtimes_ns = survey.all().map(|facts| facts.map(|facts| facts.mtime_ns));
        let marker = Marker::create(
            claim,
            content.root(),
            self.manifest,
            self.boot,
            held.clone(),
            durable,
            mtimes_ns,
        )?;
        if !durable {
            content.doubt_durability();
        }
        content.start_writing();
        let (finished, settling) = (AtomicBool::new(false), Mutex::default());
        let state = State::Download { marker, boot: self.boot, finished, settling };
        Ok((FileStore { content, state, stamp_path: self.options.stamp_path }, held))
    }

    fn stamp(&self) -> Option<Stamp> {
        let stored = || Stamp::read(self.options.stamp_path.as_deref()?, self.manifest);
        self.options.stamp.clone().or_else(stored)
    }

    fn files(&self, root: Beneath, survey: &Survey) -> ContentFiles {
        let handles = Arc::clone(&self.options.handles);
        ContentFiles::new(self.manifest, root, self.name.clone(), survey, handles)
    }

    /// Hashes what the evidence leaves in doubt; tells what is held.
    fn check(
        &self,
        content: &ContentFiles,
        survey: &Survey,
        evidence: Evidence<'_>,
    ) -> Result<Bitfield, StoreError> {
        let plan = plan(self.manifest, survey, evidence);
        let mut held = plan.trusted;
        let cancelled = || self.options.cancelled.load(Ordering::Relaxed);
        check_chunks(content, &plan.doubtful, &mut held, &cancelled, self.progress)?;
        Ok(held)
    }

    /// A file of the first chunk that does not match: one that looks changed, if that can be told.
    fn first_changed(
        &self,
        survey: &Survey,
        held: &Bitfield,
        stamp: Option<&Stamp>,
    ) -> Option<usize> {
        let layout = self.manifest.layout();
        let chunk = layout.chunks().find(|&chunk| !held.contains(chunk))?;
        let (start, length) = (layout.chunk_start(chunk), layout.length_of(chunk));
        let files = || self.manifest.file_ranges(start, length.into()).map(|range| range.file);
        let looks_changed = |&file: &usize| {
            let facts = survey.facts(file);
            stamp.is_some_and(|stamp| facts.is_none_or(|facts| !stamp.vouches_for(file, facts)))
        };
        files().find(looks_changed).or_else(|| files().next())
    }

    fn read_only(self, content: ContentFiles, survey: &Survey, stamp: Option<&Stamp>) -> FileStore {
        let stamp_path = self.options.stamp_path;
        let store = FileStore { content, state: State::ReadOnly, stamp_path };
        // What another program wrote, or we in an earlier boot, is as durable as it gets.
        let ours = stamp.filter(|stamp| stamp.counts_in(self.boot)).and_then(Stamp::boot);
        store.save_stamp(survey, ours);
        store
    }

    /// Whether the folders that no file is in are there.
    fn look_at_folders(&self, root: &Beneath) -> Result<bool, StoreError> {
        let own = (!self.manifest.is_single_file()).then_some("");
        let empty = self.manifest.empty_folders().iter().map(String::as_str);
        let mut all_there = true;
        for path in own.into_iter().chain(empty) {
            all_there &= root.has_folder(&path_inside(&self.name, path))?;
        }
        Ok(all_there)
    }

    /// Refuses files that are there and are not this content.
    fn refuse_others(
        &self,
        content: &ContentFiles,
        survey: &Survey,
        held: &Bitfield,
        stamp: Option<&Stamp>,
    ) -> Result<(), StoreError> {
        let layout = self.manifest.layout();
        let files = self.manifest.files().iter().enumerate().zip(survey.all());
        let mut others = files.filter_map(|((index, file), facts)| {
            let facts = facts?;
            let matches = || {
                facts.length == file.length
                    && chunks_of(layout, file.offset, file.length).all(|chunk| held.contains(chunk))
            };
            let vouched_for = stamp.is_some_and(|stamp| stamp.vouches_for(index, facts));
            (!vouched_for && !matches()).then_some(index)
        });
        match others.next() {
            None => Ok(()),
            Some(first) => {
                Err(StoreError::Exists { path: content.path(first), more: others.count() })
            }
        }
    }
}
