//! Simulated OHLCV series of many markets. All are clean, though as unruly as real ones.
//!
//! A validator that reports an error in one of them has raised a false alarm. Every series has its own random stream,
//! drawn from the seed and its name, so a series added or left out does not change the others.

use fastrand::Rng;
use std::f64::consts::{PI, SQRT_2, TAU};

const DAY: i64 = 86_400;
const HOUR: i64 = 3_600;

#[derive(Default)]
pub struct Market {
    pub name: &'static str,
    /// One of `a_share`, `us_equity`, `fx`, `crypto`, `futures`, `index`, `fund_nav`, `power`.
    pub profile: &'static str,
    /// Unix seconds in UTC, ascending. A daily bar is stamped at 00:00 of its date unless its simulator says otherwise.
    pub time: Vec<i64>,
    pub open: Vec<f64>,
    pub high: Vec<f64>,
    pub low: Vec<f64>,
    pub close: Vec<f64>,
    pub volume: Vec<f64>,
    pub amount: Option<Vec<f64>>,
    pub adj_close: Option<Vec<f64>>,
    pub dividends: Option<Vec<f64>>,
    pub splits: Option<Vec<f64>>,
}

impl Market {
    fn prices(&mut self) -> [&mut Vec<f64>; 4] {
        [&mut self.open, &mut self.high, &mut self.low, &mut self.close]
    }

    /// Replaces the prices of a bar.
    fn pin(&mut self, i: usize, prices: [f64; 4]) {
        self.prices().into_iter().zip(prices).for_each(|(column, price)| column[i] = price);
    }
}

/// All series for a seed, each with `rows` bars (at least 250). About 1,000 rows or more show every peculiarity.
pub fn markets(seed: u64, rows: usize) -> Vec<Market> {
    let rows = rows.max(250);
    let parts = [stocks(seed, rows), odd_stocks(seed, rows), currencies_and_coins(seed, rows), others(seed, rows)];
    parts.into_iter().flatten().collect()
}

// ---- Calendar -------------------------------------------------------------------------------------------------------

/// Days since 1970-01-01 of a date of the Gregorian calendar.
fn date(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    year * 365 + year / 4 - year / 100 + year / 400 + of_year - 719_468
}

/// Year, month and day of the month.
fn civil(day: i64) -> (i64, i64, i64) {
    let guess = 1970 + day / 365;
    let year = if date(guess, 1, 1) > day { guess - 1 } else { guess };
    let month = (1..=12).rfind(|&month| date(year, month, 1) <= day).unwrap_or(1);
    (year, month, day - date(year, month, 1) + 1)
}

/// 0 is Monday, 6 is Sunday.
fn weekday(day: i64) -> i64 {
    (day + 3).rem_euclid(7)
}

/// The holidays of New York and the days on which they are observed, but for Good Friday.
fn us_open(day: i64) -> bool {
    let (_, month, on) = civil(day);
    let fixed = matches!((month, on), (1, 1) | (6, 19) | (7, 4) | (12, 25));
    let moved = matches!((month, on, weekday(day)), (1, 2, 0) | (7, 3, 4) | (7, 5, 0) | (12, 24, 4) | (12, 26, 0));
    let mondays = matches!((month, on, weekday(day)), (1 | 2, 15..=21, 0) | (5, 25..=31, 0) | (9, 1..=7, 0));
    weekday(day) < 5 && !fixed && !moved && !mondays && !matches!((month, on, weekday(day)), (11, 22..=28, 3))
}

/// A session of New York that ends at 13:00.
fn us_half(day: i64) -> bool {
    let (_, month, on) = civil(day);
    matches!((month, on, weekday(day)), (7, 3, _) | (11, 23..=29, 4) | (12, 24, _))
}

fn fx_open(day: i64) -> bool {
    let (_, month, on) = civil(day);
    weekday(day) < 5 && !matches!((month, on), (1, 1) | (12, 25))
}

/// Closed at weekends, on the long holidays, and for a week at the lunar new year (within a day of its true date).
fn cn_open(day: i64) -> bool {
    let (year, month, on) = civil(day);
    let lunar = date(year, 1, 21) + (1 - 11 * (year - 2023)).rem_euclid(30);
    let holiday = matches!((month, on), (1, 1) | (4, 4..=5) | (5, 1..=3) | (10, 1..=7));
    weekday(day) < 5 && !holiday && !(lunar - 1..lunar + 6).contains(&day)
}

