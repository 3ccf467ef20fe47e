//! Why a breaker is open.

use serde::{Deserialize, Serialize};

/// Why a breaker is open.
///
/// # Examples
/// ```
/// use feedguard::breaker::OpenReason;
/// assert_eq!(OpenReason::ConsecutiveFailures(5).to_string(), "5 consecutive failures");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum OpenReason {
    /// This many calls failed in a row.
    ConsecutiveFailures(u32),
    /// Too many of the window's calls failed.
    FailureRate {
        /// Share of failed calls, in percent.
        percent: u8,
        /// Calls in the window.
        calls: u32,
    },
    /// Too many of the window's calls were slow, calls still under way included.
    SlowCallRate {
        /// Share of slow calls, in percent.
        percent: u8,
        /// Calls in the window.
        calls: u32,
    },
    /// A probe failed while half-open.
    ProbeFailed,
    /// A probe was slow while half-open.
    ProbeSlow,
    /// An operator forced it open.
    Forced,
}

impl OpenReason {
    /// In one word, for readers that take no lock: kind, percent, count.
    pub(super) fn pack(self) -> u64 {
        let (kind, percent, count) = match self {
            Self::ConsecutiveFailures(n) => (0, 0, n),
            Self::FailureRate { percent, calls } => (1, percent, calls),
            Self::SlowCallRate { percent, calls } => (2, percent, calls),
            Self::ProbeFailed => (3, 0, 0),
            Self::ProbeSlow => (4, 0, 0),
            Self::Forced => (5, 0, 0),
        };
        kind | u64::from(percent) << 8 | u64::from(count) << 32
    }

    #[expect(clippy::cast_possible_truncation, reason = "the fields as packed")]
    pub(super) fn unpack(word: u64) -> Self {
        let (percent, calls) = ((word >> 8) as u8, (word >> 32) as u32);
        match word & 0xff {
            0 => Self::ConsecutiveFailures(calls),
            1 => Self::FailureRate { percent, calls },
            2 => Self::SlowCallRate { percent, calls },
            3 => Self::ProbeFailed,
            4 => Self::ProbeSlow,
            _ => Self::Forced,
        }
    }
}

impl std::fmt::Display for OpenReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::ConsecutiveFailures(n) => write!(f, "{n} consecutive failures"),
            Self::FailureRate { percent, calls } => write!(f, "{percent} % of {calls} calls failed"),
            Self::SlowCallRate { percent, calls } => write!(f, "{percent} % of {calls} calls slow"),
            Self::ProbeFailed => f.write_str("a probe failed"),
            Self::ProbeSlow => f.write_str("a probe was slow"),
            Self::Forced => f.write_str("forced by an operator"),
        }
    }
}
