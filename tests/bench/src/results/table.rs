//! The table of a run: ratios first.

use super::stats::{Spread, digits, ratio};
use super::{Better, Figure, Metric, Report};

const COLUMNS: [&str; 7] = [
    "figure",
    "Esker/Kafka",
    "of target",
    "Esker",
    "Kafka",
    "target",
    "unit",
];

/// Renders a report for a terminal and for Markdown alike.
pub(crate) fn render(report: &Report) -> String {
    let mut rows = vec![COLUMNS.map(str::to_owned)];
    for figure in &report.figures {
        rows.extend(figure.metrics.iter().filter_map(|metric| row(figure, metric)));
    }
    let mut text = report.machine.describe();
    if report.quick {
        text.push_str("Quick: short measurements, which show that it works and no more.\n");
    }
    text.push('\n');
    text.push_str(&lines(&rows));
    text.push_str(&report.figures.iter().filter_map(verdict).collect::<String>());
    for figure in &report.figures {
        for note in &figure.notes {
            text.push_str(&format!("\n{}: {note}", figure.name));
        }
        if let Some(error) = &figure.error {
            text.push_str(&format!("\n{}: FAILED: {error}", figure.name));
        }
    }
    text.push('\n');
    text
}

/// Which targets of a figure were reached, and which were missed; `None` without any.
fn verdict(figure: &Figure) -> Option<String> {
    let (mut reached, mut missed) = (Vec::new(), Vec::new());
    for metric in &figure.metrics {
        if let Some((target, spread)) = metric.target.zip(metric.esker_spread()) {
            let list = if target.is_met_by(spread.median) {
                &mut reached
            } else {
                &mut missed
            };
            list.push(metric.name.as_str());
        }
    }
    let said = |what: &str, names: &[&str]| match names {
        [] => String::new(),
        names => format!(" {what} {};", names.join(", ")),
    };
    let text = said("reached", &reached) + &said("missed", &missed);
    let text = text.strip_suffix(';')?;
    Some(format!("\n{}: targets{text}", figure.name))
}

fn row(figure: &Figure, metric: &Metric) -> Option<[String; 7]> {
    let (esker, kafka) = (metric.esker_spread(), metric.kafka_spread());
    if esker.is_none() && kafka.is_none() {
        return None;
    }
    let median = |spread: Option<Spread>| spread.map(|spread| spread.median);
    let of_kafka = median(esker).zip(median(kafka)).and_then(|(e, k)| ratio(e, k));
    let of_target = median(esker).zip(metric.target).map(|(value, target)| {
        let met = if target.is_met_by(value) { "" } else { " !" };
        // Of nothing there is no share.
        let share = ratio(value, target.value()).map(digits);
        format!("{}{met}", share.unwrap_or_else(|| "-".to_owned()))
    });
    Some([
        format!("{} {}", figure.name, metric.name),
        of_kafka
            .filter(|_| metric.better != Better::Neither)
            .map(digits)
            .unwrap_or_default(),
        of_target.unwrap_or_default(),
        esker.map(spread).unwrap_or_default(),
        kafka.map(spread).unwrap_or_default(),
        metric
            .target
            .map(|target| format!("{} {}", target.sign(), digits(target.value())))
            .unwrap_or_default(),
        metric.unit.clone(),
    ])
}

/// `median (least-greatest)`.
pub(super) fn spread(spread: Spread) -> String {
    format!(
        "{} ({}-{})",
        digits(spread.median),
        digits(spread.min),
        digits(spread.max)
    )
}

/// A Markdown table with columns of even width. The first row is its head.
pub(super) fn lines<const N: usize>(rows: &[[String; N]]) -> String {
    let widths: Vec<usize> = (0..N)
        .map(|at| {
            let cells = rows.iter().filter_map(|row| row.get(at));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        })
        .collect();
    let mut text = String::new();
    for (number, row) in rows.iter().enumerate() {
        for (cell, &width) in row.iter().zip(&widths) {
            text.push_str(&format!("| {cell:<width$} "));
        }
        text.push_str("|\n");
        if number == 0 {
            for &width in &widths {
                text.push_str(&format!("|{}", "-".repeat(width + 2)));
            }
            text.push_str("|\n");
        }
    }
    text
}
