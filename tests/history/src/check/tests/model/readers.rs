//! Readers, somebody who asks for offsets, and the one who reads everything in the end.

use super::{Due, Model};
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
        let mut what = (0, Vec::new(), 100);
        if let Some(log) = self.logs.get_mut(&partition) {
            if fresh || log.views[life] < from {
                log.views[life] = log.end;
            }
            let end = log.views[life];
            let seen = log.read(from, end, count);
            what = (end, seen, 0);
        }
        let (high_watermark, seen, error) = what;
        let (high_watermark, log_start) = if error == 0 { (high_watermark, 0) } else { (-1, -1) };
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
            ..
        } = &what
        {
            let known = &mut self.readers[reader];
            if let Some(last) = seen.last().filter(|_| known.2 == *partition && known.3 == *from) {
                known.3 = last.base_offset + i64::from(last.records.count);
            }
        }
        self.tell(self.readers[reader].0, what);
        self.schedule(300, Due::Read(reader));
    }

    pub(super) fn list(&mut self) {
        let at = self.dice.below(3) as usize;
        let partition = self.partitions[at];
        let (latest, asked_us) = (!self.dice.one_in(3), self.now_us);
        let end = self.logs.get(&partition).map_or(0, |log| log.end);
        let (query, offset) = if latest {
            (Query::Latest, end)
        } else {
            (Query::Earliest, 0)
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
                let end = self.logs[&partition].end;
                let mut from = 0;
                while from < end {
                    let seen = self.logs[&partition].read(from, end, 50);
                    let asked_us = self.now_us;
                    self.now_us += 10;
                    let next = seen
                        .last()
                        .map_or(end, |last| last.base_offset + i64::from(last.records.count));
                    let (by, by_name, error, log_start) = (Some(life), false, 0, 0);
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
                    log_start: 0,
                    end,
                };
                self.tell(me, what);
            }
        }
    }
}
