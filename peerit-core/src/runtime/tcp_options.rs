//! What every TCP connection is set to.

use std::io;

use socket2::SockRef;

/// Least and most bytes that wait in the kernel without having been sent. What is there already is decided: no
/// other block can overtake it, a cancel comes too late, and a request waits behind it. The kernel takes more as soon as half of
/// it is gone, so it must last for a scheduler's tick, and does at 1 Gbit/s with the most.
#[cfg(target_os = "linux")]
const UNSENT: (u32, u32) = (16 << 10, 128 << 10);

/// How long it should last: of a slow uplink that is shared by a dozen connections, 128 KiB each would be seconds.
#[cfg(target_os = "linux")]
const UNSENT_MS: u64 = 20;

/// Congestion control by loss. Where BBR is the system's choice it takes acknowledgements that wait in a peer's own full
/// uplink, where they always do in a swarm, for the limit of the path, and leaves a fifth of a fast seed's uplink unused.
#[cfg(target_os = "linux")]
const CONGESTION_CONTROL: &[u8] = b"cubic";

/// Small frames go out at once (no Nagle), and little waits unsent.
pub(super) fn tune(socket: &SockRef<'_>) -> io::Result<()> {
    socket.set_tcp_nodelay(true)?;
    #[cfg(target_os = "linux")]
    {
        socket.set_tcp_notsent_lowat(UNSENT.1)?;
        if let Err(error) = socket.set_tcp_congestion(CONGESTION_CONTROL) {
            log::debug!("congestion control stays what the system has chosen: {error}");
        }
    }
    Ok(())
}

/// How many bytes may wait unsent on a connection that delivers so many in a second.
#[cfg(target_os = "linux")]
pub(super) fn unsent_max(rate: u64) -> u32 {
    let (least, most) = UNSENT;
    u32::try_from(rate.saturating_mul(UNSENT_MS) / 1_000).unwrap_or(u32::MAX).clamp(least, most)
}
