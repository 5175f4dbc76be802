//! The decoders of what the metastores store for themselves, for fuzz targets.
//!
//! Only with the feature `fuzzing`. What comes out of a database may be damaged: it is refused as `Corrupt`,
//! and never panics or takes memory out of proportion.

pub use crate::postgres::fuzzing::decode_postgres_reply;
pub use crate::sqlite::fuzzing::{
    decode_sqlite_reply, decode_sqlite_runs, encode_sqlite_reply, encode_sqlite_runs,
};
