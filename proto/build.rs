//! Compiles the schema with protox, so that no `protoc` is needed.

use std::path::{Path, PathBuf};

use prost_types::FileDescriptorSet;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=peerit");
    let files = schema_files(Path::new("peerit"))?;
    let descriptors = protox::compile(files, ["."])?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("message_table.rs"), message_table(&descriptors))?;
    prost_build::Config::new().bytes(["."]).compile_fds(descriptors)?;
    Ok(())
}

fn schema_files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(schema_files(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "proto") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// A list of every message's name and compiled type, from which `tests/golden.rs` checks them all.
fn message_table(descriptors: &FileDescriptorSet) -> String {
    let messages = descriptors.file.iter().flat_map(|file| {
        let package = file.package();
        file.message_type.iter().map(move |message| format!("{package}.{}", message.name()))
    });
    let rows =
        messages.map(|name| format!("(\"{name}\", recoded::<peerit_proto::{}>),\n", path(&name)));
    format!("&[\n{}]\n", rows.collect::<String>())
}

fn path(name: &str) -> String {
    name.replace('.', "::")
}
