//! Crafted `.p2p` files, each with one fault: every one is refused with an error that names the
//! field.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests may panic")]

use peerit_core::hash::HashAlgorithm;
use peerit_core::id::ContentId;
use peerit_core::manifest::{
    CONTENT_LENGTH_MAX, Draft, DraftFile, EMPTY_FOLDER_COUNT_MAX, EnvelopeFields, FILE_COUNT_MAX,
    MANIFEST_LENGTH_MAX, Manifest, ManifestError, PathFault,
};
use peerit_proto::Message;
use peerit_proto::manifest::v1::{
    ChunkLayout, ChunkLengths, Envelope, File, Info, Publication, chunk_layout::Layout,
};

/// Two files and an empty folder: 100,000 bytes, two chunks.
fn good_info() -> Info {
    Info {
        name: "content".into(),
        files: vec![file("a", 60_000), file("b/c", 40_000)],
        empty_folders: vec!["d".into()],
        length_bytes: 100_000,
        chunk_layout: Some(ChunkLayout { layout: Some(Layout::FixedLengthBytes(65_536)) }),
        hash_algorithm: 1,
        digests: vec![7; 64].into(),
    }
}

fn file(path: &str, length_bytes: u64) -> File {
    File { path: path.into(), length_bytes, executable: false }
}

fn good_envelope() -> Envelope {
    Envelope { info: good_info().encode_to_vec().into(), ..Envelope::default() }
}

fn parse(envelope: &Envelope) -> Result<Manifest, ManifestError> {
    Manifest::parse(&envelope.encode_to_vec())
}

/// The error of an `Info` with one fault, and its text.
fn refused(fault: impl FnOnce(&mut Info)) -> (ManifestError, String) {
    let mut info = good_info();
    fault(&mut info);
    refused_envelope(|envelope| envelope.info = info.encode_to_vec().into())
}

/// The error of an envelope with one fault, and its text.
fn refused_envelope(fault: impl FnOnce(&mut Envelope)) -> (ManifestError, String) {
    let mut envelope = good_envelope();
    fault(&mut envelope);
    let error = parse(&envelope).unwrap_err();
    let text = error.to_string();
    (error, text)
}

/// The fault of the second file when it has this path.
fn refused_path(path: &str) -> PathFault {
    match refused(|info| info.files[1].path = path.into()).0 {
        ManifestError::Path { field, fault, .. } => {
            assert_eq!(field, "files[1].path");
            fault
        }
        other => panic!("{path:?}: {other}"),
    }
}

#[test]
fn without_a_fault_it_is_good() {
    assert_eq!(parse(&good_envelope()).unwrap().layout().chunk_count(), 2);
}

#[test]
fn absolute_paths() {
    assert_eq!(refused_path("/etc/passwd"), PathFault::Absolute);
    assert_eq!(refused_path("C:\\Windows"), PathFault::Character(':'));
    assert_eq!(refused_path("\\\\server\\share"), PathFault::Character('\\'));
    let (_, text) = refused(|info| info.files[1].path = "/etc/passwd".into());
    assert_eq!(text, "files[1].path \"/etc/passwd\": starts with '/'");
}

#[test]
fn paths_that_climb() {
    for path in ["..", "../x", "b/../../x", "b/..", ".", "./x", "b/./x"] {
        assert_eq!(refused_path(path), PathFault::Dots, "{path}");
    }
}

#[test]
fn empty_paths_and_components() {
    for path in ["", "b//x", "b/"] {
        assert_eq!(refused_path(path), PathFault::Empty, "{path}");
    }
    let (_, text) = refused(|info| info.empty_folders[0].clear());
    assert_eq!(text, "empty_folders[0] \"\": has an empty component");
}

#[test]
fn a_single_file_has_no_folders_beside_it() {
    let (_, text) = refused(|info| info.files = vec![file("", 100_000)]);
    assert_eq!(text, "files[0].path \"\": has an empty component");
}

