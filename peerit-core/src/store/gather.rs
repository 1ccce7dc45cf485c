//! Writing blocks that lie apart in memory and side by side in files.

use std::fs::File;
use std::io::{self, IoSlice};

use bytes::Bytes;

/// Most blocks in one system call: those of the longest chunk (16 MiB) at the greatest block length
/// (256 KiB).
const SLICE_COUNT_MAX: usize = 64;

/// Blocks, joined, of which the start is already written.
pub(super) struct Gather<'a> {
    blocks: &'a [Bytes],
    /// How much of the first block is written.
    skip: usize,
}

impl<'a> Gather<'a> {
    pub(super) fn new(blocks: &'a [Bytes]) -> Self {
        let mut gather = Self { blocks, skip: 0 };
        // The first block is never an empty one: a write of nothing would look like a full disk.
        gather.advance(0);
        gather
    }

    /// Writes the next `length` bytes (or all, when there are fewer) at `offset` of `file`. One
    /// system call, as a rule.
    pub(super) fn write_at(
        &mut self,
        file: &File,
        mut offset: u64,
        mut length: u64,
    ) -> io::Result<()> {
        while length > 0 && !self.blocks.is_empty() {
            let mut slices = [IoSlice::new(&[]); SLICE_COUNT_MAX];
            let count = self.fill(&mut slices, length);
            let written = write_some(file, &slices[..count], offset)?;
            self.advance(written);
            offset += written as u64;
            length -= written as u64;
        }
        Ok(())
    }

    /// Puts the next `length` bytes into `slices`, as far as there is room; returns how many slices
    /// they take.
    fn fill(&self, slices: &mut [IoSlice<'a>], length: u64) -> usize {
        let mut left = usize::try_from(length).unwrap_or(usize::MAX);
        let mut skip = self.skip;
        let mut count = 0;
        for (slice, block) in slices.iter_mut().zip(self.blocks) {
            let part = &block[skip..];
            *slice = IoSlice::new(&part[..part.len().min(left)]);
            left -= slice.len();
            skip = 0;
            count += 1;
            if left == 0 {
                break;
            }
        }
        count
    }

    fn advance(&mut self, written: usize) {
        self.skip += written;
        while let Some((first, rest)) = self.blocks.split_first()
            && self.skip >= first.len()
        {
            self.skip -= first.len();
            self.blocks = rest;
        }
    }
}

/// Writes `data` at `offset` of `file`.
pub(super) fn write_all_at(file: &File, mut data: &[u8], mut offset: u64) -> io::Result<()> {
    while !data.is_empty() {
        let written = write_some(file, &[IoSlice::new(data)], offset)?;
        data = &data[written..];
        offset += written as u64;
    }
    Ok(())
}

/// Writes a part of `data`, which is not empty; returns how many bytes.
fn write_some(file: &File, data: &[IoSlice<'_>], offset: u64) -> io::Result<usize> {
    #[cfg(test)]
    full_disk::check()?;
    match rustix::io::retry_on_intr(|| rustix::io::pwritev(file, data, offset))? {
        0 => Err(io::ErrorKind::WriteZero.into()),
        written => Ok(written),
    }
}

/// A disk without room, for the thread that asks for it.
#[cfg(test)]
pub(super) mod full_disk {
    use std::cell::Cell;
    use std::io;

    thread_local! {
        static WRITES_LEFT: Cell<Option<u32>> = const { Cell::new(None) };
    }

    /// Lets this many writes of this thread succeed, and then none; `None`: all.
    pub(in crate::store) fn after(writes: Option<u32>) {
        WRITES_LEFT.set(writes);
    }

    pub(super) fn check() -> io::Result<()> {
        match WRITES_LEFT.get() {
            None => Ok(()),
            Some(0) => Err(io::ErrorKind::StorageFull.into()),
            Some(left) => {
                WRITES_LEFT.set(Some(left - 1));
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use super::*;

    #[test]
    fn blocks_are_cut_where_files_end() {
        let blocks: Vec<Bytes> =
            ["abc", "", "d", "efgh"].map(|text| Bytes::from_static(text.as_bytes())).into();
        let mut gather = Gather::new(&blocks);
        let file = tempfile::tempfile().unwrap();
        for (offset, length) in [(10, 2), (0, 3), (20, 3)] {
            gather.write_at(&file, offset, length).unwrap();
        }
        let mut content = [0; 23];
        file.read_exact_at(&mut content, 0).unwrap();
        assert_eq!(&content, b"cde\0\0\0\0\0\0\0ab\0\0\0\0\0\0\0\0fgh");
    }

    #[test]
    fn more_blocks_than_one_call_takes_are_written() {
        let blocks: Vec<Bytes> = (0..200_u8).map(|byte| Bytes::from(vec![byte; 2])).collect();
        let file = tempfile::tempfile().unwrap();
        Gather::new(&blocks).write_at(&file, 0, 400).unwrap();
        let mut content = [0; 400];
        file.read_exact_at(&mut content, 0).unwrap();
        assert!(content.iter().enumerate().all(|(index, &byte)| usize::from(byte) == index / 2));
    }
}
