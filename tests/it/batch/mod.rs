//! The batch room.

mod promises;
mod regressions;
mod scoped;
