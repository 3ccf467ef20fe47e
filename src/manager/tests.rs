//! The engine for attempts, without a manager.
