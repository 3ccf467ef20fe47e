//! The literal policy: rules of thumb with fixed thresholds.

use std::ops::Range;

use crate::quality::robust::Disorder;
use crate::quality::sink::Sink;
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
    let mut frames = Vec::with_capacity(rows.len() / FRAME + 1);
    for first in rows.clone().step_by(FRAME) {
        let end = (first + FRAME).min(rows.end);
        let mut sums = Sums::default();
        for volume in &bars.volume[first..end] {
            let counts = f64::from(u8::from((*volume > 0.0) & (*volume < f64::INFINITY)));
            sums.volume += if counts > 0.0 { *volume } else { 0.0 };
            sums.volumes += counts;
        }
        let first = first.max(1);
        if first < end {
            for (last, close) in bars.close[first - 1..end - 1].iter().zip(&bars.close[first..end]) {
                let change = close / last - 1.0;
                let counts = (*last > 0.0) & (*close > 0.0) & (change < f64::INFINITY);
                let change = if counts { change } else { 0.0 };
                sums.change += change;
                sums.square += change * change;
                sums.changes += f64::from(u8::from(counts));
            }
        }
        frames.push(sums);
    }
    frames
}

/// Judges the rows of a range; the answer are its rows without volume and change.
///
/// # Errors
/// [`Disorder`] if the timestamps do not ascend: nothing found so far counts.
pub(in crate::quality) fn sweep(
    series: &Series<'_>,
    bounds: &Bounds,
    rows: Range<usize>,
    sink: &mut Sink<'_>,
) -> Result<RowSet, Disorder> {
    let mut flat = RowSet::default();
    let mut at = rows.start;
    while at < rows.end {
        let end = if at == 0 { 1 } else { rows.end.min(at + STRIP) };
        if at > 0 {
            let pairs = series.timestamps()[at - 1..end - 1].iter().zip(&series.timestamps()[at..end]);
            if !pairs.fold(true, |ascends, (before, after)| ascends & (before < after)) {
                return Err(Disorder);
            }
        }
        if at == 0 || end - at < STRIP || !is_plain(series, bounds, at) {
            for row in at..end {
                look(series, bounds, row, sink, &mut flat);
            }
        }
        at = end;
    }
    Ok(flat)
}

/// Whether no row of the strip at `at` breaks a rule. NaN and infinity fail every comparison they
/// have to pass.
fn is_plain(series: &Series<'_>, bounds: &Bounds, at: usize) -> bool {
    let bars = series.bars();
    let [o, h, l, c, v] =
        [bars.open, bars.high, bars.low, bars.close, bars.volume].map(|column| &column[at..at + STRIP]);
    let last = &bars.close[at - 1..at - 1 + STRIP];
    let (up, down) = (1.0 + bounds.max_change * 0.999, 1.0 - bounds.max_change * 0.999);
    // A hair inside, so that a plain row breaks no rule however it is rounded.
    let far = bounds.max_distance * 0.999;
    let (high_change, low_change) = (1.0 + bounds.mean + far, 1.0 + bounds.mean - far);
    let (up, down) = (up.min(high_change), down.max(low_change));
    let mut odd = false;
    for i in 0..STRIP {
        odd |= !(h[i] >= l[i])
            | !(o[i] <= h[i])
            | !(o[i] >= l[i])
            | !(c[i] <= h[i])
            | !(c[i] >= l[i])
            | !(l[i] > 0.0)
            | !(v[i] > 0.0)
            | !(v[i] <= bounds.max_volume)
            | !(c[i] <= last[i] * up)
            | !(c[i] >= last[i] * down);
    }
    let total = (0..STRIP).fold(0.0, |sum, i| sum + h[i] + v[i]);
    !odd & (total - total == 0.0)
}

fn look(series: &Series<'_>, bounds: &Bounds, row: usize, sink: &mut Sink<'_>, flat: &mut RowSet) {
    let bars = series.bars();
    let [open, high, low, close, volume] =
        [bars.open[row], bars.high[row], bars.low[row], bars.close[row], bars.volume[row]];
    let last = row.checked_sub(1).map(|row| bars.close[row]);
    let not_finite = [open, high, low, close, volume].into_iter().find(|value| !value.is_finite());
    if let Some(value) = not_finite {
        sink.hit(Rule::NotFinite, row, value, f64::NAN);
    } else if high < low {
        sink.hit(Rule::HighBelowLow, row, high, low);
    } else {
        for (rule, price) in [(Rule::OpenOutside, open), (Rule::CloseOutside, close)] {
            if price < low || price > high {
                sink.hit(rule, row, price, price.clamp(low, high));
            }
        }
    }
    if volume < 0.0 {
        sink.hit(Rule::NegativeVolume, row, volume, 0.0);
    }
    if let Some(price) = [open, high, low, close].into_iter().find(|price| *price <= 0.0) {
        sink.hit(Rule::NonPositivePrice, row, price, 0.0);
    }
    if volume > bounds.max_volume && volume.is_finite() {
        sink.hit(Rule::VolumeSpike, row, volume, bounds.max_volume);
    }
    if let Some(last) = last.filter(|last| *last > 0.0) {
        let change = close / last - 1.0;
        if change.abs() > bounds.max_change {
            sink.hit(Rule::LargeChange, row, change, bounds.max_change);
        }
        if close > 0.0 && (change - bounds.mean).abs() > bounds.max_distance {
            sink.hit(Rule::SigmaOutlier, row, (change - bounds.mean) / bounds.sigma, bounds.max_distance / bounds.sigma);
        }
    }
    #[expect(clippy::float_cmp, reason = "a frozen feed repeats its bits")]
    if volume == 0.0 && last.is_none_or(|last| last == close) {
        flat.insert(row);
    }
}

/// Books runs of rows without volume and change.
pub(in crate::quality) fn judge_flat(flat: &RowSet, max_flat_rows: usize, sink: &mut Sink<'_>) {
    for (first, last) in flat.ranges().filter(|(first, last)| last - first + 1 >= max_flat_rows) {
        for row in first..=last {
            sink.hit(Rule::FlatRows, row, (last - first + 1) as f64, max_flat_rows as f64);
        }
    }
}
