//! Behaviour of the store as a whole.

use crate::hash::HashAlgorithm;
use crate::layout::CHUNK_LENGTH_MIN;
use crate::manifest::{Draft, DraftFile, EnvelopeFields, Manifest};

/// The manifest of a folder with these files, in chunks of 64 KiB.
pub(in crate::store) fn manifest_of(name: &str, files: &[(&str, &[u8])]) -> Manifest {
    let draft = Draft {
        name: name.into(),
        files: files
            .iter()
            .map(|&(path, content)| DraftFile {
                path: path.into(),
                length: content.len() as u64,
                executable: path.ends_with(".sh"),
            })
            .collect(),
        empty_folders: Vec::new(),
        chunk_length: CHUNK_LENGTH_MIN,
        hash_algorithm: HashAlgorithm::Blake3,
    };
    let content: Vec<u8> = files.iter().flat_map(|(_, content)| content.to_vec()).collect();
    let digests: Vec<u8> = content
        .chunks(CHUNK_LENGTH_MIN as usize)
        .flat_map(|chunk| HashAlgorithm::Blake3.digest(chunk).as_bytes().to_vec())
        .collect();
    draft.build(&digests, EnvelopeFields::default()).unwrap()
}
