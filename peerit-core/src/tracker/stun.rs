//! STUN binding requests and their answers (RFC 8489): "which address do you see me at?"
//!
//! The client's side is [`Client`]. A server without authentication: a request is answered with XOR-MAPPED-ADDRESS, one with
//! attributes that must be understood and are not with error 420. Nothing else is answered: no
//! indications, no RFC 3489 requests without the magic cookie. FINGERPRINT is neither checked nor
//! added, as the first byte tells STUN from all else on our ports. A tracker answers requests that
//! are shorter than their answers at a bounded rate, see [`super::TrackerServer`].

use std::net::{IpAddr, SocketAddr};

use bytes::{BufMut, Bytes, BytesMut};

mod client;

pub use client::{Action as ClientAction, Client, QUERIES_MAX};

const HEADER_LENGTH: usize = 20;
const MAGIC_COOKIE: u32 = 0x2112_a442;

const BINDING_REQUEST: u16 = 0x0001;
const BINDING_SUCCESS: u16 = 0x0101;
const BINDING_ERROR: u16 = 0x0111;

const CHANGE_REQUEST: u16 = 0x0003;
const ERROR_CODE: u16 = 0x0009;
const UNKNOWN_ATTRIBUTES: u16 = 0x000a;
const XOR_MAPPED_ADDRESS: u16 = 0x0020;
const SOFTWARE: u16 = 0x8022;
const OTHER_ADDRESS: u16 = 0x802c;

/// What a [`CHANGE_REQUEST`] asks for (RFC 5780, section 7.2): another port; another address as well.
const CHANGE_PORT: [u8; 4] = [0, 0, 0, 2];
const CHANGE_BOTH: [u8; 4] = [0, 0, 0, 6];

/// Attributes below this must be understood (RFC 8489, section 14).
const OPTIONAL_FROM: u16 = 0x8000;

/// Those that a server without authentication understands by ignoring them: USERNAME,
/// MESSAGE-INTEGRITY, REALM, NONCE, MESSAGE-INTEGRITY-SHA256, PASSWORD-ALGORITHM, USERHASH, and
/// ICE's PRIORITY and USE-CANDIDATE.
const IGNORED: [u16; 9] = [0x0006, 0x0008, 0x0014, 0x0015, 0x001c, 0x001d, 0x001e, 0x0024, 0x0025];

/// What [`request`] carries as SOFTWARE: of a length that makes the request as long as the longest
/// answer, that with an IPv6 address, so that a server which answers nothing longer than the
/// question can answer it.
const PADDING: &[u8; 20] = b"peerit              ";

/// Type and value.
type Attribute<'a> = (u16, &'a [u8]);

/// Names a request; chosen at random, so that nobody off the path can forge its answer.
pub type TransactionId = [u8; 12];

/// Whether a datagram is STUN: by its first byte (RFC 9443) and the magic cookie.
#[must_use]
pub fn is_stun(datagram: &[u8]) -> bool {
    datagram.first().is_some_and(|first| *first < 4)
        && datagram.get(4..8) == Some(MAGIC_COOKIE.to_be_bytes().as_slice())
}

/// From where a server is asked to answer (RFC 5780, section 7.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AnswerFrom {
    /// Where it was asked.
    #[default]
    Here,
    /// Another port of the same address.
    OtherPort,
    /// Another address and another port.
    OtherAddress,
}

/// A binding request of 44 bytes.
#[must_use]
pub fn request(transaction: &TransactionId) -> Bytes {
    request_from(transaction, AnswerFrom::Here)
}

/// A binding request whose answer comes from elsewhere, of 52 bytes unless that is here. Only servers
/// that have named an [`Binding::other_address`] understand it.
#[must_use]
pub fn request_from(transaction: &TransactionId, from: AnswerFrom) -> Bytes {
    let mut body = BytesMut::new();
    match from {
        AnswerFrom::Here => {}
        AnswerFrom::OtherPort => put_attribute(&mut body, CHANGE_REQUEST, &CHANGE_PORT),
        AnswerFrom::OtherAddress => put_attribute(&mut body, CHANGE_REQUEST, &CHANGE_BOTH),
    }
    put_attribute(&mut body, SOFTWARE, PADDING);
    message(BINDING_REQUEST, transaction, &body)
}

