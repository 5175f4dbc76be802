//! What the metastore costs: one counter per statement.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

/// Label of a statement counter.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct StatementLabels {
    statement: &'static str,
}

/// Counters of a metastore. Cheap to clone; clones count together.
#[derive(Clone, Default)]
pub struct MetastoreMetrics {
    statements: Family<StatementLabels, Counter>,
}

impl MetastoreMetrics {
    /// Makes the counters visible under their public names.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "esker_metastore_statements",
            "Statements sent to the metastore, by the method that sent them",
            self.statements.clone(),
        );
    }

    /// Counts one statement (round trip) of a method.
    pub fn count(&self, statement: &'static str) {
        self.statements
            .get_or_create(&StatementLabels { statement })
            .inc();
    }
}
