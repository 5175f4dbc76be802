//! What answers to a Fetch say of one partition, as the history is told of it.
//!
//! An answer without records that says what the same life of an agent said before is not told again: readers that wait
//! at the end of a log would fill the history.

use std::collections::BTreeMap;

use esker_history::What;
use esker_history::event::Life;
use esker_protocol::messages::fetch_response::PartitionData;

use super::fetching::Asked;
use crate::clients::{ClientContext, payload};

/// Who answered a fetch, and how it was asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Told {
    pub(crate) by: Life,
    pub(crate) by_name: bool,
    pub(crate) asked_us: u64,
}

/// What an answer comes to.
pub(crate) struct Read {
    /// Where to go on, if there were records.
    pub(crate) next: Option<i64>,
    pub(crate) damaged: bool,
}

/// What each life said last: from, high watermark, log start.
#[derive(Default)]
pub(crate) struct Heard(BTreeMap<Life, (i64, i64, i64)>);

impl Heard {
    /// Everything that comes is told again.
    pub(super) fn forget(&mut self) {
        self.0.clear();
    }

    /// Tells the history of an answer.
    pub(crate) fn tell(
        &mut self,
        ctx: &ClientContext,
        asked: &Asked,
        told: Told,
        data: PartitionData,
    ) -> Read {
        let (error, from) = (data.error_code, asked.from);
        let read = payload::read(data.records.unwrap_or_default(), from);
        let heard = (from, data.high_watermark, data.log_start_offset);
        let silent = error == 0 && read.seen.is_empty() && read.damage.is_none();
        let before = self.0.insert(told.by, heard);
        if !(silent && before == Some(heard)) {
            let what = What::Fetched {
                partition: asked.partition,
                by_name: told.by_name,
                from,
                asked_us: told.asked_us,
                by: Some(told.by),
                error,
                high_watermark: data.high_watermark,
                log_start: data.log_start_offset,
                seen: read.seen,
            };
            ctx.record.tell(ctx.me, what);
        }
        let damaged = read.damage.is_some();
        if let Some(damage) = read.damage {
            let what = What::Damaged {
                partition: asked.partition,
                offset: damage.offset,
                why: damage.why,
            };
            ctx.record.tell(ctx.me, what);
        }
        Read {
            next: read.next,
            damaged,
        }
    }
}
