//! Content that its user shares.

use super::*;
use crate::store::create::{CreateOptions, Created, create};

fn origin(fixture: &Fixture) -> OpenOptions {
    OpenOptions { origin: true, ..fixture.stamped() }
}

fn fixture() -> Fixture {
    let fixture = Fixture::new(&[("a", 2 * CHUNK), ("b", 2 * CHUNK), ("c", 0)]);
    fixture.put();
    fixture
}

#[test]
fn what_was_just_hashed_is_not_hashed_again() {
    let fixture = fixture();
    let chunk_length = Some(CHUNK_LENGTH_MIN);
    let options = CreateOptions { chunk_length, ..CreateOptions::default() };
    let Created { manifest, stamp } = create(&fixture.path("name"), &options, &|_, _| {}).unwrap();
    assert_eq!(manifest.content_id(), fixture.manifest.content_id());
    let options = OpenOptions { stamp: Some(stamp), ..origin(&fixture) };
    let (store, held, hashed) = fixture.open_with(options, BOOT).unwrap();
    assert_eq!((held.len(), hashed), (4, 0));
    let mut read = vec![0; fixture.content.len()];
    store.read(0, &mut read).unwrap();
    assert!(read == fixture.content);
    // The stamp was kept.
    let (_, held, hashed) = fixture.open_with(origin(&fixture), BOOT).unwrap();
    assert_eq!((held.len(), hashed), (4, 0));
}

#[test]
fn only_files_that_changed_are_hashed_and_nothing_is_written() {
    let fixture = fixture();
    assert_eq!(fixture.open_with(origin(&fixture), BOOT).unwrap().2, 4 * CHUNK as u64);
    set_mtime(&fixture.path("name/a"), 5);
    let before = fs::read(fixture.path("name/a")).unwrap();
    let (store, held, hashed) = fixture.open_with(origin(&fixture), BOOT).unwrap();
    assert_eq!((held.len(), hashed), (4, 2 * CHUNK as u64));
    assert!(matches!(fixture.try_write(&store, 0), Err(StoreError::ReadOnly { .. })));
    store.finish().unwrap();
    store.sync().unwrap();
    assert!(fs::read(fixture.path("name/a")).unwrap() == before);
    assert_eq!(names(fixture.folder.path()), ["name", "stamp"]);
}

#[test]
fn what_is_not_as_it_must_be_is_named() {
    let fixture = fixture();
    let refused = || fixture.open_with(origin(&fixture), BOOT).unwrap_err();
    assert!(fixture.open_with(origin(&fixture), BOOT).is_ok());
    let b = fixture.path("name/b");
    flip(&b, CHUNK);
    set_mtime(&b, 5);
    assert!(matches!(refused(), StoreError::Modified { path } if path == b));
    // Of a file with more bytes at its end every chunk matches.
    flip(&b, CHUNK);
    set_mtime(&b, 5);
    let length = 2 * CHUNK as u64;
    fs::File::options().write(true).open(&b).unwrap().set_len(length + 1).unwrap();
    assert!(matches!(refused(), StoreError::Length { actual, .. } if actual == length + 1));
    fs::remove_file(&b).unwrap();
    assert!(matches!(refused(), StoreError::Missing { path } if path == b));
    fs::create_dir(&b).unwrap();
    assert!(matches!(refused(), StoreError::Unfit { path, .. } if path == b));
    let options = OpenOptions { folder: fixture.path("none"), ..origin(&fixture) };
    assert!(matches!(fixture.open_with(options, BOOT), Err(StoreError::Missing { .. })));
}

#[test]
fn what_changes_while_it_is_shared_is_noticed() {
    let fixture = fixture();
    let (store, _, _) = fixture.open_with(origin(&fixture), BOOT).unwrap();
    store.read(0, &mut [0; 1]).unwrap();
    store.check().unwrap();
    let a = fixture.path("name/a");
    set_mtime(&a, 5);
    let modified = |result| matches!(result, Err(StoreError::Modified { path }) if path == a);
    assert!(modified(store.read(0, &mut [0; 1])));
    assert!(modified(store.check()));
    store.read(2 * CHUNK as u64, &mut [0; 1]).unwrap();
    fs::remove_file(fixture.path("name/b")).unwrap();
    assert!(store.read(2 * CHUNK as u64, &mut [0; 1]).is_err());
}
