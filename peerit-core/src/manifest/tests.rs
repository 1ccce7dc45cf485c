//! What a good manifest says; what is refused is in `tests/manifest_refusals.rs`.

use super::*;

fn file(path: &str, length: u64) -> DraftFile {
    DraftFile { path: path.into(), length, executable: false }
}

fn draft(files: Vec<DraftFile>) -> Draft {
    Draft {
        name: "content".into(),
        files,
        empty_folders: Vec::new(),
        chunk_length: 65_536,
        hash_algorithm: HashAlgorithm::Blake3,
    }
}

/// The last byte of a chunk's index.
fn low_byte(chunk: ChunkIndex) -> u8 {
    chunk.0.to_le_bytes()[0]
}

/// A manifest of which nobody has the content: every digest is the low byte of its index, repeated.
fn without_content(draft: &Draft) -> Manifest {
    let length = draft.hash_algorithm.digest_length();
    let chunks = draft.layout().unwrap().chunks();
    let digests: Vec<u8> = chunks.flat_map(|chunk| vec![low_byte(chunk); length]).collect();
    draft.build(&digests, EnvelopeFields::default()).unwrap()
}

fn full_envelope() -> EnvelopeFields {
    EnvelopeFields {
        trackers: vec!["tracker.example:59000".into(), "[2001:db8::1]:59000".into()],
        web_seeds: vec!["https://seed.example/content".into()],
        comment: "Two lines,\n\tone comment.".into(),
        created_unix_s: 1_800_000_000,
        publication: Some(Publication { publisher: [7; 32], sequence: 3, signature: [9; 64] }),
    }
}

#[test]
fn everything_survives_a_file() {
    let mut draft = draft(vec![file("b/c", 70_000), file("ünï/日本", 0), file("a", 1)]);
    draft.files[2].executable = true;
    draft.empty_folders = vec!["b/empty".into()];
    let manifest = draft.build(&[5; 64], full_envelope()).unwrap();
    let parsed = Manifest::parse(&manifest.encode()).unwrap();

    assert_eq!(parsed.name(), "content");
    assert_eq!(parsed.empty_folders(), ["b/empty"]);
    let files: Vec<_> = parsed
        .files()
        .iter()
        .map(|file| (file.path.as_str(), file.offset, file.length, file.executable))
        .collect();
    let expected =
        [("b/c", 0, 70_000, false), ("ünï/日本", 70_000, 0, false), ("a", 70_000, 1, true)];
    assert_eq!(files, expected);
    assert_eq!(parsed.layout(), Layout::new(70_001, 65_536).unwrap());
    assert_eq!(parsed.content_id(), manifest.content_id());
    let envelope = full_envelope();
    assert_eq!(parsed.trackers(), envelope.trackers);
    assert_eq!(parsed.web_seeds(), envelope.web_seeds);
    assert_eq!(parsed.comment(), envelope.comment);
    assert_eq!(parsed.created_unix_s(), envelope.created_unix_s);
    assert_eq!(parsed.publication(), envelope.publication.as_ref());
}

#[test]
fn the_content_id_covers_the_info_as_written() {
    // Fields out of order, and one that no version knows: encoded again, it would be another id.
    let manifest = without_content(&draft(vec![file("a", 1)]));
    let written = [&[0xf8, 0x7f, 1], &manifest.info_bytes()[..]].concat();
    let envelope = proto::Envelope { info: written.clone().into(), ..Default::default() };
    let parsed = Manifest::parse(&envelope.encode_to_vec()).unwrap();
    assert_eq!(parsed.info_bytes(), &written);
    assert_eq!(parsed.content_id(), ContentId(blake3::hash(&written).into()));
    assert_ne!(parsed.content_id(), manifest.content_id());
    assert_eq!(Manifest::parse(&parsed.encode()).unwrap().info_bytes(), &written);
}

#[test]
fn trackers_are_not_part_of_the_content_id() {
    let manifest = without_content(&draft(vec![file("a", 1)]));
    let with = manifest.with_trackers(vec!["t.example:1".into()]).unwrap();
    assert_eq!(with.content_id(), manifest.content_id());
    assert_eq!(with.link().to_string(), format!("peerit:{}?tr=t.example:1", manifest.content_id()));
    assert!(manifest.with_trackers(vec!["nonsense".into()]).is_err());
}

