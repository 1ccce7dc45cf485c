//! What a download knows after it was interrupted.

use super::*;

fn fixture() -> Fixture {
    Fixture::new(&[("a", 3 * CHUNK), ("b", 3 * CHUNK), ("c", 0)])
}

#[test]
fn what_was_written_is_held_without_hashing() {
    let fixture = fixture();
    let (store, _, _) = fixture.open();
    fixture.write(&store, [0, 4]);
    // As kill -9 does: nothing is told to end, but the system releases what was locked.
    store.release();
    std::mem::forget(store);
    for _ in 0..2 {
        let (store, held, hashed) = fixture.open();
        assert_eq!((held.as_slice(), hashed), ([0, 4].as_slice(), 0));
        drop(store);
    }
    let (store, _, _) = fixture.open();
    fixture.write(&store, fixture.all());
    store.finish().unwrap();
    fixture.assert_complete();
}

#[test]
fn all_written_but_not_finished_is_finished() {
    let fixture = fixture();
    fixture.write(&fixture.open().0, fixture.all());
    let (store, held, hashed) = fixture.open();
    assert_eq!((held.len(), hashed), (6, 0));
    store.finish().unwrap();
    fixture.assert_complete();
}

#[test]
fn a_torn_journal_loses_the_torn_chunk_only() {
    let fixture = fixture();
    fixture.write(&fixture.open().0, [1, 4, 2]);
    let whole = fs::read(fixture.marker()).unwrap();
    fs::write(fixture.marker(), &whole[..whole.len() - 3]).unwrap();
    let (store, held, hashed) = fixture.open();
    // Of the torn chunk the file's entry is left, so the others need no hashing.
    assert_eq!((held.as_slice(), hashed), ([1, 4].as_slice(), 0));
    fixture.write(&store, [2]);
    drop(store);
    assert_eq!(fixture.open().1, [1, 2, 4]);
}

#[test]
fn a_file_whose_last_write_is_not_recorded_is_hashed() {
    let fixture = fixture();
    fixture.write(&fixture.open().0, [0, 1, 4]);
    // A write that was cut short by the end of the process.
    set_mtime(&fixture.path("name/a"), 1);
    let (_, held, hashed) = fixture.open();
    assert_eq!((held.as_slice(), hashed), ([0, 1, 4].as_slice(), 2 * CHUNK as u64));
}

#[test]
fn a_damaged_header_makes_everything_doubtful_and_fails_nothing() {
    for damage in [0, 20, 60, 71] {
        let fixture = fixture();
        fixture.write(&fixture.open().0, [0, 4]);
        flip(&fixture.marker(), damage);
        let (_, held, hashed) = fixture.open();
        assert_eq!((held.as_slice(), hashed), ([0, 4].as_slice(), 6 * CHUNK as u64));
    }
    let fixture = fixture();
    fixture.write(&fixture.open().0, [0, 4]);
    fs::write(fixture.marker(), "").unwrap();
    let (store, held, _) = fixture.open();
    assert_eq!(held, [0, 4]);
    fixture.write(&store, fixture.all());
    store.finish().unwrap();
    fixture.assert_complete();
}

#[test]
fn after_another_boot_what_was_not_synced_is_hashed() {
    let fixture = fixture();
    let (store, _, _) = fixture.open();
    fixture.write(&store, [0, 1]);
    store.sync().unwrap();
    fixture.write(&store, [4]);
    drop(store);
    // The power cut took chunk 4 with it; that its time of writing stayed is the worst case.
    let mtime = fs::metadata(fixture.path("name/b")).unwrap().modified().unwrap();
    fs::write(fixture.path("name/b"), vec![0; 3 * CHUNK]).unwrap();
    let file = fs::File::options().write(true).open(fixture.path("name/b")).unwrap();
    file.set_modified(mtime).unwrap();
    let (_, held, hashed) = fixture.open_with(fixture.options(), OTHER_BOOT).unwrap();
    assert_eq!((held.as_slice(), hashed), ([0, 1].as_slice(), CHUNK as u64));
}

#[test]
fn an_unknown_boot_is_another_one() {
    let fixture = fixture();
    let (store, _, _) = fixture.open_with(fixture.options(), None).unwrap();
    fixture.write(&store, [0]);
    drop(store);
    let (_, held, hashed) = fixture.open_with(fixture.options(), None).unwrap();
    assert_eq!((held.as_slice(), hashed), ([0].as_slice(), CHUNK as u64));
}

#[test]
fn synced_chunks_stay_so_over_boots() {
    let fixture = fixture();
    let (store, _, _) = fixture.open();
    fixture.write(&store, [0, 1, 5]);
    store.sync().unwrap();
    store.sync().unwrap();
    drop(store);
    for boot in [BOOT, OTHER_BOOT, BOOT, None] {
        let (_, held, hashed) = fixture.open_with(fixture.options(), boot).unwrap();
        assert_eq!((held.as_slice(), hashed), ([0, 1, 5].as_slice(), 0));
    }
}

