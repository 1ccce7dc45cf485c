//! The engine an application embeds.
