//! Nothing but benches: each compares a room with its rivals in one run.
