//! Postgres: the metastore of production.
