//! The codecs of the two blobs, for fuzz targets.

use std::collections::VecDeque;

use esker_model::sequence::{Piece, RememberedRun};

use super::codec;
use crate::Result;

/// Reads a segment's reply.
pub fn decode_sqlite_reply(blob: &[u8]) -> Result<Vec<Vec<Piece>>> {
    codec::decode_reply(blob)
}

/// Writes a segment's reply.
pub fn encode_sqlite_reply(runs: &[Vec<Piece>]) -> Vec<u8> {
    codec::encode_reply(runs)
}

/// Reads a producer's remembered runs.
pub fn decode_sqlite_runs(blob: &[u8]) -> Result<VecDeque<RememberedRun>> {
    codec::decode_runs(blob)
}

/// Writes a producer's remembered runs.
pub fn encode_sqlite_runs(runs: &VecDeque<RememberedRun>) -> Vec<u8> {
    codec::encode_runs(runs)
}
