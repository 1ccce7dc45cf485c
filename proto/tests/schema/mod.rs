//! The schema as descriptors.

use std::path::{Path, PathBuf};

use protox::prost_reflect::DescriptorPool;

/// All files of the schema, with their comments.
pub(crate) fn pool() -> DescriptorPool {
    let descriptors = protox::compile(proto_files(Path::new("peerit")), ["."]).unwrap();
    DescriptorPool::from_file_descriptor_set(descriptors).unwrap()
}

fn proto_files(folder: &Path) -> Vec<PathBuf> {
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths.flat_map(|path| if path.is_dir() { proto_files(&path) } else { vec![path] }).collect()
}
