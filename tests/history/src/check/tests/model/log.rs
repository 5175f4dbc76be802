//! A log that does what it should.

use std::collections::BTreeMap;

use crate::event::{Identity, Records, Seen};

/// A log, with what it knows of producers.
#[derive(Default)]
pub(super) struct Log {
    pub(super) entries: Vec<(i64, Records, u64)>,
    /// The largest timestamp of each.
    pub(super) timestamps: Vec<i64>,
    pub(super) start: i64,
    pub(super) end: i64,
    /// By producer id: epoch, next sequence, and the offsets of what was appended.
    producers: BTreeMap<i64, (i16, i32, BTreeMap<i32, i64>)>,
    /// From where and how far each life shows it.
    pub(super) views: [(i64, i64); 2],
}

impl Log {
    /// The offset, or the error.
    pub(super) fn append(
        &mut self,
        records: Records,
        identity: Option<Identity>,
        (hash, max_timestamp_ms): (u64, i64),
    ) -> Result<i64, i16> {
        if let Some(one) = identity {
            let fresh = (one.epoch, 0, BTreeMap::new());
            let known = self.producers.entry(one.id).or_insert_with(|| fresh.clone());
            if known.0 > one.epoch {
                return Err(47);
            }
            if known.0 < one.epoch {
                *known = fresh;
            }
            if let Some(base) = known.2.get(&one.first_sequence) {
                return Ok(*base);
            }
            if known.1 != one.first_sequence {
                return Err(19);
            }
            known.1 += records.count as i32;
            known.2.insert(one.first_sequence, self.end);
        }
        self.entries.push((self.end, records, hash));
        self.timestamps.push(max_timestamp_ms);
        self.end += i64::from(records.count);
        Ok(self.end - i64::from(records.count))
    }

    /// The batches from an offset on, at most `count`, below `end`; the first without what lies before.
    pub(super) fn read(&self, from: i64, end: i64, count: usize) -> Vec<Seen> {
        let first = self
            .entries
            .partition_point(|(base, records, _)| base + i64::from(records.count) <= from);
        let shown = self.entries[first..].iter().take_while(|(base, ..)| *base < end);
        shown
            .take(count)
            .map(|(base, records, hash)| {
                let skip = (from - base).max(0);
                Seen {
                    base_offset: base + skip,
                    records: Records {
                        first: records.first + skip as u64,
                        count: records.count - skip as u32,
                        ..*records
                    },
                    batch_hash: (skip == 0).then_some(*hash),
                }
            })
            .collect()
    }
}
