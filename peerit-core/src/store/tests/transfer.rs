//! A download from its first chunk to its end.

use std::os::unix::fs::{MetadataExt, PermissionsExt};

use super::*;
use crate::manifest::EnvelopeFields;
use crate::store::HandleCache;
use crate::store::create::{CreateOptions, create_manifest};

#[test]
fn a_file_is_downloaded() {
    let content = noise(1, 200_000);
    let manifest = manifest_of("name", &[("", &content)]);
    let fixture = Fixture { manifest, content, folder: tempfile::tempdir().unwrap() };
    let (store, held, hashed) = fixture.open();
    assert_eq!((held.as_slice(), hashed), ([].as_slice(), 0));
    assert_eq!(names(fixture.folder.path()), ["name.peerit-partial"]);
    fixture.write(&store, [3, 0, 2, 1]);
    assert_eq!(names(fixture.folder.path()), ["name", "name.peerit-partial"]);
    store.finish().unwrap();
    store.finish().unwrap();
    assert_eq!(names(fixture.folder.path()), ["name"]);
    assert!(fs::read(fixture.path("name")).unwrap() == fixture.content);
    assert_eq!(store.path(), fixture.path("name"));
}

#[test]
fn chunks_run_over_file_borders() {
    let fixture =
        Fixture::new(&[("a", 10), ("b/c", 100_000), ("b/d", 0), ("b/e/f", 70_000), ("g", 3)]);
    let (store, _, _) = fixture.open();
    fixture.write(&store, fixture.all().rev());
    let mut read = vec![0; fixture.content.len() - 7];
    store.read(5, &mut read).unwrap();
    assert!(read == fixture.content[5..fixture.content.len() - 2]);
    store.finish().unwrap();
    fixture.assert_complete();
    store.read(5, &mut read).unwrap();
}

#[test]
fn nothing_is_made_before_it_is_needed() {
    let fixture = Fixture::new(&[("a/b", CHUNK), ("c/d", CHUNK), ("e", 0)]);
    let (store, _, _) = fixture.open();
    fixture.write(&store, [1]);
    assert_eq!(names(&fixture.path("name")), ["c"]);
    let finished = store.finish();
    assert!(matches!(finished, Err(StoreError::Incomplete { missing: 1 })));
    assert!(fixture.marker().exists());
}

#[test]
fn empty_files_and_folders_are_made() {
    let mut draft = draft_of("name", &[("a/empty", 0), ("b.sh", 0)]);
    draft.empty_folders = vec!["c/d".into()];
    let manifest = draft.build(&[], EnvelopeFields::default()).unwrap();
    let fixture = Fixture { manifest, content: Vec::new(), folder: tempfile::tempdir().unwrap() };
    let (store, _, _) = fixture.open();
    assert!(fixture.marker().exists());
    store.finish().unwrap();
    fixture.assert_complete();
    assert!(fixture.path("name/c/d").is_dir());
    let (_, _, _) = fixture.open();
    assert!(!fixture.marker().exists());
    fs::remove_dir(fixture.path("name/c/d")).unwrap();
    let (store, _, _) = fixture.open();
    store.finish().unwrap();
    assert!(fixture.path("name/c/d").is_dir());
}

#[test]
fn a_content_of_nothing_is_a_folder() {
    let manifest = draft_of("name", &[]).build(&[], EnvelopeFields::default()).unwrap();
    let fixture = Fixture { manifest, content: Vec::new(), folder: tempfile::tempdir().unwrap() };
    fixture.open().0.finish().unwrap();
    assert_eq!(names(fixture.folder.path()), ["name"]);
}

#[test]
fn programs_can_be_run_by_those_who_may_read_them() {
    let fixture = Fixture::new(&[("a.sh", 10), ("b", 10)]);
    let (store, _, _) = fixture.open();
    fixture.write(&store, [0]);
    let mode = |path| fs::metadata(fixture.path(path)).unwrap().permissions().mode();
    assert_eq!(mode("name/a.sh") & 0o111, 0);
    // As if made with a umask of 027.
    fs::set_permissions(fixture.path("name/a.sh"), fs::Permissions::from_mode(0o640)).unwrap();
    store.finish().unwrap();
    assert_eq!(mode("name/a.sh") & 0o777, 0o750);
    assert_eq!(mode("name/b") & 0o111, 0);
}

#[test]
fn names_of_all_languages_are_kept() {
    let fixture = Fixture::new(&[("größe/数据.txt", 10), ("πλήρης \u{1f980}", 100_000)]);
    fixture.fill();
    fixture.assert_complete();
}