#[test]
fn control_characters_and_what_windows_refuses() {
    let control = ['\0', '\n', '\r', '\u{1b}', '\u{7f}', '\u{9b}', '\u{202e}'];
    for found in control.into_iter().chain("\\:?*|<>\"".chars()) {
        assert_eq!(refused_path(&format!("b/x{found}y")), PathFault::Character(found));
    }
    assert_eq!(refused_path("b/x."), PathFault::Ending);
    assert_eq!(refused_path("b/x "), PathFault::Ending);
}

#[test]
fn device_names() {
    for path in ["CON", "b/nul", "aux.c", "b/Com1.tar.gz", "LPT9/x"] {
        assert_eq!(refused_path(path), PathFault::Device, "{path}");
    }
}

#[test]
fn long_names_and_paths() {
    assert_eq!(refused_path(&"x".repeat(256)), PathFault::ComponentTooLong);
    assert_eq!(refused_path(&"x/".repeat(2_050)), PathFault::PathTooLong);
    let (_, text) = refused(|info| info.files[1].path = "x".repeat(1 << 20));
    assert!(text.len() < 400, "an error repeats a megabyte of path");
}

#[test]
fn names_with_separators_and_other_faults() {
    for (name, fault) in [
        ("", PathFault::Empty),
        ("..", PathFault::Dots),
        ("a/b", PathFault::Character('/')),
        ("/a", PathFault::Character('/')),
        ("a\\b", PathFault::Character('\\')),
        ("a\0", PathFault::Character('\0')),
        ("NUL.txt", PathFault::Device),
        (&"x".repeat(256), PathFault::ComponentTooLong),
    ] {
        let (error, text) = refused(|info| info.name = name.into());
        assert!(matches!(error, ManifestError::Path { fault: f, .. } if f == fault), "{text}");
        assert!(text.starts_with("name "), "{text}");
    }
}

#[test]
fn paths_that_are_there_twice() {
    assert_eq!(refused_path("a"), PathFault::Duplicate);
    let (_, text) = refused(|info| info.empty_folders.push("d".into()));
    assert_eq!(text, "empty_folders[1] \"d\": is there twice");
}

#[test]
fn paths_that_are_one_on_some_systems() {
    assert_eq!(refused_path("A"), PathFault::Collides("a".into()));
    let (_, text) = refused(|info| {
        info.files[0].path = "Größe/1".into();
        info.files[1].path = "GRO\u{308}SSE/2".into();
    });
    assert!(text.starts_with("files[1].path"), "{text}");
    assert!(text.contains("is one with \"Größe/1\""), "{text}");
}

#[test]
fn files_that_are_folders_too() {
    assert_eq!(refused_path("a/x"), PathFault::Inside("a".into()));
    assert_eq!(refused_path("d/x"), PathFault::Inside("d".into()));
}

#[test]
fn lengths_that_do_not_add_up() {
    let (error, text) = refused(|info| info.length_bytes = 100_001);
    assert_eq!(error, ManifestError::Length { declared: 100_001, sum: 100_000 });
    assert_eq!(text, "length_bytes: 100001, but the files have 100000");
}

#[test]
fn lengths_that_overflow() {
    for (length, index) in [(u64::MAX, 0), (u64::MAX - 40_000, 0), (CONTENT_LENGTH_MAX, 1)] {
        let (error, _) = refused(|info| {
            info.files[0].length_bytes = length;
            info.length_bytes = length.wrapping_add(40_000);
        });
        let field = format!("files[{index}].length_bytes");
        assert_eq!(error, ManifestError::TooMuchContent { field });
    }
}

#[test]
fn digests_that_do_not_fit() {
    for length in [0, 32, 40, 63, 65, 96] {
        let (error, text) = refused(|info| info.digests = vec![7; length].into());
        assert!(matches!(error, ManifestError::Digests { expected: 64, .. }), "{text}");
        assert!(text.starts_with("digests: "), "{text}");
    }
    let (error, _) = refused(|info| info.hash_algorithm = 2);
    let algorithm = HashAlgorithm::Sha1;
    let expected = ManifestError::Digests { chunk_count: 2, algorithm, expected: 40, actual: 64 };
    assert_eq!(error, expected);
}

