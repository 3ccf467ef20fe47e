//! Reads a `Retry-After` header.

use std::time::{Duration, SystemTime};

use chrono::{DateTime, Utc};

/// The time a `Retry-After` header asks for: seconds, or an HTTP date (all three forms) against
/// `now`. `None` for anything else; a date in the past is zero. The limiter caps it by
/// [`max_pause`](super::LimiterConfig::max_pause).
///
/// # Examples
/// ```
/// use feedguard::Clock;
/// use feedguard::limiter::retry_after;
/// use std::time::Duration;
/// let (clock, _time) = Clock::manual(); // 2024-01-02 09:30:00 UTC
/// assert_eq!(retry_after("120", clock.wall()), Some(Duration::from_secs(120)));
/// assert_eq!(retry_after("Tue, 02 Jan 2024 09:31:00 GMT", clock.wall()), Some(Duration::from_secs(60)));
/// assert_eq!(retry_after("soon", clock.wall()), None);
/// ```
pub fn retry_after(header: &str, now: DateTime<Utc>) -> Option<Duration> {
    let header = header.trim();
    if let Ok(seconds) = header.parse::<f64>() {
        // Some vendors send fractions; a NaN or a negative number says nothing.
        return (seconds >= 0.0).then(|| crate::clock::seconds(seconds));
    }
    let date = httpdate::parse_http_date(header).ok()?;
    Some(date.duration_since(SystemTime::from(now)).unwrap_or_default())
}
