//! Files that were there before the download.

use super::*;

fn fixture() -> Fixture {
    Fixture::new(&[("a", 2 * CHUNK), ("b", 2 * CHUNK), ("c", 2 * CHUNK), ("d", 0)])
}

fn overwriting(fixture: &Fixture) -> OpenOptions {
    OpenOptions { overwrite: true, ..fixture.options() }
}

#[test]
fn complete_content_is_used_as_it_is() {
    let fixture = fixture();
    fixture.put();
    let (store, held, hashed) = fixture.open();
    assert_eq!((held.len(), hashed), (6, 6 * CHUNK as u64));
    assert_eq!(names(fixture.folder.path()), ["name"]);
    store.finish().unwrap();
    store.sync().unwrap();
}

#[test]
fn complete_content_that_may_not_be_written_is_used() {
    use std::os::unix::fs::PermissionsExt;
    let fixture = fixture();
    fixture.put();
    fs::set_permissions(fixture.path("name/a"), fs::Permissions::from_mode(0o444)).unwrap();
    assert_eq!(fixture.open().1.len(), 6);
}

#[test]
fn files_that_match_are_used_and_the_rest_is_downloaded() {
    let fixture = fixture();
    fixture.put();
    fs::remove_file(fixture.path("name/b")).unwrap();
    fs::remove_file(fixture.path("name/d")).unwrap();
    let (store, held, _) = fixture.open();
    assert_eq!(held, [0, 1, 4, 5]);
    fixture.write(&store, [2, 3]);
    store.finish().unwrap();
    fixture.assert_complete();
}

#[test]
fn files_that_differ_are_not_touched() {
    let fixture = fixture();
    fixture.put();
    flip(&fixture.path("name/b"), 5);
    fs::write(fixture.path("name/c"), "mine").unwrap();
    fs::write(fixture.path("name/d"), "mine as well").unwrap();
    match fixture.open_with(fixture.options(), BOOT) {
        Err(error @ StoreError::Exists { .. }) => {
            let expected = format!(
                "{}: exists and differs from this content, and 2 more files; overwriting was not \
                 asked for (`--overwrite`)",
                fixture.path("name/b").display()
            );
            assert_eq!(error.to_string(), expected);
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(names(fixture.folder.path()), ["name"]);
    assert_eq!(fs::read(fixture.path("name/c")).unwrap(), b"mine");
    assert_eq!(fs::read(fixture.path("name/d")).unwrap(), b"mine as well");
}

#[test]
fn overwriting_uses_what_matches() {
    let fixture = fixture();
    fixture.put();
    flip(&fixture.path("name/b"), 5);
    fs::write(fixture.path("name/c"), vec![7; 3 * CHUNK]).unwrap();
    fs::write(fixture.path("name/d"), "not empty").unwrap();
    let (store, held, _) = fixture.open_with(overwriting(&fixture), BOOT).unwrap();
    assert_eq!(held, [0, 1, 3]);
    drop(store);
    // From now on the files are ours.
    let (store, held, _) = fixture.open();
    assert_eq!(held, [0, 1, 3]);
    fixture.write(&store, fixture.all());
    store.finish().unwrap();
    fixture.assert_complete();
}

#[test]
fn files_too_long_are_cut_when_overwriting() {
    let fixture = fixture();
    fixture.put();
    let mut longer = fs::read(fixture.path("name/a")).unwrap();
    longer.extend_from_slice(b"more");
    fs::write(fixture.path("name/a"), longer).unwrap();
    let refused = fixture.open_with(fixture.options(), BOOT);
    assert!(matches!(refused, Err(StoreError::Exists { more: 0, .. })));
    let (store, held, _) = fixture.open_with(overwriting(&fixture), BOOT).unwrap();
    assert_eq!(held.len(), 6);
    store.finish().unwrap();
    fixture.assert_complete();
}

#[test]
fn a_file_edited_after_the_download_is_the_users() {
    let fixture = fixture();
    fixture.fill();
    flip(&fixture.path("name/b"), 5);
    let refused = fixture.open_with(fixture.stamped(), BOOT);
    assert!(matches!(refused, Err(StoreError::Exists { more: 0, .. })));
}

#[test]
fn another_contents_download_is_left_alone() {
    let fixture = fixture();
    let other = Fixture::new(&[("0", CHUNK), ("a", CHUNK)]);
    let options = OpenOptions { folder: fixture.folder.path().into(), ..OpenOptions::default() };
    let (store, _, _) = other.open_with(options.clone(), BOOT).unwrap();
    match fixture.open_with(fixture.options(), BOOT) {
        Err(StoreError::OtherDownload { path }) => assert_eq!(path, fixture.marker()),
        unexpected => panic!("{unexpected:?}"),
    }
    other.write(&store, [0, 1]);
    drop(store);
    let (store, held, _) = fixture.open_with(overwriting(&fixture), BOOT).unwrap();
    assert_eq!(held, [0; 0]);
    fixture.write(&store, fixture.all());
    store.finish().unwrap();
    fixture.assert_complete();
}

#[test]
fn a_file_that_appears_meanwhile_is_not_touched() {
    let fixture = fixture();
    let (store, _, _) = fixture.open();
    fs::create_dir(fixture.path("name")).unwrap();
    fs::write(fixture.path("name/a"), "mine").unwrap();
    assert!(matches!(fixture.try_write(&store, 0), Err(StoreError::Exists { .. })));
    assert_eq!(fs::read(fixture.path("name/a")).unwrap(), b"mine");
}
