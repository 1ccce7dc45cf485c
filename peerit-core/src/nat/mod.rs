//! Paths through NATs.
