//! Whose a datagram is, told by its first byte (RFC 9443).
//!
//! | first byte | |
//! |---|---|
//! | 0 to 3, and the magic cookie | STUN (RFC 8489) |
//! | 9 | a tracker's |
//! | 64 to 127, 192 to 255 | QUIC (RFC 9000, section 17): its fixed bit is set |
//! | others | nobody's |
//!
//! QUIC keeps out of the others' ranges as long as no endpoint offers to take packets without the fixed
//! bit (RFC 9287); ours do not.

use crate::tracker::{is_tracker, stun::is_stun};

/// The bit that every QUIC packet has.
const FIXED_BIT: u8 = 0x40;

/// Whose a datagram is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Quic,
    Tracker,
    Stun,
    Unknown,
}

impl Kind {
    pub(super) fn of(datagram: &[u8]) -> Self {
        match datagram.first() {
            Some(first) if first & FIXED_BIT != 0 => Self::Quic,
            _ if is_tracker(datagram) => Self::Tracker,
            _ if is_stun(datagram) => Self::Stun,
            _ => Self::Unknown,
        }
    }
}

/// Takes everything but QUIC out of datagrams that the kernel glued together (GRO): all are `stride` bytes
/// long, the last one perhaps less. What is taken out goes to `divert`, what is left moves up; gives its length.
///
/// Since all but the last are equally long, so are those that are left, and `stride` still tells them apart.
pub(super) fn sift(glued: &mut [u8], stride: usize, mut divert: impl FnMut(Kind, &[u8])) -> usize {
    let mut kept = 0;
    let mut start = 0;
    while start < glued.len() {
        // A stride of zero would never end.
        let end = glued.len().min(start + stride.max(1));
        match Kind::of(&glued[start..end]) {
            Kind::Quic => {
                if kept < start {
                    glued.copy_within(start..end, kept);
                }
                kept += end - start;
            }
            other => divert(other, &glued[start..end]),
        }
        start = end;
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tracker::stun;

    #[test]
    fn the_first_byte_tells() {
        for first in 0..=u8::MAX {
            let expected = match first {
                9 => Kind::Tracker,
                64..=127 | 192.. => Kind::Quic,
                _ => Kind::Unknown,
            };
            assert_eq!(Kind::of(&[first]), expected, "{first}");
        }
        assert_eq!(Kind::of(&[]), Kind::Unknown);
        let mut request = stun::request(&[7; 12]).to_vec();
        assert_eq!(Kind::of(&request), Kind::Stun);
        request[4] ^= 1;
        assert_eq!(Kind::of(&request), Kind::Unknown, "without the cookie it is not STUN");
    }

    /// Datagrams as a picture: `q`, `s`, `t`, `x` for QUIC, STUN, a tracker's, nobody's; each is 20 bytes, or
    /// 10 as a capital. Gives what is left for QUIC and what was taken out, in the same letters.
    fn sifted(picture: &str) -> (String, String) {
        let mut glued: Vec<u8> = picture.chars().flat_map(datagram).collect();
        let mut taken = String::new();
        let kept = sift(&mut glued, 20, |kind, datagram| taken.push(letter(kind, datagram)));
        let left = glued[..kept].chunks(20).map(|datagram| letter(Kind::of(datagram), datagram));
        (left.collect(), taken)
    }

    fn datagram(letter: char) -> Vec<u8> {
        let head: &[u8] = match letter.to_ascii_lowercase() {
            'q' => &[0x40],
            's' => &[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42],
            't' => &[9],
            _ => &[0x80],
        };
        let mut datagram = head.to_vec();
        datagram.resize(if letter.is_ascii_uppercase() { 10 } else { 20 }, 0x55);
        datagram
    }

    fn letter(kind: Kind, datagram: &[u8]) -> char {
        let letter = match kind {
            Kind::Quic => 'q',
            Kind::Stun => 's',
            Kind::Tracker => 't',
            Kind::Unknown => 'x',
        };
        let whole = self::datagram(letter) == datagram;
        if whole { letter } else { letter.to_ascii_uppercase() }
    }

    #[test]
    fn each_glued_datagram_is_looked_at() {
        for (picture, left, taken) in [
            ("", "", ""),
            ("qqqq", "qqqq", ""),
            ("qqqQ", "qqqQ", ""),
            ("qqqS", "qqq", "S"),
            ("sqqQ", "qqQ", "s"),
            ("qsqtqxQ", "qqqQ", "stx"),
            ("stx", "", "stx"),
            ("T", "", "T"),
        ] {
            assert_eq!(sifted(picture), (left.into(), taken.into()), "{picture}");
        }
    }

    #[test]
    fn what_is_left_keeps_its_bytes() {
        let mut glued =
            [&datagram('s')[..], &[0x41; 20], &datagram('t'), &[0x42; 20], &[0x43; 5]].concat();
        let kept = sift(&mut glued, 20, |_, _| {});
        assert_eq!(glued[..kept], [&[0x41; 20][..], &[0x42; 20], &[0x43; 5]].concat());
    }

    #[test]
    fn a_wrong_stride_ends_too() {
        assert_eq!(sift(&mut [0x40; 3], 0, |_, _| {}), 3);
        assert_eq!(sift(&mut [0x40; 3], usize::MAX - 5, |_, _| {}), 3);
    }
}
