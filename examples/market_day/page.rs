//! The tables on the terminal, and the page; every figure comes from the run.

use std::error::Error;
use std::fmt::Write;
use std::time::Duration;

use comfy_table::{Table, presets};
use feedguard::breaker::BreakerState;
use feedguard::manager::FetchRecord;
use feedguard::{DataQualityValidator, QualityConfig};

use crate::bars::{Columns, Library, spoil};
use crate::chart::{Band, Chart, strip};
use crate::day::{Class, Felt, Moment, Run};
use crate::goals::{Figures, Goal, percentile};
use crate::servers::{FLAKY_OUTAGE, LINE_DOWN, PAID_SLOW};
use crate::settings::SOURCES;
use crate::ways::{Answer, Way};

const HEAD: [&str; 12] = [
    "class",
    "way",
    "requests",
    "errors",
    "wrong",
    "marked",
    "available %",
    "hits %",
    "mean ms",
    "P50 ms",
    "P95 ms",
    "P99 ms",
];

fn rows(runs: &[Run]) -> Vec<Vec<String>> {
    let row = |class: Option<Class>, run: &Run| {
        let figures = Figures::of(run, class);
        vec![
            class.map_or("all", Class::name).to_owned(),
            run.way.name().to_owned(),
            figures.requests.to_string(),
            figures.errors.to_string(),
            figures.wrong.to_string(),
            figures.marked.to_string(),
            format!("{:.2}", figures.availability()),
            format!("{:.1}", figures.hit_rate()),
            format!("{:.1}", figures.mean),
            format!("{:.1}", figures.p50),
            format!("{:.1}", figures.p95),
            format!("{:.1}", figures.p99),
        ]
    };
    let classes = Class::ALL.into_iter().map(Some).chain([None]);
    classes.flat_map(|class| runs.iter().map(move |run| row(class, run))).collect()
}

const TOTALS: [&str; 5] = ["way", "source calls", "cost", "nightly s", "calls by source"];

fn totals(runs: &[Run]) -> Vec<Vec<String>> {
    let of = |run: &Run| {
        let by_source = SOURCES.iter().enumerate().map(|(number, name)| {
            format!("{name} {}", run.calls.iter().filter(|(_, source)| *source == number).count())
        });
        let cost = run.health.as_ref().map(|health| health.endpoints.iter().map(|of| of.router.cost).sum::<f64>());
        vec![
            run.way.name().to_owned(),
            run.calls.len().to_string(),
            format!("{:.0}", cost.unwrap_or_else(|| price(run))),
            format!("{:.1}", run.nightly.as_secs_f64()),
            by_source.collect::<Vec<_>>().join(", "),
        ]
    };
    runs.iter().map(of).collect()
}

/// What the other ways pay: 2 a call of the paid source, 1 a call of the metered one past 300.
fn price(run: &Run) -> f64 {
    let calls = |number| run.calls.iter().filter(|(_, source)| *source == number).count() as f64;
    2.0 * calls(2) + (calls(3) - 300.0).max(0.0)
}

pub(crate) fn tables(runs: &[Run]) -> String {
    let table = |head: &[&str], rows: Vec<Vec<String>>| {
        let mut table = Table::new();
        table.load_preset(presets::ASCII_MARKDOWN).set_header(head);
        table.add_rows(rows);
        table.to_string()
    };
    format!("{}\n\n{}", table(&HEAD, rows(runs)), table(&TOTALS, totals(runs)))
}

/// The goals over all seeds: a range of values each, and met or missed.
pub(crate) fn goal_table(by_seed: &[(u64, Vec<Goal>)]) -> String {
    let mut table = Table::new();
    table.load_preset(presets::ASCII_MARKDOWN).set_header(["goal", "wanted", "measured", "met"]);
    for at in 0..by_seed.first().map_or(0, |(_, goals)| goals.len()) {
        let of: Vec<&Goal> = by_seed.iter().map(|(_, goals)| &goals[at]).collect();
        let low = of.iter().map(|goal| goal.value).fold(f64::INFINITY, f64::min);
        let high = of.iter().map(|goal| goal.value).fold(f64::NEG_INFINITY, f64::max);
        let range = if of.len() == 1 { format!("{low:.2}") } else { format!("{low:.2} to {high:.2}") };
        let missed: Vec<String> =
            by_seed.iter().filter(|(_, goals)| !goals[at].is_met).map(|(seed, _)| seed.to_string()).collect();
        let met = if missed.is_empty() { "yes".to_owned() } else { format!("missed on {}", missed.join(", ")) };
        table.add_row([of[0].name.to_owned(), of[0].wanted.to_owned(), format!("{range} {}", of[0].unit), met]);
    }
    table.to_string()
}

