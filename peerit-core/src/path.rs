//! The word for how a peer is reached: traversal finds a path, a transport opens it, a swarm prefers one to another.

/// How a peer is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// Dialled at its address, by either side.
    Direct,
    /// Through a port mapped on a gateway.
    Mapped,
    /// Through a hole punched in NATs.
    Punched,
    /// Through a relay.
    Relayed,
}