/// The last `count` stamps up to the start of the day `end`, `step` seconds apart, at which a market is open.
fn stamps(end: i64, step: i64, count: usize, mut open: impl FnMut(i64) -> bool) -> Vec<i64> {
    let mut stamps: Vec<i64> = (0..).map(|k| end * DAY - k * step).filter(|&time| open(time)).take(count).collect();
    stamps.reverse();
    stamps
}

fn daily(count: usize, open: impl Fn(i64) -> bool) -> Vec<i64> {
    stamps(date(2025, 6, 27), DAY, count, |time| open(time / DAY))
}

/// A stamp in the wall time of New York, by the rule in force since 2007.
fn new_york(time: i64) -> i64 {
    let (year, _, _) = civil(time / DAY);
    let sunday_until = |last: i64| last - (weekday(last) + 1) % 7;
    let summer = sunday_until(date(year, 3, 14))..sunday_until(date(year, 11, 7));
    time - if summer.contains(&(time / DAY)) { 4 * HOUR } else { 5 * HOUR }
}

/// Seconds since 09:30 in New York and the length of that day's session, while it lasts.
fn us_session(time: i64) -> Option<(i64, i64)> {
    let (day, since) = (new_york(time) / DAY, new_york(time) % DAY - 19 * HOUR / 2);
    let length = if us_half(day) { 7 * HOUR / 2 } else { 13 * HOUR / 2 };
    (us_open(day) && (0..length).contains(&since)).then_some((since, length))
}

// ---- Bars -----------------------------------------------------------------------------------------------------------

/// Log returns added to a bar at its open and in its session, and a factor on its volume. `None`: a bar without trades.
type Plan = Option<[f64; 3]>;

/// A market being written, with the state of its prices and volumes.
struct Tape {
    rng: Rng,
    out: Market,
    /// The price before it is rounded to a tick.
    fair: f64,
    bounds: (f64, f64),
    /// How many ticks make one unit of money.
    ticks: f64,
    sigma: f64,
    /// How much of the volatility lies between the last close and the open, 0 to 1.
    night: f64,
    /// Logs of the regimes of volatility and of volume.
    heat: f64,
    flow: f64,
    /// The usual volume, the spread of its log, and how many lots make one unit of it.
    base: f64,
    spread: f64,
    lots: f64,
}

