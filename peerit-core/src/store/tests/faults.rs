//! Disks that are full, and files that others change while they are in use.

use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::store::gather::full_disk;

fn fixture() -> Fixture {
    Fixture::new(&[("a", 2 * CHUNK), ("b", 100), ("c", 2 * CHUNK)])
}

fn is_full(result: Result<(), StoreError>) -> PathBuf {
    match result {
        Err(StoreError::Io { path, source })
            if source.kind() == std::io::ErrorKind::StorageFull =>
        {
            path
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_full_disk_loses_nothing_and_can_be_made_good() {
    let fixture = fixture();
    let (store, _, _) = fixture.open();
    fixture.write(&store, [0]);
    // Chunk 2 needs a write for the end of `b` and one for `c`, then one for the record.
    for (writes, path) in [(0, "name/b"), (1, "name/c"), (2, "name.peerit-partial")] {
        full_disk::after(Some(writes));
        assert_eq!(is_full(fixture.try_write(&store, 2)), fixture.path(path));
        full_disk::after(None);
    }
    let mut read = vec![0; CHUNK];
    store.read(0, &mut read).unwrap();
    drop(store);
    let (store, held, _) = fixture.open();
    assert_eq!(held, [0]);
    fixture.write(&store, fixture.all());
    store.finish().unwrap();
    fixture.assert_complete();
}

#[test]
fn an_error_says_what_to_do_about_the_disk() {
    let full = rustix::io::Errno::NOSPC;
    let error = StoreError::io("film", full).to_string();
    assert_eq!(error, format!("film: {}: free some space", std::io::Error::from(full)));
    let error = StoreError::io("film", rustix::io::Errno::ROFS).to_string();
    assert!(error.ends_with(": make the file system writable"), "{error}");
}

#[test]
fn a_write_that_failed_can_be_made_again() {
    let fixture = fixture();
    let (store, _, _) = fixture.open();
    for writes in [0, 1, 2] {
        full_disk::after(Some(writes));
        assert!(fixture.try_write(&store, 2).is_err());
        full_disk::after(None);
    }
    fixture.write(&store, [2, 1]);
    drop(store);
    // The record has no hole where the failed one began.
    assert_eq!(fixture.open().1, [1, 2]);
}

#[test]
fn a_removed_file_is_noticed_and_not_made_anew() {
    let fixture = fixture();
    let (store, _, _) = fixture.open();
    fixture.write(&store, [0]);
    fs::remove_file(fixture.path("name/a")).unwrap();
    let removed = |result: Result<(), StoreError>| match result {
        Err(StoreError::Removed { path } | StoreError::Missing { path }) => {
            assert_eq!(path, fixture.path("name/a"));
        }
        other => panic!("{other:?}"),
    };
    // Twice: with the handle that was open, and without.
    for _ in 0..2 {
        removed(store.read(0, &mut [0; 10]));
        removed(fixture.try_write(&store, 1));
    }
    assert!(!fixture.path("name/a").exists());
    drop(store);
    let (store, held, _) = fixture.open();
    assert_eq!(held, [0; 0]);
    fixture.write(&store, fixture.all());
    store.finish().unwrap();
    fixture.assert_complete();
}

#[test]
fn a_removed_folder_is_noticed() {
    let fixture = fixture();
    let (store, _, _) = fixture.open();
    fixture.write(&store, [0]);
    fs::remove_dir_all(fixture.path("name")).unwrap();
    assert!(matches!(fixture.try_write(&store, 1), Err(StoreError::Removed { .. })));
    assert!(matches!(fixture.try_write(&store, 1), Err(StoreError::Missing { .. })));
}

#[test]
fn a_replaced_file_is_noticed() {
    let fixture = fixture();
    let (store, _, _) = fixture.open();
    fixture.write(&store, [0]);
    fs::write(fixture.path("other"), vec![0; 2 * CHUNK]).unwrap();
    fs::rename(fixture.path("other"), fixture.path("name/a")).unwrap();
    assert!(matches!(store.read(0, &mut [0; 10]), Err(StoreError::Removed { .. })));
}

#[test]
fn a_truncated_file_is_noticed_before_a_write_hides_it() {
    let fixture = fixture();
    let (store, _, _) = fixture.open();
    fixture.write(&store, [0]);
    fs::File::options().write(true).open(fixture.path("name/a")).unwrap().set_len(9).unwrap();
    for result in [store.read(0, &mut [0; 10]), fixture.try_write(&store, 1)] {
        match result {
            Err(StoreError::Length { path, expected, actual }) => {
                assert_eq!((expected, actual), (2 * CHUNK as u64, 9));
                assert_eq!(path, fixture.path("name/a"));
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_file_truncated_at_the_end_is_not_finished() {
    let fixture = fixture();
    let (store, _, _) = fixture.open();
    fixture.write(&store, fixture.all());
    fs::File::options().write(true).open(fixture.path("name/b")).unwrap().set_len(9).unwrap();
    assert!(matches!(store.finish(), Err(StoreError::Length { .. })));
    assert!(fixture.marker().exists());
    drop(store);
    let (store, held, _) = fixture.open();
    assert_eq!(held, [0, 1, 3, 4]);
    fixture.write(&store, fixture.all());
    store.finish().unwrap();
    fixture.assert_complete();
}

#[test]
fn a_forbidden_folder_is_named() {
    let fixture = fixture();
    let (store, _, _) = fixture.open();
    fs::create_dir(fixture.path("name")).unwrap();
    fs::set_permissions(fixture.path("name"), fs::Permissions::from_mode(0o500)).unwrap();
    if fs::write(fixture.path("name/probe"), "").is_ok() {
        // Root may do anything.
        return;
    }
    match fixture.try_write(&store, 0) {
        Err(StoreError::Io { path, source }) => {
            assert_eq!(path, fixture.path("name/a"));
            assert_eq!(source.kind(), std::io::ErrorKind::PermissionDenied);
        }
        other => panic!("{other:?}"),
    }
}
