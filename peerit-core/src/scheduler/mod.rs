//! Decides which block to ask of which peer.
//!
//! Pure: see [`Scheduler`].

mod event;

pub use event::{Action, Event};
