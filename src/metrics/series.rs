//! Who holds which series: a gauge leaves the page with its last holder, counts of the dead stay until a
//! living name needs their place.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use super::families::Families;

/// Distinct values an open label may take; later ones count as [`OTHER`].
const MAX_LABEL_VALUES: usize = 200;
const OTHER: &str = "_other";
/// Labels whose values are closed sets of this crate.
const CLOSED: [&str; 7] = ["status", "check_type", "result", "cause", "to", "reason", "severity"];

type Label = (&'static str, String);

/// One series: its family, and the values of its labels.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    family: &'static str,
    values: Vec<String>,
}

/// How to take a series off its family.
pub(super) type Remove = fn(&Families, &[&str]);

#[derive(Debug)]
struct Series {
    holders: usize,
    labels: &'static [&'static str],
    remove: Remove,
}

/// How many series of the living have a label's value, and when the last left it.
#[derive(Debug, Default)]
struct Value {
    holders: usize,
    left_at: u64,
}

#[derive(Debug, Default)]
pub(super) struct SeriesTable {
    series: HashMap<Key, Series>,
    values: HashMap<Label, Value>,
    departures: u64,
}

/// A family as the table sees it.
#[derive(Clone, Copy)]
pub(super) struct Family {
    pub(super) name: &'static str,
    pub(super) labels: &'static [&'static str],
    pub(super) remove: Remove,
}

/// Holds a series for as long as somebody counts in it.
pub(super) struct SeriesLease {
    families: Arc<Families>,
    key: Key,
    /// A gauge: it says nothing of a guard that is gone.
    leaves: bool,
}

impl SeriesLease {
    /// Holds the series of these values, capped, and makes it: in one step, or one that leaves at the same
    /// time would take it away.
    pub(super) fn new<T>(
        families: &Arc<Families>,
        family: Family,
        values: &[&str],
        leaves: bool,
        make: impl FnOnce(&[&str]) -> T,
    ) -> (T, Arc<Self>) {
        let mut table = families.series.lock();
        let capped: Vec<String> = family
            .labels
            .iter()
            .zip(values)
            .map(|(label, value)| table.cap(families, label, value).into_owned())
            .collect();
        let key = Key { family: family.name, values: capped };
        table.hold(&key, family);
        let made = make(&key.values());
        drop(table);
        (made, Arc::new(Self { families: Arc::clone(families), key, leaves }))
    }
}

impl Drop for SeriesLease {
    fn drop(&mut self) {
        self.families.series.lock().let_go(&self.families, &self.key, self.leaves);
    }
}

impl Key {
    fn values(&self) -> Vec<&str> {
        self.values.iter().map(String::as_str).collect()
    }

    fn labels(&self, of: &Series) -> impl Iterator<Item = Label> {
        of.labels.iter().zip(&self.values).map(|(label, value)| (*label, value.clone()))
    }
}

impl SeriesTable {
    /// The value itself, or `_other` once the label has [`MAX_LABEL_VALUES`] living values.
    fn cap<'a>(&mut self, families: &Families, label: &'static str, value: &'a str) -> Cow<'a, str> {
        let is_known = self.values.contains_key(&(label, value.to_owned()));
        if is_known || CLOSED.contains(&label) || value == OTHER {
            return Cow::Borrowed(value);
        }
        let of_label = || self.values.iter().filter(|((of, name), _)| *of == label && name != OTHER);
        if of_label().count() < MAX_LABEL_VALUES {
            return Cow::Borrowed(value);
        }
        let dead = of_label().filter(|(_, of)| of.holders == 0);
        let Some(oldest) = dead.min_by_key(|(_, of)| of.left_at).map(|(key, _)| key.clone()) else {
            return Cow::Borrowed(OTHER);
        };
        self.forget(families, &oldest);
        Cow::Borrowed(value)
    }

    fn hold(&mut self, key: &Key, family: Family) {
        let Family { labels, remove, .. } = family;
        let series = self.series.entry(key.clone()).or_insert(Series { holders: 0, labels, remove });
        series.holders += 1;
        for label in key.labels(series) {
            self.values.entry(label).or_default().holders += 1;
        }
    }

    fn let_go(&mut self, families: &Families, key: &Key, leaves: bool) {
        let Some(series) = self.series.get_mut(key) else { return };
        series.holders -= 1;
        self.departures += 1;
        for label in key.labels(series) {
            if let Some(value) = self.values.get_mut(&label) {
                value.holders -= 1;
                value.left_at = self.departures;
            }
        }
        if leaves && series.holders == 0 {
            (series.remove)(families, &key.values());
            self.series.remove(key);
        }
    }

    /// Takes a dead value of a label and all its series away.
    fn forget(&mut self, families: &Families, label: &Label) {
        self.series.retain(|key, series| {
            let stays = key.labels(series).all(|of| of != *label);
            if !stays {
                (series.remove)(families, &key.values());
            }
            stays
        });
        self.values.remove(label);
    }
}
