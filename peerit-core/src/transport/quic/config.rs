//! What QUIC is set to, and why.

use std::sync::Arc;
use std::time::Duration;

use quinn::congestion::CubicConfig;
use quinn::crypto::rustls::{NoInitialCipherSuite, QuicClientConfig, QuicServerConfig};
use quinn::{
    ClientConfig, EndpointConfig, IdleTimeout, MtuDiscoveryConfig, ServerConfig, TransportConfig,
    VarInt,
};

use super::window;
use crate::transport::TransportError;
use crate::transport::tls::Tls;

/// How often something is sent when there is nothing to say: NATs forget a UDP mapping after 30 s at the
/// earliest (RFC 4787 asks for two minutes, and not all listen); two keep-alives may be lost.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// Silence after which a connection is dead: three keep-alives (RFC 9308, section 3.2, says 30 s too).
const IDLE_MAX_MS: u32 = 30_000;

/// Longest packet that is tried: Ethernet's 1,500 bytes less the headers of IPv6 and UDP. More would
/// only serve networks with jumbo frames, where peers dial each other by TCP.
const MTU_MAX: u16 = 1_452;

/// Dials that wait for [`Transport::accept`](crate::transport::Transport::accept); further ones are refused.
const WAITING_MAX: usize = 256;
/// What is kept of each until then: its first packets, in bytes; 4 MiB for all.
const WAITING_LENGTH: u64 = 16 << 10;

/// For the endpoint, which dials and answers.
pub(super) fn endpoint() -> EndpointConfig {
    let mut config = EndpointConfig::default();
    // Packets without the fixed bit would be taken for STUN or a tracker's.
    config.grease_quic_bit(false);
    config
}

/// For connections that we dial.
pub(super) fn client(tls: &Tls) -> Result<ClientConfig, TransportError> {
    let crypto = QuicClientConfig::try_from(tls.client()).map_err(no_initial_suite)?;
    let mut config = ClientConfig::new(Arc::new(crypto));
    config.transport_config(Arc::new(transport()));
    Ok(config)
}

/// For connections that we answer. Peers may move to another address (quinn's default): a NAT that
/// forgot its mapping, a telephone that left the house.
pub(super) fn server(tls: &Tls) -> Result<ServerConfig, TransportError> {
    let crypto = QuicServerConfig::try_from(tls.server()).map_err(no_initial_suite)?;
    let mut config = ServerConfig::with_crypto(Arc::new(crypto));
    config
        .transport_config(Arc::new(transport()))
        .max_incoming(WAITING_MAX)
        .incoming_buffer_size(WAITING_LENGTH)
        .incoming_buffer_size_total(WAITING_LENGTH * WAITING_MAX as u64);
    Ok(config)
}

/// Congestion control is CUBIC (RFC 9438): it shares a bottleneck with TCP as TCP does. quinn's BBR is an
/// experiment of its first version, which takes more than its share.
fn transport() -> TransportConfig {
    let mut mtu = MtuDiscoveryConfig::default();
    mtu.upper_bound(MTU_MAX);
    let mut config = TransportConfig::default();
    config
        // One stream, opened by who dials; nothing else.
        .max_concurrent_bidi_streams(VarInt::from_u32(1))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .datagram_receive_buffer_size(None)
        // The connection's window is the one that grows; the stream's must not be in its way.
        .receive_window(VarInt::from_u32(window::FIRST))
        .stream_receive_window(VarInt::from_u32(window::MAX))
        .mtu_discovery_config(Some(mtu))
        .congestion_controller_factory(Arc::new(CubicConfig::default()))
        .keep_alive_interval(Some(KEEP_ALIVE))
        .max_idle_timeout(Some(IdleTimeout::from(VarInt::from_u32(IDLE_MAX_MS))));
    config
}

fn no_initial_suite(_: NoInitialCipherSuite) -> TransportError {
    rustls::Error::General("AES-128-GCM, which QUIC begins with, is missing".into()).into()
}
