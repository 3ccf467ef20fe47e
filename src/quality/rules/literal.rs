//! The literal policy: rules of thumb with fixed thresholds.

#![expect(
    clippy::needless_bitwise_bool,
    clippy::neg_cmp_op_on_partial_ord,
    clippy::float_cmp,
    reason = "without branches, and NaN has to fail"
)]

use std::ops::Range;

use crate::quality::report_builder::{Detail, ReportBuilder};
use crate::quality::robust::Disorder;
use crate::quality::{QualityConfig, RowSet, Rule, Series};

/// Rows of a partial sum: sums of sums do not depend on how rows are shared out.
const FRAME: usize = 1024;
/// Rows of a strip that is checked without branches.
const STRIP: usize = 32;

/// Sums over one frame.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::quality) struct Sums {
    volume: f64,
    volumes: f64,
    change: f64,
    square: f64,
    changes: f64,
}

impl Sums {
    fn add(&mut self, other: Self) {
        self.volume += other.volume;
        self.volumes += other.volumes;
        self.change += other.change;
        self.square += other.square;
        self.changes += other.changes;
    }
}

/// What is beyond a threshold.
#[derive(Debug, Clone, Copy)]
pub(in crate::quality) struct Bounds {
    max_change: f64,
    max_volume: f64,
    mean: f64,
    max_distance: f64,
    sigma: f64,
}

impl Bounds {
    pub(in crate::quality) fn new(config: &QualityConfig, sums: impl IntoIterator<Item = Sums>) -> Self {
        let total = sums.into_iter().fold(Sums::default(), |mut total, sums| {
            total.add(sums);
            total
        });
        let mean = total.change / total.changes.max(1.0);
        let variance = total.square / total.changes.max(1.0) - mean * mean;
        // Of two values the mean says nothing; rounding leaves a variance of equal ones.
        let sigma = if total.changes > 2.0 && variance > 1e-18 { variance.sqrt() } else { f64::INFINITY };
        let max_volume =
            if total.volumes > 1.0 { config.max_volume_ratio * total.volume / total.volumes } else { f64::INFINITY };
        Self { max_change: config.max_change, max_volume, mean, max_distance: config.max_sigma * sigma, sigma }
    }
}

/// The sums of the frames of a range, which starts at a frame.
pub(in crate::quality) fn sums(series: &Series<'_>, rows: Range<usize>) -> Vec<Sums> {
    let bars = series.bars();
    let frame = |first: usize| {
        let end = (first + FRAME).min(rows.end);
        let ([volume, _, volumes], from) =
            (lane_sums(&bars.volume[first..end], |volume| (volume > 0.0) & (volume < f64::INFINITY)), first.max(1));
        let mut returns = [0.0; FRAME];
        let closes = bars.close[from - 1..end - 1].iter().zip(&bars.close[from..end]);
        for (slot, (last, close)) in returns.iter_mut().zip(closes) {
            let change = close / last - 1.0;
            *slot = if (*last > 0.0) & (*close > 0.0) & (*last < f64::INFINITY) { change } else { f64::INFINITY };
        }
        let [change, square, changes] = lane_sums(&returns[..end - from], |change| change < f64::INFINITY);
        Sums { volume, volumes, change, square, changes }
    };
    rows.clone().step_by(FRAME).map(frame).collect()
}

/// Sum, sum of squares and number of the values that count. In eight lanes, which the compiler may
/// not make of one sum by itself.
fn lane_sums(values: &[f64], counts: impl Fn(f64) -> bool) -> [f64; 3] {
    const LANES: usize = 8;
    let mut sums = [[0.0; LANES]; 3];
    let mut add = |lane: usize, value: f64| {
        let counts = counts(value);
        let value = if counts { value } else { 0.0 };
        sums[0][lane] += value;
        sums[1][lane] += value * value;
        sums[2][lane] += if counts { 1.0 } else { 0.0 };
    };
    let chunks = values.chunks_exact(LANES);
    let rest = chunks.remainder();
    for chunk in chunks {
        for (lane, value) in chunk.iter().enumerate() {
            add(lane, *value);
        }
    }
    for (lane, value) in rest.iter().enumerate() {
        add(lane, *value);
    }
    sums.map(|lanes| lanes.iter().sum())
}

/// The rules of this policy that look at a row and the one before.
const RULES: [Rule; 9] = [
    Rule::NotFinite,
    Rule::HighBelowLow,
    Rule::OpenOutside,
    Rule::CloseOutside,
    Rule::NegativeVolume,
    Rule::NonPositivePrice,
    Rule::VolumeSpike,
    Rule::LargeChange,
    Rule::SigmaOutlier,
];

/// The rows that break each rule.
#[derive(Debug, Default)]
pub(in crate::quality) struct Broken {
    rows: [RowSet; RULES.len()],
    /// Rows without volume and change; runs of them are flat.
    flat: RowSet,
}

impl Broken {
    pub(in crate::quality) fn merge(&mut self, other: &Self) {
        self.rows.iter_mut().zip(&other.rows).for_each(|(mine, theirs)| mine.merge(theirs));
        self.flat.merge(&other.flat);
    }

    pub(in crate::quality) fn book(
        &self,
        series: &Series<'_>,
        bounds: &Bounds,
        max_flat_rows: usize,
        report: &mut ReportBuilder<'_>,
    ) {
        for (rule, rows) in RULES.into_iter().zip(&self.rows) {
            report.hit_rows(rule, rows, |row| detail(series, bounds, rule, row));
        }
        let mut flat = RowSet::default();
        for (first, last) in self.flat.ranges().filter(|(first, last)| last - first + 1 >= max_flat_rows) {
            flat.insert_range(first..last + 1);
        }
        let close = series.bars().close;
        report.hit_rows(Rule::FlatRows, &flat, |row| Detail::new(close[row], max_flat_rows as f64));
    }
}

