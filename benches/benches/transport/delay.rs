//! A long path on loopback.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

/// Datagrams under way in one direction, each with the moment it arrives.
type Line = Arc<Mutex<VecDeque<(Instant, Vec<u8>)>>>;

/// An address in front of `target`, for one peer: what goes through it takes `delay` each way. It is there
/// until the process ends.
pub(crate) fn line(target: SocketAddr, delay: Duration) -> SocketAddr {
    let bind = || {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let reference = socket2::SockRef::from(&socket);
        reference.set_recv_buffer_size(16 << 20).unwrap();
        Arc::new(socket)
    };
    let (front, back) = (bind(), bind());
    let address = front.local_addr().unwrap();
    let peer = Arc::new(OnceLock::new());
    carry(
        (Arc::clone(&front), Arc::clone(&back)),
        delay,
        Arc::clone(&peer),
        Arc::new(target.into()),
    );
    carry((back, front), delay, Arc::new(OnceLock::new()), peer);
    address
}

/// Takes datagrams from one socket and sends them from the other; remembers where they came from.
fn carry(
    (from, to): (Arc<UdpSocket>, Arc<UdpSocket>),
    delay: Duration,
    source: Arc<OnceLock<SocketAddr>>,
    target: Arc<OnceLock<SocketAddr>>,
) {
    let line = Line::default();
    let enter = Arc::clone(&line);
    thread::spawn(move || {
        let mut buffer = [0; 2_048];
        loop {
            let (length, sender) = from.recv_from(&mut buffer).unwrap();
            source.get_or_init(|| sender);
            let arrival = Instant::now() + delay;
            enter.lock().unwrap().push_back((arrival, buffer[..length].to_vec()));
        }
    });
    thread::spawn(move || {
        loop {
            let now = Instant::now();
            let mut waiting = line.lock().unwrap();
            let due = waiting.partition_point(|(arrival, _)| *arrival <= now);
            let due: Vec<_> = waiting.drain(..due).collect();
            drop(waiting);
            if let Some(target) = target.get() {
                for (_, datagram) in due {
                    to.send_to(&datagram, *target).unwrap();
                }
            }
            thread::sleep(Duration::from_micros(500));
        }
    });
}