/// The answer to a binding request that came from `from`, and from which of the server's places it goes; none if
/// `datagram` is no such request.
///
/// Without another port (`has_other_port`) a request to answer from there is refused, and so is one to answer from
/// another address (RFC 5780, section 6.1). It has 32 bytes for IPv4, 44 for IPv6, and at most 28 plus twice the number of unknown
/// attributes (padded to four) for an error, at most 1.5 times the request.
#[must_use]
pub fn answer(
    datagram: &[u8],
    from: SocketAddr,
    has_other_port: bool,
) -> Option<(AnswerFrom, Bytes)> {
    let (transaction, attributes) = parse(datagram, BINDING_REQUEST)?;
    let (other_port, attributes): (Vec<Attribute<'_>>, Vec<_>) =
        attributes.into_iter().partition(|attribute| {
            has_other_port && *attribute == (CHANGE_REQUEST, CHANGE_PORT.as_slice())
        });
    let answer_from = if other_port.is_empty() { AnswerFrom::Here } else { AnswerFrom::OtherPort };
    let unknown: Vec<u8> = attributes
        .into_iter()
        .map(|(kind, _)| kind)
        .filter(|kind| *kind < OPTIONAL_FROM && !IGNORED.contains(kind))
        .flat_map(u16::to_be_bytes)
        .collect();
    let mut body = BytesMut::new();
    if unknown.is_empty() {
        put_attribute(&mut body, XOR_MAPPED_ADDRESS, &xor_address(from, &transaction));
        return Some((answer_from, message(BINDING_SUCCESS, &transaction, &body)));
    }
    put_attribute(&mut body, ERROR_CODE, &[0, 0, 4, 20]);
    put_attribute(&mut body, UNKNOWN_ATTRIBUTES, &unknown);
    Some((AnswerFrom::Here, message(BINDING_ERROR, &transaction, &body)))
}

/// What a successful answer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Binding {
    /// Where the server saw the request come from.
    pub mapped: SocketAddr,
    /// From where else it can answer, if it can (RFC 5780, section 7.4).
    pub other_address: Option<SocketAddr>,
}

/// What the answer to the request of that name says; none if `datagram` is no successful answer to it.
#[must_use]
pub fn binding(datagram: &[u8], transaction: &TransactionId) -> Option<Binding> {
    let (answered, attributes) = parse(datagram, BINDING_SUCCESS)?;
    if answered != *transaction {
        return None;
    }
    let value =
        |wanted| attributes.iter().find(|(kind, _)| *kind == wanted).map(|(_, value)| *value);
    Some(Binding {
        mapped: parse_address(value(XOR_MAPPED_ADDRESS)?, mask(transaction))?,
        other_address: value(OTHER_ADDRESS).and_then(|value| parse_address(value, [0; 16])),
    })
}

/// The address in a successful answer to the request of that name; none if `datagram` is no such
/// answer.
#[must_use]
pub fn mapped_address(datagram: &[u8], transaction: &TransactionId) -> Option<SocketAddr> {
    binding(datagram, transaction).map(|binding| binding.mapped)
}

/// The transaction of a well-formed message of this type, and its attributes.
fn parse(datagram: &[u8], kind: u16) -> Option<(TransactionId, Vec<Attribute<'_>>)> {
    let (header, mut rest) = datagram.split_at_checked(HEADER_LENGTH)?;
    let [k0, k1, l0, l1, c0, c1, c2, c3, transaction @ ..] = header else { return None };
    let length = usize::from(u16::from_be_bytes([*l0, *l1]));
    let well_formed = u16::from_be_bytes([*k0, *k1]) == kind
        && u32::from_be_bytes([*c0, *c1, *c2, *c3]) == MAGIC_COOKIE
        && length == rest.len()
        && length % 4 == 0;
    let transaction = transaction.try_into().ok().filter(|_| well_formed)?;
    let mut attributes = Vec::new();
    while !rest.is_empty() {
        attributes.push(take_attribute(&mut rest)?);
    }
    Some((transaction, attributes))
}

fn take_attribute<'a>(rest: &mut &'a [u8]) -> Option<Attribute<'a>> {
    let [k0, k1, l0, l1, after @ ..] = *rest else { return None };
    let length = usize::from(u16::from_be_bytes([*l0, *l1]));
    let value = after.get(..length)?;
    *rest = after.get(length.next_multiple_of(4)..)?;
    Some((u16::from_be_bytes([*k0, *k1]), value))
}

