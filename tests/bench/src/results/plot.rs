//! One SVG per figure: a bar with its spread for Esker and for Apache Kafka, and a line for the target.
//!
//! Each metric has a scale of its own, from zero. Light and dark pages alike: no background, middle colours.

use std::fs;
use std::path::Path;

use super::stats::{Spread, digits};
use super::{Better, Figure, Metric, Report};

const WIDTH: f64 = 720.0;
const LEFT: f64 = 190.0;
const BAR_MAX: f64 = 400.0;
const BAR: f64 = 16.0;
const HEAD: f64 = 46.0;
const GAP: f64 = 22.0;
const ESKER: &str = "#2a7f9e";
const KAFKA: &str = "#9a9a9a";
const TARGET: &str = "#c8553d";

/// Draws every figure that has something to draw; returns how many.
pub(crate) fn write_all(report: &Report, dir: &Path) -> Result<usize, String> {
    let failed = |err: std::io::Error| format!("cannot write to {}: {err}", dir.display());
    fs::create_dir_all(dir).map_err(failed)?;
    let mut written = 0;
    for figure in &report.figures {
        if let Some(svg) = draw(figure) {
            fs::write(dir.join(format!("{}.svg", figure.name)), svg).map_err(failed)?;
            written += 1;
        }
    }
    Ok(written)
}

/// `None` if there is nothing to draw.
pub(crate) fn draw(figure: &Figure) -> Option<String> {
    let metrics: Vec<&Metric> = figure.metrics.iter().filter(|metric| is_drawn(metric)).collect();
    if metrics.is_empty() {
        return None;
    }
    let mut body = String::new();
    let mut y = HEAD;
    for metric in metrics {
        y = draw_metric(&mut body, metric, y) + GAP;
    }
    let height = y;
    let title = escape(&figure.title);
    Some(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height:.0}\" width=\"{WIDTH}\" \
         height=\"{height:.0}\" font-family=\"sans-serif\" font-size=\"12\" fill=\"#808080\" role=\"img\">\n\
         <title>{title}</title>\n\
         <text x=\"8\" y=\"22\" font-size=\"14\">{name}: {title}</text>\n{body}</svg>\n",
        name = escape(&figure.name),
    ))
}

fn is_drawn(metric: &Metric) -> bool {
    (metric.better != Better::Neither || metric.target.is_some()) && metric.esker_spread().is_some()
}

fn draw_metric(body: &mut String, metric: &Metric, top: f64) -> f64 {
    let bars: Vec<(&str, &str, Spread)> = [
        ("Esker", ESKER, metric.esker_spread()),
        ("Kafka", KAFKA, metric.kafka_spread()),
    ]
    .into_iter()
    .filter_map(|(who, color, spread)| Some((who, color, spread?)))
    .collect();
    let target = metric.target.map(super::Target::value);
    let largest = bars
        .iter()
        .map(|(_, _, spread)| spread.max)
        .chain(target)
        .fold(0.0, f64::max);
    let scale = if largest > 0.0 { BAR_MAX / largest } else { 0.0 };
    let x = |value: f64| LEFT + value.max(0.0) * scale;
    let mut y = top;
    for (number, (who, color, spread)) in bars.iter().enumerate() {
        let middle = y + BAR / 2.0;
        if number == 0 {
            body.push_str(&format!(
                "<text x=\"8\" y=\"{:.1}\">{} ({})</text>\n",
                middle + 4.0,
                escape(&metric.name),
                escape(&metric.unit)
            ));
        }
        body.push_str(&format!(
            "<rect x=\"{LEFT}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{BAR}\" fill=\"{color}\"/>\n\
             <path d=\"M{:.1} {middle:.1}H{:.1}\" stroke=\"#404040\" stroke-width=\"2\"/>\n\
             <text x=\"{:.1}\" y=\"{:.1}\">{who} {}</text>\n",
            (x(spread.median) - LEFT).max(1.0),
            x(spread.min),
            x(spread.max),
            x(spread.max) + 6.0,
            middle + 4.0,
            digits(spread.median)
        ));
        y += BAR + 4.0;
    }
    if let Some((target, at)) = metric.target.map(|target| (target, x(target.value()))) {
        body.push_str(&format!(
            "<path d=\"M{at:.1} {:.1}V{y:.1}\" stroke=\"{TARGET}\" stroke-width=\"2\" stroke-dasharray=\"4 3\"/>\n\
             <text x=\"{at:.1}\" y=\"{:.1}\" fill=\"{TARGET}\" text-anchor=\"middle\" font-size=\"10\">{} {}</text>\n",
            top - 3.0,
            y + 8.0,
            escape(target.sign()),
            digits(target.value())
        ));
    }
    y
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
