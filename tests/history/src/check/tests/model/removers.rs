//! Who removes records: somebody who deletes those of `trimmed`, whose requests and answers may be lost, and the
//! retention of `aged` and `sized`.

use super::{AGED as AGED_AT, Due, Model, SIZED as SIZED_AT, TRIMMED};
use crate::What;
use crate::event::{Life, Records, Retention};

/// Records of `aged` stay for so long.
pub(super) const AGED: Retention = Retention {
    ms: Some(8),
    bytes: None,
};

/// So much of `sized` stays.
pub(super) const SIZED: Retention = Retention {
    ms: None,
    bytes: Some(600),
};

/// Batches that go together.
const CHUNK: usize = 3;

/// How long a batch is.
pub(super) fn batch_bytes(records: &Records) -> u64 {
    20 * u64::from(records.count)
}

impl Model {
    pub(super) fn delete(&mut self) {
        let partition = self.partitions[TRIMMED];
        let log = &self.logs[&partition];
        let (start, end) = (log.start, log.end);
        let offset = match self.dice.below(8) {
            0 => -1,
            1 => end + 1 + self.dice.below(20) as i64,
            _ => (start - 2 + self.dice.below((end - start + 1).min(40) as u64) as i64).max(0),
        };
        let to = Some(Life(0));
        let what = What::Deleting {
            partition,
            offset,
            to,
        };
        self.tell(self.admin, what);
        let asked_us = self.now_us;
        if !self.dice.one_in(15) {
            let is_heard = !self.dice.one_in(8);
            // Long enough that another one may come first.
            self.schedule(2_000, Due::Remove(offset, asked_us, is_heard));
        }
        self.schedule(1_500, Due::Delete);
    }

    /// A request takes effect, and is answered at once.
    pub(super) fn remove(&mut self, offset: i64, asked_us: u64, is_heard: bool) {
        let partition = self.partitions[TRIMMED];
        let Some(log) = self.logs.get_mut(&partition) else {
            return;
        };
        let wanted = if offset == -1 { log.end } else { offset };
        let (error, low_watermark) = if wanted > log.end {
            (1, -1)
        } else {
            log.start = log.start.max(wanted);
            log.views[0] = (log.start, log.end);
            (0, log.start)
        };
        if is_heard {
            let by = Some(Life(0));
            self.tell(
                self.admin,
                What::Deleted {
                    partition,
                    offset,
                    asked_us,
                    by,
                    error,
                    low_watermark,
                },
            );
        }
    }

    /// Chunks go from the front, as long as the limit lets them.
    pub(super) fn retain(&mut self) {
        let now_ms = self.now_ms();
        for (at, limit) in [(AGED_AT, AGED), (SIZED_AT, SIZED)] {
            let Some(log) = self.logs.get_mut(&self.partitions[at]) else {
                continue;
            };
            let bytes: Vec<u64> = log.entries.iter().map(|(_, one, _)| batch_bytes(one)).collect();
            for chunk in 0..bytes.len() / CHUNK {
                let (from, to) = (chunk * CHUNK, (chunk + 1) * CHUNK);
                let newest = log.timestamps[from..to].iter().max().copied();
                let by_age = limit
                    .ms
                    .zip(newest)
                    .is_some_and(|(ms, newest)| newest + ms < now_ms);
                let by_size = limit
                    .bytes
                    .is_some_and(|most| bytes[to..].iter().sum::<u64>() >= most);
                if !by_age && !by_size {
                    break;
                }
                let (base, last, _) = log.entries[to - 1];
                log.start = log.start.max(base + i64::from(last.count));
            }
        }
        self.schedule(1_500, Due::Retain);
    }
}
