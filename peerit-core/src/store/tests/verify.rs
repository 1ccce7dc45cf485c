//! Comparing folders with manifests.

use super::*;
use crate::store::verify::{BadReason, VerifyReport, verify};

fn report(fixture: &Fixture) -> VerifyReport {
    verify(&fixture.manifest, &fixture.path("name"), &|_| {}).unwrap()
}

fn bad(fixture: &Fixture) -> Vec<(PathBuf, String)> {
    let bad = report(fixture).bad_files.into_iter();
    bad.map(|file| (file.path, file.reason.to_string())).collect()
}

#[test]
fn good_content_is_complete_whatever_its_name() {
    let fixture = Fixture::new(&[("a", 100_000), ("b", 0)]);
    fixture.put();
    fs::rename(fixture.path("name"), fixture.path("other")).unwrap();
    let checked = std::cell::Cell::new(0);
    let report =
        verify(&fixture.manifest, &fixture.path("other"), &|bytes| checked.set(bytes)).unwrap();
    assert!(report.is_complete());
    assert_eq!(checked.get(), 100_000);
}

#[test]
fn each_bad_file_has_its_reason() {
    let files = ["a", "b", "c", "d", "e", "f"].map(|path| (path, CHUNK));
    let fixture = Fixture::new(&files);
    fixture.put();
    fs::remove_file(fixture.path("name/a")).unwrap();
    fs::write(fixture.path("name/b"), "short").unwrap();
    flip(&fixture.path("name/c"), 7);
    fs::remove_file(fixture.path("name/d")).unwrap();
    std::os::unix::fs::symlink(fixture.path("name/e"), fixture.path("name/d")).unwrap();
    let path = |path: &str| fixture.path(&format!("name/{path}"));
    let link = format!(
        "{}: is a symbolic link, which is not what the content has there",
        path("d").display()
    );
    let expected = [
        (path("a"), "missing".to_owned()),
        (path("b"), "5 bytes instead of 65536".to_owned()),
        (path("c"), "differs in 1 chunk".to_owned()),
        (path("d"), link),
    ];
    assert_eq!(bad(&fixture), expected);
    assert_eq!(indices(&report(&fixture).held), [4, 5]);
}

#[test]
fn neighbours_of_a_missing_file_are_not_called_bad() {
    let fixture = Fixture::new(&[("a", 10), ("b", 10), ("c", 2 * CHUNK)]);
    fixture.put();
    fs::remove_file(fixture.path("name/b")).unwrap();
    let report = report(&fixture);
    let reasons: Vec<_> = report.bad_files.iter().map(|file| &file.reason).collect();
    assert!(matches!(reasons[..], [BadReason::Unknown, BadReason::Missing, BadReason::Unknown]));
    assert_eq!(indices(&report.held), [1, 2]);
}

#[test]
fn nothing_at_all_is_a_report_too() {
    let fixture = Fixture::new(&[("a", 10)]);
    let report = report(&fixture);
    assert!(!report.is_complete());
    assert!(matches!(report.bad_files[0].reason, BadReason::Missing));
}

#[test]
fn empty_folders_count() {
    let mut draft = draft_of("name", &[("a", 0)]);
    draft.empty_folders = vec!["b".into(), "c".into()];
    let manifest = draft.build(&[], EnvelopeFields::default()).unwrap();
    let fixture = Fixture { manifest, content: Vec::new(), folder: tempfile::tempdir().unwrap() };
    fixture.put();
    fs::write(fixture.path("name/b"), "").unwrap();
    let report = report(&fixture);
    assert!(report.held.is_full() && !report.is_complete());
    assert!(matches!(report.bad_files[0].reason, BadReason::Unfit(_)));
    assert!(matches!(report.bad_files[1].reason, BadReason::Missing));
}
