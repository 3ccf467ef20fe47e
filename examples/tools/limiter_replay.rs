//! Answers a simulator of rate-limited vendors on stdin and stdout with the real limiter, on a clock
//! that the simulator moves.
//!
//! `N seed init min max` begins a run (answer `OK`), `A t` asks for a permit at `t` seconds (answer:
//! 0 if granted, else the seconds after which to ask again), `R t kind latency retry_after` reports
//! the end of the call that started at `t - latency` (`ok`, `limit`, `error`, `timeout`; -1: no
//! `Retry-After`), `Q` ends.
#![allow(clippy::print_stdout, reason = "the protocol is spoken on stdout")]

use std::error::Error;
use std::io::{BufRead, Lines, StdinLock, Write, stdin, stdout};
use std::time::Duration;

use feedguard::Outcome;
use feedguard::limiter::RatePermit;
use feedguard::{AdaptiveRateLimiter, Clock, LimiterConfig};

type Input<'a> = Lines<StdinLock<'a>>;

fn main() -> Result<(), Box<dyn Error>> {
    play(&mut stdin().lock().lines())
}

fn play(lines: &mut Input<'_>) -> Result<(), Box<dyn Error>> {
    let mut next = lines.next().transpose()?;
    while let Some(line) = next {
        let words: Vec<&str> = line.split_whitespace().collect();
        next = match words.as_slice() {
            ["N", _seed, initial, min, max] => {
                let config = LimiterConfig::default()
                    .initial_rate_per_sec(initial.parse()?)
                    .min_rate_per_sec(min.parse()?)
                    .max_rate_per_sec(max.parse()?);
                answer("OK")?;
                one_run(config, lines)?
            }
            _ => None,
        };
    }
    Ok(())
}

/// Plays one run; the line that ended it.
fn one_run(config: LimiterConfig, lines: &mut Input<'_>) -> Result<Option<String>, Box<dyn Error>> {
    let (clock, time) = Clock::manual();
    let limiter = AdaptiveRateLimiter::builder("replay").config(config).clock(clock).build()?;
    let mut in_flight: Vec<(f64, RatePermit<'_>)> = Vec::new();
    let mut now = 0.0;
    while let Some(line) = lines.next().transpose()? {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (["A", at] | ["R", at, ..]) = words.as_slice() else { return Ok(Some(line)) };
        let at: f64 = at.parse()?;
        time.advance(Duration::from_secs_f64((at - now).max(0.0)));
        now = now.max(at);
        if let ["R", _, kind, latency, retry_after] = words.as_slice() {
            let started = now - latency.parse::<f64>()?;
            let distance = |permit: &(f64, RatePermit<'_>)| (permit.0 - started).abs();
            let nearest = (0..in_flight.len())
                .min_by(|a, b| distance(&in_flight[*a]).total_cmp(&distance(&in_flight[*b])))
                .ok_or("a result without a call")?;
            let seconds: f64 = retry_after.parse()?;
            in_flight.swap_remove(nearest).1.finish(match *kind {
                "ok" => Outcome::Success,
                "limit" => Outcome::Limited { retry_after: Duration::try_from_secs_f64(seconds).ok() },
                "timeout" => Outcome::TimedOut,
                _ => Outcome::Failure,
            });
        } else {
            let wait = match limiter.try_acquire(1) {
                Ok(permit) => {
                    in_flight.push((now, permit));
                    0.0
                }
                // A microsecond is the protocol's last digit.
                Err(limited) => limited.retry_after.map_or(1.0, |wait| wait.as_secs_f64() + 1e-6),
            };
            answer(&format!("{wait:.6}"))?;
        }
    }
    Ok(None)
}

fn answer(text: &str) -> Result<(), Box<dyn Error>> {
    let mut out = stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()?;
    Ok(())
}
