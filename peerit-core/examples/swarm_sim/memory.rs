//! What the kernel says about this process's memory.

/// Knows what was resident before.
pub(crate) struct Meter {
    before: Option<u64>,
}

impl Meter {
    pub(crate) fn new() -> Self {
        Self { before: bytes_of("VmRSS:") }
    }

    /// How much more was resident at the most, in bytes; `None` where there is no procfs.
    pub(crate) fn most(&self) -> Option<u64> {
        Some(bytes_of("VmHWM:")?.saturating_sub(self.before?))
    }
}

fn bytes_of(name: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    // "VmHWM:     12345 kB", and the kernel's kB are KiB.
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok()?.checked_mul(1 << 10)
}