#[test]
fn an_info_from_peers_is_checked_against_its_id() {
    let manifest = without_content(&draft(vec![file("a", 1)]));
    let (info, id) = (manifest.info_bytes().clone(), manifest.content_id());
    let trackers = vec!["t.example:1".to_owned()];
    let fetched = Manifest::from_info_bytes(info.clone(), id, trackers.clone()).unwrap();
    assert_eq!(fetched.content_id(), id);
    assert_eq!(fetched.trackers(), trackers);
    let expected = ContentId([1; 32]);
    let error = Manifest::from_info_bytes(info, expected, trackers).unwrap_err();
    assert_eq!(error, ManifestError::ContentId { expected, actual: id });
}

#[test]
fn chunks_match_their_digests_with_either_algorithm() {
    let content: Vec<u8> = (0..=255).cycle().take(70_000).collect();
    for hash_algorithm in [HashAlgorithm::Blake3, HashAlgorithm::Sha1] {
        let draft = Draft { hash_algorithm, ..draft(vec![file("", 70_000)]) };
        let digests: Vec<u8> = content
            .chunks(65_536)
            .flat_map(|chunk| hash_algorithm.digest(chunk).as_bytes().to_vec())
            .collect();
        let manifest = draft.build(&digests, EnvelopeFields::default()).unwrap();
        assert!(manifest.is_single_file());
        assert_eq!(manifest.hash_algorithm(), hash_algorithm);

        let last = Bytes::copy_from_slice(&content[65_536..]);
        let parts = [last.slice(..1_000), last.slice(1_000..)];
        let mut flipped = last.to_vec();
        flipped[4_463] ^= 1;
        assert!(manifest.matches(ChunkIndex(1), &parts));
        assert!(!manifest.matches(ChunkIndex(1), &parts[..1]));
        assert!(!manifest.matches(ChunkIndex(1), &[flipped.into()]));
        assert!(!manifest.matches(ChunkIndex(0), &parts));
        assert!(!manifest.matches(ChunkIndex(2), &[]));
        assert_eq!(manifest.digest(ChunkIndex(1)), hash_algorithm.digest(&last).as_bytes());
        assert_eq!(manifest.digest(ChunkIndex(2)), b"");
    }
}

#[test]
fn a_chunk_of_another_length_never_matches() {
    let digest = HashAlgorithm::Blake3.digest(b"short");
    let draft = draft(vec![file("", 65_536)]);
    let manifest = draft.build(digest.as_bytes(), EnvelopeFields::default()).unwrap();
    assert!(!manifest.matches(ChunkIndex(0), &[Bytes::from_static(b"short")]));
}

#[test]
fn contents_without_a_byte_are_good() {
    let empty_file = without_content(&draft(vec![file("", 0)]));
    assert!(empty_file.is_single_file());
    assert_eq!(empty_file.layout().chunk_count(), 0);
    let empty_folder = without_content(&draft(Vec::new()));
    assert!(!empty_folder.is_single_file());
    assert_eq!(empty_folder.file_ranges(0, 100).count(), 0);
}

#[test]
fn ranges_run_over_file_borders() {
    let lengths = [0, 10, 0, 0, 5, 20, 0];
    let files =
        (0..).zip(lengths).map(|(index, length): (u32, _)| file(&index.to_string(), length));
    let manifest = without_content(&draft(files.collect()));
    let ranges = |offset, length| -> Vec<_> {
        let range = |range: FileRange| (range.file, range.offset_in_file, range.length);
        manifest.file_ranges(offset, length).map(range).collect()
    };
    assert_eq!(ranges(0, 35), [(1, 0, 10), (4, 0, 5), (5, 0, 20)]);
    assert_eq!(ranges(3, 9), [(1, 3, 7), (4, 0, 2)]);
    assert_eq!(ranges(10, 1), [(4, 0, 1)]);
    assert_eq!(ranges(15, 1_000), [(5, 0, 20)]);
    assert_eq!(ranges(16, u64::MAX), [(5, 1, 19)]);
    assert_eq!(ranges(12, 0), []);
    assert_eq!(ranges(35, 1), []);
}