const STYLE: &str = "
:root{color-scheme:light dark;--ink:#1c2733;--soft:#5b6b7b;--paper:#fff;--card:#f4f6f8;--line:#d9dfe5;--good:#12805c;--bad:#c0392b;
--c0:#8a94a0;--c1:#c77700;--c2:#1666c5;--s0:#4c78a8;--s1:#f58518;--s2:#54a24b;--s3:#b279a2;--band:#c0392b22}
@media(prefers-color-scheme:dark){:root{--ink:#e6ebf0;--soft:#9aa7b4;--paper:#11161c;--card:#1a212a;--line:#2c3743;--good:#4fc99b;
--bad:#ff7b6b;--c0:#9aa7b4;--c1:#f0a840;--c2:#6cb2ff;--s0:#7fa8d6;--s1:#f7a55a;--s2:#83c77a;--s3:#cfa0c4;--band:#ff7b6b2a}}
*{box-sizing:border-box}body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);max-width:1100px;margin:0 auto;
padding:1.5em 1em}h1{font-size:1.6em;margin:.2em 0}h2{font-size:1.1em;margin:1.8em 0 .3em}p{color:var(--soft);margin:.3em 0 1em}
.goals{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:10px;margin:1em 0}
.goal{background:var(--card);border:1px solid var(--line);border-left:5px solid var(--good);border-radius:6px;padding:.5em .7em}
.goal.missed{border-left-color:var(--bad)}.goal b{display:block;font-size:1.35em}.goal span{color:var(--soft);font-size:.85em;display:block}
.met{color:var(--good)}.missed i{color:var(--bad)}i{font-style:normal;font-weight:600;color:var(--good)}
div.scroll{overflow-x:auto;margin-bottom:1.2em}.scroll svg{min-width:620px}table{border-collapse:collapse;font-size:.9em}td,th{border-bottom:1px solid var(--line);padding:.25em .7em;
text-align:right;white-space:nowrap}td.text,th.text{text-align:left}tr.feedguard td{font-weight:600}
svg{width:100%;height:auto;display:block}.grid{stroke:var(--line)}.tick,.bandname,.note{font-size:11px;fill:var(--soft)}
.band{fill:var(--band)}.line{fill:none;stroke-width:2}.direct{stroke:var(--c0)}.old{stroke:var(--c1)}.feedguard{stroke:var(--c2)}
.plain{stroke:var(--c2)}.area{stroke:none;opacity:.85}.s0{fill:var(--s0)}.s1{fill:var(--s1)}.s2{fill:var(--s2)}.s3{fill:var(--s3)}
.closed{fill:var(--good);opacity:.45}.open{fill:var(--bad)}.half_open{fill:var(--c1)}.mark{fill:none;stroke:var(--bad);stroke-width:2.5}
.note{fill:var(--bad)}.key{display:flex;flex-wrap:wrap;gap:1em;font-size:.85em;color:var(--soft)}.key span::before{content:'';display:inline-block;
width:.9em;height:.9em;border-radius:2px;margin-right:.35em;vertical-align:-1px;background:var(--k)}
ol{padding-left:1.3em;margin:.3em 0}code,ol{font:13px/1.6 ui-monospace,monospace}";

/// The page of a day; `record` is one request that had to try more than once.
pub(crate) fn html(
    runs: &[Run],
    goals: &[Goal],
    by_seed: &[(u64, Vec<Goal>)],
    record: Option<&FetchRecord>,
    length: Duration,
) -> Result<String, Box<dyn Error>> {
    let bands = [
        Band { from: FLAKY_OUTAGE.start, to: FLAKY_OUTAGE.end, name: "flaky source out" },
        Band { from: PAID_SLOW.start, to: PAID_SLOW.end, name: "paid source six times slower" },
        Band { from: LINE_DOWN.start, to: LINE_DOWN.end, name: "line down" },
    ];
    let mut page = format!(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width,initial-scale=1\">\
         <title>market_day</title><style>{STYLE}</style><h1>A trading day, three ways</h1><p>A day of {} s on four \
         loopback sources with real bars. Requests come when they are due; latency counts from then.</p><div class=goals>",
        length.as_secs()
    );
    for goal in goals {
        let (class, word) = if goal.is_met { ("", "met") } else { (" missed", "missed") };
        write!(
            page,
            "<div class=\"goal{class}\"><span>{}</span><b>{:.2} {}</b><span>wanted {} &middot; <i>{word}</i></span></div>",
            goal.name,
            goal.value,
            goal.unit,
            goal.wanted.replace('<', "&lt;").replace('>', "&gt;")
        )?;
    }
    page.push_str("</div>");
    push_table(&mut page, &HEAD, &rows(runs))?;
    push_table(&mut page, &TOTALS, &totals(runs))?;
    let key = "<div class=key><span style=--k:var(--c0)>direct</span><span style=--k:var(--c1)>old way</span>\
               <span style=--k:var(--c2)>feedguard</span></div>";
    write!(page, "<h2>P95 of dashboards and analysts</h2>{key}{}", latency(runs, &bands))?;
    write!(page, "<h2>Not answered, or wrong and unmarked</h2>{key}{}", errors(runs, &bands))?;
    if let Some(run) = runs.iter().find(|run| run.way == Way::Guarded) {
        page.push_str("<h2>Calls of feedguard by source, a second</h2><div class=key>");
        for (number, name) in SOURCES.iter().enumerate() {
            write!(page, "<span style=--k:var(--s{number})>{name}</span>")?;
        }
        write!(page, "</div>{}", calls(run, &bands, length))?;
        page.push_str(
            "<h2>Breakers</h2><div class=key><span style=--k:var(--good)>closed</span><span style=--k:var(--bad)>open\
                       </span><span style=--k:var(--c1)>half-open</span></div>",
        );
        (0..SOURCES.len()).for_each(|number| page.push_str(&states(run, number)));
        page.push_str("<h2>Rates of the limiters, calls a second</h2>");
        (0..SOURCES.len()).for_each(|number| page.push_str(&rates(run, number)));
        write!(page, "<h2>Cost</h2>{}", cost(run, &bands))?;
    }
    push_record(&mut page, record)?;
    page.push_str(&findings()?);
    if by_seed.len() > 1 {
        write!(page, "<h2>Goals over {} seeds</h2><pre class=scroll>{}</pre>", by_seed.len(), goal_table(by_seed))?;
    }
    Ok(page)
}

fn push_table(page: &mut String, head: &[&str], rows: &[Vec<String>]) -> std::fmt::Result {
    page.push_str("<div class=scroll><table><tr>");
    let is_text = |cell: &str| cell.parse::<f64>().is_err();
    let class = |is_text| if is_text { " class=text" } else { "" };
    for (nth, cell) in head.iter().enumerate() {
        let of_text = rows.first().is_some_and(|row| is_text(&row[nth]));
        write!(page, "<th{}>{cell}</th>", class(of_text))?;
    }
    for row in rows {
        let is_ours = row.iter().any(|cell| cell == "feedguard");
        write!(page, "</tr><tr{}>", if is_ours { " class=feedguard" } else { "" })?;
        for cell in row {
            write!(page, "<td{}>{cell}</td>", class(is_text(cell)))?;
        }
    }
    page.push_str("</tr></table></div>");
    Ok(())
}

/// What was felt in each fortieth of the day.
fn slices(run: &Run) -> Vec<(f64, Vec<&Felt>)> {
    let of = |nth: u32| {
        let (from, to) = (f64::from(nth) / 40.0, f64::from(nth + 1) / 40.0);
        let felt = run.felt.iter().filter(|felt| (from..to).contains(&felt.hour) && felt.class != Class::Nightly);
        ((from + to) / 2.0, felt.collect())
    };
    (0..40).map(of).collect()
}

fn class_of(way: Way) -> &'static str {
    match way {
        Way::Direct => "direct",
        Way::Old => "old",
        Way::Guarded => "feedguard",
    }
}