impl Tape {
    fn new(seed: u64, name: &'static str, profile: &'static str, prices: [f64; 4], trades: [f64; 3]) -> Self {
        let hash =
            name.bytes().fold(seed ^ 0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3));
        let ([fair, ticks, sigma, night], [base, spread, lots]) = (prices, trades);
        let (rng, bounds, heat, flow) = (Rng::with_seed(hash), (0.0, f64::INFINITY), 0.0, 0.0);
        let out = Market { name, profile, ..Market::default() };
        Self { rng, out, fair, bounds, ticks, sigma, night, heat, flow, base, spread, lots }
    }

    fn chance(&mut self, probability: f64) -> bool {
        self.rng.f64() < probability
    }

    fn range(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.rng.f64()
    }

    fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.rng.f64()).ln()).sqrt();
        radius * (TAU * self.rng.f64()).cos()
    }

    /// Student's t with four degrees of freedom, scaled to unit variance and cut at six.
    fn fat(&mut self) -> f64 {
        let chi = -2.0 * ((1.0 - self.rng.f64()) * (1.0 - self.rng.f64())).ln();
        (self.normal() / (chi / 4.0).sqrt() / SQRT_2).clamp(-6.0, 6.0)
    }

    fn round(&self, price: f64) -> f64 {
        (price.clamp(self.bounds.0, self.bounds.1) * self.ticks).round().max(1.0) / self.ticks
    }

    /// A traded price: on a tick, and on either side of the spread when the tick is coarse.
    fn quote(&mut self, price: f64) -> f64 {
        let bounce = if price * self.ticks < 60.0 { self.range(-0.5, 0.5) / self.ticks } else { 0.0 };
        self.round(price + bounce)
    }

    /// The log return that goes a part of the way to a price.
    fn pull(&self, target: f64, part: f64) -> f64 {
        part * (target / self.fair).ln()
    }

    fn last(&self) -> f64 {
        self.out.close.last().copied().unwrap_or_else(|| self.round(self.fair))
    }

    fn push(&mut self, time: i64, prices: [f64; 4], volume: f64) {
        self.out.time.push(time);
        self.out.prices().into_iter().zip(prices).for_each(|(column, price)| column.push(price));
        self.out.volume.push(volume);
    }

    /// The volume of a bar that moved by so many sigmas.
    fn turnover(&mut self, sigmas: f64, factor: f64) -> f64 {
        self.flow = 0.8 * self.flow + 0.42 * self.spread * self.normal();
        let log = self.flow + 0.7 * self.spread * self.normal();
        let volume = self.base * log.exp() * (0.65 + 0.4 * sigmas.abs().min(8.0)) * factor;
        (volume * self.lots).round().max(1.0) / self.lots
    }

    fn bar(&mut self, time: i64, plan: Plan) {
        let Some([gap, body, factor]) = plan else {
            return self.push(time, [self.last(); 4], 0.0);
        };
        self.heat = 0.97 * self.heat + 0.08 * self.normal();
        let scale = self.sigma * self.heat.exp();
        let night = self.fat() * scale * self.night;
        let session = self.fat() * scale * (1.0 - self.night * self.night).sqrt();
        let start = self.fair * (gap + night).exp();
        self.fair = (start * (session + body).exp()).clamp(self.bounds.0, self.bounds.1);
        let (open, close) = (self.quote(start), self.quote(self.fair));
        // The highest and the lowest point of a Brownian path whose two ends are known.
        let way = (close / open).ln();
        let mut reach = || (way * way - 1.3 * scale * scale * (1.0 - self.rng.f64()).ln()).sqrt();
        let (up, down) = (f64::midpoint(way, reach()), f64::midpoint(way, -reach()));
        let high = self.round(open * up.exp()).max(open).max(close);
        let low = self.round(open * down.exp()).min(open).min(close);
        let volume = self.turnover((night + session) / self.sigma, factor);
        self.push(time, [open, high, low, close], volume);
    }

    fn run(mut self, times: &[i64], mut plan: impl FnMut(&mut Self, usize) -> Plan) -> Self {
        for (i, &time) in times.iter().enumerate() {
            let plan = plan(&mut self, i);
            self.bar(time, plan);
        }
        self
    }

    /// A price that keeps near its first one. In the middle it is multiplied by `ratio`, mostly at the open, on volume
    /// that calms down slowly.
    fn shocked(self, times: &[i64], ratio: f64, factor: f64) -> Market {
        let (first, middle) = (self.fair, times.len() / 2);
        let plan = |tape: &mut Self, i: usize| match i.checked_sub(middle) {
            None => Some([0.0, tape.pull(first, 0.002), 1.0]),
            Some(0) => {
                let body = (0.2 * ratio.ln()).clamp(-0.1, 0.1);
                tape.heat = 0.7;
                Some([ratio.ln() - body, body, factor])
            }
            Some(after) => Some([0.0, tape.pull(first * ratio, 0.002), factor.powf(0.6_f64.powf(after as f64))]),
        };
        self.run(times, plan).out
    }
}

// ---- Stocks ---------------------------------------------------------------------------------------------------------

