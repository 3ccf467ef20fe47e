//! Why a caller cannot start now, before it is told.

use std::time::Duration;

use super::LimitReason;
use crate::name::Name;

/// When to ask again where nobody knows: a call under way may end, a reservation may be used.
pub(super) const LOOK_AGAIN: Duration = Duration::from_millis(20);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Blocked {
    pub(super) reason: LimitReason,
    /// When the cause is over, if it is known; `None`: unknown, or never.
    pub(super) retry_after: Option<Duration>,
    /// Who says so, if it is not the limiter itself.
    pub(super) by: Option<Name>,
    /// A caller that waits looks at least after this time, whoever forgets to wake it.
    pub(super) look: Option<Duration>,
}

impl Blocked {
    pub(super) fn until(reason: LimitReason, retry_after: Option<Duration>) -> Self {
        Self { reason, retry_after, by: None, look: None }
    }

    /// By the rate, or a pause of it.
    pub(super) fn by_rate(wait: Duration, is_paused: bool) -> Self {
        Self::until(rate_or_pause(is_paused), Some(wait))
    }

    /// Whether waiting cannot help.
    pub(super) fn is_final(&self) -> bool {
        matches!(self.reason, LimitReason::Closed | LimitReason::ExceedsQuota { .. } | LimitReason::ExceedsBurst { .. })
    }
}

pub(super) fn rate_or_pause(is_paused: bool) -> LimitReason {
    if is_paused { LimitReason::Paused } else { LimitReason::Rate }
}
