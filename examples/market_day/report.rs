//! The table and the page; every figure comes from the run.

use std::error::Error;
use std::fmt::Write;
use std::time::Duration;

use comfy_table::{Table, presets};
use plotters::prelude::*;

use crate::day::{Class, Run};
use crate::servers::{FLAKY_OUTAGE, LINE_DOWN, PAID_SLOW};
use crate::tally::{Answer, Figures, percentile};

const HEAD: [&str; 12] = [
    "class",
    "way",
    "requests",
    "errors",
    "wrong",
    "available %",
    "stale %",
    "mean ms",
    "P50 ms",
    "P95 ms",
    "P99 ms",
    "waited ms",
];

fn rows(runs: &[Run]) -> Vec<Vec<String>> {
    let classes = Class::ALL.into_iter().map(Some).chain([None]);
    let row = |class: Option<Class>, run: &Run| {
        let is_of = |of: Class| class.is_none_or(|class| class == of);
        let felt: Vec<_> = run.felt.iter().filter(|(of, _)| is_of(*of)).map(|(_, felt)| felt).collect();
        let figures = Figures::of(&felt);
        vec![
            class.map_or("all", Class::name).to_owned(),
            run.way.name().to_owned(),
            figures.requests.to_string(),
            figures.errors.to_string(),
            figures.wrong.to_string(),
            format!("{:.2}", figures.availability()),
            format!("{:.1}", 100.0 * figures.stale as f64 / figures.requests.max(1) as f64),
            format!("{:.2}", figures.mean),
            format!("{:.2}", figures.p50),
            format!("{:.2}", figures.p95),
            format!("{:.2}", figures.p99),
            format!("{:.2}", figures.wait),
        ]
    };
    classes.flat_map(|class| runs.iter().map(move |run| row(class, run))).collect()
}

pub(crate) fn table(runs: &[Run]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::ASCII_MARKDOWN).set_header(HEAD);
    table.add_rows(rows(runs));
    table
}

fn totals(runs: &[Run]) -> Vec<Vec<String>> {
    let cost = |run: &Run| run.health.endpoints.iter().map(|endpoint| endpoint.router.cost).sum::<f64>();
    runs.iter()
        .map(|run| {
            let each = run.health.endpoints.iter().map(|endpoint| {
                format!("{} {}/{}", endpoint.router.name, endpoint.router.successes, endpoint.router.calls)
            });
            vec![
                run.way.name().to_owned(),
                run.calls.to_string(),
                format!("{:.0}", cost(run)),
                format!("{:.1}", run.nightly_seconds),
                each.collect::<Vec<_>>().join(", "),
            ]
        })
        .collect()
}

const TOTALS_HEAD: [&str; 5] = ["way", "source calls", "cost", "nightly s", "ok/calls by source"];

pub(crate) fn sources(runs: &[Run]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::ASCII_MARKDOWN).set_header(TOTALS_HEAD);
    table.add_rows(totals(runs));
    table
}

pub(crate) fn html(runs: &[Run], length: Duration) -> Result<String, Box<dyn Error>> {
    let mut page = String::from(
        "<!doctype html><meta charset=utf-8><title>market_day</title><style>body{font:15px/1.5 system-ui;max-width:1000px;\
         margin:2em auto;padding:0 1em}table{border-collapse:collapse;margin:1em 0;display:block;overflow-x:auto}\
         td,th{border:1px solid #ccc;padding:.2em .6em;text-align:right}td:first-child,th:first-child{text-align:left}\
         svg{max-width:100%;height:auto}</style><h1>A trading day, two ways</h1>",
    );
    write!(
        page,
        "<p>A day of {} s. From {:.0} to {:.0} % of it the flaky source is out, from {:.0} to {:.0} % the paid source is \
         six times slower, from {:.0} to {:.0} % no source can be reached. Latency is what a user waits for one answer (nightly: the batch by its items); \
         <i>waited</i> is how late a request began because its user was still waiting for an earlier one; <i>wrong</i> \
         answers hold a row that cannot be right.</p>",
        length.as_secs(),
        100.0 * FLAKY_OUTAGE.start,
        100.0 * FLAKY_OUTAGE.end,
        100.0 * PAID_SLOW.start,
        100.0 * PAID_SLOW.end,
        100.0 * LINE_DOWN.start,
        100.0 * LINE_DOWN.end
    )?;
    push_table(&mut page, &HEAD, &rows(runs))?;
    push_table(&mut page, &TOTALS_HEAD, &totals(runs))?;
    page += &plot(runs, "P95 of dashboards and analysts, ms", |times, _| percentile(times, 0.95))?;
    page += &plot(runs, "requests not answered or answered wrongly, %", |times, bad| {
        100.0 * bad as f64 / times.len().max(1) as f64
    })?;
    for run in runs {
        push_explained(&mut page, run)?;
    }
    Ok(page)
}