fn stocks(seed: u64, rows: usize) -> Vec<Market> {
    let stock = |name, prices, trades| Tape::new(seed, name, "us_equity", prices, trades);
    let (us, middle) = (daily(rows, us_open), rows / 2);
    // Three months without dates; and a ticker that another company uses again after eight years.
    let mut halted = daily(rows + 63, us_open);
    halted.drain(middle..middle + 63);
    let mut reused = stamps(us[middle] / DAY - 8 * 365, DAY, middle, |time| us_open(time / DAY));
    reused.extend(&us[middle..]);
    // The minutes of the session, of which some are missing at random; and hours, the last of each day a short stub.
    let (mut luck, end) = (Rng::with_seed(seed), date(2025, 3, 12));
    let mut kept = |(since, _)| since < HOUR / 2 || luck.f64() > 0.054;
    let minutes = stamps(end, 60, rows, |time| us_session(time).is_some_and(&mut kept));
    let hours = stamps(end, HOUR / 2, rows, |time| us_session(time).is_some_and(|(since, _)| since % HOUR == 0));
    let mondays = stamps(date(2025, 6, 23), 7 * DAY, rows, |_| true);
    vec![
        us_large(stock("us_large_daily", [35.0, 400.0, 0.015, 0.5], [2.5e7, 0.35, 1.0]), &us, false),
        us_large(stock("us_large_weekly", [35.0, 400.0, 0.033, 0.3], [1.2e8, 0.3, 1.0]), &mondays, true),
        stock("us_crash", [60.0, 100.0, 0.02, 0.5], [3e6, 0.45, 1.0]).shocked(&us, 0.65, 12.0),
        stock("us_biotech", [9.0, 100.0, 0.035, 0.5], [1e6, 0.6, 1.0]).shocked(&us, 2.8, 40.0),
        stock("us_suspended", [22.0, 100.0, 0.025, 0.5], [2e6, 0.45, 1.0]).shocked(&halted, 0.6, 6.0),
        stock("us_ticker_reused", [5.0, 100.0, 0.025, 0.5], [1e6, 0.5, 1.0]).shocked(&reused, 12.0, 3.0),
        intraday(stock("us_minute", [140.0, 100.0, 0.0007, 0.1], [9e3, 0.6, 1.0]), &minutes, 60),
        intraday(stock("us_hourly", [75.0, 100.0, 0.005, 0.1], [6e5, 0.4, 1.0]), &hours, HOUR),
        a_share(seed, "a_share_raw_gaps", rows, false, false),
        a_share(seed, "a_share_raw_flat_rows", rows, true, false),
        a_share(seed, "a_share_hfq", rows, true, true),
    ]
}

/// Busy at both ends of the session; a bar cut short by the end is thin.
fn intraday(tape: Tape, times: &[i64], step: i64) -> Market {
    let usual = tape.sigma;
    let plan = |tape: &mut Tape, i: usize| {
        let (since, length) = us_session(times[i])?;
        let edge = (2.0 * since as f64 / length as f64 - 1.0).powi(4);
        let factor = if since + step > length { 0.15 } else { 0.5 + 1.7 * edge };
        tape.sigma = usual * factor.sqrt();
        let auction = if since == 0 || since + step == length { 2.0 } else { 1.0 };
        Some([if since == 0 { 0.008 * tape.fat() } else { 0.0 }, 0.0, factor * auction])
    };
    tape.run(times, plan).out
}

/// Prices and volumes adjusted for a split of 4:1; dividends each quarter; a column of closes adjusted for both. The
/// factor of the adjusted close steps with the dividend, or one bar after it in weekly bars.
fn us_large(tape: Tape, times: &[i64], weekly: bool) -> Market {
    let (rows, split, quarter) = (times.len(), times.len() * 3 / 5, if weekly { 13 } else { 63 });
    let (mut dividends, mut splits) = (vec![0.0; rows], vec![0.0; rows]);
    splits[split] = 4.0;
    let plan = |tape: &mut Tape, i: usize| {
        tape.ticks = if i < split { 400.0 } else { 100.0 };
        let factor = if us_half(times[i] / DAY) { 0.35 } else { 1.0 };
        if (rows - i) % quarter == 7 && i > 0 {
            dividends[i] = (tape.last() * 0.6).round() / 100.0;
            return Some([(1.0 - dividends[i] / tape.last()).ln(), 0.0, factor]);
        }
        let earnings = (rows - i) % quarter == 3;
        let (gap, busy) = ((0.06 * tape.fat()).clamp(-0.28, 0.22), tape.range(3.0, 8.0));
        Some(if earnings { [gap, 0.0, factor * busy] } else { [0.0, tape.pull(60.0, 0.002), factor] })
    };
    let out = tape.run(times, plan).out;
    let (mut adjusted, mut after) = (out.close.clone(), 1.0);
    for i in (0..rows).rev() {
        let before = if dividends[i] > 0.0 { after * (1.0 - dividends[i] / out.close[i - 1]) } else { after };
        adjusted[i] = (out.close[i] * if weekly { before } else { after } * 1e6).round() / 1e6;
        after = before;
    }
    Market { adj_close: Some(adjusted), dividends: Some(dividends), splits: Some(splits), ..out }
}

