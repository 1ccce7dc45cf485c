//! Asking the other ports of trackers where they see the shared socket: what two ports see tells what a NAT does.

use std::collections::VecDeque;
use std::net::SocketAddr;

use bytes::Bytes;

use crate::time::Timestamp;
use crate::tracker::stun::{AnswerFrom, Client, ClientAction};

/// Most questions at once, the last ones: as many as trackers whose words are remembered.
const QUESTIONS_MAX: usize = 8;

/// The questions on their way; each ends after 3.5 s at the latest.
#[derive(Default)]
pub(super) struct Observers {
    questions: VecDeque<(SocketAddr, Client)>,
}

/// What is to be done, or is known.
pub(super) enum Word {
    Send { to: SocketAddr, datagram: Bytes },
    Observed { observer: SocketAddr, address: SocketAddr },
}

impl Observers {
    /// Asks a STUN server; `seed` names the question, and must be random.
    pub(super) fn ask(&mut self, now: Timestamp, server: SocketAddr, seed: u64) {
        self.questions.retain(|(asked, _)| *asked != server);
        if self.questions.len() == QUESTIONS_MAX {
            self.questions.pop_front();
        }
        let mut client = Client::new(seed);
        // Cannot fail: it is the only one of this client.
        let _number = client.ask(now, server, AnswerFrom::Here);
        self.questions.push_back((server, client));
    }

    /// A STUN datagram came. What is no answer is ignored.
    pub(super) fn handle_datagram(&mut self, from: SocketAddr, datagram: &[u8]) {
        for (_, client) in &mut self.questions {
            client.handle_datagram(from, datagram);
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Timestamp) {
        for (_, client) in &mut self.questions {
            client.handle_timeout(now);
        }
    }

    pub(super) fn poll(&mut self) -> Option<Word> {
        let word = self.questions.iter_mut().find_map(|(server, client)| match client.poll()? {
            ClientAction::Send { to, datagram } => Some(Word::Send { to, datagram }),
            ClientAction::Answered { binding, .. } => {
                Some(Word::Observed { observer: *server, address: binding.mapped })
            }
            // As for trackers without another port.
            ClientAction::Unanswered { .. } => None,
        });
        if word.is_none() {
            self.questions.retain(|(_, client)| client.poll_timeout().is_some());
        }
        word
    }

    pub(super) fn poll_timeout(&self) -> Option<Timestamp> {
        self.questions.iter().filter_map(|(_, client)| client.poll_timeout()).min()
    }
}
