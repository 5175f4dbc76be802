//! Rules about what may be gone: DeleteRecords, retention, log starts, offsets out of range.

mod deletes;
mod retention;

use super::{Sent, Story};
use crate::What;
use crate::event::{Client, Life, Query, Retention};

/// What the database's clock shows when a story begins.
const BEGAN_MS: i64 = 1_000_000;

const SECOND_US: u64 = 1_000_000;

impl Story {
    /// A batch of 3 records and 100 bytes that is this old when it is made, acknowledged at an offset.
    fn old(&mut self, base_offset: i64, age_ms: i64) -> Sent {
        let sent = self.batch(3, None);
        let now_ms = BEGAN_MS + (self.now_us / 1000) as i64;
        let what = What::Made {
            batch: sent.batch,
            bytes: 100,
            max_timestamp_ms: now_ms - age_ms,
        };
        self.tell(Some(sent.batch.by), what);
        self.send(sent);
        self.acked(sent, base_offset);
        sent
    }

    /// So many of them, one second old each, end to end.
    fn filled(batches: i64) -> Story {
        let mut story = Story::new();
        story.terms.database_ms = Some(BEGAN_MS);
        for at in 0..batches {
            story.old(at * 3, 1_000);
        }
        story
    }

    fn admin(&self) -> Option<Client> {
        Some(self.reader)
    }

    /// Asks for the removal of what lies below an offset.
    fn deleting(&mut self, offset: i64) -> (i64, u64) {
        let what = What::Deleting {
            partition: self.p,
            offset,
            to: Some(self.a),
        };
        self.tell(self.admin(), what);
        (offset, self.now_us)
    }

    /// That is answered.
    fn deleted_below(&mut self, (offset, asked_us): (i64, u64), error: i16, low_watermark: i64) -> usize {
        let what = What::Deleted {
            partition: self.p,
            offset,
            asked_us,
            by: Some(self.a),
            error,
            low_watermark,
        };
        self.tell(self.admin(), what)
    }

    fn created(&mut self, ms: Option<i64>, bytes: Option<u64>) {
        let (topic, retention) = (self.p.topic, Retention { ms, bytes });
        self.tell(None, What::Created { topic, retention });
    }

    fn altering(&mut self, ms: Option<i64>, bytes: Option<u64>) -> u64 {
        let (topic, retention) = (self.p.topic, Retention { ms, bytes });
        let to = Some(self.a);
        self.tell(self.admin(), What::Altering { topic, retention, to });
        self.now_us
    }

    fn altered(&mut self, asked_us: u64, error: i16) {
        let what = What::Altered {
            topic: self.p.topic,
            retention: Retention::EVERYTHING,
            asked_us,
            by: Some(self.a),
            error,
        };
        self.tell(self.admin(), what);
    }

    fn out_of_range(&mut self, from: i64) -> usize {
        let what = What::Fetched {
            partition: self.p,
            by_name: false,
            from,
            asked_us: self.asked_us(),
            by: Some(self.a),
            error: 1,
            high_watermark: -1,
            log_start: -1,
            seen: Vec::new(),
        };
        self.tell(Some(self.reader), what)
    }

    /// A Fetch by an agent, of nothing, with this log start.
    fn shows_start(&mut self, by: Life, from: i64, end: i64, start: i64) {
        let at = self.fetched(self.p, from, end, &[]);
        if let What::Fetched {
            by: life, log_start, ..
        } = &mut self.history.events[at].what
        {
            (*life, *log_start) = (Some(by), start);
        }
    }
}

#[test]
fn a_log_start_may_have_several_reasons() {
    let mut story = Story::filled(4);
    story.created(Some(5_000), None);
    let asked = story.deleting(6);
    story.deleted_below(asked, 0, 6);
    let one = story.old(12, -1_000);
    story.listed(Query::Earliest, 6);
    story.now_us += 5 * SECOND_US;
    // The batches from 6 to 12 are old by now, the last one is not.
    story.listed(Query::Earliest, 12);
    story.passes();
    story.listed(Query::Earliest, 12 + i64::from(one.records.count));
    story.breaks(&["start-too-far"]);
}

#[test]
fn out_of_range_is_what_may_be_gone() {
    let mut story = Story::filled(4);
    let asked = story.deleting(4);
    story.out_of_range(3);
    story.deleted_below(asked, 0, 4);
    story.passes();
    story.out_of_range(4);
    story.breaks(&["out-of-range"]);
    // That a record is out of range says where the log starts.
    let mut story = Story::filled(4);
    story.deleting(4);
    story.out_of_range(3);
    story.listed(Query::Earliest, 3);
    story.breaks(&["start-back"]);
    // Young records are not.
    let mut story = Story::filled(4);
    story.created(Some(5_000), None);
    story.out_of_range(3);
    story.breaks(&["out-of-range"]);
    // Nor is the end, whatever may go.
    let mut story = Story::filled(4);
    story.created(Some(0), None);
    story.out_of_range(12);
    story.breaks(&["too-far"]);
}

#[test]
fn an_agent_shows_nothing_below_its_log_start() {
    let mut story = Story::filled(4);
    story.deleting(6);
    let (a, b) = (story.a, story.b);
    story.shows_start(a, 6, 12, 6);
    // Another agent lags behind.
    story.shows_start(b, 3, 12, 0);
    story.passes();
    story.shows_start(a, 5, 12, 6);
    story.breaks(&["below-log-start"]);
    // What it told in any way it knows.
    let mut story = Story::filled(4);
    let asked = story.deleting(6);
    story.deleted_below(asked, 0, 6);
    story.shows_start(b, 3, 12, 0);
    story.passes();
    story.shows_start(a, 3, 12, 0);
    story.breaks(&["start-back-in-life"]);
    let mut story = Story::filled(4);
    story.deleting(6);
    story.listed(Query::Earliest, 6);
    story.shows_start(a, 3, 12, 0);
    story.passes();
    story.shows_start(b, 3, 12, 0);
    story.breaks(&["start-back-in-life"]);
}

#[test]
fn what_may_be_gone_need_not_be_restored() {
    let restored = |deleted: i64| {
        let mut story = Story::filled(2);
        if deleted > 0 {
            story.deleting(deleted);
        }
        let records = Vec::new();
        story.tell(None, What::Restorable { records });
        story
    };
    restored(0).breaks(&["not-restorable"]);
    restored(3).breaks(&["not-restorable"]);
    restored(4).breaks(&["not-restorable"]);
    // Of the last batch only the first record is asked for.
    restored(6).passes();
    let aged = |ms: i64| {
        let mut story = Story::filled(2);
        story.created(Some(ms), None);
        story.tell(None, What::Restorable { records: Vec::new() });
        story
    };
    aged(900).passes();
    aged(5_000).breaks(&["not-restorable"]);
}
