//! Who holds which series: a gauge leaves the page with its last holder, counts of the dead stay until a
//! living name needs their place.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::families::Families;
use super::reading::{Merge, Reading};

/// Distinct values an open label may take; later ones count as [`OTHER`].
const MAX_LABEL_VALUES: usize = 200;
const OTHER: &str = "_other";
/// Longest value of a label; longer ones are cut.
const MAX_LABEL_BYTES: usize = 200;
/// Labels whose values are closed sets of this crate.
const CLOSED: [&str; 9] = ["status", "check_type", "result", "cause", "to", "reason", "severity", "outcome", "arm"];

/// One series: its family, and the values of its labels.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    family: &'static str,
    values: Vec<String>,
}

#[derive(Debug)]
struct Series {
    family: Family,
    holders: usize,
    /// Of a gauge, by holder.
    readings: HashMap<u64, Arc<Reading>>,
}

/// The series that have a label's value, how many hold one, and when the last left.
#[derive(Debug, Default)]
struct Value {
    series: HashSet<Key>,
    holders: usize,
    left_at: u64,
}

#[derive(Debug, Default)]
pub(super) struct SeriesTable {
    series: HashMap<Key, Series>,
    /// By label, by value; `_other` and closed sets are not counted.
    values: HashMap<&'static str, HashMap<String, Value>>,
    departures: u64,
    /// Number of the next holder.
    next: u64,
}

/// A family as the table sees it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Family {
    pub(super) name: &'static str,
    pub(super) labels: &'static [&'static str],
    /// Takes a series off the page.
    pub(super) remove: fn(&Families, &[&str]),
    /// Of a gauge: how several holders are shown. Its series leaves the page with the last one.
    pub(super) gauge: Option<Shown>,
}

/// How a gauge is shown.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shown {
    pub(super) merge: Merge,
    pub(super) show: fn(&Families, &[&str], f64),
}

/// Holds a series for as long as somebody counts in it.
pub(super) struct SeriesLease {
    families: Arc<Families>,
    key: Key,
    holder: u64,
}

impl SeriesLease {
    /// Holds the series of these values, capped, and makes it: in one step, or one that leaves at the same
    /// time would take it away.
    pub(super) fn counted<T>(
        families: &Arc<Families>,
        family: Family,
        values: &[&str],
        make: impl FnOnce(&[&str]) -> T,
    ) -> (T, Arc<Self>) {
        let mut table = families.series.lock();
        let (key, holder) = table.hold(families, family, values, None);
        let made = make(&key.values());
        drop(table);
        (made, Arc::new(Self { families: Arc::clone(families), key, holder }))
    }

    /// Holds a gauge's series and says something in it; a scrape makes the series.
    pub(super) fn read(families: &Arc<Families>, family: Family, values: &[&str]) -> (Arc<Reading>, Arc<Self>) {
        let reading = Arc::new(Reading::none());
        let (key, holder) = families.series.lock().hold(families, family, values, Some(Arc::clone(&reading)));
        (reading, Arc::new(Self { families: Arc::clone(families), key, holder }))
    }
}

impl Drop for SeriesLease {
    fn drop(&mut self) {
        self.families.series.lock().let_go(&self.families, &self.key, self.holder);
    }
}

impl Key {
    fn values(&self) -> Vec<&str> {
        self.values.iter().map(String::as_str).collect()
    }

    /// Its labels with open values.
    fn open_labels(&self, family: &Family) -> impl Iterator<Item = (&'static str, &String)> {
        let labels = family.labels.iter().zip(&self.values).map(|(label, value)| (*label, value));
        labels.filter(|(label, value)| !CLOSED.contains(label) && *value != OTHER)
    }
}

impl SeriesTable {
    /// The value itself, or `_other` once the label has [`MAX_LABEL_VALUES`] living values.
    fn cap<'a>(&mut self, families: &Families, label: &'static str, value: &'a str) -> Cow<'a, str> {
        let end = (0..=MAX_LABEL_BYTES.min(value.len())).rev().find(|end| value.is_char_boundary(*end));
        let value = &value[..end.unwrap_or_default()];
        if CLOSED.contains(&label) || value == OTHER {
            return Cow::Borrowed(value);
        }
        let known = self.values.entry(label).or_default();
        if known.contains_key(value) || known.len() < MAX_LABEL_VALUES {
            return Cow::Borrowed(value);
        }
        let dead = known.iter().filter(|(_, of)| of.holders == 0);
        let Some(oldest) = dead.min_by_key(|(_, of)| of.left_at).map(|(value, _)| value.clone()) else {
            return Cow::Borrowed(OTHER);
        };
        self.forget(families, label, &oldest);
        Cow::Borrowed(value)
    }

    fn hold(
        &mut self,
        families: &Families,
        family: Family,
        values: &[&str],
        reading: Option<Arc<Reading>>,
    ) -> (Key, u64) {
        let labels = family.labels.iter().zip(values);
        let values = labels.map(|(label, value)| self.cap(families, label, value).into_owned()).collect();
        let key = Key { family: family.name, values };
        let unheld = || Series { family, holders: 0, readings: HashMap::new() };
        let series = self.series.entry(key.clone()).or_insert_with(unheld);
        let holder = self.next;
        self.next += 1;
        series.holders += 1;
        series.readings.extend(reading.map(|reading| (holder, reading)));
        for (label, value) in key.open_labels(&family) {
            let value = self.values.entry(label).or_default().entry(value.clone()).or_default();
            value.holders += 1;
            if !value.series.contains(&key) {
                value.series.insert(key.clone());
            }
        }
        (key, holder)
    }

    fn let_go(&mut self, families: &Families, key: &Key, holder: u64) {
        let Some(series) = self.series.get_mut(key) else { return };
        series.holders -= 1;
        series.readings.remove(&holder);
        self.departures += 1;
        let family = series.family;
        let leaves = family.gauge.is_some() && series.holders == 0;
        for (label, value) in key.open_labels(&family) {
            if let Some(value) = self.values.get_mut(label).and_then(|known| known.get_mut(value)) {
                value.holders -= 1;
                value.left_at = self.departures;
            }
        }
        if leaves {
            self.take_off(families, key);
        }
    }

    /// Takes a series off the page and out of the table.
    fn take_off(&mut self, families: &Families, key: &Key) {
        let Some(series) = self.series.remove(key) else { return };
        (series.family.remove)(families, &key.values());
        for (label, value) in key.open_labels(&series.family) {
            if let Some(value) = self.values.get_mut(label).and_then(|known| known.get_mut(value)) {
                value.series.remove(key);
            }
        }
    }

    /// Takes a dead value of a label and all its series away.
    fn forget(&mut self, families: &Families, label: &'static str, value: &str) {
        let gone = self.values.get_mut(label).and_then(|known| known.remove(value)).unwrap_or_default();
        for key in &gone.series {
            self.take_off(families, key);
        }
    }

    /// Shows what the holders of each gauge say now.
    pub(super) fn show_gauges(&self, families: &Families) {
        for (key, series) in &self.series {
            let Some(Shown { merge, show }) = series.family.gauge else { continue };
            match merge.of(&mut series.readings.values().map(|reading| &**reading)) {
                Some(value) => show(families, &key.values(), value),
                None => (series.family.remove)(families, &key.values()),
            }
        }
    }
}
