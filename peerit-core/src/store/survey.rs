//! What lies on disk where a content should be.

use crate::manifest::Manifest;

use super::beneath::{Beneath, Facts, Found};
use super::error::StoreError;

/// What lies at the path of each file of a content, in the manifest's order.
#[derive(Debug)]
pub(super) struct Survey(Vec<Found>);

impl Survey {
    /// Looks at every file: a microsecond or two each.
    pub(super) fn of(manifest: &Manifest, root: &Beneath, name: &str) -> Self {
        let paths = manifest.files().iter().map(|file| path_inside(name, &file.path));
        Self(root.look_for_files(paths))
    }

    /// What is known already of files that are there.
    pub(super) fn new(facts: Vec<Facts>) -> Self {
        Self(facts.into_iter().map(Found::File).collect())
    }

    /// The facts of a file, if it is one.
    pub(super) fn facts(&self, file: usize) -> Option<Facts> {
        match self.0.get(file)? {
            Found::File(facts) => Some(*facts),
            _ => None,
        }
    }

    /// The facts of all files, in order.
    pub(super) fn all(&self) -> impl Iterator<Item = Option<Facts>> + '_ {
        (0..self.0.len()).map(|file| self.facts(file))
    }

    /// What was found, file by file.
    pub(super) fn into_found(self) -> Vec<Found> {
        self.0
    }

    /// Refuses what no download may write to or take away: links, folders where files belong, and
    /// the like.
    pub(super) fn without_unfit(self) -> Result<Self, StoreError> {
        let fit = |found| match found {
            Found::Unfit(error) => Err(*error),
            fit => Ok(fit),
        };
        self.0.into_iter().map(fit).collect::<Result<_, _>>().map(Self)
    }
}

/// The path, from the folder of a content, of what has `path` inside the content named `name`.
pub(super) fn path_inside(name: &str, path: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{name}/{path}") }
}
