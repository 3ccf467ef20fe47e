//! The manager.

mod batch;
mod begin;
mod categories;
mod host;
mod hung;
mod operator;
mod promises;
mod quality;
mod record;
mod regressions;
mod reload;
mod rounds;
