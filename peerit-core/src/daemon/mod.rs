//! The node served over IPC, and the client for it.
