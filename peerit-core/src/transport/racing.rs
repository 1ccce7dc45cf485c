//! Two transports to the same peers, at the same address.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{Either, join, select};
use futures_util::{FutureExt, select};

use super::{Connection, Incoming, Transport, TransportError};
use crate::runtime::{BoxFuture, Runtime, timeout};

/// The head start of the first transport: as long as RFC 8305 (section 5) recommends. Whoever answers within it
/// is never dialled twice.
const HEAD_START: Duration = Duration::from_millis(250);

/// How long the second one goes on after the first has failed. QUIC sends its first packet at 0, 1 and 3 s (RFC
/// 9002: three times a round trip of 333 ms, doubled each time), so one of the first two may be lost; and an
/// address where nobody is takes a swarm's dial no longer.
const ALONE_MAX: Duration = Duration::from_secs(3);

/// Dials by a first transport, and by a second one when that takes long or fails; answers on both.
///
/// The first connection whose handshake ends is the one; the other dial is dropped before a swarm hears
/// of it. TCP should be the first: a byte costs a third of the CPU time that it costs on QUIC.
pub struct RacingTransport {
    runtime: Arc<dyn Runtime>,
    first: Box<dyn Transport>,
    second: Box<dyn Transport>,
}

impl RacingTransport {
    /// Both must be reached at the same addresses and ports, and prove the same identity.
    #[must_use]
    pub fn new(
        runtime: Arc<dyn Runtime>,
        first: Box<dyn Transport>,
        second: Box<dyn Transport>,
    ) -> Self {
        Self { runtime, first, second }
    }

    /// Fails with what the first one met, as most peers are reached by it.
    async fn race(&self, address: SocketAddr) -> Result<Connection, TransportError> {
        let first = match select(self.first.dial(address), self.runtime.sleep(HEAD_START)).await {
            Either::Left((Err(error), _)) => {
                return self.second_alone(self.second.dial(address), error).await;
            }
            Either::Left((connected, _)) => return connected,
            Either::Right(((), first)) => first,
        };
        match select(first, self.second.dial(address)).await {
            Either::Left((Err(error), second)) => self.second_alone(second, error).await,
            Either::Right((Err(error), first)) => {
                log::debug!("only one way to {address} is left: {error}");
                first.await
            }
            Either::Left((connected, _)) | Either::Right((connected, _)) => connected,
        }
    }

    async fn second_alone(
        &self,
        second: BoxFuture<'_, Result<Connection, TransportError>>,
        first_met: TransportError,
    ) -> Result<Connection, TransportError> {
        match timeout(&*self.runtime, ALONE_MAX, second).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(_)) | Err(_) => Err(first_met),
        }
    }
}