#[test]
fn long_names_have_markers_too() {
    let content = noise(1, 10);
    let name = "n".repeat(255);
    let manifest = manifest_of(&name, &[("", &content)]);
    let fixture = Fixture { manifest, content, folder: tempfile::tempdir().unwrap() };
    let (store, _, _) = fixture.open();
    fixture.write(&store, [0]);
    drop(store);
    assert_eq!(names(fixture.folder.path()).len(), 2);
    let (store, held, hashed) = fixture.open();
    assert_eq!((held.as_slice(), hashed), ([0].as_slice(), 0));
    store.finish().unwrap();
    assert_eq!(names(fixture.folder.path()), [name]);
}

#[test]
fn content_may_have_another_name() {
    let fixture = Fixture::new(&[("a", 10)]);
    let options = OpenOptions { name: Some("other".into()), ..fixture.options() };
    let (store, _, _) = fixture.open_with(options, BOOT).unwrap();
    fixture.write(&store, [0]);
    assert_eq!(names(fixture.folder.path()), ["other", "other.peerit-partial"]);
    for name in ["..", "a/b", ""] {
        let options = OpenOptions { name: Some(name.into()), ..fixture.options() };
        assert!(matches!(fixture.open_with(options, BOOT), Err(StoreError::Name { .. })));
    }
}

#[test]
fn thousands_of_files_need_few_handles() {
    let paths: Vec<String> = (0..2_000).map(|file| format!("{:02}/{file:04}", file / 60)).collect();
    let files: Vec<_> = paths.iter().map(|path| (path.as_str(), 3_000)).collect();
    let fixture = Fixture::new(&files);
    let handles = std::sync::Arc::new(HandleCache::new(10));
    let options = OpenOptions { handles: handles.clone(), ..fixture.options() };
    let (store, _, _) = fixture.open_with(options, BOOT).unwrap();
    fixture.write(&store, fixture.all());
    assert_eq!(handles.open_count(), 10);
    let mut read = vec![0; fixture.content.len()];
    store.read(0, &mut read).unwrap();
    assert!(read == fixture.content);
    assert_eq!(handles.open_count(), 10);
    store.finish().unwrap();
    drop(store);
    assert_eq!(handles.open_count(), 0);
    fixture.assert_complete();
    let options =
        CreateOptions { chunk_length: Some(CHUNK_LENGTH_MIN), ..CreateOptions::default() };
    let manifest = create_manifest(&fixture.path("name"), &options, &|_, _| {}).unwrap();
    assert_eq!(manifest.content_id(), fixture.manifest.content_id());
}

#[test]
fn a_hundred_gibibytes_take_the_room_of_what_is_written() {
    const LENGTH: u64 = 100 << 30;
    let mut draft = draft_of("name", &[("a", 7), ("b", LENGTH)]);
    draft.chunk_length = 4 << 20;
    let chunk_count = draft.layout().unwrap().chunk_count();
    let digests = vec![0; chunk_count as usize * 32];
    let manifest = draft.build(&digests, EnvelopeFields::default()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let options = || OpenOptions { folder: folder.path().into(), ..OpenOptions::default() };
    let open = || FileStore::open_in_boot(&manifest, options(), BOOT, &|_| {}).unwrap();
    let (store, _) = open();
    let last = ChunkIndex(chunk_count - 1);
    let layout = manifest.layout();
    let block = Bytes::from(noise(1, layout.length_of(last) as usize));
    store.write_chunk(last, layout.chunk_start(last), std::slice::from_ref(&block)).unwrap();
    let metadata = fs::metadata(folder.path().join("name/b")).unwrap();
    assert_eq!(metadata.len(), LENGTH);
    assert!(metadata.blocks() * 512 < 1 << 20);
    drop(store);
    let (store, held) = open();
    assert_eq!(indices(&held), [last.0]);
    let mut read = vec![0; block.len()];
    store.read(layout.chunk_start(last), &mut read).unwrap();
    assert!(read == block);
}

#[test]
fn ranges_that_are_no_chunk_are_refused() {
    let fixture = Fixture::new(&[("a", 100_000)]);
    let (store, _, _) = fixture.open();
    let write = |chunk, offset, length: usize| {
        let block = [Bytes::from(vec![0; length])];
        matches!(
            store.write_chunk(ChunkIndex(chunk), offset, &block),
            Err(StoreError::Range { .. })
        )
    };
    assert!(write(0, 1, CHUNK));
    assert!(write(0, 0, CHUNK - 1));
    assert!(write(1, CHUNK as u64, CHUNK));
    assert!(write(2, 2 * CHUNK as u64, 0));
    assert!(!fixture.path("name").exists());
    assert!(matches!(store.read(99_999, &mut [0; 2]), Err(StoreError::Range { .. })));
    assert!(matches!(store.read(u64::MAX, &mut [0; 2]), Err(StoreError::Range { .. })));
}
