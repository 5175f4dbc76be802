//! SQLite: the metastore of one process, and of the simulator (in memory).
