//! Producer ids are given out by counting.

use super::database::Transaction;
use crate::Result;

/// Takes `count` ids; returns the first.
pub(super) fn allocate(tx: &Transaction<'_>, count: u32) -> Result<i64> {
    let first = tx
        .prepare_cached(
            "UPDATE cluster SET next_producer_id = next_producer_id + ?1
             RETURNING next_producer_id - ?1",
        )?
        .query_row([count], |row| row.get(0))?;
    Ok(first)
}
