//! The cache room.

mod model;
mod promises;
