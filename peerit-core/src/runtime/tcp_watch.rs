//! Watching the path of a TCP connection: how long it is, and whether anything comes back at all.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_io::{AsyncRead, AsyncWrite};

use super::{BoxFuture, ByteStream, RoundTrip, Runtime};

/// Time between two looks while nothing comes, each of which costs about a microsecond.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);

/// A connection that ends with [`io::ErrorKind::TimedOut`] once its path is dead, as when an address has changed: the
/// system itself goes on for a quarter of an hour (RFC 1122, section 4.2.3.5). On Linux; elsewhere nothing is noticed.
///
/// `TCP_USER_TIMEOUT` (RFC 5482) would do it in less code, and would also end a connection whose peer has no room for
/// seconds, as one with a low limit has.
pub(super) struct Watched<S, R> {
    stream: S,
    runtime: R,
    /// When to look.
    look: Option<BoxFuture<'static, ()>>,
    round_trip: RoundTrip,
    /// The most that waits unsent, as the system was told last.
    unsent_max: u32,
}

impl<S: Stream, R: Runtime> Watched<S, R> {
    pub(super) fn new(stream: S, runtime: R) -> Self {
        let round_trip = RoundTrip::default();
        Self { stream, runtime, look: None, round_trip, unsent_max: 0 }
    }

    /// Looks if it is time, and sees to it that the task is woken for the next time.
    fn has_died(&mut self, context: &mut Context<'_>) -> bool {
        loop {
            let next = self.look.get_or_insert_with(|| self.runtime.sleep(LOOK_INTERVAL));
            if next.as_mut().poll(context).is_pending() {
                return false;
            }
            self.look = None;
            let Some(seen) = look(&self.stream) else { continue };
            self.round_trip.set(seen.round_trip);
            follow_rate(&self.stream, &seen, &mut self.unsent_max);
            if seen.is_dead {
                return true;
            }
        }
    }
}

impl<S: Stream, R: Runtime + Unpin> ByteStream for Watched<S, R> {
    fn round_trip(&self) -> Option<RoundTrip> {
        Some(self.round_trip.clone())
    }
}

impl<S: Stream, R: Runtime + Unpin> AsyncRead for Watched<S, R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if read.is_pending() && self.has_died(context) {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        read
    }
}

impl<S: Stream, R: Runtime + Unpin> AsyncWrite for Watched<S, R> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, parts)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_close(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_close(context)
    }
}

/// What the system knows of a path.
pub(super) struct Seen {
    round_trip: Duration,
    /// Something is sent again and again, and nothing comes back.
    is_dead: bool,
    /// Bytes a second that the peer has acknowledged, as they were measured last.
    delivery_rate: u64,
}

#[cfg(not(target_os = "linux"))]
pub(super) use elsewhere::{Stream, follow_rate, look};
#[cfg(target_os = "linux")]
pub(super) use linux::{Stream, follow_rate, look};

#[cfg(not(target_os = "linux"))]
mod elsewhere {
    use futures_io::{AsyncRead, AsyncWrite};

    pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
    impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

    pub(crate) fn look(_stream: &impl Stream) -> Option<super::Seen> {
        None
    }

    pub(crate) fn follow_rate(_stream: &impl Stream, _seen: &super::Seen, _told: &mut u32) {}
}

#[cfg(target_os = "linux")]
mod linux {
    use std::mem::{size_of, zeroed};
    use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
    use std::time::Duration;

    use futures_io::{AsyncRead, AsyncWrite};
    use socket2::SockRef;

    use super::super::tcp_options::unsent_max;
    use super::Seen;

    /// Silence after which a path is dead on which something is sent again and again; as with QUIC.
    const SILENCE_MAX: Duration = Duration::from_secs(2);

    /// On long paths: so many round trips.
    const ROUND_TRIPS: u32 = 4;