#[test]
fn unknown_algorithms() {
    let (error, _) = refused(|info| info.hash_algorithm = 0);
    assert_eq!(error, ManifestError::Missing { field: "hash_algorithm" });
    let (_, text) = refused(|info| info.hash_algorithm = 3);
    assert_eq!(text, "hash_algorithm: 3 is not supported");
}

#[test]
fn layouts_that_cannot_be() {
    for missing in [None, Some(ChunkLayout { layout: None })] {
        let (error, _) = refused(|info| info.chunk_layout = missing);
        assert_eq!(error, ManifestError::Missing { field: "chunk_layout" });
    }
    for length in [0, 1, 65_537, 32 << 10, 32 << 20] {
        let layout = Some(Layout::FixedLengthBytes(length));
        let (error, text) = refused(|info| info.chunk_layout = Some(ChunkLayout { layout }));
        assert!(matches!(error, ManifestError::Layout(_)), "{text}");
        assert!(text.starts_with("chunk_layout: "), "{text}");
    }
}

#[test]
fn more_chunks_than_a_swarm_handles() {
    let (error, text) = refused(|info| {
        info.files[0].length_bytes = 1 << 39;
        info.length_bytes = (1 << 39) + 40_000;
    });
    assert!(matches!(error, ManifestError::Layout(_)), "{text}");
}

#[test]
fn lists_of_chunk_lengths() {
    let lengths = ChunkLengths { lengths_bytes: vec![60_000, 40_000] };
    let layout = Some(ChunkLayout { layout: Some(Layout::Lengths(lengths)) });
    let (_, text) = refused(|info| info.chunk_layout = layout);
    assert_eq!(text, "chunk_layout: a list of lengths is not supported");
}

#[test]
fn counts_beyond_limits() {
    // Two bytes an entry: a key and the length 0.
    let empty_entries = |number: u8, count: usize| [number << 3 | 2, 0].repeat(count);
    let refused_with = |number: u8, count: usize| {
        let info = [good_info().encode_to_vec(), empty_entries(number, count)].concat();
        refused_envelope(|envelope| envelope.info = info.into()).0
    };
    // The good info has two files and one empty folder.
    for (number, there, max, field) in
        [(2, 2, FILE_COUNT_MAX, "files"), (3, 1, EMPTY_FOLDER_COUNT_MAX, "empty_folders")]
    {
        let error = refused_with(number, max - there);
        assert!(matches!(error, ManifestError::Path { fault: PathFault::Empty, .. }), "{error}");
        assert_eq!(refused_with(number, max - there + 1), ManifestError::TooMany { field, max });
    }
    for (number, field) in [(2, "trackers"), (3, "web_seeds")] {
        let bytes = [good_envelope().encode_to_vec(), empty_entries(number, 65)].concat();
        let error = Manifest::parse(&bytes).unwrap_err();
        assert_eq!(error, ManifestError::TooMany { field, max: 64 });
    }
}

/// A good `Info`, made this long by a field that no version knows.
fn info_of_length(length: usize) -> Vec<u8> {
    let mut info = good_info().encode_to_vec();
    let padding = length - info.len() - 5;
    info.push(15 << 3 | 2);
    let low_byte = |shift: u32| (padding >> shift).to_le_bytes()[0];
    info.extend([0, 7, 14].map(|shift| low_byte(shift) | 0x80));
    info.push(low_byte(21));
    info.resize(length, 0);
    info
}

#[test]
fn manifests_over_64_mib() {
    let too_long = MANIFEST_LENGTH_MAX + 1;
    let error = Manifest::parse(&vec![0; too_long]).unwrap_err();
    assert_eq!(error, ManifestError::TooLarge(too_long));

    let from_peers = |length| {
        let info = info_of_length(length);
        let id = ContentId(*blake3::hash(&info).as_bytes());
        Manifest::from_info_bytes(info.into(), id, Vec::new()).map(|_| ())
    };
    // Four bytes of length and one of key go before the info.
    assert_eq!(from_peers(MANIFEST_LENGTH_MAX - 5), Ok(()));
    assert_eq!(from_peers(MANIFEST_LENGTH_MAX - 4), Err(ManifestError::TooLarge(too_long)));
    assert_eq!(from_peers(too_long), Err(ManifestError::TooLarge(too_long)));
}

