//! A series as a picture: closes on a logarithmic scale, findings marked.

use std::fmt::Write;

use feedguard::quality::{Finding, QualityReport, Repair, Severity};

use crate::table::Table;

const WIDTH: f64 = 1200.0;
const HEIGHT: f64 = 480.0;
const MARGIN: f64 = 50.0;
/// Marks of a picture; more would hide the line.
const MAX_MARKS: usize = 2000;

/// A self-contained SVG: hover over a mark to read its finding. The line is the series as it would be mended, the
/// thin one below it the series as it came.
pub(crate) fn draw(title: &str, table: &Table, report: &QualityReport, repair: Option<&Repair>) -> String {
    let close = table.column("close").unwrap_or(&[]);
    let mut order: Vec<usize> = (0..close.len()).filter(|row| close[*row] > 0.0 && close[*row].is_finite()).collect();
    order.sort_by_key(|row| table.seconds[*row]);
    let logs = || order.iter().map(|row| close[*row].ln());
    let (low, high) = logs().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), log| (low.min(log), high.max(log)));
    let mut place = vec![0.0; close.len()];
    for (at, row) in order.iter().enumerate() {
        place[*row] = MARGIN + (WIDTH - 2.0 * MARGIN) * at as f64 / (order.len().max(2) - 1) as f64;
    }
    let y = |price: f64| HEIGHT - MARGIN - (HEIGHT - 2.0 * MARGIN) * (price.ln() - low) / (high - low).max(1e-9);

    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"13\">\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\
         <text x=\"{MARGIN}\" y=\"24\" font-size=\"16\">{}: {} rows, {} findings, score {:.1}</text>",
        escape(title),
        report.total,
        report.issues,
        report.score
    );
    for price in [low.exp(), (f64::midpoint(low, high)).exp(), high.exp()].iter().filter(|price| price.is_finite()) {
        let _ = write!(
            svg,
            "<line x1=\"{MARGIN}\" x2=\"{}\" y1=\"{y:.1}\" y2=\"{y:.1}\" stroke=\"#ddd\"/><text x=\"4\" y=\"{y:.1}\">{price:.2}</text>",
            WIDTH - MARGIN,
            y = y(*price)
        );
    }
    let points: String = order.iter().fold(String::new(), |mut points, row| {
        let _ = write!(points, "{:.1},{:.1} ", place[*row], y(close[*row]));
        points
    });
    let given = table.series().ok();
    let mended = repair.filter(|repair| !repair.changes().is_empty()).zip(given);
    let (colour, width) = if mended.is_some() { ("#b9c3cc", 1.0) } else { ("#456", 1.0) };
    let _ = write!(svg, "<polyline points=\"{points}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"{width}\"/>");
    if let Some((repair, given)) = mended {
        let series = repair.series(&given);
        let close = series.bars().close;
        let points: String = order.iter().filter(|row| close[**row] > 0.0).fold(String::new(), |mut points, row| {
            let _ = write!(points, "{:.1},{:.1} ", place[*row], y(close[*row]));
            points
        });
        let _ = write!(svg, "<polyline points=\"{points}\" fill=\"none\" stroke=\"#17835a\" stroke-width=\"1.6\"/>");
        let _ = write!(
            svg,
            "<text x=\"{MARGIN}\" y=\"{}\" fill=\"#17835a\">mended: {} changes, score {:.1} after</text>",
            HEIGHT - 14.0,
            repair.changes().len(),
            repair.after().score
        );
    }
    let mut marked: Vec<&Finding> = report.findings.iter().collect();
    // The worst on top.
    marked.sort_by_key(|finding| finding.severity);
    for finding in marked.into_iter().rev().take(MAX_MARKS).rev() {
        let price = close[finding.row];
        let at = if price > 0.0 && price.is_finite() { y(price) } else { HEIGHT - MARGIN / 2.0 };
        let (colour, radius) = match finding.severity {
            Severity::Error => ("#d22", 5),
            Severity::Warning => ("#e90", 4),
            _ => ("#39c", 3),
        };
        if finding.rows > 1 {
            let span = table.seconds[finding.row]..=table.seconds[finding.last_row];
            let points: String = order.iter().filter(|row| span.contains(&table.seconds[**row])).fold(
                String::new(),
                |mut points, row| {
                    let _ = write!(points, "{:.1},{:.1} ", place[*row], y(close[*row]));
                    points
                },
            );
            let _ = write!(svg, "<polyline points=\"{points}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>");
        }
        let _ = write!(
            svg,
            "<circle cx=\"{:.1}\" cy=\"{at:.1}\" r=\"{radius}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\">\
             <title>{}</title></circle>",
            place[finding.row],
            escape(&finding.to_string())
        );
    }
    let totals: Vec<String> = report
        .totals
        .iter()
        .map(|total| format!("{} {}: {}", total.severity.as_str(), total.rule, total.rows))
        .collect();
    let _ = write!(svg, "<text x=\"{MARGIN}\" y=\"42\">{}</text>", totals.join("; "));
    svg.push_str("</svg>\n");
    svg
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
