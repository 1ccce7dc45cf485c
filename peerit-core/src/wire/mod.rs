//! Frames on a connection, and the proof that opens one.
//!
//! Pure: bytes in, frames out. `transport::frames` moves the bytes.

pub(crate) mod address;
mod body;
mod codec;
mod frame;
mod proof;

pub use body::{AGENT_LENGTH_MAX, HAVE_MAX, PEER_EXCHANGE_MAX};
pub use codec::{
    FRAME_LENGTH_MAX, LENGTH_PREFIX_MAX, WireError, decode_frame, encode_frame, peek_frame,
};
pub use frame::{Frame, Hello};
pub use proof::{Role, proof, proofs_match};

#[cfg(test)]
mod tests;
