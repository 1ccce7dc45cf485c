//! One UDP socket that asks STUN servers.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use futures_util::{FutureExt, select};

use super::super::clock::Clock;
use crate::runtime::{Runtime, UdpSocket};
use crate::tracker::stun::{AnswerFrom, Binding, Client, ClientAction};

/// A fresh socket: its mappings are its own.
pub(super) struct Probe {
    runtime: Arc<dyn Runtime>,
    socket: Arc<dyn UdpSocket>,
    client: Client,
    clock: Clock,
}

impl Probe {
    /// On all interfaces of the family of `ip`.
    pub(super) fn bind(
        runtime: &Arc<dyn Runtime>,
        unspecified: IpAddr,
        seed: u64,
    ) -> io::Result<Self> {
        let socket = std::net::UdpSocket::bind((unspecified, 0))?;
        Ok(Self {
            runtime: Arc::clone(runtime),
            socket: runtime.udp_socket(socket)?,
            client: Client::new(seed),
            clock: Clock::start(),
        })
    }

    pub(super) fn port(&self) -> io::Result<u16> {
        self.socket.local_address().map(|address| address.port())
    }

    /// The answers, in the order of the questions; after 3.5 s at the latest.
    pub(super) async fn ask(
        &mut self,
        questions: &[(SocketAddr, AnswerFrom)],
    ) -> Vec<Option<Binding>> {
        let mut answers = vec![None; questions.len()];
        let now = self.clock.now();
        let numbers: Vec<_> =
            questions.iter().map(|&(server, from)| self.client.ask(now, server, from)).collect();
        let mut buffer = [0; 1_500];
        loop {
            while let Some(action) = self.client.poll() {
                match action {
                    ClientAction::Send { to, datagram } => {
                        // Where there is no way there will be no answer: that says enough.
                        let _unsent = self.socket.send_to(&datagram, to).await;
                    }
                    ClientAction::Answered { query, binding, .. } => {
                        let place = numbers.iter().position(|number| *number == Some(query));
                        if let Some(answer) = place.and_then(|place| answers.get_mut(place)) {
                            *answer = Some(binding);
                        }
                    }
                    ClientAction::Unanswered { .. } => {}
                }
            }
            let Some(due) = self.client.poll_timeout() else { return answers };
            select! {
                received = self.socket.recv_from(&mut buffer).fuse() => {
                    // An error is that of an earlier datagram, such as a port that is closed.
                    if let Ok((length, from)) = received {
                        self.client.handle_datagram(from, &buffer[..length]);
                    }
                }
                () = self.clock.sleep_until(&*self.runtime, Some(due)).fuse() => {
                    self.client.handle_timeout(self.clock.now());
                }
            }
        }
    }
}
