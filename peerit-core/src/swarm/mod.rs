//! One swarm as one peer sees it.

mod event;

pub use event::{Action, Direction, DisconnectReason, Event, Misbehaviour, Path};