#[expect(clippy::cast_possible_truncation, reason = "bodies are far below 64 KiB")]
fn message(kind: u16, transaction: &TransactionId, body: &[u8]) -> Bytes {
    let mut message = BytesMut::with_capacity(HEADER_LENGTH + body.len());
    message.put_u16(kind);
    message.put_u16(body.len() as u16);
    message.put_u32(MAGIC_COOKIE);
    message.put_slice(transaction);
    message.put_slice(body);
    message.freeze()
}

#[expect(clippy::cast_possible_truncation, reason = "values are far below 64 KiB")]
fn put_attribute(body: &mut BytesMut, kind: u16, value: &[u8]) {
    body.put_u16(kind);
    body.put_u16(value.len() as u16);
    body.put_slice(value);
    body.put_bytes(0, value.len().next_multiple_of(4) - value.len());
}

/// What an address is combined with (RFC 8489, section 14.2): the magic cookie and the transaction.
fn mask(transaction: &TransactionId) -> [u8; 16] {
    let mut mask = [0; 16];
    mask[..4].copy_from_slice(&MAGIC_COOKIE.to_be_bytes());
    mask[4..].copy_from_slice(transaction);
    mask
}

fn xor(bytes: &mut [u8], mask: &[u8]) {
    bytes.iter_mut().zip(mask).for_each(|(byte, mask)| *byte ^= mask);
}

fn xor_address(address: SocketAddr, transaction: &TransactionId) -> Vec<u8> {
    let (family, ip) = match address.ip().to_canonical() {
        IpAddr::V4(ip) => (1, ip.octets().to_vec()),
        IpAddr::V6(ip) => (2, ip.octets().to_vec()),
    };
    let mask = mask(transaction);
    let mut value = vec![0, family];
    value.extend(address.port().to_be_bytes());
    value.extend(ip);
    xor(&mut value[2..4], &mask);
    xor(&mut value[4..], &mask);
    value
}

