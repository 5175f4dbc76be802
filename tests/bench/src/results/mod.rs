//! What a run found: figures, each with a few metrics, each of those with one sample per repetition and system.

pub(crate) mod compare;
pub(crate) mod machine;
pub(crate) mod plot;
pub(crate) mod stats;
pub(crate) mod table;
#[cfg(test)]
mod tests;

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use machine::Machine;
use stats::Spread;

/// Raised when a report of an older program could be misread.
const FORMAT: u32 = 1;

/// One run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Report {
    pub format: u32,
    pub machine: Machine,
    pub repetitions: u32,
    /// Short measurements: good for seeing that it works, not for judging.
    pub quick: bool,
    pub figures: Vec<Figure>,
}

/// One figure of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Figure {
    pub name: String,
    pub title: String,
    pub metrics: Vec<Metric>,
    /// What a reader of the samples has to know.
    #[serde(default)]
    pub notes: Vec<String>,
    /// Why there is no figure, or not all of it.
    #[serde(default)]
    pub error: Option<String>,
}

/// One metric of a figure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Metric {
    pub name: String,
    pub unit: String,
    pub better: Better,
    pub target: Option<Target>,
    /// One sample per repetition.
    pub esker: Vec<f64>,
    #[serde(default)]
    pub kafka: Vec<f64>,
}

/// Which way is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Better {
    Lower,
    Higher,
    /// Told so that others can be understood.
    Neither,
}

/// What Esker is to reach.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Target {
    AtMost(f64),
    AtLeast(f64),
}

impl Target {
    pub(crate) fn value(self) -> f64 {
        match self {
            Self::AtMost(value) | Self::AtLeast(value) => value,
        }
    }

    pub(crate) fn is_met_by(self, value: f64) -> bool {
        match self {
            Self::AtMost(most) => value <= most,
            Self::AtLeast(least) => value >= least,
        }
    }

    pub(crate) fn sign(self) -> &'static str {
        match self {
            Self::AtMost(_) => "<=",
            Self::AtLeast(_) => ">=",
        }
    }
}

/// A metric as a figure declares it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Declared {
    name: &'static str,
    unit: &'static str,
    better: Better,
    target: Option<Target>,
}

pub(crate) const fn lower(name: &'static str, unit: &'static str) -> Declared {
    declared(name, unit, Better::Lower)
}

pub(crate) const fn higher(name: &'static str, unit: &'static str) -> Declared {
    declared(name, unit, Better::Higher)
}

pub(crate) const fn told(name: &'static str, unit: &'static str) -> Declared {
    declared(name, unit, Better::Neither)
}

const fn declared(name: &'static str, unit: &'static str, better: Better) -> Declared {
    Declared {
        name,
        unit,
        better,
        target: None,
    }
}

impl Declared {
    pub(crate) const fn at_most(mut self, value: f64) -> Self {
        self.target = Some(Target::AtMost(value));
        self
    }

    pub(crate) const fn at_least(mut self, value: f64) -> Self {
        self.target = Some(Target::AtLeast(value));
        self
    }
}

impl Figure {
    /// Without samples.
    pub(crate) fn new(name: &str, title: &str, metrics: &[Declared]) -> Self {
        let metrics = metrics.iter().map(|declared| Metric {
            name: declared.name.to_owned(),
            unit: declared.unit.to_owned(),
            better: declared.better,
            target: declared.target,
            esker: Vec::new(),
            kafka: Vec::new(),
        });
        Self {
            name: name.to_owned(),
            title: title.to_owned(),
            metrics: metrics.collect(),
            notes: Vec::new(),
            error: None,
        }
    }

    /// A sample of Esker. One that is no number, or of a metric that was not declared, is left out.
    pub(crate) fn esker(&mut self, metric: &str, sample: f64) {
        if let Some(metric) = self.metric_mut(metric).filter(|_| sample.is_finite()) {
            metric.esker.push(sample);
        }
    }

    /// A sample of Apache Kafka.
    pub(crate) fn kafka(&mut self, metric: &str, sample: f64) {
        if let Some(metric) = self.metric_mut(metric).filter(|_| sample.is_finite()) {
            metric.kafka.push(sample);
        }
    }

    /// Something to know, once.
    pub(crate) fn note(&mut self, note: impl Into<String>) {
        let note = note.into();
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    fn metric_mut(&mut self, name: &str) -> Option<&mut Metric> {
        self.metrics.iter_mut().find(|metric| metric.name == name)
    }
}

impl Metric {
    /// Median and spread of Esker's samples.
    pub(crate) fn esker_spread(&self) -> Option<Spread> {
        Spread::of(&self.esker)
    }

    pub(crate) fn kafka_spread(&self) -> Option<Spread> {
        Spread::of(&self.kafka)
    }
}

impl Report {
    pub(crate) fn new(machine: Machine, repetitions: u32, quick: bool) -> Self {
        Self {
            format: FORMAT,
            machine,
            repetitions,
            quick,
            figures: Vec::new(),
        }
    }

    pub(crate) fn read(path: &Path) -> Result<Self, String> {
        let text =
            fs::read_to_string(path).map_err(|err| format!("cannot read {}: {err}", path.display()))?;
        let report: Self = serde_json::from_str(&text)
            .map_err(|err| format!("{} is no report of this program: {err}", path.display()))?;
        match report.format == FORMAT {
            true => Ok(report),
            false => Err(format!(
                "{} has format {}, not {FORMAT}",
                path.display(),
                report.format
            )),
        }
    }

    pub(crate) fn write(&self, path: &Path) -> Result<(), String> {
        let failed = |err: &dyn std::fmt::Display| format!("cannot write {}: {err}", path.display());
        if let Some(dir) = path.parent() {
            fs::create_dir_all(dir).map_err(|err| failed(&err))?;
        }
        let mut text = serde_json::to_string_pretty(self).map_err(|err| failed(&err))?;
        text.push('\n');
        fs::write(path, text).map_err(|err| failed(&err))
    }
}