    /// How often in a row something has been sent again then: at 0.2, 0.6 and 1.4 s where the round trip is short (RFC
    /// 6298), so this is no loss by chance.
    const RESENDS: u8 = 3;

    pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin + AsFd {}
    impl<S: AsyncRead + AsyncWrite + Send + Unpin + AsFd> Stream for S {}

    pub(crate) fn look(stream: &impl Stream) -> Option<Seen> {
        tcp_info(stream.as_fd()).map(|info| seen(&info))
    }

    /// Lets so much wait unsent as the path is fast; `told` is what the system was told last.
    pub(crate) fn follow_rate(stream: &impl Stream, seen: &Seen, told: &mut u32) {
        let wanted = unsent_max(seen.delivery_rate);
        // Nothing has been sent yet, or it is much as before.
        if seen.delivery_rate == 0 || wanted.abs_diff(*told) <= *told / 4 {
            return;
        }
        match SockRef::from(stream).set_tcp_notsent_lowat(wanted) {
            Ok(()) => *told = wanted,
            Err(error) => log::debug!("cannot bound what waits unsent: {error}"),
        }
    }

    fn seen(info: &libc::tcp_info) -> Seen {
        let silent_for = Duration::from_millis(info.tcpi_last_ack_recv.into());
        let round_trip = Duration::from_micros(info.tcpi_rtt.into());
        let is_silent = silent_for >= SILENCE_MAX.max(round_trip * ROUND_TRIPS);
        let is_dead = is_silent && info.tcpi_retransmits >= RESENDS;
        Seen { round_trip, is_dead, delivery_rate: info.tcpi_delivery_rate }
    }

    /// What the system knows of a TCP connection; none of another socket.
    #[expect(unsafe_code, reason = "no safe wrapper of TCP_INFO builds without clang")]
    fn tcp_info(socket: BorrowedFd<'_>) -> Option<libc::tcp_info> {
        // SAFETY: a struct of integers, for which zeroes are a value.
        let mut info: libc::tcp_info = unsafe { zeroed() };
        let mut length = libc::socklen_t::try_from(size_of::<libc::tcp_info>()).ok()?;
        let (level, option) = (libc::IPPROTO_TCP, libc::TCP_INFO);
        // SAFETY: the socket is open as long as it is borrowed, and the system writes no more than `length` bytes.
        let result = unsafe {
            libc::getsockopt(
                socket.as_raw_fd(),
                level,
                option,
                (&raw mut info).cast(),
                &raw mut length,
            )
        };
        (result == 0).then_some(info)
    }

    #[cfg(test)]
    mod tests {
        use std::io::Write;
        use std::net::{TcpListener, TcpStream};

        use super::*;

        #[test]
        fn the_system_tells_of_a_connection_and_of_no_other_socket() {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let mut stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let _other = listener.accept().unwrap();
            stream.write_all(b"hello").unwrap();
            let info = tcp_info(stream.as_fd()).unwrap();
            assert!(info.tcpi_snd_mss > 0 && !seen(&info).is_dead);
            let datagrams = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
            assert!(tcp_info(datagrams.as_fd()).is_none());
        }

        #[test]
        fn a_path_is_dead_when_it_is_silent_though_something_is_sent_again_and_again() {
            let silent = |resends, silence_ms, rtt_ms: u32| {
                let listener = TcpListener::bind("127.0.0.1:0").unwrap();
                let mut info = tcp_info(listener.as_fd()).unwrap();
                info.tcpi_retransmits = resends;
                info.tcpi_last_ack_recv = silence_ms;
                info.tcpi_rtt = rtt_ms * 1_000;
                seen(&info).is_dead
            };
            assert!(silent(3, 2_000, 20));
            assert!(!silent(2, 60_000, 20), "one or two may be lost by chance");
            assert!(!silent(3, 1_900, 20), "an acknowledgement has just come");
            assert!(!silent(3, 3_900, 1_000), "a long path");
            assert!(silent(3, 4_000, 1_000));
        }
    }
}
