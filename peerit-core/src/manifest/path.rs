//! Which names and paths a manifest may hold.
//!
//! A manifest that is good on one system is good on all: whoever downloads must get the same files
//! under the same names, or `verify` and further seeding break. So a name is refused when any
//! common system cannot store it, stores it under another name, or takes it for something other
//! than a file:
//!
//! - `/` and `\` separate, `.` and `..` move, a leading `/` leaves the folder;
//! - `:` opens drives and alternate streams on Windows, `< > " | ? *` cannot be stored there;
//! - a dot or space at the end is dropped there, so that two names become one;
//! - device names (`NUL`, `com1.txt`) open the device there;
//! - control characters and those that turn the direction of writing make a name look like another.

use std::fmt;

/// Greatest length of one component in bytes: the limit of ext4, Btrfs and XFS.
pub const COMPONENT_LENGTH_MAX: usize = 255;
/// Greatest length of a path inside the content in bytes: Linux's `PATH_MAX`.
pub const PATH_LENGTH_MAX: usize = 4_096;

/// What is wrong with a name or path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathFault {
    /// It starts with `/`.
    Absolute,
    /// It is empty, or has an empty component.
    Empty,
    /// A component is `.` or `..`.
    Dots,
    /// A component is longer than [`COMPONENT_LENGTH_MAX`].
    ComponentTooLong,
    /// The path is longer than [`PATH_LENGTH_MAX`].
    PathTooLong,
    /// It has a character that is a separator, or cannot be stored everywhere.
    Character(char),
    /// A component ends in a dot or a space.
    Ending,
    /// A component names a device of Windows.
    Device,
    /// The manifest has the same path before.
    Duplicate,
    /// Where case or Unicode form does not count, it is, or leads through, this other path.
    Collides(String),
    /// This other path is no folder, or an empty one.
    Inside(String),
}

impl fmt::Display for PathFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absolute => f.write_str("starts with '/'"),
            Self::Empty => f.write_str("has an empty component"),
            Self::Dots => f.write_str("has a component '.' or '..'"),
            Self::ComponentTooLong => {
                write!(f, "has a component of more than {COMPONENT_LENGTH_MAX} bytes")
            }
            Self::PathTooLong => write!(f, "has more than {PATH_LENGTH_MAX} bytes"),
            Self::Character(found) => write!(f, "has {found:?}, which not every system can store"),
            Self::Ending => f.write_str("has a component that ends in a dot or a space"),
            Self::Device => f.write_str("has a component that is a device on Windows"),
            Self::Duplicate => f.write_str("is there twice"),
            Self::Collides(other) => {
                write!(f, "is one with {other:?} on systems that ignore case or Unicode form")
            }
            Self::Inside(other) => {
                write!(f, "lies inside {other:?}, which is no folder with files")
            }
        }
    }
}

/// Checks a '/'-separated path inside the content.
pub(super) fn check_path(path: &str) -> Result<(), PathFault> {
    if path.len() > PATH_LENGTH_MAX {
        return Err(PathFault::PathTooLong);
    }
    if path.starts_with('/') {
        return Err(PathFault::Absolute);
    }
    path.split('/').try_for_each(check_component)
}

/// Checks the name of one file or folder.
pub(super) fn check_component(name: &str) -> Result<(), PathFault> {
    if name.is_empty() {
        return Err(PathFault::Empty);
    }
    if name == "." || name == ".." {
        return Err(PathFault::Dots);
    }
    if name.len() > COMPONENT_LENGTH_MAX {
        return Err(PathFault::ComponentTooLong);
    }
    if let Some(found) = name.chars().find(|&character| is_refused(character)) {
        return Err(PathFault::Character(found));
    }
    if name.ends_with(['.', ' ']) {
        return Err(PathFault::Ending);
    }
    if is_device(name) {
        return Err(PathFault::Device);
    }
    Ok(())
}

fn is_refused(character: char) -> bool {
    match character {
        '/' | '\\' | ':' | '<' | '>' | '"' | '|' | '?' | '*' => true,
        // Embeddings, overrides and isolates: "gpj.exe" would be shown as "exe.jpg".
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => true,
        _ => character.is_control(),
    }
}

