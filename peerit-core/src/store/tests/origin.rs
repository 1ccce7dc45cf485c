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
    flip(&fixture.path("name/a"), 5);
    set_mtime(&fixture.path("name/a"), 5);
    let before = fs::read(fixture.path("name/a")).unwrap();
    let (store, held, hashed) = fixture.open_with(origin(&fixture), BOOT).unwrap();
    assert_eq!((held.as_slice(), hashed), ([1, 2, 3].as_slice(), 2 * CHUNK as u64));
    assert!(matches!(fixture.try_write(&store, 0), Err(StoreError::ReadOnly { .. })));
    store.finish().unwrap();
    store.sync().unwrap();
    assert!(fs::read(fixture.path("name/a")).unwrap() == before);
    assert_eq!(names(fixture.folder.path()), ["name", "stamp"]);
}

#[test]
fn what_is_gone_is_not_held() {
    let fixture = fixture();
    fs::remove_file(fixture.path("name/b")).unwrap();
    fs::create_dir(fixture.path("name/b")).unwrap();
    let (store, held, _) = fixture.open_with(origin(&fixture), BOOT).unwrap();
    assert_eq!(held, [0, 1]);
    assert!(store.read(2 * CHUNK as u64, &mut [0; 1]).is_err());
    assert!(!fixture.path("stamp").exists());
    let options = OpenOptions { folder: fixture.path("none"), ..origin(&fixture) };
    assert!(matches!(fixture.open_with(options, BOOT), Err(StoreError::Missing { .. })));
}

#[test]
fn what_vanishes_while_it_is_shared_is_noticed() {
    let fixture = fixture();
    let (store, _, _) = fixture.open_with(origin(&fixture), BOOT).unwrap();
    store.read(0, &mut [0; 1]).unwrap();
    set_mtime(&fixture.path("name/a"), 5);
    store.read(0, &mut [0; 1]).unwrap();
    fs::remove_file(fixture.path("name/b")).unwrap();
    assert!(store.read(2 * CHUNK as u64, &mut [0; 1]).is_err());
}
