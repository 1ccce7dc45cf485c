//! Whether the paths of a manifest can lie side by side in one folder, on every system.

use unicase::UniCase;
use unicode_normalization::UnicodeNormalization;

use super::error::{ManifestError, shortened};
use super::path::{PathFault, check_path};

/// A path and what is needed to compare and name it.
struct Leaf<'a> {
    /// The path as a system sees it that ignores case and Unicode form. Components are joined by
    /// NUL, which is in no path and sorts before all that is: what lies inside a path follows it at
    /// once.
    key: String,
    path: &'a str,
    list: &'static str,
    index: usize,
}

/// Checks every path, and that no two are one, or one inside the other, on any system.
///
/// Files and empty folders are both leaves: nothing may lie inside them. After sorting, only
/// neighbours need to be compared; n paths cost O(n log n).
pub(super) fn check_tree<'a>(
    files: impl Iterator<Item = &'a str>,
    empty_folders: impl Iterator<Item = &'a str>,
) -> Result<(), ManifestError> {
    let files = files.enumerate().map(|(index, path)| ("files", index, path));
    let folders = empty_folders.enumerate().map(|(index, path)| ("empty_folders", index, path));
    let mut leaves = files
        .chain(folders)
        .map(|(list, index, path)| Leaf::new(list, index, path))
        .collect::<Result<Vec<_>, _>>()?;
    leaves.sort_unstable_by(|one, other| (&one.key, one.index).cmp(&(&other.key, other.index)));
    leaves.windows(2).try_for_each(|pair| match pair {
        [before, leaf] => leaf.check_against(before),
        _ => Ok(()),
    })
}

impl<'a> Leaf<'a> {
    fn new(list: &'static str, index: usize, path: &'a str) -> Result<Self, ManifestError> {
        let mut leaf = Self { key: String::new(), path, list, index };
        check_path(path).map_err(|fault| leaf.error(fault))?;
        leaf.key = path.split('/').map(folded).collect::<Vec<_>>().join("\0");
        Ok(leaf)
    }

    /// Compares with the leaf sorted before, component by component as far as the keys agree.
    fn check_against(&self, before: &Self) -> Result<(), ManifestError> {
        let mut ours = self.key.split('\0').zip(self.path.split('/'));
        for (their_key, their_name) in before.key.split('\0').zip(before.path.split('/')) {
            match ours.next() {
                Some((key, _)) if key != their_key => return Ok(()),
                Some((_, name)) if name == their_name => {}
                _ => return Err(self.error(PathFault::Collides(shortened(before.path)))),
            }
        }
        Err(self.error(match ours.next() {
            Some(_) => PathFault::Inside(shortened(before.path)),
            None => PathFault::Duplicate,
        }))
    }

    fn error(&self, fault: PathFault) -> ManifestError {
        let member = if self.list == "files" { ".path" } else { "" };
        ManifestError::path(format!("{}[{}]{member}", self.list, self.index), self.path, fault)
    }
}

/// A name as a system sees it that ignores case and Unicode form: canonical caseless matching of
/// the Unicode Standard, section 3.13, definition D145.
fn folded(name: &str) -> String {
    if name.is_ascii() {
        return name.to_ascii_lowercase();
    }
    let decomposed: String = name.nfd().collect();
    UniCase::unicode(decomposed).to_folded_case().nfd().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(files: &[&str], empty_folders: &[&str]) -> Option<(String, PathFault)> {
        match check_tree(files.iter().copied(), empty_folders.iter().copied()) {
            Ok(()) => None,
            Err(ManifestError::Path { field, fault, .. }) => Some((field, fault)),
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn ordinary_trees_pass() {
        let files = ["a", "a.txt", "a-b/c", "b/a", "b/c/a", "B2/a", "ß/x", "ı"];
        assert_eq!(fault(&files, &["e", "b/e", "b/c/e"]), None);
        assert_eq!(fault(&[], &[]), None);
    }

    #[test]
    fn one_path_twice_is_refused() {
        let found = fault(&["a/b", "c", "a/b"], &[]);
        assert_eq!(found, Some(("files[2].path".into(), PathFault::Duplicate)));
        let found = fault(&["c"], &["d", "d"]);
        assert_eq!(found, Some(("empty_folders[1]".into(), PathFault::Duplicate)));
        assert!(matches!(fault(&["d"], &["d"]), Some((_, PathFault::Duplicate))));
    }

    #[test]
    fn names_that_differ_in_case_or_form_collide() {
        for (one, other) in [
            ("Readme", "README"),
            ("straße", "STRASSE"),
            ("ΣΑΣ", "σας"),
            ("é", "e\u{301}"),
            ("É", "e\u{301}"),
            ("Å", "\u{212b}"),
            ("K", "\u{212a}"),
            ("ẞ", "ß"),
            ("α\u{345}\u{301}", "\u{1fb4}"),
        ] {
            let found = fault(&[one, other], &[]);
            assert!(matches!(found, Some((_, PathFault::Collides(_)))), "{one} {other}");
        }
    }

    #[test]
    fn folders_that_differ_in_case_collide() {
        let found = fault(&["Dir/a", "dir/b"], &[]);
        assert_eq!(found, Some(("files[1].path".into(), PathFault::Collides("Dir/a".into()))));
        assert!(matches!(fault(&["Dir/a"], &["dir"]), Some((_, PathFault::Collides(_)))));
    }

    #[test]
    fn nothing_lies_inside_a_file_or_an_empty_folder() {
        // "a-b" and "a.b" sort between "a" and "a/b" as text.
        let found = fault(&["a/b", "a", "a-b", "a.b"], &[]);
        assert_eq!(found, Some(("files[0].path".into(), PathFault::Inside("a".into()))));
        let found = fault(&["d/e/f"], &["d"]);
        assert_eq!(found, Some(("files[0].path".into(), PathFault::Inside("d".into()))));
        let found = fault(&[], &["d", "d/e"]);
        assert_eq!(found, Some(("empty_folders[1]".into(), PathFault::Inside("d".into()))));
    }
}
