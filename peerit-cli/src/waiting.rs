//! Why nothing comes of a download.

use std::time::{Duration, Instant};

use peerit_core::node::{ShareState, ShareStatus};
use peerit_core::tracker::TrackerStatus;

use crate::amount::counted;

/// How long nothing may come before people are told why, and the least time between two reasons told: peers are found
/// and trackers asked again within seconds.
const GRACE: Duration = Duration::from_secs(5);
/// Most trackers named.
const TRACKERS_MAX: usize = 3;

/// What keeps a share from coming; empty when something comes, or nothing is to come.
pub(crate) fn reasons(status: &ShareStatus) -> Vec<String> {
    if !matches!(status.state, ShareState::FetchingManifest | ShareState::Downloading) {
        return Vec::new();
    }
    let mut reasons = Vec::new();
    if !status.reason.is_empty() {
        reasons.push(status.reason.clone());
    }
    let (banned, connected): (Vec<_>, Vec<_>) =
        status.peers.iter().partition(|peer| peer.banned.is_some());
    if status.download_rate > 0 || connected.iter().any(|peer| peer.interesting) {
        return reasons;
    }
    if !connected.is_empty() {
        reasons.push("no peer that is connected has what is missing".to_owned());
    }
    if let Some(why) = banned.last().and_then(|peer| peer.banned.as_ref()) {
        let peers = match banned.len() {
            1 => "1 peer was dropped, as it".to_owned(),
            count => format!("{count} peers were dropped, the last as it"),
        };
        reasons.push(format!("{peers} {why}"));
    }
    if status.trackers.is_empty() {
        reasons.push("no tracker is known that would name peers".to_owned());
    }
    reasons.extend(status.trackers.iter().take(TRACKERS_MAX).map(tracker));
    if let Some(more) = status.trackers.len().checked_sub(TRACKERS_MAX).filter(|&more| more > 0) {
        reasons.push(format!("and {more} more: see `peerit status ID`"));
    }
    reasons
}

/// Why a share is as it is, in one line; empty where its state says it all.
pub(crate) fn reason(status: &ShareStatus) -> String {
    match reasons(status) {
        reasons if reasons.is_empty() => status.reason.clone(),
        reasons => reasons.join("; "),
    }
}

/// What a tracker has to say about peers.
pub(crate) fn tracker(tracker: &TrackerStatus) -> String {
    let name = &tracker.tracker;
    match (tracker.problem.as_str(), tracker.reachable) {
        ("", true) => {
            // It counts us too.
            let others = tracker.seeds.saturating_add(tracker.leeches).saturating_sub(1);
            match others {
                0 => format!("tracker {name} knows no other peer"),
                others => {
                    format!("tracker {name} knows {}", counted(others, "other peer", "other peers"))
                }
            }
        }
        ("", false) => format!("tracker {name} has not answered yet"),
        (problem, true) => format!("tracker {name}: {problem}"),
        (problem, false) => format!("tracker {name} cannot be reached: {problem}"),
    }
}

/// Tells why nothing comes once that lasts.
#[derive(Default)]
pub(crate) struct Patience {
    since: Option<Instant>,
    told: Option<(Instant, String)>,
}

impl Patience {
    /// The reasons, when nothing has come for a while.
    pub(crate) fn reasons(&mut self, now: Instant, status: &ShareStatus) -> Vec<String> {
        let reasons = reasons(status);
        if reasons.is_empty() {
            self.since = None;
            return reasons;
        }
        let since = *self.since.get_or_insert(now);
        if now.duration_since(since) >= GRACE { reasons } else { Vec::new() }
    }

    /// What is to be told of `reasons` where nothing can be drawn over: each once, unless there is another between.
    pub(crate) fn news(&mut self, now: Instant, reasons: &[String]) -> Option<String> {
        let text = reasons.join("; ");
        let is_old = |(at, told): &(Instant, String)| {
            *told == text || now.saturating_duration_since(*at) < GRACE
        };
        if text.is_empty() || self.told.as_ref().is_some_and(is_old) {
            return None;
        }
        self.told = Some((now, text.clone()));
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;
    use crate::tests::status;

    /// A download to which nobody is connected.
    fn alone() -> ShareStatus {
        ShareStatus { peers: Vec::new(), download_rate: 0, ..status() }
    }

    fn at(tracker: &str, reachable: bool, seeds: u32, problem: &str) -> TrackerStatus {
        let (tracker, problem) = (tracker.to_owned(), problem.to_owned());
        TrackerStatus { tracker, reachable, seeds, leeches: u32::from(reachable), problem }
    }

    #[test]
    fn trackers_that_name_nobody_are_named() {
        let trackers = vec![
            at("a:1", false, 0, ""),
            at("b:1", false, 0, "no such name"),
            at("c:1", true, 0, ""),
            at("d:1", true, 2, ""),
        ];
        let told: Vec<_> = trackers.iter().map(tracker).collect();
        let expected = [
            "tracker a:1 has not answered yet",
            "tracker b:1 cannot be reached: no such name",
            "tracker c:1 knows no other peer",
            "tracker d:1 knows 2 other peers",
        ];
        assert_eq!(told, expected);
        let told = reasons(&ShareStatus { trackers, ..alone() });
        assert_eq!(told[..3], expected[..3]);
        assert_eq!(told[3], "and 1 more: see `peerit status ID`");
        assert_eq!(tracker(&at("e:1", true, 0, "it is full")), "tracker e:1: it is full");
        let nobody = "no tracker is known that would name peers";
        assert_eq!(reasons(&alone()), [nobody]);
        assert_eq!(json::Share::of(&alone()).reason, nobody);
    }

    #[test]
    fn peers_that_were_dropped_are_counted() {
        let mut one = status();
        one.download_rate = 0;
        one.peers[0].banned = Some("sent corrupt chunk 3".to_owned());
        assert_eq!(reasons(&one)[0], "1 peer was dropped, as it sent corrupt chunk 3");
        one.peers.push(one.peers[0].clone());
        assert!(reasons(&one)[0].starts_with("2 peers were dropped, the last as it sent"));
    }

    #[test]
    fn what_comes_or_is_not_to_come_needs_no_reason() {
        assert!(reasons(&status()).is_empty());
        let mut useless = ShareStatus { download_rate: 0, ..status() };
        assert!(reasons(&useless).is_empty(), "it has what is missing");
        useless.peers[0].interesting = false;
        assert_eq!(reasons(&useless)[0], "no peer that is connected has what is missing");
        for state in [ShareState::Checking, ShareState::Paused, ShareState::Seeding] {
            assert!(reasons(&ShareStatus { state, ..alone() }).is_empty());
        }
        let said = ShareStatus { reason: "waits for memory".to_owned(), ..status() };
        assert_eq!(reasons(&said), ["waits for memory"]);
    }

    #[test]
    fn only_what_lasts_is_told_and_once() {
        let (mut patience, begun) = (Patience::default(), Instant::now());
        assert!(patience.reasons(begun, &alone()).is_empty());
        assert!(patience.reasons(begun + GRACE / 2, &status()).is_empty());
        assert!(patience.reasons(begun + GRACE, &alone()).is_empty(), "something has come since");
        let late = begun + GRACE * 2;
        let reasons = patience.reasons(late, &alone());
        assert_eq!(patience.news(late, &reasons), Some(reasons[0].clone()));
        let other = ["other".to_owned()];
        assert_eq!(patience.news(late + GRACE / 2, &other), None, "not too often");
        assert_eq!(patience.news(late + GRACE, &reasons), None, "it is told");
        assert_eq!(patience.news(late + GRACE, &other), Some("other".to_owned()));
    }
}
