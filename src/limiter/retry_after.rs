//! Reads a `Retry-After` header, as vendors write it.

use std::time::Duration;

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Utc};

/// A number beyond it is no wait: it is a Unix time, or nonsense.
const TEN_YEARS: f64 = 10.0 * 366.0 * 86_400.0;

/// The time a `Retry-After` header asks for: seconds (`120`, `1.5`, `30s`, `500ms`), or an HTTP date against
/// `now`, in any of its three forms. A date in the past is zero. Of joined values (`120, 60`) the longest
/// that can be read holds. `None` for anything else, and for more than ten years. The limiter caps it by
/// [`max_pause`](super::LimiterConfig::max_pause).
///
/// Dates are read as vendors write them: one digit for the day, `UTC`, `+0000` or nothing for `GMT`, any case,
/// a leap second, a weekday that is wrong or missing.
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
    // A date has a comma of its own, so it is tried first.
    until_date(header, now).or_else(|| joined(header, now))
}

fn joined(header: &str, now: DateTime<Utc>) -> Option<Duration> {
    let parts: Vec<&str> = header.split(',').collect();
    let (mut longest, mut at) = (None, 0);
    while at < parts.len() {
        // A date that is one of several takes two parts, with its weekday.
        let two = parts.get(at..at + 2).and_then(|two| until_date(&two.join(","), now));
        let (wait, width) = match two {
            Some(wait) => (Some(wait), 2),
            None => (seconds(parts[at].trim()).or_else(|| until_date(parts[at], now)), 1),
        };
        longest = longest.max(wait);
        at += width;
    }
    longest
}

/// The time until a date; zero if it is past.
fn until_date(text: &str, now: DateTime<Utc>) -> Option<Duration> {
    let wait = (date(text)? - now).to_std().unwrap_or_default();
    (wait.as_secs_f64() <= TEN_YEARS).then_some(wait)
}

/// Digits, at most one point, and a unit of seconds or milliseconds.
fn seconds(text: &str) -> Option<Duration> {
    let text = text.to_ascii_lowercase();
    let (number, unit) = if let Some(number) = text.strip_suffix("ms") {
        (number, 0.001)
    } else {
        (text.strip_suffix('s').unwrap_or(&text), 1.0)
    };
    let is_plain = number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let starts_so = number.as_bytes().first().is_some_and(u8::is_ascii_digit);
    let value = number.parse::<f64>().ok().filter(|_| is_plain && starts_so)? * unit;
    (value <= TEN_YEARS).then(|| crate::clock::seconds(value))
}

/// A date in one of the three forms: `Tue, 02 Jan 2024 09:30:00 GMT`, `Tuesday, 02-Jan-24 09:30:00 GMT`,
/// `Tue Jan  2 09:30:00 2024`.
fn date(text: &str) -> Option<DateTime<Utc>> {
    let words: Vec<String> =
        text.split([' ', ',', '-', '\t']).filter(|word| !word.is_empty()).map(str::to_ascii_lowercase).collect();
    let mut words: Vec<&str> = words.iter().map(String::as_str).collect();
    if words.last().is_some_and(|zone| ["gmt", "utc", "z", "+0000", "+00:00", "0000"].contains(zone)) {
        words.pop();
    }
    if words.first().is_some_and(|word| is_weekday(word)) {
        words.remove(0);
    }
    let [a, b, c, d] = words.try_into().ok()?;
    let (day, month, year, time) = if month_of(a).is_some() { (b, a, d, c) } else { (a, b, c, d) };
    let date = NaiveDate::from_ymd_opt(full_year(year)?, month_of(month)?, number(day, 2)?)?;
    Some(NaiveDateTime::new(date, NaiveTime::default()).and_utc() + time_of_day(time)?)
}

fn is_weekday(word: &str) -> bool {
    const DAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
    DAYS.iter().any(|day| *day == word || day[..3] == *word)
}

fn month_of(word: &str) -> Option<u32> {
    const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    let at = MONTHS.iter().position(|month| *month == word)?;
    u32::try_from(at + 1).ok()
}

/// Two digits are of this century until 2069, as elsewhere.
fn full_year(word: &str) -> Option<i32> {
    let year = i32::try_from(number(word, 4)?).ok()?;
    match word.len() {
        2 if year < 70 => Some(2000 + year),
        2 => Some(1900 + year),
        4 => Some(year),
        _ => None,
    }
}

/// `09:30:00`; the second 60 is a leap second.
fn time_of_day(word: &str) -> Option<chrono::TimeDelta> {
    let parts: Vec<u32> = word.split(':').map(|part| number(part, 2)).collect::<Option<_>>()?;
    let [hour, minute, second] = parts.try_into().ok()?;
    let is_time = hour < 24 && minute < 60 && second <= 60;
    is_time.then(|| chrono::TimeDelta::seconds(i64::from(hour * 3600 + minute * 60 + second)))
}

fn number(word: &str, most_digits: usize) -> Option<u32> {
    let is_number = (1..=most_digits).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_digit());
    word.parse().ok().filter(|_| is_number)
}