/// Judges the rows of a range.
///
/// # Errors
/// [`Disorder`] if the timestamps do not ascend.
pub(in crate::quality) fn sweep(series: &Series<'_>, bounds: &Bounds, rows: Range<usize>) -> Result<Broken, Disorder> {
    let mut broken = Broken::default();
    for at in rows.clone().step_by(STRIP) {
        let end = rows.end.min(at + STRIP);
        let (time, first) = (series.timestamps(), at.max(1));
        let pairs = time[first - 1..end.max(first) - 1].iter().zip(&time[first..end.max(first)]);
        if !pairs.fold(true, |ascends, (before, after)| ascends & (before < after)) {
            return Err(Disorder);
        }
        if at == 0 || end - at < STRIP || !is_plain(series, bounds, at) {
            (at..end).for_each(|row| look(series, bounds, row, &mut broken));
        }
    }
    Ok(broken)
}

/// Whether no row of the strip at `at` breaks a rule. NaN and infinity fail every comparison they
/// have to pass.
fn is_plain(series: &Series<'_>, bounds: &Bounds, at: usize) -> bool {
    let bars = series.bars();
    let [open, high, low, close, volume] =
        [bars.open, bars.high, bars.low, bars.close, bars.volume].map(|column| &column[at..at + STRIP]);
    let last = &bars.close[at - 1..at - 1 + STRIP];
    let (up, down) = (1.0 + bounds.max_change * 0.999, 1.0 - bounds.max_change * 0.999);
    // A hair inside, so that a plain row breaks no rule however it is rounded.
    let far = bounds.max_distance * 0.999;
    let (high_change, low_change) = (1.0 + bounds.mean + far, 1.0 + bounds.mean - far);
    let (up, down) = (up.min(high_change), down.max(low_change));
    let mut odd = false;
    for i in 0..STRIP {
        odd |= !(high[i] >= low[i])
            | !(open[i] <= high[i])
            | !(open[i] >= low[i])
            | !(close[i] <= high[i])
            | !(close[i] >= low[i])
            | !(low[i] > 0.0)
            | !(volume[i] > 0.0)
            | !(volume[i] <= bounds.max_volume)
            | !(close[i] <= last[i] * up)
            | !(close[i] >= last[i] * down);
    }
    let total = (0..STRIP).fold(0.0, |sum, i| sum + high[i] + volume[i]);
    !odd & total.is_finite()
}

fn look(series: &Series<'_>, bounds: &Bounds, row: usize, broken: &mut Broken) {
    for (rule, rows) in RULES.into_iter().zip(&mut broken.rows) {
        if breaks(series, bounds, rule, row) {
            rows.insert(row);
        }
    }
    let bars = series.bars();
    if bars.volume[row] == 0.0 && (row == 0 || bars.close[row] == bars.close[row - 1]) {
        broken.flat.insert(row);
    }
}

fn bar(series: &Series<'_>, row: usize) -> [f64; 5] {
    let bars = series.bars();
    [bars.open[row], bars.high[row], bars.low[row], bars.close[row], bars.volume[row]]
}

/// Change of the close against the row before; NaN if there is none.
fn change(series: &Series<'_>, row: usize) -> f64 {
    let close = series.bars().close;
    let last = row.checked_sub(1).map_or(f64::NAN, |before| close[before]);
    if last > 0.0 && last < f64::INFINITY && close[row].is_finite() { close[row] / last - 1.0 } else { f64::NAN }
}

fn breaks(series: &Series<'_>, bounds: &Bounds, rule: Rule, row: usize) -> bool {
    let values @ [open, high, low, close, volume] = bar(series, row);
    let is_finite = values.iter().all(|value| value.is_finite());
    let outside = |price: f64| is_finite && high >= low && !(low..=high).contains(&price);
    match rule {
        Rule::NotFinite => !is_finite,
        Rule::HighBelowLow => is_finite && high < low,
        Rule::OpenOutside => outside(open),
        Rule::CloseOutside => outside(close),
        Rule::NegativeVolume => volume < 0.0,
        Rule::NonPositivePrice => values[..4].iter().any(|price| *price <= 0.0),
        Rule::VolumeSpike => volume > bounds.max_volume && volume.is_finite(),
        Rule::LargeChange => change(series, row).abs() > bounds.max_change,
        Rule::SigmaOutlier => close > 0.0 && (change(series, row) - bounds.mean).abs() > bounds.max_distance,
        _ => false,
    }
}

fn detail(series: &Series<'_>, bounds: &Bounds, rule: Rule, row: usize) -> Detail {
    let values @ [open, high, low, close, volume] = bar(series, row);
    let (value, expected) = match rule {
        Rule::NotFinite => (values.into_iter().find(|value| !value.is_finite()).unwrap_or(f64::NAN), f64::NAN),
        Rule::HighBelowLow => (high, low),
        Rule::OpenOutside => (open, open.clamp(low, high)),
        Rule::CloseOutside => (close, close.clamp(low, high)),
        Rule::NegativeVolume => (volume, 0.0),
        Rule::NonPositivePrice => (values.into_iter().find(|price| *price <= 0.0).unwrap_or(f64::NAN), 0.0),
        Rule::VolumeSpike => (volume, bounds.max_volume),
        Rule::LargeChange => (change(series, row), bounds.max_change),
        _ => ((change(series, row) - bounds.mean) / bounds.sigma, bounds.max_distance / bounds.sigma),
    };
    Detail::new(value, expected)
}