impl Transport for RacingTransport {
    fn dial(&self, address: SocketAddr) -> BoxFuture<'_, Result<Connection, TransportError>> {
        Box::pin(self.race(address))
    }

    /// Of peers that wait on both, a random one is next. Ends when both transports have ended.
    fn accept(&self) -> BoxFuture<'_, Result<Incoming, TransportError>> {
        Box::pin(async move {
            let (mut first, mut second) = (self.first.accept().fuse(), self.second.accept().fuse());
            select! {
                incoming = first => match incoming {
                    Ok(incoming) => Ok(incoming),
                    Err(_) => second.await,
                },
                incoming = second => match incoming {
                    Ok(incoming) => Ok(incoming),
                    Err(_) => first.await,
                },
            }
        })
    }

    fn listen_port(&self) -> u16 {
        self.first.listen_port()
    }

    fn shutdown(&self) -> BoxFuture<'_, ()> {
        Box::pin(join(self.first.shutdown(), self.second.shutdown()).map(drop))
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};
    use std::io;
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    use super::*;
    use crate::id::PeerId;
    use crate::path::Path;
    use crate::runtime::testing::on_each_runtime;
    use crate::transport::Carrier;
    use crate::transport::pipe::pipe;

    /// What becomes of a dial.
    #[derive(Clone, Copy)]
    enum Fate {
        Connects,
        Refused,
        Hangs,
    }
    use Fate::{Connects, Hangs, Refused};

    /// Its connections have its number as peer id.
    struct Fake {
        number: u8,
        fate: Fate,
        counts: Arc<Counts>,
    }

    #[derive(Default)]
    struct Counts {
        dialled: AtomicUsize,
        given_up: AtomicUsize,
    }

    struct GivenUp<'a>(&'a Counts);

    impl Drop for GivenUp<'_> {
        fn drop(&mut self) {
            self.0.given_up.fetch_add(1, Relaxed);
        }
    }

    impl Fake {
        fn connection(&self) -> Connection {
            Connection {
                peer_id: PeerId([self.number; 32]),
                address: address(),
                path: Path::Direct,
                carrier: Carrier::Other,
                binding: [0; 32],
                stream: Box::new(pipe().0),
            }
        }
    }

    impl Transport for Fake {
        fn dial(&self, _: SocketAddr) -> BoxFuture<'_, Result<Connection, TransportError>> {
            self.counts.dialled.fetch_add(1, Relaxed);
            Box::pin(async move {
                match self.fate {
                    Connects => Ok(self.connection()),
                    Refused => Err(io::Error::other(format!("refused by {}", self.number)).into()),
                    Hangs => {
                        let _given_up = GivenUp(&self.counts);
                        pending().await
                    }
                }
            })
        }

        fn accept(&self) -> BoxFuture<'_, Result<Incoming, TransportError>> {
            match self.fate {
                Connects => {
                    let handshake = Box::pin(ready(Ok(self.connection())));
                    Box::pin(ready(Ok(Incoming { address: address(), handshake })))
                }
                Refused => Box::pin(ready(Err(TransportError::Closed))),
                Hangs => Box::pin(pending()),
            }
        }

        fn listen_port(&self) -> u16 {
            self.number.into()
        }
    }

    fn address() -> SocketAddr {
        "192.0.2.1:7".parse().unwrap()
    }

    fn race(runtime: Arc<dyn Runtime>, fates: [Fate; 2]) -> (RacingTransport, [Arc<Counts>; 2]) {
        let counts = [Arc::default(), Arc::default()];
        let fake = |index: usize| {
            let number = [1, 2][index];
            Box::new(Fake { number, fate: fates[index], counts: Arc::clone(&counts[index]) })
        };
        (RacingTransport::new(runtime, fake(0), fake(1)), counts)
    }

    #[test]
    fn the_first_to_connect_is_the_one() {
        for (fates, winner, dials_of_second) in [
            ([Connects, Connects], Ok(1), 0),
            ([Refused, Connects], Ok(2), 1),
            ([Hangs, Connects], Ok(2), 1),
            ([Refused, Refused], Err("refused by 1"), 1),
        ] {
            on_each_runtime(|runtime| async move {
                let (racing, counts) = race(runtime, fates);
                let dialled = racing.dial(address()).await;
                let dialled = dialled.map(|it| it.peer_id.0[0]).map_err(|error| error.to_string());
                assert_eq!(dialled, winner.map_err(str::to_owned));
                assert_eq!(counts[1].dialled.load(Relaxed), dials_of_second);
                let hung = usize::from(matches!(fates[0], Hangs));
                assert_eq!(counts[0].given_up.load(Relaxed), hung, "the loser is dropped");
            });
        }
    }

    #[test]
    fn one_that_fails_late_does_not_end_the_other() {
        on_each_runtime(|runtime| async move {
            let (racing, counts) = race(Arc::clone(&runtime), [Hangs, Refused]);
            let dial = timeout(&*runtime, HEAD_START * 2, racing.dial(address()));
            assert!(dial.await.is_err(), "it still waits for the first");
            assert_eq!(counts[1].dialled.load(Relaxed), 1);
        });
    }

    #[test]
    fn peers_are_answered_on_both() {
        on_each_runtime(|runtime| async move {
            let both = race(Arc::clone(&runtime), [Connects, Connects]).0;
            let mut answered = [0; 2];
            for _ in 0..200 {
                let connection = both.accept().await.unwrap().handshake.await.unwrap();
                answered[usize::from(connection.peer_id.0[0]) - 1] += 1;
            }
            assert!(answered[0] > 0 && answered[1] > 0, "neither starves: {answered:?}");

            for fates in [[Refused, Connects], [Hangs, Connects], [Connects, Refused]] {
                assert!(race(Arc::clone(&runtime), fates).0.accept().await.is_ok());
            }
            let ended = race(runtime, [Refused, Refused]).0.accept().await;
            assert!(matches!(ended, Err(TransportError::Closed)));
        });
    }
}
