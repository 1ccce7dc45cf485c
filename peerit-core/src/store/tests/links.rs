//! Downloads into folders in which someone has laid links.

use std::os::unix::fs::symlink;

use super::*;

fn assert_refused(result: Result<impl Sized, StoreError>, at: &Path) {
    match result.err() {
        Some(StoreError::Unfit { path, .. }) => assert_eq!(path, at),
        other => panic!("{other:?}"),
    }
}

#[test]
fn links_that_are_there_at_the_start_are_refused() {
    let outside = tempfile::tempdir().unwrap();
    for link in ["name", "name/a", "name/a/b"] {
        let fixture = Fixture::new(&[("a/b", 100)]);
        let path = fixture.path(link);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(outside.path(), &path).unwrap();
        for overwrite in [false, true] {
            let options = OpenOptions { overwrite, ..fixture.options() };
            assert_refused(fixture.open_with(options, BOOT), &path);
        }
    }
    assert_eq!(names(outside.path()), [""; 0]);
}

#[test]
fn links_that_are_laid_later_are_refused() {
    let outside = tempfile::tempdir().unwrap();
    for link in ["name", "name/a", "name/a/b"] {
        let fixture = Fixture::new(&[("a/b", 100)]);
        let (store, _, _) = fixture.open();
        let path = fixture.path(link);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(outside.path().join(link.rsplit('/').next().unwrap()), &path).unwrap();
        assert!(fixture.try_write(&store, 0).is_err());
        assert_eq!(names(outside.path()), [""; 0]);
    }
}

#[test]
fn a_link_in_place_of_an_empty_folder_is_refused() {
    let outside = tempfile::tempdir().unwrap();
    let mut draft = draft_of("name", &[("a", 0)]);
    draft.empty_folders = vec!["b/c".into()];
    let manifest = draft.build(&[], crate::manifest::EnvelopeFields::default()).unwrap();
    let fixture = Fixture { manifest, content: Vec::new(), folder: tempfile::tempdir().unwrap() };
    let (store, _, _) = fixture.open();
    fs::create_dir(fixture.path("name")).unwrap();
    symlink(outside.path(), fixture.path("name/b")).unwrap();
    assert_refused(store.finish(), &fixture.path("name/b"));
    drop(store);
    assert_refused(fixture.open_with(fixture.options(), BOOT), &fixture.path("name/b"));
    assert_eq!(names(outside.path()), [""; 0]);
}

#[test]
fn the_folder_itself_may_be_reached_by_a_link() {
    let fixture = Fixture::new(&[("a", 100)]);
    let real = tempfile::tempdir().unwrap();
    symlink(real.path(), fixture.path("link")).unwrap();
    let options = OpenOptions { folder: fixture.path("link"), ..OpenOptions::default() };
    let (store, _, _) = fixture.open_with(options, BOOT).unwrap();
    fixture.write(&store, [0]);
    store.finish().unwrap();
    assert_eq!(names(real.path()), ["name"]);
}

#[test]
fn folders_where_files_belong_are_refused() {
    let fixture = Fixture::new(&[("a", 100)]);
    fs::create_dir_all(fixture.path("name/a")).unwrap();
    let options = OpenOptions { overwrite: true, ..fixture.options() };
    assert_refused(fixture.open_with(options, BOOT), &fixture.path("name/a"));
}
