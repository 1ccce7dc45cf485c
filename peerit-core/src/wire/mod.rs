//! Frames on a connection.

mod frame;

pub use frame::{Frame, Hello};
