//! The protobuf schema of peerit, compiled.
//!
//! One module per package of `proto/peerit/`; the `.proto` files are the reference, every field is
//! documented there with its unit and limit. `bytes` fields decode without a copy from
//! [`bytes::Bytes`].

#![allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic)]

macro_rules! package {
    ($name:ident) => {
        pub mod $name {
            pub mod v1 {
                include!(concat!(env!("OUT_DIR"), "/peerit.", stringify!($name), ".v1.rs"));
            }
        }
    };
}

/// The packages, nested as their protobuf names are.
pub mod peerit {
    package!(manifest);
    package!(wire);
    package!(tracker);
    package!(nat);
    package!(scheduler);
    package!(swarm);
    package!(daemon);
}

pub use peerit::{daemon, manifest, nat, scheduler, swarm, tracker, wire};
pub use prost::{DecodeError, Message, encode_length_delimiter};
