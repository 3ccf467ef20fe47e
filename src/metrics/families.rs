//! The families themselves, made from the [`catalogue`](super::catalogue).

use std::sync::{Arc, Weak};

use prometheus::core::Collector;
use prometheus::{CounterVec, GaugeVec, HistogramOpts, HistogramVec, IntCounterVec, Opts};

use super::Scrape;
use super::catalogue::catalogue;
use super::series::SeriesTable;
use crate::sync::Mutex;

/// Latency buckets in seconds: 1 ms to 30 s, dense around the 100 ms and 500 ms goals.
const LATENCY: [f64; 15] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
/// Waits for a lock in seconds: 100 ns to 10 ms.
const LOCK_WAIT: [f64; 6] = [1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2];

/// The labels of a family, by those of its resolver.
macro_rules! labels {
    (endpoint $(, $label:ident)*) => { &["source", "endpoint" $(, stringify!($label))*] };
    ($($label:ident),+) => { &[$(stringify!($label)),+] };
}
pub(super) use labels;

macro_rules! kind {
    (Counter) => {
        IntCounterVec
    };
    (Amount) => {
        CounterVec
    };
    (Gauge $merge:ident) => {
        GaugeVec
    };
    (Histogram $buckets:ident) => {
        HistogramVec
    };
}

macro_rules! make {
    ($name:expr, $help:expr, $labels:expr, Histogram $buckets:ident) => {
        HistogramVec::new(HistogramOpts::new($name, $help).buckets($buckets.to_vec()), $labels)
    };
    ($name:expr, $help:expr, $labels:expr, $($kind:ident)+) => {
        <kind!($($kind)+)>::new(Opts::new($name, $help), $labels)
    };
}

macro_rules! families {
    ($($name:literal, $help:literal: $field:ident($($label:ident),+) -> $($kind:ident)+;)*) => {
        /// One set of families, on one registry.
        pub(crate) struct Families {
            $(pub(super) $field: kind!($($kind)+),)*
            pub(super) series: Mutex<SeriesTable>,
            scraped: Mutex<Scraped>,
        }

        impl Families {
            pub(super) fn new() -> prometheus::Result<Self> {
                Ok(Self {
                    $($field: make!($name, $help, labels!($($label),+), $($kind)+)?,)*
                    series: Mutex::new(SeriesTable::default()),
                    scraped: Mutex::new(Scraped::default()),
                })
            }

            pub(super) fn collectors(&self) -> Vec<&dyn Collector> {
                vec![$(&self.$field),*]
            }
        }
    };
}

catalogue!(families);

/// Who passes counts on at a scrape.
#[derive(Default)]
struct Scraped {
    sources: Vec<Weak<dyn Scrape>>,
    /// Those alive after the last look, so that many who come cost little each.
    alive: usize,
}

impl Families {
    pub(super) fn on_scrape(&self, source: Weak<dyn Scrape>) {
        let mut scraped = self.scraped.lock();
        if scraped.sources.len() >= 2 * scraped.alive + 16 {
            scraped.sources.retain(|known| known.strong_count() > 0);
            scraped.alive = scraped.sources.len();
        }
        scraped.sources.push(source);
    }

    /// Lets all sources pass their counts on, outside the lock, and shows the gauges.
    pub(super) fn scrape(&self) {
        let sources: Vec<Arc<dyn Scrape>> = self.scraped.lock().sources.iter().filter_map(Weak::upgrade).collect();
        for source in sources {
            source.scrape();
        }
        self.series.lock().show_gauges(self);
    }
}
