//! The TCP connection to a tracker's address, which is kept open for signals where UDP does not pass.

use std::time::Duration;

use crate::time::Timestamp;

/// Longest silence on a connection that is attended: less than half of what trackers allow
/// ([`ATTENDED_IDLE_MAX`](super::super::ATTENDED_IDLE_MAX)), and of what the hastiest NATs and firewalls do.
const SILENCE_MAX: Duration = Duration::from_secs(50);

/// How long a connection, and an answer on it, may take: three lost segments in a row.
pub(super) const ANSWER_DEADLINE: Duration = Duration::from_secs(10);

/// A connection to one address of a tracker, as far as the driver has been told.
#[derive(Default)]
pub(super) struct Line {
    pub(super) is_open: bool,
    /// Since the tracker has said that it pushes signals down it.
    attended: Option<Attended>,
}

struct Attended {
    /// When a word is due, or its answer overdue.
    due: Timestamp,
    is_asking: bool,
}

/// What is to be done for a line now.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Due {
    Nothing,
    /// Something must be said, so that it is kept open.
    Word,
    /// It is dead: the last word had no answer.
    Hangup,
}

impl Line {
    pub(super) fn is_attended(&self) -> bool {
        self.attended.is_some()
    }

    /// The tracker has said whether it pushes signals.
    pub(super) fn attend(&mut self, now: Timestamp, attended: bool) {
        self.attended = attended.then_some(Attended { due: now + SILENCE_MAX, is_asking: false });
    }

    /// Something came from the tracker.
    pub(super) fn heard(&mut self, now: Timestamp) {
        if let Some(attended) = &mut self.attended {
            *attended = Attended { due: now + SILENCE_MAX, is_asking: false };
        }
    }

    pub(super) fn next_timeout(&self) -> Option<Timestamp> {
        self.attended.as_ref().map(|attended| attended.due)
    }

    /// What is due; a word counts as said.
    pub(super) fn advance(&mut self, now: Timestamp) -> Due {
        match &mut self.attended {
            Some(attended) if attended.due <= now && attended.is_asking => Due::Hangup,
            Some(attended) if attended.due <= now => {
                *attended = Attended { due: now + ANSWER_DEADLINE, is_asking: true };
                Due::Word
            }
            _ => Due::Nothing,
        }
    }

    /// A word is due at once: the path may be dead.
    pub(super) fn hurry(&mut self, now: Timestamp) {
        if let Some(attended) = self.attended.as_mut().filter(|attended| !attended.is_asking) {
            attended.due = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attended_line_says_a_word_in_time_and_is_dead_without_an_answer() {
        let at = |seconds| Timestamp::from_origin(Duration::from_secs(seconds));
        let mut line = Line::default();
        assert_eq!((line.next_timeout(), line.advance(at(1_000))), (None, Due::Nothing));
        line.attend(at(0), true);
        assert_eq!(line.next_timeout(), Some(at(50)));
        assert_eq!(line.advance(at(49)), Due::Nothing);
        assert_eq!(line.advance(at(50)), Due::Word);
        assert_eq!(line.advance(at(59)), Due::Nothing);
        line.heard(at(59));
        line.hurry(at(70));
        assert_eq!(line.advance(at(70)), Due::Word);
        line.hurry(at(71));
        assert_eq!((line.advance(at(79)), line.advance(at(80))), (Due::Nothing, Due::Hangup));
        line.attend(at(80), false);
        assert!(!line.is_attended() && line.next_timeout().is_none());
    }
}
