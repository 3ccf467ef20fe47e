//! The quality room.

mod alarms;
mod by_use;
mod files;
mod frame;
mod hosted;
mod injection;
mod labels;
mod markets;
mod promises;
mod properties;
mod regressions;
mod table;
mod table_more;
