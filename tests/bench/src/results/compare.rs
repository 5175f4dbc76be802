//! Two runs side by side: what moved, and whether that can be noise.

use super::stats::{digits, ratio};
use super::table::{lines, spread};
use super::{Better, Metric, Report};

/// What became of a metric from one run to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The spreads overlap: it may be noise.
    Same,
    Better,
    Worse,
    /// Beyond both spreads, and neither way is better.
    Moved,
}

impl Verdict {
    fn word(self) -> &'static str {
        match self {
            Self::Same => "",
            Self::Better => "better",
            Self::Worse => "WORSE",
            Self::Moved => "moved",
        }
    }
}

/// Compares Esker's samples of a metric in two runs; `None` if either has none.
pub(crate) fn verdict(before: &Metric, after: &Metric) -> Option<Verdict> {
    let (a, b) = (before.esker_spread()?, after.esker_spread()?);
    if a.overlaps(&b) {
        return Some(Verdict::Same);
    }
    Some(match after.better {
        Better::Neither => Verdict::Moved,
        Better::Lower if b.median < a.median => Verdict::Better,
        Better::Higher if b.median > a.median => Verdict::Better,
        Better::Lower | Better::Higher => Verdict::Worse,
    })
}

/// Renders the comparison of B with A.
pub(crate) fn render(a: &Report, b: &Report) -> String {
    let head = ["figure", "B/A", "verdict", "A", "B", "Kafka B/A", "unit"];
    let mut rows = vec![head.map(str::to_owned)];
    let mut alone = Vec::new();
    for figure in &b.figures {
        let earlier = a.figures.iter().find(|earlier| earlier.name == figure.name);
        for after in &figure.metrics {
            let before = earlier.and_then(|earlier| earlier.metrics.iter().find(|m| m.name == after.name));
            let name = format!("{} {}", figure.name, after.name);
            match before.and_then(|before| row(&name, before, after)) {
                Some(row) => rows.push(row),
                None if !after.esker.is_empty() => alone.push(name),
                None => {}
            }
        }
    }
    let mut text = format!("A: {}B: {}\n", a.machine.describe(), b.machine.describe());
    text.push_str(&lines(&rows));
    if !alone.is_empty() {
        text.push_str(&format!("\nOnly in B: {}\n", alone.join(", ")));
    }
    if a.quick || b.quick {
        text.push_str("\nOne of the runs was a quick one: nothing here is worth a decision.\n");
    }
    text
}

fn row(name: &str, before: &Metric, after: &Metric) -> Option<[String; 7]> {
    let (a, b) = (before.esker_spread()?, after.esker_spread()?);
    let kafka = before.kafka_spread().zip(after.kafka_spread());
    let kafka = kafka.and_then(|(a, b)| ratio(b.median, a.median));
    Some([
        name.to_owned(),
        ratio(b.median, a.median).map(digits).unwrap_or_default(),
        verdict(before, after)?.word().to_owned(),
        spread(a),
        spread(b),
        kafka.map(digits).unwrap_or_default(),
        after.unit.clone(),
    ])
}