fn latency(runs: &[Run], bands: &[Band]) -> String {
    let mut chart =
        Chart::new(260.0, (0.1, 10_000.0), true, bands).axis(&[0.1, 1.0, 10.0, 100.0, 1000.0, 10_000.0], " ms");
    for run in runs {
        let points = slices(run).into_iter().filter(|(_, felt)| !felt.is_empty()).map(|(hour, felt)| {
            let mut times: Vec<f64> = felt.iter().map(|felt| felt.latency.as_secs_f64() * 1e3).collect();
            times.sort_by(f64::total_cmp);
            (hour, percentile(&times, 0.95))
        });
        chart = chart.line(&points.collect::<Vec<_>>(), class_of(run.way));
    }
    chart.end()
}

fn errors(runs: &[Run], bands: &[Band]) -> String {
    let mut chart = Chart::new(200.0, (0.0, 100.0), false, bands).axis(&[0.0, 25.0, 50.0, 75.0, 100.0], " %");
    for run in runs {
        let points = slices(run).into_iter().map(|(hour, felt)| {
            let bad = felt.iter().filter(|felt| matches!(felt.answer, Answer::Error | Answer::Wrong)).count();
            (hour, 100.0 * bad as f64 / felt.len().max(1) as f64)
        });
        chart = chart.line(&points.collect::<Vec<_>>(), class_of(run.way));
    }
    chart.end()
}

