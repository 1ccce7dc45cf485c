//! TLS 1.3 in which both sides show their peer id: raw ed25519 public keys (RFC 7250), no certificates.

use std::net::SocketAddr;
use std::sync::Arc;

use futures_rustls::{TlsAcceptor, TlsConnector, client, server};
use futures_util::io::BufReader;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{AlwaysResolvesClientRawPublicKeys, Resumption};
use rustls::crypto::ring::{cipher_suite, default_provider, kx_group, sign::any_eddsa_type};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls13_signature_with_raw_key,
};
use rustls::pki_types::{
    CertificateDer, PrivatePkcs8KeyDer, ServerName, SubjectPublicKeyInfoDer, UnixTime,
};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{AlwaysResolvesServerRawPublicKeys, NoServerSessionStorage};
use rustls::sign::CertifiedKey;
use rustls::version::TLS13;
use rustls::{
    CertificateError, ClientConfig, ConnectionCommon, DigitallySignedStruct, DistinguishedName,
    Error, ServerConfig, SignatureScheme,
};

use super::{Carrier, Connection, Identity, TransportError};
use crate::id::PeerId;
use crate::path::Path;
use crate::runtime::{BoxStream, ByteStream, RoundTrip};

/// What both sides must speak after the handshake (RFC 7301).
const ALPN: &[u8] = b"peerit/1";

/// The channel binding of RFC 9266: a TLS exporter (RFC 8446, section 7.5) with this label and no context.
pub(super) const BINDING_LABEL: &[u8] = b"EXPORTER-Channel-Binding";

/// The head of an ed25519 public key as `SubjectPublicKeyInfo` (RFC 8410, section 4); 32 bytes of key follow.
const SPKI_HEAD: [u8; 12] =
    [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// How much is read from a socket at once. rustls alone asks for 4 to 18 KiB; at 64 KiB a system call
/// serves four full records. 500 peers: 32 MiB.
const READ_LENGTH: usize = 64 << 10;

/// One node's side of TLS, for connections in both directions. Cheap to clone.
#[derive(Clone)]
pub(super) struct Tls {
    client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
}

impl Tls {
    pub(super) fn new(identity: &Identity) -> Result<Self, Error> {
        let key = any_eddsa_type(&PrivatePkcs8KeyDer::from(identity.to_pkcs8()))?;
        let spki = [SPKI_HEAD.as_slice(), &identity.peer_id().0].concat();
        Self::with_key(Arc::new(CertifiedKey::new(vec![spki.into()], key)))
    }

    fn with_key(key: Arc<CertifiedKey>) -> Result<Self, Error> {
        let provider = Arc::new(provider());
        let verifier = Arc::new(RawKeys { algorithms: provider.signature_verification_algorithms });

        let mut client = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(Arc::clone(&verifier) as Arc<dyn ServerCertVerifier>)
            .with_client_cert_resolver(Arc::new(AlwaysResolvesClientRawPublicKeys::new(
                Arc::clone(&key),
            )));
        client.alpn_protocols = vec![ALPN.to_vec()];
        client.enable_sni = false;
        client.resumption = Resumption::disabled();

        let mut server = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13])?
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(Arc::new(AlwaysResolvesServerRawPublicKeys::new(key)));
        server.alpn_protocols = vec![ALPN.to_vec()];
        // If either side prefers ChaCha20, it is because it has no AES instructions: a server that
        // has them follows the client, one that has not decides.
        server.ignore_client_order = !has_aes_instructions();
        // No resumption: a new connection proves the keys anew, and nothing is kept of the old one.
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.send_tls13_tickets = 0;

        Ok(Self { client: Arc::new(client), server: Arc::new(server) })
    }

    /// What QUIC needs to dial.
    pub(super) fn client(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.client)
    }

    /// What QUIC needs to answer.
    pub(super) fn server(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.server)
    }

    /// The handshake of the side that opened `stream` to `address`.
    pub(super) async fn dial(
        &self,
        stream: BoxStream,
        address: SocketAddr,
    ) -> Result<Connection, TransportError> {
        let connector = TlsConnector::from(Arc::clone(&self.client));
        // Names nobody: the server's name is neither sent nor checked, its key is its identity.
        let name = ServerName::IpAddress(address.ip().into());
        let stream = connector.connect(name, buffered(stream)).await.map_err(handshake_error)?;
        let (peer_id, binding) = authenticated(stream.get_ref().1)?;
        Ok(connection(peer_id, address, binding, Box::new(stream)))
    }

    /// The handshake of the side that took `stream` from `address`.
    pub(super) async fn answer(
        &self,
        stream: BoxStream,
        address: SocketAddr,
    ) -> Result<Connection, TransportError> {
        let acceptor = TlsAcceptor::from(Arc::clone(&self.server));
        let stream = acceptor.accept(buffered(stream)).await.map_err(handshake_error)?;
        let (peer_id, binding) = authenticated(stream.get_ref().1)?;
        Ok(connection(peer_id, address, binding, Box::new(stream)))
    }
}

