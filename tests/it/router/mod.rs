//! The router room.

mod probing;
mod promises;
mod recovery;
mod regressions;
mod world;
