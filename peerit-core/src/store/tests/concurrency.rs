//! Several threads in one store.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use super::*;
use crate::store::HandleCache;

#[test]
fn threads_write_and_read_together() {
    let paths: Vec<String> = (0..90).map(|file| format!("{}/{file}", file % 7)).collect();
    let mut files: Vec<_> = paths.iter().map(|path| (path.as_str(), 5_000)).collect();
    files.push(("large", 40 * CHUNK));
    let fixture = Fixture::new(&files);
    let options = OpenOptions { handles: Arc::new(HandleCache::new(4)), ..fixture.options() };
    let (store, _, _) = fixture.open_with(options, BOOT).unwrap();
    let next = AtomicU32::new(0);
    let chunk_count = fixture.manifest.layout().chunk_count();
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let mut read = vec![0; CHUNK];
                loop {
                    let chunk = next.fetch_add(1, Ordering::Relaxed);
                    if chunk >= chunk_count {
                        break;
                    }
                    fixture.write(&store, [chunk]);
                    let start = chunk as usize * CHUNK;
                    let end = fixture.content.len().min(start + CHUNK);
                    store.read(start as u64, &mut read[..end - start]).unwrap();
                    assert!(read[..end - start] == fixture.content[start..end]);
                    if chunk.is_multiple_of(20) {
                        store.sync().unwrap();
                    }
                }
            });
        }
    });
    drop(store);
    let (store, held, hashed) = fixture.open();
    assert_eq!((held.len(), hashed), (chunk_count as usize, 0));
    store.finish().unwrap();
    fixture.assert_complete();
}

#[test]
fn a_sync_does_not_vouch_for_chunks_written_meanwhile() {
    let fixture = Fixture::new(&[("a", 30 * CHUNK)]);
    let (store, _, _) = fixture.open();
    thread::scope(|scope| {
        scope.spawn(|| fixture.write(&store, 0..30));
        scope.spawn(|| (0..30).for_each(|_| store.sync().unwrap()));
    });
    store.sync().unwrap();
    drop(store);
    let (_, held, hashed) = fixture.open_with(fixture.options(), OTHER_BOOT).unwrap();
    assert_eq!((held.len(), hashed), (30, 0));
}

#[test]
fn two_downloads_into_one_place_do_not_meet() {
    let fixture = Fixture::new(&[("a", 3 * CHUNK)]);
    let is_busy = |opened: Result<(FileStore, Vec<u32>, u64), StoreError>| matches!(opened, Err(StoreError::Busy { path }) if path == fixture.path("name"));
    let open = || fixture.open_with(fixture.options(), BOOT);
    let opened: Vec<_> = thread::scope(|scope| {
        [(); 8].map(|()| scope.spawn(open)).map(|it| it.join().unwrap()).into()
    });
    let (one, others): (Vec<_>, Vec<_>) = opened.into_iter().partition(Result::is_ok);
    assert_eq!((one.len(), others.into_iter().all(is_busy)), (1, true));
    let Some(Ok((store, _, _))) = one.into_iter().next() else { unreachable!() };
    fixture.write(&store, [0]);
    assert!(is_busy(open()));
    let overwriting = OpenOptions { overwrite: true, ..fixture.options() };
    assert!(is_busy(fixture.open_with(overwriting, BOOT)));

    store.release();
    let (next, held, _) = open().unwrap();
    assert_eq!(held, [0]);
    drop(store);
    assert!(is_busy(open()), "the lock is that of the new one");
    fixture.write(&next, fixture.all());
    next.finish().unwrap();
    assert_eq!(open().unwrap().1.len(), 3);
}
