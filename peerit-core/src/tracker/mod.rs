//! The tables of swarms, and how peers ask for them.
