//! What may be spent a period, pure.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Tick;
use crate::config::{Faults, MAX_DURATION};
use crate::error::ConfigError;

/// A limit on the money spent per period, for calls to all endpoints of one currency. A call that would pass
/// it goes to a free endpoint, or is refused.
///
/// # Examples
/// ```
/// use feedguard::RouterConfig;
/// use feedguard::router::Budget;
/// use std::time::Duration;
/// let day = Budget::new(50.0, "CNY", Duration::from_secs(24 * 3600));
/// assert!(RouterConfig::default().budgets(vec![day]).validate().is_ok());
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Budget {
    /// Money, in units of `currency`.
    pub amount: f64,
    /// Currency, as in [`EndpointSpec::currency`](super::EndpointSpec::currency).
    pub currency: String,
    /// The period; it begins with the first call, and again with the first call after its end.
    #[serde(with = "crate::config::human")]
    pub per: Duration,
}

impl Budget {
    /// So much a period.
    pub fn new(amount: f64, currency: impl Into<String>, per: Duration) -> Self {
        Self { amount, currency: currency.into(), per }
    }

    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        let mut faults = Faults::new();
        faults.range("amount", self.amount, 0.0..=1e15);
        faults.duration("per", self.per, Duration::from_millis(1)..=MAX_DURATION);
        faults.finish()
    }
}

/// What has been spent of a budget, calls under way included.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct BudgetLedger {
    budget: Budget,
    /// `None` before the first call.
    since: Option<Tick>,
    spent: f64,
}

/// Sums of prices are not exact; a millionth of the budget is nobody's loss.
const ROUNDING: f64 = 1e-6;

impl BudgetLedger {
    pub(super) fn new(budget: &Budget) -> Self {
        Self { budget: budget.clone(), since: None, spent: 0.0 }
    }

    /// Time until a call of this price fits, zero now; `None` if it never does.
    pub(super) fn wait(&self, price: f64, currency: &str, now: Tick) -> Option<Duration> {
        let left = self.since.map_or(Duration::ZERO, |since| since.after(self.budget.per).since(now));
        let most = self.budget.amount * (1.0 + ROUNDING);
        let fits = self.spent + price <= most || (left.is_zero() && price <= most);
        if price <= 0.0 || currency != self.budget.currency || fits {
            Some(Duration::ZERO)
        } else {
            (price <= most).then_some(left)
        }
    }

    /// Holds the price of a call that begins; the period it counts in.
    pub(super) fn charge(&mut self, price: f64, currency: &str, now: Tick) {
        if price > 0.0 && currency == self.budget.currency {
            if self.since.is_none_or(|since| now >= since.after(self.budget.per)) {
                (self.since, self.spent) = (Some(now), 0.0);
            }
            self.spent += price;
        }
    }

    /// Gives the price of a call back that cost nothing, if its period still runs.
    pub(super) fn give_back(&mut self, price: f64, currency: &str, began: Tick) {
        if price > 0.0 && currency == self.budget.currency && self.since.is_some_and(|since| began >= since) {
            self.spent = (self.spent - price).max(0.0);
        }
    }
}