/// Chinese stock with limits of 10 %, suspensions and undeclared rights; `adjusted` is the hfq series of such a stock.
fn a_share(seed: u64, name: &'static str, rows: usize, flat_rows: bool, adjusted: bool) -> Market {
    let mut tape = Tape::new(seed, name, "a_share", [18.0, 100.0, 0.021, 0.5], [2.4e7, 0.45, 0.01]);
    let (mut factor, mut factors, mut amount) = (6.371, Vec::new(), Vec::new());
    // Days at the limit that are left, upwards or downwards, after the days of suspension that are left.
    let (mut run, mut halt, mut activity) = (0_i32, 0, 1.0);
    for (i, time) in daily(rows * 3 / 2, cn_open).into_iter().enumerate() {
        halt -= 1;
        if halt >= 0 && !flat_rows {
            continue;
        }
        if halt < 0 && i % 480 == 120 {
            let shares = [1.12, 1.2, 1.3, 1.5, 1.8, 2.0][tape.rng.usize(..6)];
            (tape.fair, tape.base) = (tape.round(tape.last() / shares), tape.base * shares);
            factor *= tape.last() / tape.fair;
            (run, activity) = (0, 1.0);
        }
        let (top, bottom) = (tape.round(tape.fair * 1.1), tape.round(tape.fair * 0.9));
        let plan = [0.0, tape.pull(18.0, 0.004), if run == 0 { activity } else { 0.1 }];
        tape.bar(time, (halt < 0).then_some(plan));
        let bar = tape.out.time.len() - 1;
        if halt < 0 {
            let (least, most) = (if run > 0 { top } else { bottom }, if run < 0 { bottom } else { top });
            tape.out.prices().into_iter().for_each(|column| column[bar] = column[bar].clamp(least, most));
            activity = if run == 0 { 0.5 + 0.5 * activity } else { 4.0 };
            run -= run.signum();
            // The turnover in money stays level over the years, though every right adds shares.
            (tape.fair, tape.base) = (tape.last(), tape.base * 0.9992);
            if run == 0 && tape.chance(0.006) {
                (run, halt) = (tape.rng.i32(-5..6), if tape.chance(0.3) { tape.rng.i32(5..40) } else { 0 });
            }
        }
        let mean = tape.out.prices().into_iter().map(|column| column[bar]).sum::<f64>() / 4.0;
        amount.push((tape.out.volume[bar] * mean * 100.0).round() / 100.0);
        factors.push(if adjusted { factor } else { 1.0 });
    }
    let from = tape.out.time.len() - rows;
    for column in tape.out.prices() {
        column.iter_mut().zip(&factors).for_each(|(price, factor)| *price = (*price * factor * 100.0).round() / 100.0);
        column.drain(..from);
    }
    let (time, volume) = (tape.out.time.split_off(from), tape.out.volume.split_off(from));
    Market { time, volume, amount: Some(amount.split_off(from)), ..tape.out }
}

