//! Behaviour of every room through the public API; one folder a room, names are promises.

mod batch;
mod breaker;
mod cache;
mod ground;
mod limiter;
mod manager;
mod quality;
mod router;
mod support;