fn push_table(page: &mut String, head: &[&str], rows: &[Vec<String>]) -> std::fmt::Result {
    page.push_str("<table><tr>");
    for cell in head {
        write!(page, "<th>{cell}</th>")?;
    }
    for row in rows {
        page.push_str("</tr><tr>");
        for cell in row {
            write!(page, "<td>{cell}</td>")?;
        }
    }
    page.push_str("</tr></table>");
    Ok(())
}

/// How one request was routed in the outage: every endpoint with every term.
fn push_explained(page: &mut String, run: &Run) -> std::fmt::Result {
    let Some(decision) = &run.explained else { return Ok(()) };
    write!(page, "<h2>{}: one decision at 40 % of the day</h2>", run.way.name())?;
    let rows: Vec<Vec<String>> = decision
        .explain()
        .iter()
        .map(|candidate| {
            let terms = candidate.terms;
            let numbers = [terms.latency, terms.failure, terms.price, terms.load, terms.location, terms.total];
            let exclusion = candidate.exclusion.map_or("-".to_owned(), |exclusion| format!("{exclusion:?}"));
            let name = run.names[candidate.endpoint.0].clone();
            [name].into_iter().chain(numbers.map(|number| format!("{number:.4}"))).chain([exclusion]).collect()
        })
        .collect();
    push_table(
        page,
        &["endpoint", "latency s", "failure s", "price s", "wait s", "location s", "total s", "why not"],
        &rows,
    )
}

/// A line a way over the day, one point a fortieth; `figure` gets sorted latencies and the bad ones.
fn plot(runs: &[Run], title: &str, figure: impl Fn(&[f64], usize) -> f64) -> Result<String, Box<dyn Error>> {
    const POINTS: u32 = 40;
    let series: Vec<Vec<(f64, f64)>> = runs
        .iter()
        .map(|run| {
            let point = |nth: u32| {
                let (from, to) = (f64::from(nth) / f64::from(POINTS), f64::from(nth + 1) / f64::from(POINTS));
                let felt = run.felt.iter().map(|(_, felt)| felt).filter(|felt| (from..to).contains(&felt.hour));
                let (mut times, mut bad) = (Vec::new(), 0);
                for felt in felt {
                    times.push(felt.latency.as_secs_f64() * 1e3);
                    bad += usize::from(matches!(felt.answer, Answer::Error | Answer::Wrong));
                }
                times.sort_by(f64::total_cmp);
                (100.0 * from, figure(&times, bad))
            };
            (0..POINTS).map(point).collect()
        })
        .collect();
    let top = series.iter().flatten().map(|(_, y)| *y).fold(1.0, f64::max);
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, (900, 300)).into_drawing_area();
        let mut chart = ChartBuilder::on(&root)
            .margin(10)
            .margin_right(25)
            .x_label_area_size(30)
            .y_label_area_size(50)
            .build_cartesian_2d(0.0..100.0, 0.0..top * 1.05)?;
        chart.configure_mesh().disable_mesh().x_desc("% of the day").draw()?;
        for ((run, points), colour) in runs.iter().zip(series).zip([RED, BLUE]) {
            let line = LineSeries::new(points, colour.stroke_width(2));
            chart
                .draw_series(line)?
                .label(run.way.name())
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
        }
        chart.configure_series_labels().border_style(BLACK).position(SeriesLabelPosition::UpperRight).draw()?;
        root.present()?;
    }
    Ok(format!("<h2>{title}</h2>{svg}"))
}
