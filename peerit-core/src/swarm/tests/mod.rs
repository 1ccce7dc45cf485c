//! Swarms on fake time.