/// An address combined with `mask`; 0 for one that is as it is.
fn parse_address(value: &[u8], mask: [u8; 16]) -> Option<SocketAddr> {
    let mut value = value.to_vec();
    let [_, family, rest @ ..] = value.as_mut_slice() else { return None };
    let (port, ip) = rest.split_at_mut_checked(2)?;
    xor(port, &mask);
    xor(ip, &mask);
    let ip = match family {
        1 => IpAddr::from(<[u8; 4]>::try_from(&*ip).ok()?),
        2 => IpAddr::from(<[u8; 16]>::try_from(&*ip).ok()?),
        _ => return None,
    };
    Some(SocketAddr::new(ip, u16::from_be_bytes([port[0], port[1]])))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 5769, section 2.1: a request with SOFTWARE, PRIORITY, ICE-CONTROLLED, USERNAME,
    /// MESSAGE-INTEGRITY, FINGERPRINT.
    const SAMPLE_REQUEST: &str = "000100582112a442b7e7a701bc34d686fa87dfae802200105354554e2074657374\
        20636c69656e74002400046e0001ff80290008932ff9b151263b36000600096576746a3a68367659202020\
        000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a280280004e57a3bcf";

    /// RFC 5769, sections 2.2 and 2.3: its answers, 192.0.2.1:32853 and its IPv6 sibling.
    const SAMPLE_ANSWERS: [(&str, &str); 2] = [
        (
            "0101003c2112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220002000080001a147\
             e112a643000800142b91f599fd9e90c38c7489f92af9ba53f06be7d780280004c07d4c96",
            "192.0.2.1:32853",
        ),
        (
            "010100482112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220002000140002a147\
             0113a9faa5d3f179bc25f4b5bed2b9d900080014a382954e4be67bf11784c97c8292c275bfe3ed41\
             80280004c8fb0b4c",
            "[2001:db8:1234:5678:11:2233:4455:6677]:32853",
        ),
    ];

    fn bytes(hex: &str) -> Vec<u8> {
        let hex: String = hex.split_whitespace().collect();
        data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap()
    }

    #[test]
    fn the_samples_of_rfc_5769_are_understood() {
        let request = bytes(SAMPLE_REQUEST);
        let transaction: TransactionId = request[8..20].try_into().unwrap();
        for (sample, address) in SAMPLE_ANSWERS {
            let address: SocketAddr = address.parse().unwrap();
            assert_eq!(mapped_address(&bytes(sample), &transaction), Some(address));
            let (_, answer) = answer(&request, address, false).unwrap();
            assert_eq!(mapped_address(&answer, &transaction), Some(address));
            assert_eq!(mapped_address(&answer, &[0; 12]), None);
        }
    }

    #[test]
    fn a_server_says_from_where_else_it_can_answer() {
        let (mapped, other) = ("192.0.2.1:9".parse().unwrap(), "198.51.100.7:3479");
        let mut body = BytesMut::new();
        put_attribute(&mut body, XOR_MAPPED_ADDRESS, &xor_address(mapped, &[7; 12]));
        put_attribute(&mut body, OTHER_ADDRESS, &[0, 1, 0x0d, 0x97, 198, 51, 100, 7]);
        let answer = message(BINDING_SUCCESS, &[7; 12], &body);
        let other_address = Some(other.parse().unwrap());
        assert_eq!(binding(&answer, &[7; 12]), Some(Binding { mapped, other_address }));
    }

    #[test]
    fn a_request_for_an_answer_from_elsewhere_is_that_of_rfc_5780() {
        let header = "000100202112a442070707070707070707070707";
        for (from, flags) in [(AnswerFrom::OtherPort, "02"), (AnswerFrom::OtherAddress, "06")] {
            let request = request_from(&[7; 12], from);
            assert_eq!(request[..28], bytes(&format!("{header}00030004000000{flags}")));
            assert_eq!(request.len(), 52);
        }
    }

    #[test]
    fn our_request_is_as_long_as_its_longest_answer() {
        let request = request(&[7; 12]);
        for (from, length) in
            [("192.0.2.1:9", 32), ("[::ffff:192.0.2.1]:9", 32), ("[2001:db8::1]:9", 44)]
        {
            let (_, answer) = answer(&request, from.parse().unwrap(), false).unwrap();
            assert_eq!(answer.len(), length);
        }
        assert_eq!(request.len(), 44);
        assert!(is_stun(&request));
    }

    #[test]
    fn an_answer_from_elsewhere_is_given_where_there_is_another_port() {
        let from = "192.0.2.1:9".parse().unwrap();
        let refused = bytes(
            "011100102112a442070707070707070707070707\
             0009000400000414000a000200030000",
        );
        for (asked, has_other_port, answers_from) in [
            (AnswerFrom::Here, true, Some(AnswerFrom::Here)),
            (AnswerFrom::OtherPort, true, Some(AnswerFrom::OtherPort)),
            (AnswerFrom::OtherPort, false, None),
            (AnswerFrom::OtherAddress, true, None),
        ] {
            let request = request_from(&[7; 12], asked);
            let (answered_from, answer) = answer(&request, from, has_other_port).unwrap();
            assert!(answer.len() <= request.len(), "{asked:?}");
            match answers_from {
                Some(expected) => assert_eq!(answered_from, expected, "{asked:?}"),
                None => assert_eq!(
                    (answered_from, &answer),
                    (AnswerFrom::Here, &refused.clone().into())
                ),
            }
        }
    }

    #[test]
    fn attributes_that_may_be_ignored_are() {
        let mut body = BytesMut::new();
        put_attribute(&mut body, 0xffff, b"may be ignored");
        let request = message(BINDING_REQUEST, &[7; 12], &body);
        let (_, answer) = answer(&request, "192.0.2.1:9".parse().unwrap(), false).unwrap();
        assert!(mapped_address(&answer, &[7; 12]).is_some());
    }

    #[test]
    fn what_is_no_request_is_not_answered() {
        let from = "192.0.2.1:9".parse().unwrap();
        let good = request(&[7; 12]).to_vec();
        assert!(answer(&good, from, false).is_some());
        // A bit of type, length, cookie or of the attribute's length is wrong; the transaction may
        // be anything.
        for wrong in (0..8).chain(22..24) {
            let mut request = good.clone();
            request[wrong] ^= 0x40;
            assert_eq!(answer(&request, from, false), None, "byte {wrong}");
        }
        for length in 0..good.len() {
            assert_eq!(answer(&good[..length], from, false), None, "length {length}");
        }
        let (_, response) = answer(&good, from, false).unwrap();
        assert_eq!(answer(&response, from, false), None, "an answer is not answered");
    }
}
