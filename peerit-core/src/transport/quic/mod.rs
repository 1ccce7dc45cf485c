//! Peers behind NATs, and all that only UDP reaches: QUIC (RFC 9000).

mod config;
mod dead_path;
mod driver;
mod stream;
#[cfg(test)]
mod tests;
mod window;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use quinn::crypto::rustls::HandshakeData;
use quinn::{ClientConfig, Endpoint, VarInt};
use rustls::pki_types::CertificateDer;

use self::driver::Driver;
use self::stream::QuicStream;
use super::tls::{self, Tls};
use super::{Carrier, Connection, Identity, Incoming, SharedUdp, Transport, TransportError};
use crate::path::Path;
use crate::runtime::{BoxFuture, Runtime, timeout};
use crate::wire::address::canonical;

/// Handshakes under way from which on a peer that dials must first show that it receives at its address
/// (RFC 9000, section 8.1.2), which costs it a round trip. So those who forge addresses fill no more than
/// this many of the places for handshakes. Before the proof, with or without it, an address is sent at most
/// three times the bytes that came from it.
const PROOF_FROM: usize = 32;

/// At shutdown: how long peers have to fetch what was written, and again to hear that we are gone.
const FAREWELL: Duration = Duration::from_secs(1);

/// What we say the peer's name is. It is neither sent nor checked: its key is its identity.
const NAME: &str = "peerit";

/// QUIC on a shared UDP socket; both sides prove their peer ids by RFC 7250 raw public keys. It dials and answers
/// from the same port.
///
/// A connection has one stream, which is there for the answering side with the first byte of the dialling
/// one. Windows and figures: `manual/transport.md`.
pub struct QuicTransport {
    runtime: Arc<dyn Runtime>,
    endpoint: Endpoint,
    client: ClientConfig,
    port: u16,
    /// Shared by every handshake of a peer that dials.
    handshakes: Arc<()>,
}

impl QuicTransport {
    /// Takes the QUIC lane of a socket, and reads the socket for all lanes.
    ///
    /// # Errors
    /// When TLS cannot be set up, or the system refuses.
    pub fn new(
        runtime: Arc<dyn Runtime>,
        identity: &Identity,
        socket: &SharedUdp,
    ) -> Result<Self, TransportError> {
        Self::with_tls(runtime, &Tls::new(identity)?, socket)
    }

    fn with_tls(
        runtime: Arc<dyn Runtime>,
        tls: &Tls,
        socket: &SharedUdp,
    ) -> Result<Self, TransportError> {
        let endpoint = Endpoint::new_with_abstract_socket(
            config::endpoint(),
            Some(config::server(tls)?),
            socket.quic(),
            Arc::new(Driver(socket.watch())),
        )?;
        let (client, port) = (config::client(tls)?, socket.local_address().port());
        Ok(Self { runtime, endpoint, client, port, handshakes: Arc::default() })
    }

    /// One that only dials, from another socket, which is open as long as its connections.
    pub(crate) fn on(&self, socket: &SharedUdp) -> Result<Self, TransportError> {
        let endpoint = Endpoint::new_with_abstract_socket(
            config::endpoint(),
            None,
            socket.quic(),
            Arc::new(Driver(socket.watch())),
        )?;
        let (runtime, client) = (Arc::clone(&self.runtime), self.client.clone());
        let port = socket.local_address().port();
        Ok(Self { runtime, endpoint, client, port, handshakes: Arc::default() })
    }

    /// Opens a connection to an address that was found in this way, such as one that ICE has chosen. Otherwise as
    /// [`Transport::dial`]. Of a connection that was answered, who knows the way sets [`Connection::path`].
    ///
    /// # Errors
    /// When nobody answers, or what does is no peer.
    pub async fn dial_path(
        &self,
        address: SocketAddr,
        path: Path,
    ) -> Result<Connection, TransportError> {
        let connecting = self.endpoint.connect_with(self.client.clone(), address, NAME);
        let connection = connecting.map_err(io::Error::other)?.await.map_err(io::Error::from)?;
        let stream = connection.open_bi().await.map_err(io::Error::from)?;
        let connection = authenticated(Arc::clone(&self.runtime), connection, stream)?;
        Ok(Connection { address, path, ..connection })
    }

    /// The next peer that dials, unless it must prove its address first.
    async fn next_incoming(&self) -> Result<quinn::Incoming, TransportError> {
        loop {
            let incoming = self.endpoint.accept().await.ok_or(TransportError::Closed)?;
            let busy = Arc::strong_count(&self.handshakes) > PROOF_FROM;
            if !busy || incoming.remote_address_validated() {
                return Ok(incoming);
            }
            // Fails for a peer that has proved it already, and this one has not.
            let _sent = incoming.retry();
        }
    }
}

impl Transport for QuicTransport {
    fn dial(&self, address: SocketAddr) -> BoxFuture<'_, Result<Connection, TransportError>> {
        Box::pin(self.dial_path(address, Path::Direct))
    }

    fn accept(&self) -> BoxFuture<'_, Result<Incoming, TransportError>> {
        Box::pin(async move {
            let incoming = self.next_incoming().await?;
            let (runtime, under_way) = (Arc::clone(&self.runtime), Arc::clone(&self.handshakes));
            Ok(Incoming {
                address: canonical(incoming.remote_address()),
                handshake: Box::pin(async move {
                    let connection = incoming.accept().map_err(io::Error::from)?;
                    let connection = connection.await.map_err(io::Error::from)?;
                    let stream = connection.accept_bi().await.map_err(io::Error::from)?;
                    drop(under_way);
                    authenticated(runtime, connection, stream)
                }),
            })
        })
    }

    fn listen_port(&self) -> u16 {
        self.port
    }

    fn shutdown(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            // Streams that were closed and dropped may still have bytes on the way.
            let _idle = timeout(&*self.runtime, FAREWELL, self.endpoint.wait_idle()).await;
            self.endpoint.close(VarInt::from_u32(0), b"");
            let _idle = timeout(&*self.runtime, FAREWELL, self.endpoint.wait_idle()).await;
        })
    }
}

/// Who the peer is, and what only the two ends know.
fn authenticated(
    runtime: Arc<dyn Runtime>,
    connection: quinn::Connection,
    stream: (quinn::SendStream, quinn::RecvStream),
) -> Result<Connection, TransportError> {
    let handshake = connection.handshake_data().and_then(|data| data.downcast().ok());
    let protocol = handshake.and_then(|data: Box<HandshakeData>| data.protocol);
    let keys = connection.peer_identity().and_then(|keys| keys.downcast().ok());
    let keys: Vec<CertificateDer<'_>> = keys.map_or_else(Vec::new, |keys| *keys);
    let peer_id = tls::peer(protocol.as_deref(), &keys)?;
    let mut binding = [0; 32];
    connection
        .export_keying_material(&mut binding, tls::BINDING_LABEL, &[])
        .map_err(|_| rustls::Error::General("the exporter gives no 32 bytes".into()))?;
    let address = canonical(connection.remote_address());
    let stream = Box::new(QuicStream::new(runtime, connection, stream));
    let (path, carrier) = (Path::Direct, Carrier::Quic);
    Ok(Connection { peer_id, address, path, carrier, binding, stream })
}
