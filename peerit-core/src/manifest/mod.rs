//! The `.p2p` file.
