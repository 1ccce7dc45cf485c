//! The few characters that stand for a manifest.

use std::fmt;
use std::str::FromStr;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::id::ContentId;

use super::TRACKER_COUNT_MAX;
use super::address::is_host_port;
use super::error::shortened;

const SCHEME: &str = "peerit:";

/// All but RFC 3986's unreserved characters and ':', which a query may hold as it is.
const ESCAPED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b':');

/// `peerit:<content id>?tr=host:port&tr=...`: enough to fetch the manifest from peers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The content.
    pub content_id: ContentId,
    /// Trackers as "host:port"; at most 64.
    pub trackers: Vec<String>,
}

/// Why a text is no link.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseLinkError {
    /// It starts otherwise.
    #[error("a link starts with \"peerit:\"")]
    Scheme,
    /// What follows is no content id.
    #[error("a link has a content id of 64 hexadecimal digits after \"peerit:\"")]
    ContentId,
    /// A tracker is not "host:port".
    #[error("tr={0:?}: not a tracker as \"host:port\"")]
    Tracker(String),
    /// It has more trackers than a manifest can.
    #[error("more than {TRACKER_COUNT_MAX} trackers")]
    TooManyTrackers,
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}", self.content_id)?;
        for (index, tracker) in self.trackers.iter().enumerate() {
            let mark = if index == 0 { '?' } else { '&' };
            write!(f, "{mark}tr={}", utf8_percent_encode(tracker, ESCAPED))?;
        }
        Ok(())
    }
}

impl FromStr for Link {
    type Err = ParseLinkError;

    /// Parameters other than `tr` are passed over: a later version may know them.
    fn from_str(text: &str) -> Result<Self, ParseLinkError> {
        let (scheme, rest) = text.split_at_checked(SCHEME.len()).ok_or(ParseLinkError::Scheme)?;
        if !scheme.eq_ignore_ascii_case(SCHEME) {
            return Err(ParseLinkError::Scheme);
        }
        let (content_id, query) = rest.split_once('?').unwrap_or((rest, ""));
        let content_id = content_id.parse().map_err(|_| ParseLinkError::ContentId)?;
        let trackers = query
            .split('&')
            .filter_map(|parameter| parameter.strip_prefix("tr="))
            .map(tracker)
            .collect::<Result<Vec<_>, _>>()?;
        if trackers.len() > TRACKER_COUNT_MAX {
            return Err(ParseLinkError::TooManyTrackers);
        }
        Ok(Self { content_id, trackers })
    }
}

fn tracker(escaped: &str) -> Result<String, ParseLinkError> {
    let tracker = percent_decode_str(escaped).decode_utf8();
    match tracker {
        Ok(tracker) if is_host_port(&tracker) => Ok(tracker.into_owned()),
        _ => Err(ParseLinkError::Tracker(shortened(escaped))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id() -> String {
        "a5".repeat(32)
    }

    #[test]
    fn links_survive_their_text() {
        let trackers = ["tracker.example:59000", "[2001:db8::1]:7", "bücher.example:80"];
        let link =
            Link { content_id: ContentId([0xa5; 32]), trackers: trackers.map(String::from).into() };
        let text = link.to_string();
        assert_eq!(
            text,
            format!(
                "peerit:{}?tr=tracker.example:59000&tr=%5B2001:db8::1%5D:7&tr=b%C3%BCcher.example:80",
                id()
            )
        );
        assert_eq!(text.parse(), Ok(link));
    }

    #[test]
    fn people_may_write_them_otherwise() {
        let expected = Link { content_id: ContentId([0xa5; 32]), trackers: vec!["[::1]:9".into()] };
        for query in ["?tr=[::1]:9", "?x=1&tr=%5b%3A%3A1%5d%3a9", "?tr=[::1]:9&later=&"] {
            let text = format!("PEERIT:{}{query}", id().to_uppercase());
            assert_eq!(text.parse().as_ref(), Ok(&expected), "{text}");
        }
        let bare: Link = format!("peerit:{}", id()).parse().unwrap();
        assert!(bare.trackers.is_empty());
    }

    #[test]
    fn other_texts_are_refused() {
        let parse = |text: &str| text.parse::<Link>().unwrap_err();
        assert_eq!(parse(""), ParseLinkError::Scheme);
        assert_eq!(parse("peerü"), ParseLinkError::Scheme);
        assert_eq!(parse(&format!("magnet:{}", id())), ParseLinkError::Scheme);
        assert_eq!(parse("peerit:a5"), ParseLinkError::ContentId);
        assert_eq!(parse(&format!("peerit://{}", id())), ParseLinkError::ContentId);
        for tracker in ["", "nonsense", "%ff:1", "a:1%00"] {
            let text = format!("peerit:{}?tr={tracker}", id());
            assert_eq!(parse(&text), ParseLinkError::Tracker(tracker.into()));
        }
        let many = format!("peerit:{}?{}", id(), "tr=a:1&".repeat(65));
        assert_eq!(parse(&many), ParseLinkError::TooManyTrackers);
    }
}
