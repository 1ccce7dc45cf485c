//! What may be trusted of content that lies on disk, and what has to be hashed again.

use crate::bitfield::Bitfield;
use crate::id::ChunkIndex;
use crate::manifest::Manifest;

use super::record::{BootId, History};
use super::stamp::Stamp;
use super::survey::Survey;

/// What speaks for content on disk.
#[derive(Clone, Copy, Debug)]
pub(super) enum Evidence<'a> {
    /// The record of a download, and the boot we are in.
    Record(&'a History, Option<BootId>),
    /// The stamp of content that was complete, and the boot we are in.
    Stamp(&'a Stamp, Option<BootId>),
    /// Nothing: it may be anything.
    Nothing,
}

/// What to do about each chunk; those in neither set are not there.
#[derive(Debug)]
pub(super) struct Plan {
    /// Held for sure.
    pub(super) trusted: Bitfield,
    /// Held if they match their digests, in order.
    pub(super) doubtful: Vec<ChunkIndex>,
}

/// Sorts the chunks of a content by what the evidence says. O(files + chunks).
///
/// A chunk is only trusted when each file it lies in looks as it was left: files have
/// no other witness. After another boot, a chunk must also have been durable.
pub(super) fn plan(manifest: &Manifest, survey: &Survey, evidence: Evidence<'_>) -> Plan {
    let layout = manifest.layout();
    let mut plan = Plan { trusted: Bitfield::empty(layout.chunk_count()), doubtful: Vec::new() };
    for chunk in layout.chunks() {
        let mut is_there = true;
        let mut untouched = true;
        let length = layout.length_of(chunk).into();
        for range in manifest.file_ranges(layout.chunk_start(chunk), length) {
            let facts = survey.facts(range.file);
            let end = range.offset_in_file + range.length;
            is_there &= facts.is_some_and(|facts| facts.length >= end);
            untouched &= facts.is_some_and(|facts| match evidence {
                Evidence::Record(history, _) => {
                    history.mtimes_ns.get(range.file) == Some(&Some(facts.mtime_ns))
                }
                Evidence::Stamp(stamp, _) => stamp.vouches_for(range.file, facts),
                Evidence::Nothing => false,
            });
        }
        match evidence.about(chunk) {
            Said::Held if is_there && untouched => {
                plan.trusted.insert(chunk);
            }
            Said::Held | Said::Perhaps if is_there => plan.doubtful.push(chunk),
            _ => {}
        }
    }
    plan
}

/// What evidence says about a chunk.
enum Said {
    Held,
    Perhaps,
    NotHeld,
}

impl Evidence<'_> {
    fn about(self, chunk: ChunkIndex) -> Said {
        match self {
            Self::Record(history, _) if !history.held.contains(chunk) => Said::NotHeld,
            Self::Record(history, boot) => {
                let same_boot = boot.is_some() && boot == history.boot;
                if same_boot || history.durable.contains(chunk) {
                    Said::Held
                } else {
                    Said::Perhaps
                }
            }
            Self::Stamp(stamp, boot) if stamp.counts_in(boot) => Said::Held,
            Self::Stamp(..) => Said::Perhaps,
            Self::Nothing => Said::Perhaps,
        }
    }
}
