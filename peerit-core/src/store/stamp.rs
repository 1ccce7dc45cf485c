//! What vouches for complete content, so that it need not be hashed at every start.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::id::ContentId;
use crate::manifest::Manifest;

use super::beneath::Facts;
use super::error::StoreError;
use super::record::BootId;
use super::replace::replace;

const MAGIC: &[u8; 8] = b"peerit-s";
const VERSION: u32 = 1;
/// Magic, version, four spare bytes, content id, boot.
const HEADER_LENGTH: usize = 64;
/// Length and time of last writing.
const FILE_LENGTH: usize = 16;
const CHECK_LENGTH: usize = 32;

/// How the files of complete content looked when they were verified: their lengths and times of
/// last writing. A file that still looks so is not hashed again, unless the machine went down
/// before the content was durable. Takes 16 bytes per file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    content_id: ContentId,
    /// The boot in which alone it counts; none once the content is durable.
    boot: Option<BootId>,
    /// Length in bytes, and nanoseconds since the Unix epoch.
    files: Vec<(u64, i64)>,
}

impl Stamp {
    /// The stamp of files that are all there; durable, or else good for this boot.
    pub(super) fn new(
        content_id: ContentId,
        boot: Option<BootId>,
        files: impl Iterator<Item = Option<Facts>>,
    ) -> Option<Self> {
        let files = files.map(|facts| facts.map(|facts| (facts.length, facts.mtime_ns)));
        Some(Self { content_id, boot, files: files.collect::<Option<_>>()? })
    }

    /// Whether what it vouches for survived until this boot.
    pub(super) fn counts_in(&self, boot: Option<BootId>) -> bool {
        self.boot.is_none() || self.boot == boot
    }

    /// The boot in which alone it counts.
    pub(super) fn boot(&self) -> Option<BootId> {
        self.boot
    }

    /// Whether a file looks as it did.
    pub(super) fn vouches_for(&self, file: usize, facts: Facts) -> bool {
        self.files.get(file) == Some(&(facts.length, facts.mtime_ns))
    }

    /// Reads the stamp of a content. One that is absent, damaged or of another content is none: its
    /// loss costs time only.
    #[must_use]
    pub fn read(path: &Path, manifest: &Manifest) -> Option<Self> {
        let files = manifest.files().len();
        let length = HEADER_LENGTH + files * FILE_LENGTH + CHECK_LENGTH;
        let mut bytes = Vec::new();
        // One byte more, so that one that is too long is seen.
        File::open(path).ok()?.take(length as u64 + 1).read_to_end(&mut bytes).ok()?;
        let stamp = Self::decode(&bytes)?;
        (stamp.files.len() == files && stamp.content_id == manifest.content_id()).then_some(stamp)
    }

    /// Writes the stamp in place of what is at `path`, as a whole or not at all.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn write(&self, path: &Path) -> Result<(), StoreError> {
        replace(path, &self.encode()).map(drop)
    }

    fn encode(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(&self.content_id.0);
        bytes.extend_from_slice(&self.boot.unwrap_or_default());
        for (length, mtime_ns) in &self.files {
            bytes.extend_from_slice(&length.to_le_bytes());
            bytes.extend_from_slice(&mtime_ns.to_le_bytes());
        }
        let check = blake3::hash(&bytes);
        bytes.extend_from_slice(check.as_bytes());
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (body, check) = bytes.split_last_chunk::<CHECK_LENGTH>()?;
        let (header, files) = body.split_first_chunk::<HEADER_LENGTH>()?;
        let known = header.starts_with(MAGIC) && header[8..12] == VERSION.to_le_bytes();
        if !known || blake3::hash(body).as_bytes() != check {
            return None;
        }
        let (files, rest) = files.as_chunks::<FILE_LENGTH>();
        let file = |bytes: &[u8; FILE_LENGTH]| {
            let (length, mtime_ns) = bytes.split_first_chunk()?;
            Some((u64::from_le_bytes(*length), i64::from_le_bytes(mtime_ns.try_into().ok()?)))
        };
        let files = files.iter().map(file).collect::<Option<_>>()?;
        let (content_id, boot) = header[16..].split_first_chunk()?;
        let boot = BootId::try_from(boot).ok()?;
        let boot = (boot != BootId::default()).then_some(boot);
        rest.is_empty().then_some(Self { content_id: ContentId(*content_id), boot, files })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::manifest_of;

    fn stamp(manifest: &Manifest) -> Stamp {
        let facts = |length| Facts { length, mtime_ns: -3, linked: true };
        let files = [Some(facts(1)), Some(facts(2))].into_iter();
        Stamp::new(manifest.content_id(), Some([7; 16]), files).unwrap()
    }

    #[test]
    fn a_stamp_is_read_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("stamp");
        let manifest = manifest_of("name", &[("a", b"1"), ("b", b"22")]);
        stamp(&manifest).write(&path).unwrap();
        let read = Stamp::read(&path, &manifest).unwrap();
        assert_eq!(read, stamp(&manifest));
        assert!(read.vouches_for(1, Facts { length: 2, mtime_ns: -3, linked: true }));
        assert!(!read.vouches_for(1, Facts { length: 2, mtime_ns: -2, linked: true }));
        assert!(!read.vouches_for(1, Facts { length: 1, mtime_ns: -3, linked: true }));
        assert!(read.counts_in(Some([7; 16])));
        assert!(!read.counts_in(Some([8; 16])));
        assert!(!read.counts_in(None));
        assert!(!read.vouches_for(2, Facts { length: 2, mtime_ns: -3, linked: true }));
        let other = manifest_of("name", &[("a", b"1"), ("b", b"23")]);
        assert_eq!(Stamp::read(&path, &other), None);
        assert_eq!(Stamp::read(&folder.path().join("none"), &manifest), None);
    }

    #[test]
    fn a_damaged_stamp_is_none() {
        let whole = stamp(&manifest_of("name", &[("a", b"1"), ("b", b"22")])).encode();
        for position in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[position] ^= 1;
            assert_eq!(Stamp::decode(&damaged), None);
            assert_eq!(Stamp::decode(&whole[..position]), None);
        }
    }

    #[test]
    fn what_is_not_all_there_has_no_stamp() {
        assert_eq!(Stamp::new(ContentId([0; 32]), None, [None].into_iter()), None);
    }
}
