//! The decoder of replies, for fuzz targets.

use esker_model::sequence::Piece;

use super::reply;
use crate::Result;

/// Reads a segment's reply from the words that Postgres stores.
pub fn decode_postgres_reply(words: &[i64]) -> Result<Vec<Vec<Piece>>> {
    reply::runs(words)
}
