//! The quality room.

mod files;
mod frame;
mod hosted;
mod injection;
mod labels;
mod promises;
mod properties;
mod regressions;
mod table;
mod table_more;
