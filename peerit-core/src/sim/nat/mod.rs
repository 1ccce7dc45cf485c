//! NATs: two hosts that look for each other, with the real state machines, on virtual time.
//!
//! A [`NatScenario`] says who is behind what; a [`NatSimulation`] runs the client of trackers, the tracker and
//! the [`crate::nat::NatTraversal`] of both, with its connectivity checks as bytes. What a path carries is not
//! simulated: a connection is three packets.

mod act;
mod boxes;
mod engine;
mod host;
mod net;
mod report;
mod spec;

#[cfg(test)]
mod tests;

pub use engine::NatSimulation;
pub use report::{NatEnd, NatHostReport, NatReport};
pub use spec::{Filtering, Mapping, NatScenario, NatSpec, Shared, Site};
