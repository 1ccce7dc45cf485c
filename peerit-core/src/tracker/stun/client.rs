//! The client's side: asks until there is an answer, or there will be none.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;

use super::{AnswerFrom, Binding, TransactionId, binding, request_from};
use crate::rng::Rng;
use crate::time::Timestamp;

/// Most queries of one client: some addresses of 16 servers.
pub const QUERIES_MAX: usize = 64;

/// Time to the first repetition, which then doubles (RFC 8489, section 6.2.1).
const FIRST_WAIT: Duration = Duration::from_millis(500);

/// How often a request is sent before it counts as lost: at 0, 0.5 and 1.5 s, and then there are 2 s
/// more. RFC 8489 proposes seven times, within 39.5 s; somebody waits for this answer, and of networks
/// that lose one packet in ten, one in a thousand queries fails.
const SENDS_MAX: u32 = 3;

/// What a client wants done, or has learned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send a datagram.
    Send {
        /// Where to.
        to: SocketAddr,
        /// What.
        datagram: Bytes,
    },
    /// A query is answered.
    Answered {
        /// The query, as [`Client::ask`] has named it.
        query: usize,
        /// From where.
        from: SocketAddr,
        /// The answer.
        binding: Binding,
    },
    /// A query is not answered within 3.5 s; a server that refuses counts as silent.
    Unanswered {
        /// The query, as [`Client::ask`] has named it.
        query: usize,
    },
}

/// Asks servers at which address they see a socket.
///
/// Every query ends in exactly one [`Action::Answered`] or [`Action::Unanswered`]. An answer counts
/// from wherever it comes: it repeats the random name of its query.
pub struct Client {
    queries: Vec<Query>,
    rng: Rng,
    actions: VecDeque<Action>,
}

struct Query {
    server: SocketAddr,
    transaction: TransactionId,
    request: Bytes,
    sends: u32,
    /// When it is sent again or given up; none when it has ended.
    due: Option<Timestamp>,
}

impl Client {
    /// Without queries. `seed` must be random: the names of queries are made from it.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { queries: Vec::new(), rng: Rng::from_seed(seed), actions: VecDeque::new() }
    }

    /// Asks a server; the query's number, from 0. None after [`QUERIES_MAX`].
    pub fn ask(&mut self, now: Timestamp, server: SocketAddr, from: AnswerFrom) -> Option<usize> {
        if self.queries.len() == QUERIES_MAX {
            return None;
        }
        let mut transaction = [0; 12];
        for part in transaction.chunks_mut(8) {
            part.copy_from_slice(&self.rng.next_u64().to_be_bytes()[..part.len()]);
        }
        let request = request_from(&transaction, from);
        let mut query = Query { server, transaction, request, sends: 0, due: Some(now) };
        self.actions.extend(query.send(now));
        self.queries.push(query);
        Some(self.queries.len() - 1)
    }

    /// A datagram came. What is no answer to a query is ignored.
    pub fn handle_datagram(&mut self, from: SocketAddr, datagram: &[u8]) {
        for (number, query) in self.queries.iter_mut().enumerate() {
            if query.due.is_some()
                && let Some(binding) = binding(datagram, &query.transaction)
            {
                query.due = None;
                self.actions.push_back(Action::Answered { query: number, from, binding });
                return;
            }
        }
    }

    /// Sends again what has not been answered, or gives it up.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        for (number, query) in self.queries.iter_mut().enumerate() {
            if query.due.is_none_or(|due| due > now) {
                continue;
            }
            match query.send(now) {
                Some(send) => self.actions.push_back(send),
                None => self.actions.push_back(Action::Unanswered { query: number }),
            }
        }
    }

    /// The next thing to do or to know; none until the next datagram or timeout.
    pub fn poll(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When [`Client::handle_timeout`] has something to do; none when all queries have ended.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        self.queries.iter().filter_map(|query| query.due).min()
    }
}

impl Query {
    /// Sends it once more; none when it was sent often enough, and has ended.
    fn send(&mut self, now: Timestamp) -> Option<Action> {
        if self.sends == SENDS_MAX {
            self.due = None;
            return None;
        }
        self.due = Some(now + FIRST_WAIT * 2_u32.pow(self.sends));
        self.sends += 1;
        Some(Action::Send { to: self.server, datagram: self.request.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::super::answer;
    use super::*;

    fn answered(request: &[u8]) -> Bytes {
        answer(request, here(), false).unwrap().1
    }

    const SERVER: SocketAddr =
        SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(198, 51, 100, 1)), 59_000);

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_origin(Duration::from_millis(ms))
    }

    fn here() -> SocketAddr {
        "192.0.2.1:9".parse().unwrap()
    }

    fn sent(client: &mut Client) -> Bytes {
        match client.poll() {
            Some(Action::Send { to: SERVER, datagram }) => datagram,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_answer_is_told_once() {
        let mut client = Client::new(1);
        assert_eq!(client.ask(at(0), SERVER, AnswerFrom::Here), Some(0));
        let answer = answered(&sent(&mut client));
        client.handle_datagram(SERVER, b"\x01\x01 no answer");
        client.handle_datagram(SERVER, &answer);
        client.handle_datagram(SERVER, &answer);
        let binding = Binding { mapped: here(), other_address: None };
        assert_eq!(client.poll(), Some(Action::Answered { query: 0, from: SERVER, binding }));
        assert_eq!(client.poll(), None);
        assert_eq!(client.poll_timeout(), None);
    }

    #[test]
    fn a_lost_request_is_sent_again_and_then_given_up() {
        let mut client = Client::new(1);
        client.ask(at(0), SERVER, AnswerFrom::Here);
        let first = sent(&mut client);
        for due in [500, 1_500] {
            assert_eq!(client.poll_timeout(), Some(at(due)));
            client.handle_timeout(at(due - 1));
            assert_eq!(client.poll(), None);
            client.handle_timeout(at(due));
            assert_eq!(sent(&mut client), first);
        }
        assert_eq!(client.poll_timeout(), Some(at(3_500)));
        client.handle_timeout(at(3_500));
        assert_eq!(client.poll(), Some(Action::Unanswered { query: 0 }));
        client.handle_datagram(SERVER, &answered(&first));
        assert_eq!(client.poll(), None, "too late");
    }

    #[test]
    fn answers_find_their_queries() {
        let mut client = Client::new(1);
        let requests = [0, 1].map(|number| {
            assert_eq!(client.ask(at(0), SERVER, AnswerFrom::Here), Some(number));
            sent(&mut client)
        });
        client.handle_datagram(SERVER, &answered(&requests[1]));
        assert!(matches!(client.poll(), Some(Action::Answered { query: 1, .. })));
        assert!(client.poll_timeout().is_some(), "the other waits");
        for _ in 2..QUERIES_MAX {
            assert!(client.ask(at(0), SERVER, AnswerFrom::Here).is_some());
        }
        assert_eq!(client.ask(at(0), SERVER, AnswerFrom::Here), None);
    }
}
