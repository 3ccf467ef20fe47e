//! The rate rule, pure: additive growth while the rate is used, one cut an episode.
//!
//! Only a *limit* answer cuts the rate: errors and time-outs say nothing about the limit. Growth
//! needs use: a rate nobody draws on is not evidence that the source would accept it.

use std::time::Duration;

use super::LimiterConfig;
use crate::clock::Tick;

/// Growth in permits per second, each second.
const GROWTH: f64 = 1.0;
/// What a cut leaves of the rate.
const CUT: f64 = 0.7;
/// Limit answers within this time of a cut belong to its episode.
const EPISODE: Duration = Duration::from_secs(1);
/// Use is measured over this time.
const USE_WINDOW: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Controller {
    pub(super) rate: f64,
    min: f64,
    max: f64,
    adaptive: bool,
    last_growth: Tick,
    episode_until: Tick,
    window_start: Tick,
    window_count: u32,
    measured_use: f64,
}

impl Controller {
    pub(super) fn new(config: &LimiterConfig, now: Tick) -> Self {
        Self {
            rate: config.initial_rate_per_sec,
            min: config.min_rate_per_sec,
            max: config.max_rate_per_sec,
            adaptive: config.adaptive,
            last_growth: now,
            episode_until: Tick::default(),
            window_start: now,
            window_count: 0,
            measured_use: 0.0,
        }
    }

    /// A call was accepted.
    pub(super) fn accepted(&mut self, now: Tick) {
        self.window_count += 1;
        let window = now.since(self.window_start);
        if window >= USE_WINDOW {
            self.measured_use = f64::from(self.window_count) / window.as_secs_f64();
            (self.window_start, self.window_count) = (now, 0);
        }
        let elapsed = now.since(self.last_growth).as_secs_f64().min(1.0);
        self.last_growth = now;
        if self.adaptive && self.measured_use * 2.0 >= self.rate {
            self.rate = (self.rate + GROWTH * elapsed).clamp(self.min, self.max);
        }
    }

    /// The source said "too many".
    pub(super) fn limited(&mut self, now: Tick) {
        self.last_growth = now;
        if self.adaptive && now >= self.episode_until {
            self.rate = (self.rate * CUT).clamp(self.min, self.max);
            self.episode_until = now.after(EPISODE);
        }
    }
}