impl ByteStream for client::TlsStream<BufReader<BoxStream>> {
    fn round_trip(&self) -> Option<RoundTrip> {
        self.get_ref().0.get_ref().round_trip()
    }
}

impl ByteStream for server::TlsStream<BufReader<BoxStream>> {
    fn round_trip(&self) -> Option<RoundTrip> {
        self.get_ref().0.get_ref().round_trip()
    }
}

fn buffered(stream: BoxStream) -> BufReader<BoxStream> {
    BufReader::with_capacity(READ_LENGTH, stream)
}

fn connection(
    peer_id: PeerId,
    address: SocketAddr,
    binding: [u8; 32],
    stream: BoxStream,
) -> Connection {
    let (path, carrier) = (Path::Direct, Carrier::Tcp);
    Connection { peer_id, address, path, carrier, binding, stream }
}

/// Who the peer is, and what only the two ends know.
fn authenticated<Data>(
    session: &ConnectionCommon<Data>,
) -> Result<(PeerId, [u8; 32]), TransportError> {
    let peer_id = peer(session.alpn_protocol(), session.peer_certificates().unwrap_or_default())?;
    let binding = session.export_keying_material([0; 32], BINDING_LABEL, Some(&[]))?;
    Ok((peer_id, binding))
}

/// Who the peer is, by the protocol and the keys that TLS has agreed on.
pub(super) fn peer(
    protocol: Option<&[u8]>,
    keys: &[CertificateDer<'_>],
) -> Result<PeerId, TransportError> {
    if protocol != Some(ALPN) {
        return Err(Error::NoApplicationProtocol.into());
    }
    keys.first().and_then(|key| peer_id(key)).ok_or(TransportError::NoPeerId)
}

/// The peer id in an encoded `SubjectPublicKeyInfo`; none for any other kind of key.
fn peer_id(spki: &[u8]) -> Option<PeerId> {
    PeerId::try_from(spki.strip_prefix(&SPKI_HEAD)?).ok()
}

/// What went wrong in TLS, out of the IO error it comes in.
fn handshake_error(error: std::io::Error) -> TransportError {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(tls) => tls.clone().into(),
        None => error.into(),
    }
}

/// ring's primitives, as few as are needed: every peer is one of ours.
fn provider() -> CryptoProvider {
    let aes = cipher_suite::TLS13_AES_128_GCM_SHA256;
    let chacha = cipher_suite::TLS13_CHACHA20_POLY1305_SHA256;
    // AES-128 in hardware is three times as fast as ChaCha20, and slower (and open to cache timing) without.
    // Both are as strong as the X25519 and ed25519 around them.
    let cipher_suites = if has_aes_instructions() { [aes, chacha] } else { [chacha, aes] };
    CryptoProvider {
        cipher_suites: cipher_suites.to_vec(),
        kx_groups: vec![kx_group::X25519],
        ..default_provider()
    }
}

/// Whether this CPU computes AES-GCM in hardware.
fn has_aes_instructions() -> bool {
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    return std::arch::is_x86_feature_detected!("aes")
        && std::arch::is_x86_feature_detected!("pclmulqdq");
    #[cfg(target_arch = "aarch64")]
    return std::arch::is_aarch64_feature_detected!("aes")
        && std::arch::is_aarch64_feature_detected!("pmull");
    #[cfg(not(any(target_arch = "x86", target_arch = "x86_64", target_arch = "aarch64")))]
    return false;
}

/// Takes every ed25519 key that proves itself, and nothing else. Whether its owner is welcome is
/// decided by the proof of the swarm key.
#[derive(Debug)]
struct RawKeys {
    algorithms: WebPkiSupportedAlgorithms,
}

impl RawKeys {
    fn check_key(key: &CertificateDer<'_>) -> Result<(), Error> {
        peer_id(key).map(drop).ok_or(Error::InvalidCertificate(CertificateError::BadEncoding))
    }

    fn check_signature(
        &self,
        message: &[u8],
        key: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let key = SubjectPublicKeyInfoDer::from(key.as_ref());
        verify_tls13_signature_with_raw_key(message, &key, signature, &self.algorithms)
    }
}

/// The methods that are the same on both sides.
macro_rules! raw_key_signatures {
    () => {
        fn verify_tls12_signature(
            &self,
            _message: &[u8],
            _key: &CertificateDer<'_>,
            _signature: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Err(Error::General("TLS 1.2 is not spoken".into()))
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            key: &CertificateDer<'_>,
            signature: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            self.check_signature(message, key, signature)
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            vec![SignatureScheme::ED25519]
        }

        fn requires_raw_public_keys(&self) -> bool {
            true
        }
    };
}

impl ServerCertVerifier for RawKeys {
    fn verify_server_cert(
        &self,
        key: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Self::check_key(key).map(|()| ServerCertVerified::assertion())
    }

    raw_key_signatures!();
}

impl ClientCertVerifier for RawKeys {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        key: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Self::check_key(key).map(|()| ClientCertVerified::assertion())
    }

    raw_key_signatures!();
}

#[cfg(test)]
pub(super) mod tests;