/// Whether Windows opens a device for this name. It looks only at what is before the first dot,
/// spaces trimmed, and takes superscript digits for digits ("Naming Files, Paths, and Namespaces").
fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or(name).trim_end_matches(' ');
    let is = |device: &str| stem.eq_ignore_ascii_case(device);
    if ["CON", "PRN", "AUX", "NUL", "CLOCK$", "CONIN$", "CONOUT$"].into_iter().any(is) {
        return true;
    }
    let numbered = stem.get(..3).is_some_and(|start| {
        start.eq_ignore_ascii_case("COM") || start.eq_ignore_ascii_case("LPT")
    });
    let mut number = stem.chars().skip(3);
    numbered
        && matches!(number.next(), Some('0'..='9' | '¹' | '²' | '³'))
        && number.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_names_pass() {
        let longest = "x".repeat(COMPONENT_LENGTH_MAX);
        for name in [
            "a",
            ".hidden",
            "...x",
            " leading",
            "a b",
            "naïve.txt",
            "日本語",
            "👩‍👩‍👧",
            "שלום.txt",
            "con sole",
            "console",
            "com",
            "com10",
            "com1a.txt",
            "lpt",
            "nulls",
            "a.nul",
            "x~1",
            "-rf",
            &longest,
        ] {
            assert_eq!(check_component(name), Ok(()), "{name:?}");
        }
        let deep = "d/".repeat(PATH_LENGTH_MAX / 2 - 1) + "ff";
        assert_eq!(deep.len(), PATH_LENGTH_MAX);
        assert_eq!(check_path(&deep), Ok(()));
    }

    #[test]
    fn paths_that_lead_elsewhere_are_refused() {
        for (path, fault) in [
            ("/etc/passwd", PathFault::Absolute),
            ("//server/share", PathFault::Absolute),
            ("", PathFault::Empty),
            ("a//b", PathFault::Empty),
            ("a/", PathFault::Empty),
            ("..", PathFault::Dots),
            ("a/../../b", PathFault::Dots),
            ("./a", PathFault::Dots),
            ("a/.", PathFault::Dots),
            ("..\\a", PathFault::Character('\\')),
            ("C:/a", PathFault::Character(':')),
            ("a.txt:stream", PathFault::Character(':')),
        ] {
            assert_eq!(check_path(path), Err(fault), "{path:?}");
        }
    }

    #[test]
    fn characters_that_cannot_be_stored_everywhere_are_refused() {
        let refused = ['\0', '\n', '\u{1b}', '\u{7f}', '\u{85}', '\u{202e}', '\u{2066}'];
        for found in refused.into_iter().chain("<>:\"|?*\\".chars()) {
            assert_eq!(check_path(&format!("a/b{found}c")), Err(PathFault::Character(found)));
        }
        assert_eq!(check_component("a/b"), Err(PathFault::Character('/')));
    }

    #[test]
    fn endings_that_windows_drops_are_refused() {
        for name in ["a.", "a ", "a. .", "...", " "] {
            assert_eq!(check_component(name), Err(PathFault::Ending), "{name:?}");
        }
    }

    #[test]
    fn devices_of_windows_are_refused() {
        for name in [
            "CON",
            "con",
            "Prn",
            "AUX.h",
            "nul.tar.gz",
            "NUL .txt",
            "com1",
            "COM9.log",
            "lpt0",
            "LPT³.x",
            "conin$",
            "CONOUT$",
            "clock$",
        ] {
            assert_eq!(check_component(name), Err(PathFault::Device), "{name:?}");
            assert_eq!(check_path(&format!("a/{name}/b")), Err(PathFault::Device), "{name:?}");
        }
    }

    #[test]
    fn long_names_and_paths_are_refused() {
        let name = "ü".repeat(COMPONENT_LENGTH_MAX / 2) + "xx";
        assert_eq!(check_component(&name), Err(PathFault::ComponentTooLong));
        let path = "d/".repeat(PATH_LENGTH_MAX / 2) + "f";
        assert_eq!(check_path(&path), Err(PathFault::PathTooLong));
    }
}