#[test]
fn bytes_of_something_else() {
    let error = Manifest::parse(b"").unwrap_err();
    assert_eq!(error, ManifestError::Missing { field: "info" });
    for bytes in
        [&b"d8:announce35:udp://tracker"[..], b"<html></html>", b"PK\x03\x04", b"\n\xff\xff"]
    {
        let error = Manifest::parse(bytes).unwrap_err();
        assert!(matches!(error, ManifestError::Malformed(_)), "{error}");
    }
}

#[test]
fn cut_files() {
    let whole = good_envelope().encode_to_vec();
    for length in 0..whole.len() {
        assert!(Manifest::parse(&whole[..length]).is_err(), "cut to {length}");
    }
}

#[test]
fn text_that_is_not_utf_8() {
    let mut info = good_info().encode_to_vec();
    let at = info.windows(3).position(|text| text == b"b/c").unwrap();
    info[at] = 0xff;
    let (error, text) = refused_envelope(|envelope| envelope.info = info.into());
    assert!(matches!(error, ManifestError::Malformed(_)), "{error}");
    assert!(text.contains("Info.files") && text.contains("File.path"), "{text}");
}

#[test]
fn trackers_that_are_no_addresses() {
    let long = format!("{}:1", "x".repeat(254));
    for tracker in ["", "host", "host:0", "http://host:1", "ho st:1", &long] {
        let trackers = vec!["good:1".into(), tracker.to_owned()];
        let (_, text) = refused_envelope(|envelope| envelope.trackers = trackers);
        assert!(text.starts_with("trackers[1] "), "{text}");
    }
}

#[test]
fn web_seeds_that_are_no_addresses() {
    let long = format!("http://{}", "x".repeat(2_042));
    for address in ["", "ftp://x", "http://", "https://x y", "javascript:1", &long] {
        let (_, text) = refused_envelope(|envelope| envelope.web_seeds = vec![address.to_owned()]);
        assert!(text.starts_with("web_seeds[0] "), "{text}");
    }
}

#[test]
fn comments_that_are_too_long_or_command_a_terminal() {
    for comment in ["x".repeat(4_097), "\u{1b}[2J".into(), "a\0b".into()] {
        let (_, text) = refused_envelope(|envelope| envelope.comment = comment);
        assert!(text.starts_with("comment "), "{text}");
    }
}

#[test]
fn keys_and_signatures_of_the_wrong_length() {
    let publication = |publisher: usize, signature: usize| Publication {
        publisher: vec![1; publisher].into(),
        sequence: 1,
        signature: vec![2; signature].into(),
    };
    let good = Envelope { publication: Some(publication(32, 64)), ..good_envelope() };
    assert!(parse(&good).is_ok());
    for (publisher, signature, expected) in [
        (31, 64, "publication.publisher: 31 bytes instead of 32"),
        (0, 64, "publication.publisher: 0 bytes instead of 32"),
        (32, 65, "publication.signature: 65 bytes instead of 64"),
    ] {
        let bad = publication(publisher, signature);
        let (_, text) = refused_envelope(|envelope| envelope.publication = Some(bad));
        assert_eq!(text, expected);
    }
}

#[test]
fn drafts_are_refused_before_anything_is_hashed() {
    let mut draft = Draft {
        name: "content".into(),
        files: vec![DraftFile { path: "a/../b".into(), length: 1, executable: false }],
        empty_folders: Vec::new(),
        chunk_length: 65_536,
        hash_algorithm: HashAlgorithm::Blake3,
    };
    let error = draft.layout().unwrap_err();
    assert!(matches!(error, ManifestError::Path { fault: PathFault::Dots, .. }), "{error}");
    draft.files[0].path = "b".into();
    assert!(draft.layout().is_ok());
    let error = draft.build(&[0; 31], EnvelopeFields::default()).unwrap_err();
    assert!(matches!(error, ManifestError::Digests { .. }), "{error}");
}