fn odd_stocks(seed: u64, rows: usize) -> Vec<Market> {
    let stock = |name, prices, trades| Tape::new(seed, name, "us_equity", prices, trades);
    let us = daily(rows, us_open);

    // A tick of 0.001 at 0.004 to 0.05: flat days without a trade, and days of 60 % on thirty times the volume.
    let penny = stock("us_penny", [0.015, 1e3, 0.07, 0.5], [4e5, 1.2, 1.0]);
    let penny = Tape { bounds: (0.004, 0.05), ..penny }.run(&us, |tape, _| match tape.rng.f64() {
        0.0..0.12 => None,
        0.12..0.13 => Some([0.0, f64::ln(if tape.fair < 0.014 { 1.6 } else { 0.4 }), 30.0]),
        _ => Some([0.0, tape.pull(0.015, 0.02), 1.0]),
    });

    // A tick of 0.5 pence, block trades, and prints of the auctions up to 0.9 % outside of the session's range.
    let thin = stock("london_thin", [250.0, 2.0, 0.018, 0.5], [9e3, 1.5, 1.0]);
    let mut thin =
        thin.run(&us, |tape, _| Some([0.0, tape.pull(250.0, 0.01), if tape.chance(0.01) { 60.0 } else { 1.0 }]));
    for i in 0..rows {
        let away = thin.range(0.001, 0.007);
        match thin.rng.f64() {
            0.0..0.02 => thin.out.close[i] = thin.round(thin.out.high[i] * (1.0 + away)),
            0.02..0.04 => thin.out.open[i] = thin.round(thin.out.low[i] * (1.0 - away)),
            _ => {}
        }
    }

    // Raw prices with declared splits, stamped at the opening bell; volumes move the other way.
    let bells = stamps(date(2025, 6, 27), HOUR / 2, rows, |time| us_session(time).is_some_and(|(since, _)| since == 0));
    let (mut splits, quarter) = (vec![0.0; rows], rows / 4);
    (splits[quarter], splits[2 * quarter], splits[3 * quarter]) = (2.0, 3.0, 0.125);
    let split = stock("us_raw_splits", [120.0, 100.0, 0.018, 0.5], [5e6, 0.4, 1.0]).run(&bells, |tape, i| {
        let ratio = if splits[i] > 0.0 { splits[i] } else { 1.0 };
        let target = [120.0, 90.0, 3.0, 25.0][(i / quarter).min(3)];
        tape.base *= ratio;
        Some([-ratio.ln(), if ratio == 1.0 { tape.pull(target, 0.02) } else { 0.0 }, 1.0])
    });

    // Raw prices with a reverse split of 1:8 that no column declares, from 2.13 on 146M shares to 18.00 on 22M.
    let at = rows * 2 / 3;
    let reverse = stock("us_raw_undeclared_reverse", [9.0, 100.0, 0.04, 0.5], [7.5e7, 0.4, 1.0]);
    let mut reverse = reverse.run(&us, |tape, i| {
        (tape.fair, tape.base) = if i == at + 1 { (18.0, 9e6) } else { (tape.fair, tape.base) };
        Some([0.0, if i < at { tape.pull(2.13, 1.0 / (at - i) as f64) } else { tape.pull(15.0, 0.005) }, 1.0])
    });
    reverse.out.pin(at - 1, [2.2, 2.31, 2.02, 2.13]);
    reverse.out.pin(at, [16.9, 18.74, 16.21, 18.0]);
    (reverse.out.volume[at - 1], reverse.out.volume[at]) = (1.46e8, 2.2e7);

    // A fund of bonds that hardly trades: many closes repeat, and each month it falls by what it pays out.
    let bonds = stock("us_bond_fund", [25.0, 100.0, 0.0004, 0.5], [900.0, 1.1, 1.0]).run(&us, |tape, i| {
        let body = tape.pull(25.0, 0.01) + 0.003 / 21.0;
        if tape.chance(0.05) { None } else { Some([if i % 21 == 20 { -0.003 } else { 0.0 }, body, 1.0]) }
    });
    vec![penny.out, thin.out, Market { splits: Some(splits), ..split.out }, reverse.out, bonds.out]
}

// ---- Other markets --------------------------------------------------------------------------------------------------

