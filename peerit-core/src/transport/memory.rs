//! A network in memory, for tests and for nodes that share a process.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::future::ready;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_channel::{Receiver, Sender};

use super::pipe::pipe;
use super::{Carrier, Connection, Incoming, Transport, TransportError};
use crate::id::PeerId;
use crate::path::Path;
use crate::runtime::BoxFuture;

/// How many connections wait for [`Transport::accept`]; further dials wait with them.
const BACKLOG: usize = 64;

/// A network in memory. Clones are the same network.
///
/// Nothing is encrypted, and everyone is who they say: all peers are in one process.
#[derive(Clone, Default)]
pub struct MemoryNetwork(Arc<Mutex<BTreeMap<SocketAddr, Listener>>>);

#[derive(Clone)]
struct Listener {
    peer_id: PeerId,
    backlog: Sender<Connection>,
}

/// One peer's place in a [`MemoryNetwork`], taken until it is dropped.
pub struct MemoryTransport {
    network: MemoryNetwork,
    peer_id: PeerId,
    address: SocketAddr,
    incoming: Receiver<Connection>,
}

impl MemoryNetwork {
    /// A network with nobody in it.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes `address` for a peer: others dial it there, and it is where its own dials come from.
    ///
    /// # Errors
    /// When the address is taken.
    pub fn transport(
        &self,
        peer_id: PeerId,
        address: SocketAddr,
    ) -> Result<MemoryTransport, TransportError> {
        match self.lock().entry(address) {
            Entry::Occupied(_) => Err(io::Error::from(io::ErrorKind::AddrInUse).into()),
            Entry::Vacant(place) => {
                let (backlog, incoming) = async_channel::bounded(BACKLOG);
                place.insert(Listener { peer_id, backlog });
                Ok(MemoryTransport { network: self.clone(), peer_id, address, incoming })
            }
        }
    }

    fn listener(&self, address: SocketAddr) -> Result<Listener, TransportError> {
        let listener = self.lock().get(&address).cloned();
        listener.ok_or_else(|| io::Error::from(io::ErrorKind::ConnectionRefused).into())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<SocketAddr, Listener>> {
        // No code that runs under the lock panics.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Transport for MemoryTransport {
    fn dial(&self, address: SocketAddr) -> BoxFuture<'_, Result<Connection, TransportError>> {
        Box::pin(async move {
            let listener = self.network.listener(address)?;
            let mut binding = [0; 32];
            getrandom::fill(&mut binding).map_err(io::Error::from)?;
            let connection = |peer_id, address, end| Connection {
                peer_id,
                address,
                path: Path::Direct,
                carrier: Carrier::Other,
                binding,
                stream: Box::new(end),
            };
            let (here, there) = pipe();
            let theirs = connection(self.peer_id, self.address, there);
            let refused = |_| io::Error::from(io::ErrorKind::ConnectionRefused);
            listener.backlog.send(theirs).await.map_err(refused)?;
            Ok(connection(listener.peer_id, address, here))
        })
    }

    fn accept(&self) -> BoxFuture<'_, Result<Incoming, TransportError>> {
        Box::pin(async move {
            let connection = self.incoming.recv().await.map_err(|_| TransportError::Closed)?;
            let address = connection.address;
            let handshake = Box::pin(ready(Ok(connection)));
            Ok(Incoming { address, handshake })
        })
    }

    fn listen_port(&self) -> u16 {
        self.address.port()
    }
}

impl Drop for MemoryTransport {
    fn drop(&mut self) {
        self.network.lock().remove(&self.address);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::runtime::testing::block_on;

    #[test]
    fn peers_meet() {
        let network = MemoryNetwork::new();
        let [one, two] = ["10.0.0.1:1", "10.0.0.2:2"].map(|address| address.parse().unwrap());
        let dialler = network.transport(PeerId([1; 32]), one).unwrap();
        let answerer = network.transport(PeerId([2; 32]), two).unwrap();
        assert!(network.transport(PeerId([3; 32]), two).is_err(), "the address is taken");
        block_on(async {
            let mut here = dialler.dial(two).await.unwrap();
            let mut there = answerer.accept().await.unwrap().handshake.await.unwrap();
            assert_eq!((here.peer_id, here.address), (PeerId([2; 32]), two));
            assert_eq!((there.peer_id, there.address), (PeerId([1; 32]), one));
            assert_eq!(here.binding, there.binding);
            here.stream.write_all(b"hello").await.unwrap();
            let mut received = [0; 5];
            there.stream.read_exact(&mut received).await.unwrap();
            assert_eq!(&received, b"hello");
            drop(answerer);
            assert!(dialler.dial(two).await.is_err(), "nobody is there any more");
        });
    }
}
