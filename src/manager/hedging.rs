//! The budget and the counts of second calls for slow ones.

use super::hedge_config::{HedgeConfig, HedgeSnapshot};
use crate::metrics::{Counter, Metrics};
use crate::retry::CallBudget;
use crate::sync::atomic::{AtomicU64, Ordering};

pub(super) struct Hedging {
    pub(super) config: HedgeConfig,
    budget: CallBudget,
    calls: AtomicU64,
    hedged: AtomicU64,
    won: AtomicU64,
    handles: [Counter; 2],
}

impl Hedging {
    /// `name` is the manager's.
    pub(super) fn new(config: HedgeConfig, metrics: &Metrics, name: &str) -> Self {
        let count = || AtomicU64::new(0);
        let budget = CallBudget::new(config.budget, false);
        let handles = ["started", "won"].map(|result| metrics.hedges(name, result));
        Self { config, budget, calls: count(), hedged: count(), won: count(), handles }
    }

    /// A call was started that could be made a second time.
    pub(super) fn earn(&self) {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.budget.earn();
    }

    pub(super) fn try_spend(&self) -> bool {
        self.budget.try_spend()
    }

    pub(super) fn refund(&self) {
        self.budget.refund();
    }

    pub(super) fn started(&self) {
        self.hedged.fetch_add(1, Ordering::Relaxed);
        self.handles[0].inc();
    }

    pub(super) fn won(&self) {
        self.won.fetch_add(1, Ordering::Relaxed);
        self.handles[1].inc();
    }

    pub(super) fn snapshot(&self) -> HedgeSnapshot {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        HedgeSnapshot { calls: read(&self.calls), hedged: read(&self.hedged), won: read(&self.won) }
    }
}
