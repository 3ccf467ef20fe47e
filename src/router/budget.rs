//! What may be spent a period, pure.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Tick;
use crate::config::{Faults, MAX_DURATION};
use crate::error::ConfigError;

/// At most so much money a period, for calls to all endpoints of one currency. A call that would pass
/// it goes to a free endpoint, or is refused.
///
/// # Examples
/// ```
/// use feedguard::{Budget, RouterConfig};
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
    /// The period; it begins with the first call, and anew with the first call after its end.
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
pub(super) struct Purse {
    budget: Budget,
    since: Tick,
    spent: f64,
}

impl Purse {
    pub(super) fn new(budget: &Budget) -> Self {
        Self { budget: budget.clone(), since: Tick::default(), spent: 0.0 }
    }

    /// Time until a call of this price fits; zero now.
    pub(super) fn wait(&self, price: f64, currency: &str, now: Tick) -> Duration {
        let left = self.since.after(self.budget.per).since(now);
        let fits = self.spent + price <= self.budget.amount || (left.is_zero() && price <= self.budget.amount);
        if price <= 0.0 || currency != self.budget.currency || fits {
            Duration::ZERO
        } else if price > self.budget.amount {
            Duration::MAX
        } else {
            left
        }
    }

    /// Holds the price of a call that begins; the period it counts in.
    pub(super) fn hold(&mut self, price: f64, currency: &str, now: Tick) {
        if price > 0.0 && currency == self.budget.currency {
            if now >= self.since.after(self.budget.per) {
                (self.since, self.spent) = (now, 0.0);
            }
            self.spent += price;
        }
    }

    /// Gives the price of a call back that cost nothing, if its period still runs.
    pub(super) fn give_back(&mut self, price: f64, currency: &str, began: Tick) {
        if price > 0.0 && currency == self.budget.currency && began >= self.since {
            self.spent = (self.spent - price).max(0.0);
        }
    }
}
