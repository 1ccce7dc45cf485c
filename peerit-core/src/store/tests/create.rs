//! Making manifests.

use std::cell::RefCell;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;
use crate::manifest::ManifestError;
use crate::store::create::{CreateError, CreateOptions, create, create_manifest, may_be_of};

fn options() -> CreateOptions {
    CreateOptions { chunk_length: Some(CHUNK_LENGTH_MIN), ..CreateOptions::default() }
}

fn create_at(path: &Path) -> Result<Manifest, CreateError> {
    create_manifest(path, &options(), &|_, _| {})
}

#[test]
fn a_manifest_tells_what_is_there() {
    let fixture = Fixture::new(&[
        ("a", 100_000),
        ("b.sh", 3),
        ("b/c", 70_000),
        ("empty", 0),
        ("größe", 200_000),
    ]);
    fixture.put();
    fs::set_permissions(fixture.path("name/b.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    let progress = RefCell::new(Vec::new());
    let told = |done, total| progress.borrow_mut().push((done, total));
    let manifest = create_manifest(&fixture.path("name"), &options(), &told).unwrap();
    assert_eq!(manifest.info_bytes(), fixture.manifest.info_bytes());
    let progress = progress.into_inner();
    let total = fixture.content.len() as u64;
    assert_eq!((progress.first(), progress.last()), (Some(&(0, total)), Some(&(total, total))));
    assert!(progress.is_sorted());
}

#[test]
fn a_single_file_and_the_other_algorithm() {
    let folder = tempfile::tempdir().unwrap();
    let content = noise(1, 100_000);
    fs::write(folder.path().join("file"), &content).unwrap();
    let options = CreateOptions {
        hash_algorithm: HashAlgorithm::Sha1,
        trackers: vec!["tracker.example:59000".into()],
        comment: "a comment".into(),
        created_unix_s: 7,
        ..options()
    };
    let manifest = create_manifest(&folder.path().join("file"), &options, &|_, _| {}).unwrap();
    assert!(manifest.is_single_file());
    assert_eq!(manifest.name(), "file");
    let last = HashAlgorithm::Sha1.digest(&content[CHUNK..]);
    assert_eq!(manifest.digest(ChunkIndex(1)), last.as_bytes());
    assert_eq!(manifest.trackers(), options.trackers);
    assert_eq!((manifest.comment(), manifest.created_unix_s()), ("a comment", 7));
}

#[test]
fn empty_folders_are_listed_and_full_ones_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root");
    for path in ["b/e", "b/a", "c"] {
        fs::create_dir_all(root.join(path)).unwrap();
    }
    fs::write(root.join("c/file"), "").unwrap();
    let manifest = create_at(&root).unwrap();
    assert_eq!(manifest.empty_folders(), ["b/a", "b/e"]);
    assert_eq!(manifest.files().len(), 1);
}

#[test]
fn what_cannot_be_shared_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root");
    fs::create_dir(&root).unwrap();
    let bad = root.join("bad");
    symlink("nowhere", &bad).unwrap();
    match create_at(&root) {
        Err(CreateError::Unfit { path, kind }) => {
            assert_eq!((path, kind), (bad.clone(), "a symbolic link"));
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(create_at(&bad), Err(CreateError::Unfit { .. })));
    fs::remove_file(&bad).unwrap();
    let socket = std::os::unix::net::UnixListener::bind(&bad).unwrap();
    assert!(matches!(create_at(&root), Err(CreateError::Unfit { kind: "a socket", .. })));
    drop(socket);
    fs::remove_file(&bad).unwrap();
    assert!(matches!(create_at(&bad), Err(CreateError::Store(StoreError::Missing { .. }))));
}

#[test]
fn names_that_no_manifest_has_are_refused_before_hashing() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root");
    fs::create_dir(&root).unwrap();
    fs::write(root.join("content"), "x").unwrap();
    for name in ["con", "CONTENT"] {
        fs::write(root.join(name), "x").unwrap();
        let created = create_manifest(&root, &options(), &|_, _| panic!("hashed"));
        assert!(matches!(created, Err(CreateError::Manifest(ManifestError::Path { .. }))));
        fs::remove_file(root.join(name)).unwrap();
    }
    let name = root.join(OsStr::from_bytes(b"\xff"));
    if fs::write(&name, "x").is_ok() {
        match create_at(&root) {
            Err(CreateError::NotUtf8 { path }) => assert_eq!(path, name),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn what_cannot_be_the_same_content_is_known_without_its_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root");
    fs::create_dir(&root).unwrap();
    let put = |name: &str, content: &[u8]| fs::write(root.join(name), content).unwrap();
    put("a", b"content");
    let manifest = create_at(&root).unwrap();
    let may_be = |options: &CreateOptions| may_be_of(&manifest, &root, options).unwrap();
    assert!(may_be(&options()));
    assert!(!may_be(&CreateOptions { hash_algorithm: HashAlgorithm::Sha1, ..options() }));
    assert!(!may_be(&CreateOptions { chunk_length: Some(2 * CHUNK_LENGTH_MIN), ..options() }));
    put("a", b"contend");
    assert!(may_be(&options()), "nobody has read it");
    put("a", b"contents");
    assert!(!may_be(&options()));
    fs::rename(root.join("a"), root.join("b")).unwrap();
    put("b", b"content");
    assert!(!may_be(&options()));
}

#[test]
fn unfinished_downloads_are_not_shared() {
    let fixture = Fixture::new(&[("a", 2 * CHUNK)]);
    fixture.write(&fixture.open().0, [1]);
    for path in [fixture.path("name"), fixture.folder.path().to_owned()] {
        match create_at(&path) {
            Err(CreateError::Unfinished { path }) => assert_eq!(path, fixture.marker()),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn changes_while_hashing_are_noticed() {
    type Change = fn(&Path);
    let longer: Change = |path| fs::write(path, vec![0; 3 * CHUNK + 1]).unwrap();
    let shorter: Change = |path| fs::write(path, "short").unwrap();
    let gone: Change = |path| fs::remove_file(path).unwrap();
    let other: Change = |path| set_mtime(path, 7);
    for change in [longer, shorter, gone, other] {
        // At the start of hashing, and when all is hashed.
        for at in [0, 6 * CHUNK as u64] {
            let fixture = Fixture::new(&[("a", 3 * CHUNK), ("b", 3 * CHUNK)]);
            fixture.put();
            let path = fixture.path("name/b");
            let progress = |done, _| {
                if done == at {
                    change(&path);
                }
            };
            match create(&fixture.path("name"), &options(), &progress) {
                Err(CreateError::Store(error)) => assert_eq!(error.path(), Some(path.as_path())),
                other => panic!("{other:?}"),
            }
        }
    }
}

#[test]
fn hashing_can_be_cancelled() {
    let fixture = Fixture::new(&[("a", 3 * CHUNK)]);
    fixture.put();
    let options = options();
    options.cancelled.store(true, std::sync::atomic::Ordering::Relaxed);
    let created = create(&fixture.path("name"), &options, &|_, _| {});
    assert!(matches!(created, Err(CreateError::Store(StoreError::Cancelled))));
}