#[test]
fn a_sync_covers_what_another_process_wrote() {
    let fixture = fixture();
    fixture.write(&fixture.open().0, [0]);
    let (store, _, _) = fixture.open();
    store.sync().unwrap();
    drop(store);
    let (_, held, hashed) = fixture.open_with(fixture.options(), OTHER_BOOT).unwrap();
    assert_eq!((held.as_slice(), hashed), ([0].as_slice(), 0));
}

#[test]
fn changes_between_runs_are_found() {
    let fixture = fixture();
    fixture.write(&fixture.open().0, [0, 1, 3]);
    flip(&fixture.path("name/a"), CHUNK + 1);
    let (store, held, hashed) = fixture.open();
    assert_eq!((held.as_slice(), hashed), ([0, 3].as_slice(), 2 * CHUNK as u64));
    fixture.write(&store, fixture.all());
    store.finish().unwrap();
    fixture.assert_complete();
}

#[test]
fn an_older_file_put_in_place_is_found() {
    let fixture = fixture();
    fixture.write(&fixture.open().0, [0, 3]);
    fs::write(fixture.path("old"), vec![0; 3 * CHUNK]).unwrap();
    set_mtime(&fixture.path("old"), 1_000_000);
    fs::rename(fixture.path("old"), fixture.path("name/a")).unwrap();
    assert_eq!(fixture.open().1, [3]);
}

#[test]
fn files_lost_between_runs_are_downloaded_again() {
    let fixture = fixture();
    fixture.write(&fixture.open().0, [0, 1, 3, 4]);
    fs::remove_file(fixture.path("name/a")).unwrap();
    fs::File::options()
        .write(true)
        .open(fixture.path("name/b"))
        .unwrap()
        .set_len(CHUNK as u64)
        .unwrap();
    let (store, held, _) = fixture.open();
    assert_eq!(held, [3]);
    fixture.write(&store, fixture.all());
    store.finish().unwrap();
    fixture.assert_complete();
}

#[test]
fn a_stamp_vouches_for_a_finished_download() {
    let fixture = fixture();
    fixture.fill();
    let open = || fixture.open_with(fixture.stamped(), BOOT);
    let (store, held, hashed) = open().unwrap();
    assert_eq!((held.len(), hashed), (6, 0));
    assert!(matches!(fixture.try_write(&store, 0), Err(StoreError::ReadOnly { .. })));
    fs::remove_file(fixture.path("stamp")).unwrap();
    assert_eq!(open().unwrap().2, 6 * CHUNK as u64);
    // Having been hashed, it is vouched for again.
    assert_eq!(open().unwrap().2, 0);
}

#[test]
fn after_another_boot_a_stamp_counts_if_the_content_was_durable() {
    let fixture = fixture();
    let (store, _, _) = fixture.open_with(fixture.stamped(), BOOT).unwrap();
    fixture.write(&store, fixture.all());
    store.finish().unwrap();
    let hashed = |boot| fixture.open_with(fixture.stamped(), boot).unwrap().2;
    let kept = fs::read(fixture.path("stamp")).unwrap();
    assert_eq!(hashed(OTHER_BOOT), 6 * CHUNK as u64);
    fs::write(fixture.path("stamp"), kept).unwrap();
    store.sync().unwrap();
    assert_eq!(hashed(OTHER_BOOT), 0);
}

#[test]
fn an_edit_after_the_download_is_noticed_and_not_vouched_for() {
    let fixture = fixture();
    let (store, _, _) = fixture.open_with(fixture.stamped(), BOOT).unwrap();
    fixture.write(&store, fixture.all());
    store.check().unwrap();
    store.finish().unwrap();
    store.check().unwrap();
    store.read(0, &mut [0; 10]).unwrap();
    set_mtime(&fixture.path("name/a"), 5);
    assert!(matches!(store.read(0, &mut [0; 10]), Err(StoreError::Modified { .. })));
    assert!(matches!(store.check(), Err(StoreError::Modified { .. })));
    assert!(store.sync().is_err());
    drop(store);
    assert_eq!(fixture.open_with(fixture.stamped(), BOOT).unwrap().2, 3 * CHUNK as u64);
}

#[test]
fn a_lost_file_of_a_finished_download_is_downloaded_again() {
    // One chunk holds parts of both files: the stamp alone tells that the first is ours.
    let fixture = Fixture::new(&[("a", CHUNK + 5), ("b", CHUNK)]);
    fixture.fill();
    fs::remove_file(fixture.path("name/b")).unwrap();
    let (store, held, hashed) = fixture.open_with(fixture.stamped(), BOOT).unwrap();
    assert_eq!((held.as_slice(), hashed), ([0].as_slice(), 0));
    fixture.write(&store, [1, 2]);
    store.finish().unwrap();
    fixture.assert_complete();
}

#[test]
fn checking_can_be_cancelled() {
    let fixture = fixture();
    fixture.put();
    let options = fixture.options();
    options.cancelled.store(true, std::sync::atomic::Ordering::Relaxed);
    assert!(matches!(fixture.open_with(options, BOOT), Err(StoreError::Cancelled)));
}
