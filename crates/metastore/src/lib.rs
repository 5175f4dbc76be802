//! Esker: metastore.
