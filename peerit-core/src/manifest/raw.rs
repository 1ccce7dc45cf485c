//! The fields of an encoded message, before it is decoded.
//!
//! Decoding makes much of little: two bytes of a list become a struct of forty. So lists are
//! counted here first, without an allocation.

/// The fields of an encoded message, in order: their numbers and, where they have a length, their
/// bytes.
///
/// Ends where the bytes stop making sense; the decoder says why. Never stricter than the decoder,
/// or it would decode what was not counted: so the marks of groups, which it skips, are taken for
/// fields of their own.
pub(super) struct Fields<'a>(&'a [u8]);

/// The fields of `message`.
pub(super) fn fields(message: &[u8]) -> Fields<'_> {
    Fields(message)
}

impl<'a> Iterator for Fields<'a> {
    type Item = (u64, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let key = self.varint()?;
        let value = match key & 7 {
            0 => self.varint().map(|_| &[][..])?,
            1 => self.take(8)?,
            2 => {
                let length = usize::try_from(self.varint()?).ok()?;
                self.take(length)?
            }
            5 => self.take(4)?,
            _ => &[],
        };
        Some((key >> 3, value))
    }
}

impl<'a> Fields<'a> {
    fn varint(&mut self) -> Option<u64> {
        const LENGTH_MAX: usize = 10;
        let mut value = 0;
        for shift in (0..LENGTH_MAX).map(|index| 7 * index) {
            let byte = self.take(1)?[0];
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_every_wire_type_are_seen() {
        let message = [
            0x08, 0xff, 0x01, // 1: varint
            0x12, 2, b'a', b'b', // 2: two bytes
            0x1d, 1, 2, 3, 4, // 3: four bytes
            0x21, 1, 2, 3, 4, 5, 6, 7, 8, // 4: eight bytes
            0x2b, 0x12, 0, 0x2c, // 5: a group with a field 2 inside
            0x82, 0x01, 0, // 16: no bytes
        ];
        let numbers: Vec<_> = fields(&message).map(|(number, _)| number).collect();
        assert_eq!(numbers, [1, 2, 3, 4, 5, 2, 5, 16]);
        assert_eq!(fields(&message).nth(1), Some((2, &b"ab"[..])));
    }

    #[test]
    fn senseless_bytes_end_it() {
        for message in [&[0x08][..], &[0x12, 2, 0], &[0x12, 0xff], &[0x21, 1], &[0xff; 20]] {
            assert_eq!(fields(message).next(), None);
        }
    }
}
