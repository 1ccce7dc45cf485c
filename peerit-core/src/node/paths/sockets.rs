//! The many sockets of a birthday punch.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use bytes::Bytes;

use super::driver::STUN_MAX;

/// How often sockets are looked at while there are some: 256 system calls that find nothing take 0.2 ms, for 25 s at
/// most. Being watched by the runtime each would need a second descriptor.
pub(super) const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// The part of the files that the system lets this process open which sockets may take: 256 where it is 1,024,
/// as Linux has it.
const OPEN_FILES_PART: u64 = 4;

/// Sockets beside the shared one, numbered from 0.
#[derive(Default)]
pub(super) struct Sockets(Vec<Option<UdpSocket>>);

impl Sockets {
    /// Opens as many as are asked for, or fewer where the system allows no more; none where the shared socket, which
    /// is bound there, has no IPv4.
    pub(super) fn open(count: u16, shared: IpAddr) -> Self {
        let ip = match shared {
            IpAddr::V4(ip) => ip,
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv4Addr::UNSPECIFIED,
            IpAddr::V6(_) => return Self::default(),
        };
        let count = usize::from(count.min(allowed()));
        let sockets = (0..count).map_while(|_| {
            let socket = bind(ip).map_err(|error| log::debug!("no more sockets: {error}"));
            socket.ok().map(Some)
        });
        Self(sockets.collect())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many were opened.
    pub(super) fn count(&self) -> u16 {
        u16::try_from(self.0.len()).unwrap_or(u16::MAX)
    }

    pub(super) fn send(&self, socket: u16, datagram: &[u8], to: SocketAddr) -> io::Result<()> {
        match self.0.get(usize::from(socket)) {
            Some(Some(socket)) => socket.send_to(datagram, to).map(drop),
            _ => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// What has come since the last look; one datagram of each, so that a flood takes no more time.
    pub(super) fn look(&self) -> Vec<(u16, SocketAddr, Bytes)> {
        let mut buffer = [0; STUN_MAX];
        let mut found = Vec::new();
        for (number, socket) in (0..).zip(&self.0) {
            if let Some(socket) = socket
                && let Ok((length, from)) = socket.recv_from(&mut buffer)
            {
                found.push((number, from, Bytes::copy_from_slice(&buffer[..length])));
            }
        }
        found
    }

    /// Gives one away.
    pub(super) fn take(&mut self, socket: u16) -> Option<UdpSocket> {
        self.0.get_mut(usize::from(socket))?.take()
    }
}

fn bind(ip: Ipv4Addr) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind((ip, 0))?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn allowed() -> u16 {
    #[cfg(unix)]
    let files = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    #[cfg(not(unix))]
    let files = None;
    files.map_or(u16::MAX, |files: u64| u16::try_from(files / OPEN_FILES_PART).unwrap_or(u16::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_to_a_socket_is_found_and_the_socket_can_be_had() {
        let mut sockets = Sockets::open(3, Ipv4Addr::LOCALHOST.into());
        assert_eq!(sockets.count(), 3);
        let there = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        sockets.send(2, b"knock", there.local_addr().unwrap()).unwrap();
        let mut buffer = [0; 16];
        let (length, from) = there.recv_from(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], b"knock");
        assert!(sockets.look().is_empty());
        there.send_to(b"come in", from).unwrap();
        let found = std::iter::repeat_with(|| sockets.look()).find(|found| !found.is_empty());
        let expected = (2, there.local_addr().unwrap(), Bytes::from_static(b"come in"));
        assert_eq!(found, Some(vec![expected]));
        assert_eq!(sockets.take(2).unwrap().local_addr().unwrap(), from);
        assert!(sockets.take(2).is_none() && sockets.take(9).is_none());
        assert!(sockets.send(2, b"", from).is_err());
    }

    #[test]
    fn there_are_none_without_ipv4_and_never_too_many() {
        let ip: IpAddr = "2001:db8::1".parse().unwrap();
        assert!(Sockets::open(8, ip).is_empty());
        assert!(allowed() >= 16, "{}", allowed());
    }
}