fn calls(run: &Run, bands: &[Band], length: Duration) -> String {
    let second = 80.0 / length.as_secs_f64();
    let points: Vec<(f64, Vec<f64>)> = (0..80)
        .map(|nth| {
            let (from, to) = (f64::from(nth) / 80.0, f64::from(nth + 1) / 80.0);
            let of = |number| {
                let calls = run.calls.iter().filter(|(at, source)| *source == number && (from..to).contains(at));
                calls.count() as f64 * second
            };
            ((from + to) / 2.0, (0..SOURCES.len()).map(of).collect())
        })
        .collect();
    let top = points.iter().map(|(_, values)| values.iter().sum::<f64>()).fold(1.0, f64::max);
    let classes: Vec<String> = (0..SOURCES.len()).map(|number| format!("s{number}")).collect();
    let ticks = [0.0, (top / 2.0).round(), top.round()];
    Chart::new(200.0, (0.0, top), false, bands).axis(&ticks, "").stack(&points, &classes).end()
}

/// Pieces of equal value over the day.
fn pieces<T: PartialEq>(
    run: &Run,
    value: impl Fn(&Moment) -> T,
    name: impl Fn(&T) -> (String, String),
) -> Vec<(f64, f64, String, String)> {
    let mut found: Vec<(f64, f64, T)> = Vec::new();
    for moment in &run.moments {
        let value = value(moment);
        match found.last_mut() {
            Some(last) if last.2 == value => last.1 = moment.hour,
            last => {
                if let Some(last) = last {
                    last.1 = moment.hour;
                }
                found.push((moment.hour, moment.hour, value));
            }
        }
    }
    found.into_iter().map(|(from, to, value)| (from, to, name(&value).0, name(&value).1)).collect()
}

fn states(run: &Run, number: usize) -> String {
    let name = |state: &BreakerState| (state.as_str().to_owned(), state.as_str().to_owned());
    strip(SOURCES[number], &pieces(run, |moment| moment.states[number], name))
}

fn rates(run: &Run, number: usize) -> String {
    let points: Vec<(f64, f64)> = run.moments.iter().map(|moment| (moment.hour, moment.rates[number])).collect();
    let top = points.iter().map(|(_, rate)| *rate).fold(1.0, f64::max);
    let chart = Chart::new(70.0, (0.0, top * 1.1), false, &[]).axis(&[0.0, top.round()], "").line(&points, "plain");
    format!("<p style=margin:0>{}</p>{}", SOURCES[number], chart.end())
}

fn cost(run: &Run, bands: &[Band]) -> String {
    let points: Vec<(f64, f64)> = run.moments.iter().map(|moment| (moment.hour, moment.cost)).collect();
    let top = points.iter().map(|(_, cost)| *cost).fold(1.0, f64::max);
    Chart::new(160.0, (0.0, top), false, bands).axis(&[0.0, top.round()], "").line(&points, "plain").end()
}

/// One request from cache to call.
fn push_record(page: &mut String, record: Option<&FetchRecord>) -> std::fmt::Result {
    let Some(record) = record else { return Ok(()) };
    write!(
        page,
        "<h2>One request, from cache to call</h2><p>Category {}, key {:016x}: not in the cache; {} round(s) over the \
         endpoints, {:.0} ms in all.</p><ol>",
        record.category,
        record.key_hash,
        record.rounds,
        record.elapsed.as_secs_f64() * 1e3
    )?;
    for attempt in record.attempts.iter() {
        write!(page, "<li>{}</li>", attempt.to_string().replace('&', "&amp;").replace('<', "&lt;"))?;
    }
    let end = record.endpoint.as_ref().map_or_else(
        || record.error.unwrap_or("missing").to_owned(),
        |endpoint| format!("answered by {endpoint}, kept in the cache"),
    );
    write!(page, "<li>{end}</li></ol>")
}

/// What the validator says of a spoiled answer, as the flaky source sends them.
fn findings() -> Result<String, Box<dyn Error>> {
    let columns = Columns::parse(&spoil(&Library::load().window(0, 3270)))?;
    let report = DataQualityValidator::new("page", QualityConfig::default())?.validate(&columns.series()?);
    let (low, high) =
        columns.close.iter().fold((f64::INFINITY, 0.0_f64), |(low, high), close| (low.min(*close), high.max(*close)));
    let hour = |row: usize| row as f64 / columns.close.len() as f64;
    let points: Vec<(f64, f64)> = columns.close.iter().enumerate().map(|(row, close)| (hour(row), *close)).collect();
    let mut chart = Chart::new(200.0, (low * 0.98, high * 1.02), false, &[])
        .axis(&[low.round(), high.round()], "")
        .line(&points, "plain");
    for finding in report.findings.iter().take(5) {
        let text = format!("row {}: {}", finding.row, finding.rule);
        chart = chart.mark(hour(finding.row), columns.close[finding.row], &text);
    }
    Ok(format!(
        "<h2>Quality: a spoiled answer of the flaky source</h2><p>{report}. Such an answer is flawed: another source is \
         asked, and if none has a better one it is delivered marked.</p>{}",
        chart.end()
    ))
}
