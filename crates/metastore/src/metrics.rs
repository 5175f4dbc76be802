//! What the metastore costs, one counter per statement, and how it fares.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::Result;

/// Label of a statement counter.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct StatementLabels {
    statement: &'static str,
}

/// Labels of calls that failed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct ErrorLabels {
    statement: &'static str,
    error: &'static str,
}

/// Counters of a metastore. Cheap to clone; clones count together.
#[derive(Clone)]
pub struct MetastoreMetrics {
    statements: Family<StatementLabels, Counter>,
    errors: Family<ErrorLabels, Counter>,
    seconds: Histogram,
}

impl Default for MetastoreMetrics {
    fn default() -> Self {
        Self {
            statements: Family::default(),
            errors: Family::default(),
            // 0.25 ms to 8 s, doubling.
            seconds: Histogram::new((0..16).map(|power| 0.000_25 * f64::from(1 << power))),
        }
    }
}

impl MetastoreMetrics {
    /// Makes the counters visible under their public names.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "esker_metastore_statements",
            "Statements sent to the metastore, by the method that sent them",
            self.statements.clone(),
        );
        registry.register(
            "esker_metastore_errors",
            "Calls to the metastore that failed, by method and kind of error",
            self.errors.clone(),
        );
        registry.register(
            "esker_metastore_seconds",
            "Time of each statement, the wait for a connection included",
            self.seconds.clone(),
        );
    }

    /// Counts one statement (round trip) of a method.
    pub fn count(&self, statement: &'static str) {
        self.statements
            .get_or_create(&StatementLabels { statement })
            .inc();
    }

    /// What became of a call that was made, and how long it took.
    pub(crate) fn ended<T>(&self, statement: &'static str, result: &Result<T>, took: Duration) {
        self.seconds.observe(took.as_secs_f64());
        if let Err(error) = result {
            let error = error.kind();
            self.errors.get_or_create(&ErrorLabels { statement, error }).inc();
        }
    }
}
