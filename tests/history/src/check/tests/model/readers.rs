//! Readers, somebody who asks for offsets, and the one who reads everything in the end.

use super::{Due, Model, PARTITIONS};
use crate::What;
use crate::event::{Life, Query};

impl Model {
    pub(super) fn read(&mut self, reader: usize) {
        let (_, at, mut partition, mut from) = self.readers[reader];
        if partition != self.partitions[at] {
            (partition, from) = (self.partitions[at], 0);
        }
        if self.dice.one_in(30) {
            from = 0;
        }
        self.readers[reader].2 = partition;
        self.readers[reader].3 = from;
        let life = self.dice.below(2) as usize;
        let (fresh, count) = (self.dice.one_in(2), 1 + self.dice.below(6) as usize);
        let mut what = ((-1, -1), Vec::new(), 100);
        if let Some(log) = self.logs.get_mut(&partition) {
            let (start, end) = log.views[life];
            if fresh || end < from || from < start {
                log.views[life] = (log.start, log.end);
            }
            let (start, end) = log.views[life];
            what = match from < start {
                true => ((-1, -1), Vec::new(), 1),
                false => ((start, end), log.read(from, end, count), 0),
            };
        }
        let ((log_start, high_watermark), seen, error) = what;
        let (by, asked_us) = (Some(Life(life as u32)), self.now_us);
        let by_name = false;
        let what = What::Fetched {
            partition,
            by_name,
            from,
            asked_us,
            by,
            error,
            high_watermark,
            log_start,
            seen,
        };
        self.schedule(300, Due::Shown(reader, what));
    }

    pub(super) fn shown(&mut self, reader: usize, what: What) {
        if let What::Fetched {
            partition,
            seen,
            from,
            error,
            ..
        } = &what
        {
            let known = &mut self.readers[reader];
            if *error == 1 {
                known.3 = self.logs.get(partition).map_or(0, |log| log.start);
            }
            if let Some(last) = seen.last().filter(|_| known.2 == *partition && known.3 == *from) {
                known.3 = last.base_offset + i64::from(last.records.count);
            }
        }
        self.tell(self.readers[reader].0, what);
        self.schedule(300, Due::Read(reader));
    }

    pub(super) fn list(&mut self) {
        let at = self.dice.below(PARTITIONS as u64) as usize;
        let partition = self.partitions[at];
        let (latest, asked_us) = (!self.dice.one_in(3), self.now_us);
        let mut bounds = (0, 0);
        if let Some(log) = self.logs.get_mut(&partition) {
            bounds = (log.start, log.end);
            log.views[0] = bounds;
        }
        let (query, offset) = if latest {
            (Query::Latest, bounds.1)
        } else {
            (Query::Earliest, bounds.0)
        };
        let answered_us = self.due.keys().next().map_or(self.now_us, |(at, _)| *at);
        self.now_us = answered_us;
        let what = What::Listed {
            partition,
            query,
            asked_us,
            by: Some(Life(0)),
            error: 0,
            offset,
        };
        self.tell(self.lister, what);
        self.schedule(300, Due::List);
    }

    pub(super) fn read_everything(&mut self, lives: [Life; 2]) {
        let me = self.history.client("last reader");
        for life in lives {
            for partition in self.partitions.clone() {
                self.now_us += 100;
                let began_us = self.now_us;
                let (start, end) = (self.logs[&partition].start, self.logs[&partition].end);
                let mut from = start;
                while from < end {
                    let seen = self.logs[&partition].read(from, end, 50);
                    let asked_us = self.now_us;
                    self.now_us += 10;
                    let next = seen
                        .last()
                        .map_or(end, |last| last.base_offset + i64::from(last.records.count));
                    let (by, by_name, error, log_start) = (Some(life), false, 0, start);
                    let high_watermark = end;
                    let what = What::Fetched {
                        partition,
                        by_name,
                        from,
                        asked_us,
                        by,
                        error,
                        high_watermark,
                        log_start,
                        seen,
                    };
                    self.tell(me, what);
                    from = next;
                }
                let what = What::ReadThrough {
                    partition,
                    through: Some(life),
                    began_us,
                    log_start: start,
                    end,
                };
                self.tell(me, what);
            }
        }
    }
}