fn currencies_and_coins(seed: u64, rows: usize) -> Vec<Market> {
    let pair = |name, prices, trades| Tape::new(seed, name, "fx", prices, trades);
    let coin = |name, prices, trades| Tape::new(seed, name, "crypto", prices, trades);
    let always = |step| stamps(date(2025, 6, 27), step, rows, |_| true);

    // From Sunday 17:00 to Friday 17:00 of New York, with counts of ticks for volume. Sundays have a hundredth of them.
    let open = |time| match (weekday(new_york(time) / DAY), new_york(time) % DAY / HOUR) {
        (4, hour) => hour < 17,
        (6, hour) => hour >= 17,
        (day, _) => day < 4,
    };
    let hours = stamps(date(2025, 3, 15), HOUR, rows, open);
    let hourly = pair("fx_hourly", [1.08, 1e5, 0.001, 0.05], [4e3, 0.25, 1.0]).run(&hours, |tape, i| {
        let sunday = weekday(hours[i] / DAY) == 6;
        let busy = if sunday { 0.01 } else { [0.5, 0.8, 1.3, 1.7, 1.0, 0.3][(hours[i] % DAY / HOUR / 4) as usize] };
        tape.sigma = 0.001 * f64::sqrt(busy).max(0.2);
        let weekend = i > 0 && hours[i] - hours[i - 1] > DAY;
        Some([if weekend { 0.002 * tape.fat() } else { 0.0 }, 0.0, busy])
    });
    let days = daily(rows, |day| weekday(day) != 5);
    let sundays = pair("fx_daily_sunday", [1.27, 1e5, 0.005, 0.1], [9e4, 0.2, 1.0]).run(&days, |tape, i| {
        let sunday = weekday(days[i] / DAY) == 6;
        tape.sigma = if sunday { 0.0008 } else { 0.005 };
        Some([0.0, tape.pull(1.27, 0.002), if sunday { 0.01 } else { 1.0 }])
    });
    let weekdays = daily(rows, fx_open);
    let silent = pair("fx_daily_no_volume", [151.0, 1e3, 0.006, 0.1], [1.0; 3]).shocked(&weekdays, 0.97, 1.0);
    let crisis = pair("fx_daily_crisis", [7.2, 1e4, 0.006, 0.1], [6e4, 0.25, 1.0])
        .run(&weekdays, |_, i| Some(if i == rows / 2 { [0.0, 0.223, 4.0] } else { [0.0, 0.0006, 1.0] }));

    // From the first day: volumes from 0.06 to 7,000 in 200 days, a price times fifty in two years, days of -50 %.
    let young = coin("crypto_daily", [5.0, 100.0, 0.04, 0.02], [0.06, 0.5, 1e8]).run(&always(DAY), |tape, i| {
        tape.base = 0.06 * f64::powf(7_000.0 / 0.06, (i as f64 / 200.0).min(1.0));
        let trend = 5.0 * f64::powf(50.0, (i as f64 / 730.0).min(1.0));
        Some(if i > 100 && tape.chance(0.004) { [0.0, -0.69, 7.0] } else { [0.0, tape.pull(trend, 0.01), 1.0] })
    });

    // Wicks of 10 to 25 % on a huge volume.
    let wicked = coin("crypto_hourly_wicks", [1_800.0, 100.0, 0.007, 0.01], [900.0, 0.6, 1e4]);
    let mut wicks = Vec::new();
    let mut wicked = wicked.run(&always(HOUR), |tape, i| {
        let wick = tape.chance(0.005);
        wicks.extend(wick.then_some(i));
        Some([0.0, 0.0, if wick { tape.range(20.0, 60.0) } else { 1.0 }])
    });
    for i in wicks {
        let (up, depth) = (wicked.chance(0.3), wicked.range(0.1, 0.25));
        let column = if up { &mut wicked.out.high } else { &mut wicked.out.low };
        column[i] = (column[i] * if up { 1.0 + depth } else { 1.0 - depth } * 100.0).round() / 100.0;
    }

    // A price of 2 to 30 ticks of 1e-8; and minutes, a quarter of them flat and without a trade.
    let some = |share: f64| move |tape: &mut Tape, _: usize| (!tape.chance(share)).then_some([0.0, 0.0, 1.0]);
    let satoshi = coin("crypto_hourly_satoshi", [9e-8, 1e8, 0.02, 0.02], [2e6, 1.0, 1.0]);
    let satoshi = Tape { bounds: (2e-8, 30e-8), ..satoshi }.run(&always(HOUR), some(0.08));
    let quiet = coin("crypto_minute", [0.42, 1e4, 0.001, 0.01], [800.0, 1.2, 10.0]).run(&always(60), some(0.25));
    let silent = Market { volume: vec![0.0; rows], ..silent };
    vec![hourly.out, sundays.out, silent, crisis.out, young.out, wicked.out, satoshi.out, quiet.out]
}

