//! Which share a user means.

use peerit_core::id::ContentId;
use peerit_core::node::ShareStatus;

use crate::error::CliError;
use crate::progress::shorten;

/// Most shares that an error lists.
const LISTED_MAX: usize = 8;

/// The share with this name, or whose id or name starts so. Only one may.
pub(crate) fn find<'a>(
    shares: &'a [ShareStatus],
    wanted: &str,
) -> Result<&'a ShareStatus, CliError> {
    let whole = |share: &&ShareStatus| share.name == wanted || is_id(share.content_id, wanted);
    let start = |share: &&ShareStatus| {
        !wanted.is_empty()
            && (share.content_id.to_string().starts_with(&wanted.to_ascii_lowercase())
                || share.name.starts_with(wanted))
    };
    let mut found: Vec<_> = shares.iter().filter(whole).collect();
    if found.is_empty() {
        found = shares.iter().filter(start).collect();
    }
    match found.as_slice() {
        [one] => Ok(one),
        [] => Err(CliError::Usage(unknown(shares, wanted))),
        many => Err(CliError::Usage(format!("{wanted} may mean {}", list(many)))),
    }
}

fn unknown(shares: &[ShareStatus], wanted: &str) -> String {
    match shares.iter().collect::<Vec<_>>().as_slice() {
        [] => format!("there is no share {wanted}, and no other"),
        known => format!("there is no share {wanted}; there is {}", list(known)),
    }
}

/// As much of an id as people need.
pub(crate) fn short_id(id: ContentId) -> String {
    id.to_string().chars().take(12).collect()
}

fn is_id(id: ContentId, wanted: &str) -> bool {
    wanted.parse() == Ok(id)
}

fn list(shares: &[&ShareStatus]) -> String {
    let name = |share: &&ShareStatus| {
        let id = short_id(share.content_id);
        // Until its manifest is known, a share has no name.
        if share.name.is_empty() { id } else { format!("{id} ({})", shorten(&share.name, 40)) }
    };
    let mut listed: Vec<_> = shares.iter().take(LISTED_MAX).map(name).collect();
    if shares.len() > LISTED_MAX {
        listed.push(format!("{} more", shares.len() - LISTED_MAX));
    }
    listed.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::status;

    fn shares() -> Vec<ShareStatus> {
        [("a.iso", 0xaa), ("a.iso.sig", 0xab), ("same", 1), ("same", 2)]
            .map(|(name, id)| ShareStatus {
                name: name.to_owned(),
                content_id: ContentId([id; 32]),
                ..status()
            })
            .to_vec()
    }

    fn found(wanted: &str) -> Option<u8> {
        find(&shares(), wanted).ok().map(|share| share.content_id.0[0])
    }

    #[test]
    fn ids_and_names_may_be_cut_short_while_they_are_unique() {
        assert_eq!(found("AAA"), Some(0xaa));
        assert_eq!(found(&"ab".repeat(32)), Some(0xab));
        assert_eq!(found("a.iso."), Some(0xab));
        assert_eq!(found("a.iso"), Some(0xaa), "a whole name beats the start of another");
        assert_eq!(found("a"), None);
        assert_eq!(found(""), None);
    }

    #[test]
    fn who_is_meant_is_asked_back() {
        let ambiguous = find(&shares(), "same").unwrap_err().to_string();
        assert!(ambiguous.contains("010101010101") && ambiguous.contains("020202020202"));
        let unknown = find(&shares(), "nothing").unwrap_err();
        assert_eq!(unknown.exit_code(), 2);
        let known = unknown.to_string();
        assert!(known.contains("no share nothing") && known.contains("a.iso.sig"), "{known}");
        let none = find(&[], "nothing").unwrap_err().to_string();
        assert_eq!(none, "there is no share nothing, and no other");
    }

    #[test]
    fn what_has_no_name_yet_is_listed_by_its_id() {
        let share = ShareStatus { name: String::new(), ..status() };
        let unknown = find(&[share], "nothing").unwrap_err().to_string();
        assert_eq!(unknown, "there is no share nothing; there is abababababab");
    }
}