#[test]
fn a_file_of_100_gib_has_exact_arithmetic() {
    const GIB: u64 = 1 << 30;
    let length = 100 * GIB + 1;
    let chunk_length = Layout::suggested_chunk_length(length);
    let files = vec![file("head", 7), file("sparse", length), file("tail", 1)];
    let manifest = without_content(&Draft { chunk_length, ..draft(files) });
    let parsed = Manifest::parse(&manifest.encode()).unwrap();

    let layout = parsed.layout();
    assert_eq!((layout.chunk_length(), layout.chunk_count()), (4 << 20, 25_601));
    let last = ChunkIndex(25_600);
    assert_eq!((layout.chunk_start(last), layout.length_of(last)), (100 * GIB, 9));
    assert_eq!(parsed.digest(last), [low_byte(last); 32]);
    let ranges: Vec<_> = parsed.file_ranges(layout.chunk_start(last), 9).collect();
    let sparse = FileRange { file: 1, offset_in_file: 100 * GIB - 7, length: 8 };
    let tail = FileRange { file: 2, offset_in_file: 0, length: 1 };
    assert_eq!(ranges, [sparse, tail]);
}

#[test]
fn twenty_thousand_small_files_are_a_few_chunks() {
    let name = |index: u32| format!("folder-{}/Ünicode {index}.txt", index % 100);
    let files: Vec<_> = (0..20_000).map(|index| file(&name(index), 4_096)).collect();
    let manifest = without_content(&draft(files));
    let parsed = Manifest::parse(&manifest.encode()).unwrap();
    assert_eq!(parsed.files().len(), 20_000);
    assert_eq!(parsed.layout().chunk_count(), 1_250);
    let chunk = parsed.layout().chunk_start(ChunkIndex(1_249));
    let files: Vec<_> = parsed.file_ranges(chunk, 65_536).map(|range| range.file).collect();
    assert_eq!(files, (19_984..20_000).collect::<Vec<_>>());
}

mod properties {
    use proptest::prelude::*;

    use super::*;

    prop_compose! {
        /// Files whose paths cannot collide: each has its index in its name.
        fn any_draft()(
            lengths in prop::collection::vec(0_u64..200_000, 0..12),
            folders in prop::collection::vec("[a-zà-ÿ0-9]{1,8}", 12),
            executable in any::<bool>(),
            empty_folder_count in 0_usize..3,
            sha1 in any::<bool>(),
            name in "[\\p{L}\\p{N}]{1,40}",
        ) -> Draft {
            let path = |index: usize| format!("{}-{index}/file {index}", folders[index]);
            let lengths = lengths.into_iter().enumerate();
            let file =
                |(index, length)| DraftFile { path: path(index), length, executable };
            Draft {
                name: format!("x{name}"),
                files: lengths.map(file).collect(),
                empty_folders: (0..empty_folder_count).map(|index| format!("e/{index}")).collect(),
                chunk_length: 65_536,
                hash_algorithm: if sha1 { HashAlgorithm::Sha1 } else { HashAlgorithm::Blake3 },
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_parsed(draft in any_draft()) {
            let manifest = without_content(&draft);
            let parsed = Manifest::parse(&manifest.encode()).unwrap();
            prop_assert_eq!(parsed.info_bytes(), manifest.info_bytes());
            prop_assert_eq!(parsed.content_id(), manifest.content_id());
            prop_assert_eq!(parsed.files(), manifest.files());
            prop_assert_eq!(parsed.encode(), manifest.encode());
        }

        #[test]
        fn ranges_cover_what_is_asked(
            draft in any_draft(),
            offset in 0_u64..2_000_000,
            length in 0_u64..500_000,
        ) {
            let manifest = without_content(&draft);
            let total = manifest.layout().length();
            let mut position = offset;
            for range in manifest.file_ranges(offset, length) {
                let file = &manifest.files()[range.file];
                prop_assert_eq!(file.offset + range.offset_in_file, position);
                prop_assert!(range.length > 0);
                prop_assert!(range.offset_in_file + range.length <= file.length);
                position += range.length;
            }
            prop_assert_eq!(position, (offset + length).min(total).max(offset));
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = Manifest::parse(&bytes);
            let _ = Manifest::from_info(bytes.into(), EnvelopeFields::default());
        }

        #[test]
        fn damaged_manifests_never_panic(
            draft in any_draft(),
            at in any::<prop::sample::Index>(),
            byte in any::<u8>(),
        ) {
            let mut bytes = without_content(&draft).encode();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            let _ = Manifest::parse(&bytes);
            let _ = Manifest::parse(&bytes[..at]);
        }

        #[test]
        fn arbitrary_text_is_a_link_or_not(text in "(peerit:[0-9a-f]{64})?.{0,40}") {
            if let Ok(link) = text.parse::<Link>() {
                prop_assert_eq!(link.to_string().parse(), Ok(link));
            }
        }
    }
}
