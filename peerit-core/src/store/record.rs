//! The resume record's bytes: a header, then entries that are only ever added.
//!
//! All numbers are little-endian.
//!
//! | Header | bytes | | Entry | bytes |
//! |---|---|---|---|---|
//! | magic `peerit-p` | 8 | | kind: 1 file, 2 chunk, 3 durable | 4 |
//! | version, 1 | 4 | | index of the file or chunk | 4 |
//! | chunk count | 4 | | value, see [`Entry`] | 8 |
//! | content id | 32 | | start of the keyed BLAKE3 of the above | 4 |
//! | boot id, zeros: not known | 16 | | | |
//! | start of the keyed BLAKE3 of the above | 8 | | | |
//!
//! The key is the content id. Reading ends at the first entry that does not check: what a crash
//! tore off is lost, what stands before it is not.

use crate::bitfield::Bitfield;
use crate::id::{ChunkIndex, ContentId};
use crate::manifest::Manifest;

pub(super) const HEADER_LENGTH: usize = 72;
pub(super) const ENTRY_LENGTH: usize = 20;
const MAGIC: &[u8; 8] = b"peerit-p";
const VERSION: u32 = 1;

/// Names a run of the system, from its start to its end: after a power cut it is another one.
pub(super) type BootId = [u8; 16];

/// One fact of the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// We left a file with this time of last writing, in nanoseconds since the Unix epoch. Before
    /// the chunk's.
    File { file: usize, mtime_ns: i64 },
    /// A chunk is verified and written.
    Chunk(ChunkIndex),
    /// What the first so many entries say is on the disk, not only with the system.
    Durable { entries: u64 },
}

/// What a record says.
#[derive(Debug)]
pub(super) enum Record {
    /// There is none.
    Absent,
    /// There is one, but not even its header can be read. Files beside it are a download's, and
    /// nothing more is known.
    Damaged,
    /// It is that of another content.
    OtherContent,
    /// It is that of this content.
    Of(History),
}

/// What is known of an interrupted download.
#[derive(Debug)]
pub(super) struct History {
    /// The boot that the entries are from.
    pub(super) boot: Option<BootId>,
    /// Chunks that were verified and written.
    pub(super) held: Bitfield,
    /// Those of them that even a power cut leaves.
    pub(super) durable: Bitfield,
    /// The last time of writing that we left, for each file.
    pub(super) mtimes_ns: Vec<Option<i64>>,
}

/// Most bytes of a record worth reading. A new record has an entry for each file and chunk; each
/// chunk is added once, with one entry for each part of a file in it, which are at most as many as
/// files and chunks; and durability is noted once per chunk at most. 47 MB for the greatest
/// content, 1.3 MB for 20,000 files in 1,000 chunks.
pub(super) fn length_max(manifest: &Manifest) -> u64 {
    let files = manifest.files().len() as u64;
    let chunks = u64::from(manifest.layout().chunk_count());
    HEADER_LENGTH as u64 + ENTRY_LENGTH as u64 * (2 * files + 4 * chunks + 2)
}

pub(super) fn encode_header(manifest: &Manifest, boot: Option<BootId>) -> [u8; HEADER_LENGTH] {
    let id = manifest.content_id();
    let mut header = [0; HEADER_LENGTH];
    header[..8].copy_from_slice(MAGIC);
    header[8..12].copy_from_slice(&VERSION.to_le_bytes());
    header[12..16].copy_from_slice(&manifest.layout().chunk_count().to_le_bytes());
    header[16..48].copy_from_slice(&id.0);
    header[48..64].copy_from_slice(&boot.unwrap_or_default());
    let check = blake3::keyed_hash(&id.0, &header[..64]);
    header[64..].copy_from_slice(&check.as_bytes()[..8]);
    header
}

pub(super) fn encode_entry(id: &ContentId, entry: Entry) -> [u8; ENTRY_LENGTH] {
    let (kind, index, value) = match entry {
        // A manifest has at most 2^20 files.
        Entry::File { file, mtime_ns } => {
            (1, u32::try_from(file).unwrap_or(u32::MAX), mtime_ns.cast_unsigned())
        }
        Entry::Chunk(chunk) => (2, chunk.0, 0),
        Entry::Durable { entries } => (3, 0, entries),
    };
    let mut bytes = [0; ENTRY_LENGTH];
    bytes[..4].copy_from_slice(&u32::to_le_bytes(kind));
    bytes[4..8].copy_from_slice(&index.to_le_bytes());
    bytes[8..16].copy_from_slice(&value.to_le_bytes());
    let check = blake3::keyed_hash(&id.0, &bytes[..16]);
    bytes[16..].copy_from_slice(&check.as_bytes()[..4]);
    bytes
}

/// Reads a record; never fails, for what cannot be read only has to be hashed again.
pub(super) fn decode(bytes: &[u8], manifest: &Manifest) -> Record {
    let Some((header, rest)) = bytes.split_first_chunk::<HEADER_LENGTH>() else {
        return Record::Damaged;
    };
    let mut id = [0; 32];
    id.copy_from_slice(&header[16..48]);
    let check = blake3::keyed_hash(&id, &header[..64]);
    if !header.starts_with(MAGIC) || header[64..] != check.as_bytes()[..8] {
        return Record::Damaged;
    }
    if ContentId(id) != manifest.content_id() {
        return Record::OtherContent;
    }
    let mut boot = BootId::default();
    boot.copy_from_slice(&header[48..64]);
    let boot = (boot != BootId::default()).then_some(boot);
    // The id names the content; all that can differ is the version.
    if header[..48] != encode_header(manifest, boot)[..48] {
        return Record::Damaged;
    }
    Record::Of(History::from_entries(decode_entries(rest, manifest), boot, manifest))
}

