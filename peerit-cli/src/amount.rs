//! Sizes, rates and durations, as people write and read them.

use std::num::NonZeroU64;
use std::time::Duration;

use peerit_core::layout::Layout;

/// A text that is no amount.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AmountError {
    #[error("a size is a number, alone or with K, M or G (KiB, MiB, GiB mean the same)")]
    Size,
    #[error("a chunk length is a power of two from 64K to 16M")]
    ChunkLength,
    #[error("a duration is a number with s, m, h or d, as in 30s or 10m")]
    Duration,
    #[error("a rate is bytes a second, alone or with K, M or G, as in 500K or 2M; or none")]
    Rate,
    #[error("too large")]
    TooLarge,
}

/// `65536`, `256K`, `1MiB`, `1m`: bytes; all units are powers of 1,024.
pub(crate) fn parse_size(text: &str) -> Result<u64, AmountError> {
    let (number, unit) = split(text).ok_or(AmountError::Size)?;
    let factor = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        _ => return Err(AmountError::Size),
    };
    number.checked_mul(factor).ok_or(AmountError::TooLarge)
}

/// `256K`: the length of a chunk in bytes.
pub(crate) fn parse_chunk_length(text: &str) -> Result<u32, AmountError> {
    let length = u32::try_from(parse_size(text)?).map_err(|_| AmountError::ChunkLength)?;
    // Whether there are too many chunks can be said once the content is known.
    Layout::new(0, length).map_err(|_| AmountError::ChunkLength)?;
    Ok(length)
}

/// `30s`, `10m`, `2h`, `1d`.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, AmountError> {
    let (number, unit) = split(text).ok_or(AmountError::Duration)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(AmountError::Duration),
    };
    number.checked_mul(seconds).map(Duration::from_secs).ok_or(AmountError::TooLarge)
}

/// What a rate is bounded by; none: nothing.
pub(crate) type RateLimit = Option<NonZeroU64>;

/// `none`, or `2M`: bytes a second. Not 0: to stop a share there is `pause`.
pub(crate) fn parse_rate(text: &str) -> Result<RateLimit, AmountError> {
    if text == "none" {
        return Ok(None);
    }
    match parse_size(text) {
        Ok(bytes) => NonZeroU64::new(bytes).map(Some).ok_or(AmountError::Rate),
        Err(AmountError::Size) => Err(AmountError::Rate),
        Err(error) => Err(error),
    }
}

/// `2.0 MiB/s`, or `unlimited`.
pub(crate) fn limit(limit: RateLimit) -> String {
    limit.map_or_else(|| "unlimited".to_owned(), |bytes| rate(bytes.get()))
}

fn split(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    Some((number.parse().ok()?, unit))
}

/// `700 MiB`, `1.5 GiB`: three digits at most say enough.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1 << 10 {
        return format!("{bytes} B");
    }
    let mut amount = bytes as f64 / 1024.0;
    let mut unit = 0;
    // What would be printed as 1024 belongs to the next unit.
    while amount >= 1023.5 && unit + 1 < UNITS.len() {
        amount /= 1024.0;
        unit += 1;
    }
    let digits = usize::from(amount < 9.95);
    format!("{amount:.digits$} {}", UNITS[unit])
}

/// `3.1 MiB/s`.
pub(crate) fn rate(bytes_per_second: u64) -> String {
    format!("{}/s", size(bytes_per_second))
}

/// `1 seed`, `2 seeds`.
pub(crate) fn counted(count: u32, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// `0:05`, `1:02:03`.
pub(crate) fn clock(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    match hours {
        0 => format!("{minutes}:{seconds:02}"),
        _ => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

/// Bytes a second over `duration`.
pub(crate) fn mean_rate(bytes: u64, duration: Duration) -> u64 {
    let milliseconds = duration.as_millis().max(1);
    u64::try_from(u128::from(bytes) * 1_000 / milliseconds).unwrap_or(u64::MAX)
}

/// How much of the whole is done, rounded down: 100 only when all is. Nothing is all of nothing.
pub(crate) fn percent(done: u64, total: u64) -> u64 {
    if total == 0 {
        return 100;
    }
    let percent = u128::from(done.min(total)) * 100 / u128::from(total);
    u64::try_from(percent).unwrap_or(100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read() {
        assert_eq!(parse_size("65536"), Ok(65_536));
        assert_eq!(parse_size("256K"), Ok(256 << 10));
        assert_eq!(parse_size("1MiB"), Ok(1 << 20));
        assert_eq!((parse_size("64k"), parse_size("1m")), (Ok(64 << 10), Ok(1 << 20)));
        assert_eq!(parse_chunk_length("16M"), Ok(16 << 20));
        for wrong in ["", "K", "1.5M", "-1", "1 M", "1KB", "1s", "99999999999999999999"] {
            assert_eq!(parse_size(wrong), Err(AmountError::Size), "{wrong}");
        }
        assert_eq!(parse_size("18446744073709551615K"), Err(AmountError::TooLarge));
        assert_eq!(parse_chunk_length("4G"), Err(AmountError::ChunkLength));
    }

    #[test]
    fn rates_are_read() {
        assert_eq!(parse_rate("2M"), Ok(NonZeroU64::new(2 << 20)));
        assert_eq!(parse_rate("none"), Ok(None));
        for wrong in ["0", "fast", "2M/s"] {
            assert_eq!(parse_rate(wrong), Err(AmountError::Rate), "{wrong}");
        }
        assert_eq!(
            (limit(None), limit(NonZeroU64::new(1 << 20))),
            ("unlimited".into(), "1.0 MiB/s".into())
        );
    }

    #[test]
    fn durations_are_read() {
        assert_eq!(parse_duration("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(parse_duration("10m"), Ok(Duration::from_secs(600)));
        assert_eq!(parse_duration("1d"), Ok(Duration::from_secs(86_400)));
        for wrong in ["", "30", "s", "1w", "1.5h"] {
            assert_eq!(parse_duration(wrong), Err(AmountError::Duration), "{wrong}");
        }
        assert_eq!(parse_duration("9999999999999999999d"), Err(AmountError::TooLarge));
    }

    #[test]
    fn sizes_are_printed_with_their_unit() {
        let sizes = [0, 1023, 1024, 1536, 10 << 10, (1 << 20) - 1, 700 << 20, u64::MAX].map(size);
        let expected =
            ["0 B", "1023 B", "1.0 KiB", "1.5 KiB", "10 KiB", "1.0 MiB", "700 MiB", "16 EiB"];
        assert_eq!(sizes, expected);
    }

    #[test]
    fn times_are_printed_like_a_clock() {
        assert_eq!(clock(Duration::from_secs(5)), "0:05");
        assert_eq!(clock(Duration::from_secs(3_723)), "1:02:03");
    }

    #[test]
    fn only_all_is_a_hundred_percent() {
        assert_eq!(percent(999, 1_000), 99);
        assert_eq!(percent(u64::MAX, u64::MAX), 100);
        assert_eq!(percent(0, 0), 100);
    }

    #[test]
    fn rates_are_over_the_time_it_took() {
        assert_eq!(mean_rate(3_000, Duration::from_secs(3)), 1_000);
        assert_eq!(mean_rate(u64::MAX, Duration::ZERO), u64::MAX);
    }
}
