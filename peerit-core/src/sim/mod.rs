//! Many swarms on virtual time: real [`crate::swarm::Swarm`]s, trackers and tracker clients over
//! modelled links, disks and faults.
//!
//! ```
//! use peerit_core::sim::{Link, PeerSpec, Scenario, Simulation};
//!
//! let peers = vec![
//!     PeerSpec::seed(Link::mbit(20, 100)),
//!     PeerSpec::leech(Link::mbit(20, 100)),
//!     PeerSpec::leech(Link::mbit(20, 100)),
//! ];
//! let scenario = Scenario { peers, content_bytes: 4 << 20, ..Scenario::default() };
//! let report = Simulation::new(scenario)?.run()?;
//! assert!(report.ratio >= 1.0);
//! # Ok::<(), peerit_core::sim::SimError>(())
//! ```
//!
//! Pure and deterministic: the same [`Scenario`] gives the same run, event for event, on every machine;
//! [`Report::trace`] is a fingerprint of it. While it runs, and at its end, it checks what must hold
//! whatever happens; what does not is a [`SimError`] that says how to see it again.
//!
//! | file | what |
//! |---|---|
//! | `scenario`, `report` | what goes in, what comes out |
//! | `engine`, `queue` | the loop, and what happens when |
//! | `act`, `host` | does what one peer's swarm wants, as `node::swarm_driver` does |
//! | `stream`, `uplink`, `parcel`, `link` | connections and what links do to them |
//! | `announce` | the tracker and its clients |
//! | `faults`, `check`, `progress` | what goes wrong, what must hold, what is written down |
//!
//! Cost of the simulator itself, without the swarms: about 2 µs an event on a Zen 1 guest that others
//! use too; with 300 peers a fifth of a run. Memory, estimated and not measured: 1 KiB a host, a bit for
//! each 16 KiB of content, and about 400 bytes an end of a connection, besides what the swarms take.

mod act;
mod announce;
mod check;
mod content;
mod engine;
mod faults;
mod host;
mod link;
pub mod nat;
mod parcel;
mod progress;
mod queue;
mod report;
mod scenario;
mod stream;
mod uplink;

#[cfg(test)]
#[allow(clippy::cast_possible_truncation, reason = "the numbers of tests are small")]
mod tests;

pub use check::{SimError, Violation};
pub use engine::Simulation;
pub use report::{PeerReport, Report, Sample, fluid_bound};
pub use scenario::{Conduct, Disk, Fate, Link, PeerSpec, Reach, Role, Scenario, When};