fn decode_entries(bytes: &[u8], manifest: &Manifest) -> impl Iterator<Item = Entry> {
    let id = manifest.content_id();
    let (entries, _torn) = bytes.as_chunks::<ENTRY_LENGTH>();
    entries.iter().map_while(move |bytes| decode_entry(&id, bytes))
}

fn decode_entry(id: &ContentId, bytes: &[u8; ENTRY_LENGTH]) -> Option<Entry> {
    let number =
        |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    let index = number(4);
    let value = u64::from(number(8)) | u64::from(number(12)) << 32;
    let entry = match number(0) {
        1 => Entry::File { file: index as usize, mtime_ns: value.cast_signed() },
        2 => Entry::Chunk(ChunkIndex(index)),
        3 => Entry::Durable { entries: value },
        _ => return None,
    };
    (encode_entry(id, entry) == *bytes).then_some(entry)
}

impl History {
    fn from_entries(
        entries: impl Iterator<Item = Entry>,
        boot: Option<BootId>,
        manifest: &Manifest,
    ) -> Self {
        let chunk_count = manifest.layout().chunk_count();
        let mut held = Bitfield::empty(chunk_count);
        let mut mtimes_ns = vec![None; manifest.files().len()];
        // When each chunk was added, and up to where entries are durable.
        let mut added = Vec::new();
        let mut durable_entries = 0;
        for (number, entry) in (0_u64..).zip(entries) {
            match entry {
                Entry::File { file, mtime_ns } => {
                    // Threads write in one order and record in another: the last time is the
                    // greatest.
                    if let Some(last) = mtimes_ns.get_mut(file) {
                        *last = (*last).max(Some(mtime_ns));
                    }
                }
                Entry::Chunk(chunk) => {
                    if held.insert(chunk) {
                        added.push((number, chunk));
                    }
                }
                Entry::Durable { entries } => durable_entries = durable_entries.max(entries),
            }
        }
        let mut durable = Bitfield::empty(chunk_count);
        for (_, chunk) in added.into_iter().take_while(|&(number, _)| number < durable_entries) {
            durable.insert(chunk);
        }
        Self { boot, held, durable, mtimes_ns }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::manifest_of;

    const BOOT: Option<BootId> = Some([7; 16]);

    fn manifest() -> Manifest {
        manifest_of("name", &[("a", &[1; 100_000]), ("b", &[2; 100_000])])
    }

    fn record(manifest: &Manifest, entries: &[Entry]) -> Vec<u8> {
        let id = manifest.content_id();
        let entries = entries.iter().flat_map(|&entry| encode_entry(&id, entry));
        encode_header(manifest, BOOT).into_iter().chain(entries).collect()
    }

    fn history(bytes: &[u8], manifest: &Manifest) -> History {
        match decode(bytes, manifest) {
            Record::Of(history) => history,
            other => panic!("{other:?}"),
        }
    }

    const ENTRIES: [Entry; 6] = [
        Entry::File { file: 0, mtime_ns: 9 },
        Entry::Chunk(ChunkIndex(0)),
        Entry::Durable { entries: 2 },
        Entry::File { file: 0, mtime_ns: 8 },
        Entry::File { file: 1, mtime_ns: -5 },
        Entry::Chunk(ChunkIndex(2)),
    ];

    #[test]
    fn a_record_says_what_was_recorded() {
        let manifest = manifest();
        let history = history(&record(&manifest, &ENTRIES), &manifest);
        assert_eq!(history.boot, BOOT);
        assert_eq!(history.held.iter().collect::<Vec<_>>(), [ChunkIndex(0), ChunkIndex(2)]);
        assert_eq!(history.durable.iter().collect::<Vec<_>>(), [ChunkIndex(0)]);
        assert_eq!(history.mtimes_ns, [Some(9), Some(-5)]);
    }

    #[test]
    fn a_torn_tail_loses_only_itself() {
        let manifest = manifest();
        let whole = record(&manifest, &ENTRIES);
        for length in HEADER_LENGTH..whole.len() {
            let history = history(&whole[..length], &manifest);
            let entries = (length - HEADER_LENGTH) / ENTRY_LENGTH;
            assert_eq!(history.held.contains(ChunkIndex(0)), entries >= 2);
            assert!(!history.held.contains(ChunkIndex(2)));
        }
    }

    #[test]
    fn every_flipped_bit_is_seen() {
        let manifest = manifest();
        let whole = record(&manifest, &ENTRIES);
        for position in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[position] ^= 0x10;
            match decode(&damaged, &manifest) {
                Record::Damaged => assert!(position < HEADER_LENGTH),
                Record::Of(history) => {
                    assert!(position >= HEADER_LENGTH);
                    assert!(!history.held.contains(ChunkIndex(2)));
                }
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn zeros_where_entries_were_to_be_are_none() {
        let manifest = manifest();
        let mut bytes = record(&manifest, &[]);
        bytes.resize(HEADER_LENGTH + 10 * ENTRY_LENGTH, 0);
        assert!(history(&bytes, &manifest).held.is_empty());
        assert!(matches!(decode(&[0; 1_000], &manifest), Record::Damaged));
        assert!(matches!(decode(&[], &manifest), Record::Damaged));
    }

    #[test]
    fn another_contents_record_is_told() {
        let other = manifest_of("name", &[("a", &[3; 100_000])]);
        let bytes = record(&other, &[]);
        assert!(matches!(decode(&bytes, &manifest()), Record::OtherContent));
    }
}
