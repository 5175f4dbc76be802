//! The metastore for commands that only look at it: nothing is locked, created or migrated.

use std::sync::Arc;

use esker_metastore::postgres::PostgresMetastore;
use esker_metastore::sqlite::SqliteMetastore;
use esker_metastore::{Metastore, MetastoreError, MetastoreMetrics};
use esker_model::seams::Seams;

use super::stores::postgres_config;
use crate::settings::MetastoreUrl;

/// A metastore that is looked at. An agent may be using it.
pub(crate) enum Looked {
    Sqlite(Arc<SqliteMetastore>),
    Postgres(Arc<PostgresMetastore>),
}

impl Looked {
    /// Opens it, or says why not at once.
    pub(crate) async fn at(url: &MetastoreUrl, seams: &Seams) -> Result<Self, MetastoreError> {
        let metrics = MetastoreMetrics::default();
        match url {
            MetastoreUrl::Sqlite(path) => {
                let clock = Arc::clone(&seams.clock);
                SqliteMetastore::open_to_read(path, clock, metrics)
                    .map(|opened| Self::Sqlite(Arc::new(opened)))
            }
            MetastoreUrl::Postgres(url) => {
                let connected = PostgresMetastore::connect(postgres_config(url, metrics)).await;
                connected.map(|connected| Self::Postgres(Arc::new(connected)))
            }
        }
    }

    /// What can be asked.
    pub(crate) fn metastore(&self) -> Arc<dyn Metastore> {
        match self {
            Self::Sqlite(metastore) => Arc::clone(metastore) as Arc<dyn Metastore>,
            Self::Postgres(metastore) => Arc::clone(metastore) as Arc<dyn Metastore>,
        }
    }

    /// Ends in good order.
    pub(crate) async fn close(self) {
        if let Self::Postgres(metastore) = self {
            metastore.close().await;
        }
    }
}