fn others(seed: u64, rows: usize) -> Vec<Market> {
    let future = |name, prices, trades| Tape::new(seed, name, "futures", prices, trades);
    let (us, china) = (daily(rows, us_open), daily(rows, cn_open));

    // Contracts joined without adjustment: a gap at each roll and a thin volume right before it; the first 60 bars are
    // those of a contract whose volume grows a hundred times as it becomes the front.
    let joined = future("futures_continuous", [3_400.0, 1.0, 0.012, 0.5], [3e5, 0.3, 1.0]).run(&us, |tape, i| {
        let (age, size) = ((i + 20) % 63, tape.range(0.01, 0.05));
        let gap = if age > 0 { 0.0 } else { [size, -size][tape.rng.usize(..2)] };
        let growth = 100.0_f64.powf((i as f64 / 60.0).min(1.0) - 1.0);
        Some([gap, tape.pull(3_400.0, 0.004), if age > 59 && i > 60 { 0.3 } else { growth }])
    });

    // Crude oil at 20 to 60 dollars, with the bars around the negative price of 20 April 2020.
    let days = stamps(date(2020, 12, 31), DAY, rows, |time| us_open(time / DAY));
    let first = days.partition_point(|&day| day < date(2020, 4, 17) * DAY);
    let mut oil = future("futures_crude_oil", [52.0, 100.0, 0.02, 0.5], [4e5, 0.35, 1.0]).run(&days, |tape, i| {
        (tape.fair, tape.heat) = if i == first + 4 { (13.78, 1.0) } else { (tape.fair, tape.heat) };
        let body = match first.saturating_sub(i) {
            0 => tape.pull(40.0, 0.03),
            left @ 1..40 => tape.pull(19.5, 1.0 / left as f64),
            _ => tape.pull(52.0, 0.02),
        };
        Some([0.0, body, 1.0])
    });
    oil.out.pin(first, [19.82, 20.14, 17.31, 18.27]);
    oil.out.pin(first + 1, [17.73, 17.85, -40.32, -37.63]);
    oil.out.pin(first + 2, [-14.0, 13.86, -16.74, 10.01]);
    oil.out.pin(first + 3, [11.66, 16.18, 10.26, 13.78]);

    let index = |name, volume| {
        let tape = Tape::new(seed, name, "index", [3_000.0, 100.0, 0.011, 0.5], [1.0; 3]);
        Market { volume: vec![volume; rows], ..tape.shocked(&us, 0.89, 1.0) }
    };
    let fund = |name, value: f64, sigma: f64| {
        let mut tape = Tape::new(seed, name, "fund_nav", [value, 1e4, sigma, 0.0], [1.0; 3]);
        for &day in &china {
            tape.fair *= (sigma * (tape.fat() + 0.02)).exp();
            tape.push(day, [tape.round(tape.fair); 4], 0.0);
        }
        tape.out
    };
    let indices = [index("index_volume_nan", f64::NAN), index("index_volume_zero", 0.0)];
    let funds = [fund("fund_nav_drifting", 1.2, 0.009), fund("fund_nav_money_market", 1.0, 0.0)];
    let power =
        [("power_hourly", 6.0), ("power_hourly_auction", 0.0)].map(|(name, noise)| power(seed, name, rows, noise));
    [joined.out, oil.out].into_iter().chain(indices).chain(funds).chain(power).collect()
}

/// Power by the hour: negative at sunny noons, spikes in the evening. Without noise it is an auction with one price.
fn power(seed: u64, name: &'static str, rows: usize, noise: f64) -> Market {
    let mut tape = Tape::new(seed, name, "power", [80.0, 100.0, 1.0, 0.0], [1_400.0, 0.3, 10.0]);
    let (mut level, mut spike, mut sunny) = (0.0, 0.0, 0.5);
    for time in stamps(date(2025, 6, 27), HOUR, rows, |_| true) {
        let hour = (time % DAY / HOUR) as f64;
        sunny = if hour == 0.0 { tape.range(0.0, 1.0) } else { sunny };
        level = 0.95 * level + 4.0 * tape.fat();
        let spiked = (17.0..20.0).contains(&hour) && tape.chance(0.03);
        spike = if spiked { tape.range(150.0, 820.0) } else { 0.5 * spike };
        let sun = sunny * (PI * (hour - 6.0) / 12.0).sin().max(0.0);
        let raw = 75.0 + level + 25.0 * (TAU * (hour - 8.0) / 11.0).cos() - 85.0 * sun + spike;
        let price = if raw < 0.0 { 0.4 * raw } else { raw };
        let [a, b, c, d] = [(); 4].map(|()| noise * tape.normal());
        let bar = [price + a, price + a.max(b) + c.abs(), price + a.min(b) - d.abs(), price + b];
        let volume = tape.turnover(1.0, 1.0 + 0.3 * sun);
        tape.push(time, bar.map(|price| (price * 100.0).round() / 100.0), volume);
    }
    tape.out
}
