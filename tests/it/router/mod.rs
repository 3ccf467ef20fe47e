//! The router room.

mod promises;
mod recovery;
mod regressions;
mod world;
