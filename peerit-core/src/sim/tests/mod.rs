//! Swarms as a whole, on virtual time.
