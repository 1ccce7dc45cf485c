//! What an attempt tried, and what came of it.

use std::fmt;
use std::net::SocketAddr;

/// What an attempt tried, in the order in which each thing was begun. Comparable, so that tests and logs can
/// name it; its text is for people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// At most 32; further ones are left out.
    pub trials: Vec<Trial>,
    /// How the NAT in front of this node maps, as far as known.
    pub mapping: Mapping,
    /// How the NAT in front of the peer maps, as it says.
    pub remote_mapping: Mapping,
}

/// Most trials in a report: 8 dials, 2 relays, signals, the checks and their QUIC connections leave room.
pub(super) const TRIALS_MAX: usize = 32;

/// One thing that was tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trial {
    /// What.
    pub method: Method,
    /// Where; none where it is not at one address.
    pub target: Option<SocketAddr>,
    /// What came of it.
    pub outcome: Outcome,
}

/// A way to a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Method {
    /// Dialling an address of the peer by TCP.
    Dial,
    /// Asking the peer, through a tracker, for its candidates, and telling it ours.
    Signal,
    /// Being dialled by the peer, as it was told where.
    ReversedDial,
    /// Checks from both sides, which open their NATs.
    Punch,
    /// A QUIC connection at the address that the checks found, which one of the two has dialled.
    Quic,
    /// Meeting at a relay.
    Relay,
    /// Many ports that the side behind a symmetric NAT has opened, many that the other side has tried.
    Birthday,
}

/// What came of a trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Not over yet; in no finished report.
    Pending,
    /// It worked: the connection is open, the peer has answered, the checks have found a path.
    Worked,
    /// It failed.
    Failed(Fault),
    /// Something else was quicker.
    Overtaken,
    /// It was not tried, for this reason.
    NotTried(Obstacle),
}

/// Why something that was tried failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Nobody listens there.
    #[error("refused")]
    Refused,
    /// The network says that there is no way.
    #[error("unreachable")]
    Unreachable,
    /// No answer.
    #[error("no answer in time")]
    TimedOut,
    /// Somebody else is there.
    #[error("another peer is there")]
    WrongPeer,
    /// The relay takes no more, or not this session.
    #[error("the relay refuses")]
    RelayRefused,
    /// Another reason, which the driver has logged.
    #[error("failed")]
    Other,
}

/// Why something was not tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Obstacle {
    /// The swarm is not joined.
    #[error("the share is not running")]
    NotJoined,
    /// Too many attempts at once.
    #[error("too many attempts at once")]
    Busy,
    /// The peer gave no place for it.
    #[error("the peer names no address for it")]
    NoCandidates,
    /// There is no relay.
    #[error("no relay is known")]
    NoRelay,
    /// The peer has not answered, so it would not come.
    #[error("the peer does not answer")]
    NoAnswer,
    /// The driver wants the peer no more.
    #[error("no longer wanted")]
    Unwanted,
}

/// How a NAT maps one socket (RFC 4787, section 4.1), as far as observers tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mapping {
    /// Fewer than two observers of one family.
    #[default]
    Unknown,
    /// All observers see one address: others can be told of it.
    EndpointIndependent,
    /// Each sees another ("symmetric"): nobody can be told where this node will appear.
    EndpointDependent,
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dial => "dial",
            Self::Signal => "signal",
            Self::ReversedDial => "reversed dial",
            Self::Punch => "hole punch",
            Self::Quic => "QUIC",
            Self::Relay => "relay",
            Self::Birthday => "birthday punch",
        })
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pending => f.write_str("not over"),
            Self::Worked => f.write_str("worked"),
            Self::Failed(fault) => fault.fmt(f),
            Self::Overtaken => f.write_str("overtaken"),
            Self::NotTried(obstacle) => write!(f, "not tried: {obstacle}"),
        }
    }
}

impl fmt::Display for Trial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.target {
            Some(target) => write!(f, "{} {target}: {}", self.method, self.outcome),
            None => write!(f, "{}: {}", self.method, self.outcome),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, trial) in self.trials.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{trial}")?;
        }
        let is_symmetric = |mapping| mapping == Mapping::EndpointDependent;
        f.write_str(match (is_symmetric(self.mapping), is_symmetric(self.remote_mapping)) {
            (true, true) => " (both NATs are symmetric)",
            (true, false) => " (the NAT here is symmetric)",
            (false, true) => " (the peer's NAT is symmetric)",
            (false, false) => "",
        })
    }
}

impl Report {
    /// Begins a trial, and names it; none if there are too many.
    pub(super) fn begin(&mut self, method: Method, target: Option<SocketAddr>) -> Option<usize> {
        self.push(Trial { method, target, outcome: Outcome::Pending })
    }

    /// Notes what is not tried, once.
    pub(super) fn skip(&mut self, method: Method, obstacle: Obstacle) {
        let trial = Trial { method, target: None, outcome: Outcome::NotTried(obstacle) };
        if !self.trials.contains(&trial) {
            self.push(trial);
        }
    }

    fn push(&mut self, trial: Trial) -> Option<usize> {
        let has_room = self.trials.len() < TRIALS_MAX;
        has_room.then(|| self.trials.push(trial)).map(|()| self.trials.len() - 1)
    }

    /// Ends a trial, if it has not ended.
    pub(super) fn end(&mut self, trial: Option<usize>, outcome: Outcome) {
        let trial = trial.and_then(|index| self.trials.get_mut(index));
        if let Some(trial) = trial.filter(|trial| trial.outcome == Outcome::Pending) {
            trial.outcome = outcome;
        }
    }

    /// Ends all trials that have not ended.
    pub(super) fn end_all(&mut self, outcome: Outcome) {
        for index in 0..self.trials.len() {
            self.end(Some(index), outcome);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_says_in_words_what_was_tried() {
        let mut report = Report { mapping: Mapping::EndpointDependent, ..Report::default() };
        let dial = report.begin(Method::Dial, Some("198.51.100.7:4000".parse().unwrap()));
        let punch = report.begin(Method::Punch, None);
        report.end(dial, Outcome::Failed(Fault::TimedOut));
        report.end(dial, Outcome::Worked);
        report.skip(Method::Relay, Obstacle::NoRelay);
        report.skip(Method::Relay, Obstacle::NoRelay);
        report.end_all(Outcome::Overtaken);
        assert_eq!(punch, Some(1));
        let expected = "dial 198.51.100.7:4000: no answer in time, hole punch: overtaken, \
                        relay: not tried: no relay is known (the NAT here is symmetric)";
        assert_eq!(report.to_string(), expected);
    }

    #[test]
    fn a_report_has_an_end() {
        let mut report = Report::default();
        let begun = (0..100).filter_map(|_| report.begin(Method::Dial, None)).count();
        assert_eq!((begun, report.trials.len()), (TRIALS_MAX, TRIALS_MAX));
    }
}
