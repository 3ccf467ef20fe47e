//! Registration on the host's registry: all families in one collector, so that it is all or
//! nothing, and a second registration finds the first.
//!
//! A registry does not hand collectors back, and a process-wide table would be global state. So a
//! second caller scrapes the registry once: the collector already there sees, in a thread-local,
//! that this very thread is looking for it, and leaves its families there.

use std::cell::RefCell;
use std::sync::Arc;

use prometheus::Registry;
use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;

use super::families::Families;

/// Why metrics could not be registered.
///
/// # Examples
/// ```
/// use feedguard::Metrics;
/// use feedguard::metrics::MetricsError;
/// let registry = prometheus::Registry::new();
/// let foreign = prometheus::IntCounter::new("datasource_cache_hits_total", "somebody else's")?;
/// registry.register(Box::new(foreign))?;
/// assert!(matches!(Metrics::register(&registry), Err(MetricsError::NameTaken(_))));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MetricsError {
    /// A metric that is not ours has one of our names on this registry; nothing was registered.
    #[error(
        "a foreign metric has one of feedguard's names (datasource_*) on this registry, nothing was registered: {0}"
    )]
    NameTaken(String),
    /// The metrics library refused a family.
    #[error("the metrics library refused a family: {0}")]
    Refused(String),
}

enum Search {
    Idle,
    Looking,
    Found(Arc<Families>),
}

thread_local! {
    static SEARCH: RefCell<Search> = const { RefCell::new(Search::Idle) };
}

struct Bundle(Arc<Families>);

impl Collector for Bundle {
    fn desc(&self) -> Vec<&Desc> {
        self.0.collectors().into_iter().flat_map(Collector::desc).collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        SEARCH.with_borrow_mut(|search| {
            if matches!(search, Search::Looking) {
                *search = Search::Found(Arc::clone(&self.0));
            }
        });
        self.0.scrape();
        self.0.collectors().into_iter().flat_map(Collector::collect).collect()
    }
}

pub(super) fn register(registry: &Registry) -> Result<Arc<Families>, MetricsError> {
    let families = Arc::new(Families::new().map_err(|error| MetricsError::Refused(error.to_string()))?);
    match registry.register(Box::new(Bundle(Arc::clone(&families)))) {
        Ok(()) => Ok(families),
        Err(error) => find(registry).ok_or_else(|| MetricsError::NameTaken(error.to_string())),
    }
}

fn find(registry: &Registry) -> Option<Arc<Families>> {
    SEARCH.set(Search::Looking);
    drop(registry.gather());
    match SEARCH.replace(Search::Idle) {
        Search::Found(families) => Some(families),
        Search::Idle | Search::Looking => None,
    }
}
