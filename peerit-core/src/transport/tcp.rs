//! Peers that can be dialled: TLS 1.3 over TCP.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use super::tls::Tls;
use super::{Connection, Identity, Incoming, Transport, TransportError};
use crate::runtime::{self, BoxFuture, BoxStream, Runtime};
use crate::wire::address::canonical;

/// How many connections wait for [`Transport::accept`] in the kernel: those of one burst, such as a
/// tracker's answer to a whole swarm.
const BACKLOG: i32 = 1_024;
/// The pause after a failed accept. It fails when file descriptors or memory run out, and goes on failing
/// until some are back: without a pause that would burn a core.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// TLS 1.3 over TCP; both sides prove their peer ids by RFC 7250 raw public keys.
pub struct TcpTransport {
    runtime: Arc<dyn Runtime>,
    listener: Arc<dyn runtime::TcpListener>,
    local_address: SocketAddr,
    tls: Tls,
}

impl TcpTransport {
    /// Listens on `address`; port 0: one that the system picks. `[::]` takes IPv4 as well where the system
    /// does so by default (Linux does).
    ///
    /// # Errors
    /// When the address is taken or not of this machine.
    pub fn bind(
        runtime: Arc<dyn Runtime>,
        identity: &Identity,
        address: SocketAddr,
    ) -> Result<Self, TransportError> {
        let tls = Tls::new(identity)?;
        let listener = TcpListener::bind(address)?;
        // A second listen only changes the backlog, which the standard library does not let us choose.
        rustix::net::listen(&listener, BACKLOG).map_err(io::Error::from)?;
        let listener = runtime.tcp_listener(listener)?;
        let local_address = listener.local_address()?;
        Ok(Self { runtime, listener, local_address, tls })
    }

    /// Where it listens, with the port that the system picked.
    #[must_use]
    pub fn local_address(&self) -> SocketAddr {
        self.local_address
    }

    async fn next_stream(&self) -> (BoxStream, SocketAddr) {
        loop {
            match self.listener.accept().await {
                Ok(accepted) => return accepted,
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    log::warn!("cannot accept connections on {}: {error}", self.local_address);
                    self.runtime.sleep(ACCEPT_RETRY).await;
                }
            }
        }
    }
}

impl Transport for TcpTransport {
    fn dial(&self, address: SocketAddr) -> BoxFuture<'_, Result<Connection, TransportError>> {
        Box::pin(async move {
            let stream = self.runtime.connect_tcp(address).await?;
            self.tls.dial(stream, address).await
        })
    }

    fn accept(&self) -> BoxFuture<'_, Result<Incoming, TransportError>> {
        Box::pin(async move {
            let (stream, from) = self.next_stream().await;
            let from = canonical(from);
            let tls = self.tls.clone();
            let handshake = Box::pin(async move { tls.answer(stream, from).await });
            Ok(Incoming { address: from, handshake })
        })
    }

    fn listen_port(&self) -> u16 {
        self.local_address.port()
    }
}
