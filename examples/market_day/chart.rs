//! Charts as SVG text, coloured by the page's style sheet, so that they are right in light and dark.

use std::fmt::Write;

const WIDTH: f64 = 860.0;
const LEFT: f64 = 66.0;
const BOTTOM: f64 = 26.0;

/// A part of the day in which something was wrong.
pub(crate) struct Band {
    pub(crate) from: f64,
    pub(crate) to: f64,
    pub(crate) name: &'static str,
}

/// A chart over the day.
pub(crate) struct Chart<'a> {
    svg: String,
    height: f64,
    /// Lowest and highest value of the axis.
    range: (f64, f64),
    is_log: bool,
    bands: &'a [Band],
}

impl<'a> Chart<'a> {
    pub(crate) fn new(height: f64, range: (f64, f64), is_log: bool, bands: &'a [Band]) -> Self {
        let mut chart = Self { svg: String::new(), height, range, is_log, bands };
        let _ = write!(chart.svg, "<div class=scroll><svg viewBox=\"0 0 {WIDTH} {height}\" role=img>");
        for (at, band) in bands.iter().enumerate() {
            let (from, to) = (chart.x(band.from), chart.x(band.to));
            let _ = write!(
                chart.svg,
                "<rect class=band x={from:.1} y=0 width={:.1} height={:.1}><title>{}</title></rect>\
                 <text class=bandname x={:.1} y={}>{}</text>",
                to - from,
                height - BOTTOM,
                band.name,
                from + 3.0,
                12 + 12 * (at % 2),
                band.name
            );
        }
        chart
    }

    fn x(&self, hour: f64) -> f64 {
        LEFT + (WIDTH - LEFT - 8.0) * hour.clamp(0.0, 1.0)
    }

    fn y(&self, value: f64) -> f64 {
        let (low, high) = self.range;
        let share = if self.is_log {
            (value.max(low) / low).ln() / (high / low).ln()
        } else {
            (value - low) / (high - low).max(1e-12)
        };
        (self.height - BOTTOM) * (1.0 - share.clamp(0.0, 1.0))
    }

    pub(crate) fn axis(mut self, ticks: &[f64], unit: &str) -> Self {
        for tick in ticks {
            let y = self.y(*tick);
            let _ = write!(
                self.svg,
                "<line class=grid x1={LEFT} x2={:.1} y1={y:.1} y2={y:.1} /><text class=tick x={:.1} y={:.1} \
                 text-anchor=end>{tick}{unit}</text>",
                WIDTH - 8.0,
                LEFT - 5.0,
                (y + 4.0).max(11.0)
            );
        }
        for tenth in (0..=10).step_by(2) {
            let x = self.x(f64::from(tenth) / 10.0);
            let _ = write!(
                self.svg,
                "<text class=tick x={x:.1} y={:.1} text-anchor={}>{} %</text>",
                self.height - 8.0,
                if tenth == 10 { "end" } else { "middle" },
                10 * tenth
            );
        }
        self
    }

    pub(crate) fn line(mut self, points: &[(f64, f64)], class: &str) -> Self {
        let path: Vec<String> =
            points.iter().map(|(hour, value)| format!("{:.1},{:.1}", self.x(*hour), self.y(*value))).collect();
        let _ = write!(self.svg, "<polyline class=\"line {class}\" points=\"{}\" />", path.join(" "));
        self
    }

    /// Layers on each other; each point has the hour and a value a layer.
    pub(crate) fn stack(mut self, points: &[(f64, Vec<f64>)], classes: &[String]) -> Self {
        let mut below = vec![0.0; points.len()];
        for (layer, class) in classes.iter().enumerate() {
            let above: Vec<f64> = points.iter().zip(&below).map(|((_, values), below)| below + values[layer]).collect();
            let edge = |values: &[f64]| -> Vec<String> {
                points
                    .iter()
                    .zip(values)
                    .map(|((hour, _), y)| format!("{:.1},{:.1}", self.x(*hour), self.y(*y)))
                    .collect()
            };
            let (mut outline, mut back) = (edge(&above), edge(&below));
            back.reverse();
            outline.append(&mut back);
            let _ = write!(self.svg, "<polygon class=\"area {class}\" points=\"{}\" />", outline.join(" "));
            below = above;
        }
        self
    }

    pub(crate) fn mark(mut self, hour: f64, value: f64, text: &str) -> Self {
        let (x, y) = (self.x(hour), self.y(value));
        let _ = write!(self.svg, "<circle class=mark cx={x:.1} cy={y:.1} r=6><title>{text}</title></circle>");
        let _ = write!(self.svg, "<text class=note x={:.1} y={:.1}>{text}</text>", x + 10.0, (y - 8.0).max(12.0));
        self
    }

    pub(crate) fn end(mut self) -> String {
        self.svg.push_str("</svg></div>");
        let _ = self.bands.len();
        self.svg
    }
}

/// A row of coloured pieces over the day, a name before it.
pub(crate) fn strip(name: &str, pieces: &[(f64, f64, String, String)]) -> String {
    let mut svg = format!("<svg viewBox=\"0 0 {WIDTH} 22\" role=img><text class=tick x=0 y=15>{name}</text>");
    let left = 110.0;
    let x = |hour: f64| left + (WIDTH - left - 8.0) * hour.clamp(0.0, 1.0);
    for (from, to, class, title) in pieces {
        let width = (x(*to) - x(*from)).max(0.5);
        let _ = write!(
            svg,
            "<rect class=\"{class}\" x={:.1} y=3 width={width:.1} height=16><title>{title}</title></rect>",
            x(*from)
        );
    }
    svg + "</svg>"
}
