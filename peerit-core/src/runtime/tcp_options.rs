//! What every TCP connection is set to.

use std::io;

use socket2::SockRef;

/// Most bytes that wait in the kernel without having been sent. What is there already is decided: no
/// other block can overtake it, and a cancel comes too late. The kernel takes more as soon as half of
/// it is gone, so it must last for a scheduler's tick, and does at 1 Gbit/s.
#[cfg(target_os = "linux")]
const UNSENT_MAX: u32 = 128 << 10;

/// Small frames go out at once (no Nagle), and little waits unsent.
pub(super) fn tune(socket: &SockRef<'_>) -> io::Result<()> {
    socket.set_tcp_nodelay(true)?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_notsent_lowat(UNSENT_MAX)?;
    Ok(())
}
