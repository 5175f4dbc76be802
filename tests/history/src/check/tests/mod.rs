//! Histories made by hand, that pass and that fail; and a small model of a correct system, whose histories
//! pass until something in them is changed.

mod audits;
mod copies;
mod dice;
mod faults;
mod groups;
mod logs;
mod model;
mod mutations;
mod names;
mod offsets;
mod removal;
mod reports;

use uuid::Uuid;

use crate::event::{Batch, Client, Identity, Life, Partition, Query, Records, Seen, Topic};
use crate::{History, Terms, Violation, What, check};

/// Time between two events.
const STEP_US: u64 = 100;

/// A batch that was sent.
#[derive(Clone, Copy)]
struct Sent {
    batch: Batch,
    records: Records,
    identity: Option<Identity>,
    partition: Partition,
    by_name: bool,
}

/// A history in the making: one topic, `orders`, with partition `p`; agents `a` and `b`; a producer and a
/// reader.
struct Story {
    history: History,
    terms: Terms,
    now_us: u64,
    p: Partition,
    a: Life,
    b: Life,
    producer: Client,
    reader: Client,
    batches: u64,
    records: u64,
}

impl Story {
    fn new() -> Self {
        let mut history = History::default();
        let topic = history.topic("orders", Uuid::from_u128(1));
        let producer = history.client("producer");
        let reader = history.client("reader");
        Self {
            p: Partition { topic, index: 0 },
            a: history.life("agent-1", 0),
            b: history.life("agent-2", 0),
            history,
            terms: Terms {
                read_through: false,
                ..Terms::default()
            },
            now_us: 1_000_000,
            producer,
            reader,
            batches: 0,
            records: 0,
        }
    }

    /// Another topic, perhaps of the same name.
    fn topic(&mut self, name: &str) -> Partition {
        let id = Uuid::from_u128(1 + self.history.topics.len() as u128);
        let topic = self.history.topic(name, id);
        Partition { topic, index: 0 }
    }

    fn deleted(&mut self, topic: Topic) {
        self.history.topics[topic.0 as usize].deleted_from_us = Some(self.now_us);
    }

    fn tell(&mut self, client: Option<Client>, what: What) -> usize {
        self.now_us += STEP_US;
        self.history.push(self.now_us, client, what);
        self.history.events.len() - 1
    }

    /// When the next thing that is told was asked.
    fn asked_us(&self) -> u64 {
        self.now_us + STEP_US / 2
    }

    /// The next batch of the producer, for `p`.
    fn batch(&mut self, count: u32, identity: Option<Identity>) -> Sent {
        let (by, first) = (self.producer, self.records);
        self.records += u64::from(count);
        self.batches += 1;
        Sent {
            batch: Batch {
                by,
                number: self.batches,
            },
            records: Records { by, first, count },
            identity,
            partition: self.p,
            by_name: false,
        }
    }

    fn send(&mut self, sent: Sent) -> Sent {
        let what = What::Sent {
            batch: sent.batch,
            partition: sent.partition,
            by_name: sent.by_name,
            identity: sent.identity,
            records: sent.records,
            to: Some(self.a),
        };
        self.tell(Some(sent.batch.by), what);
        sent
    }

    /// A plain batch.
    fn plain(&mut self, count: u32) -> Sent {
        let batch = self.batch(count, None);
        self.send(batch)
    }

    /// A batch of producer 7, epoch 0, from a sequence on.
    fn idempotent(&mut self, count: u32, first_sequence: i32) -> Sent {
        let batch = self.batch(count, Some(identity(0, first_sequence)));
        self.send(batch)
    }

    fn acked(&mut self, sent: Sent, base_offset: i64) -> usize {
        let what = What::Acked {
            batch: sent.batch,
            base_offset,
            log_start: 0,
            by: Some(self.a),
        };
        self.tell(Some(sent.batch.by), what)
    }

    fn refused(&mut self, sent: Sent, error: i16) -> usize {
        let what = What::Refused {
            batch: sent.batch,
            error,
            base_offset: -1,
            by: Some(self.a),
        };
        self.tell(Some(sent.batch.by), what)
    }

    fn unanswered(&mut self, sent: Sent) {
        self.tell(Some(sent.batch.by), What::Unanswered { batch: sent.batch });
    }

    fn given_up(&mut self, sent: Sent) {
        self.tell(Some(sent.batch.by), What::GivenUp { batch: sent.batch });
    }

    /// The reader is shown batches at their offsets, with nothing behind them yet.
    fn reads(&mut self, batches: &[(i64, Sent)]) -> usize {
        let from = batches.first().map_or(0, |(base, _)| *base);
        let end = batches
            .last()
            .map_or(0, |(base, sent)| base + i64::from(sent.records.count));
        self.fetched(self.p, from, end, batches)
    }

    fn fetched(
        &mut self,
        partition: Partition,
        from: i64,
        high_watermark: i64,
        batches: &[(i64, Sent)],
    ) -> usize {
        let what = What::Fetched {
            partition,
            by_name: false,
            from,
            asked_us: self.asked_us(),
            by: Some(self.a),
            error: 0,
            high_watermark,
            log_start: 0,
            seen: batches
                .iter()
                .map(|(base, sent)| seen(*base, sent.records))
                .collect(),
        };
        self.tell(Some(self.reader), what)
    }

    fn listed(&mut self, query: Query, offset: i64) -> usize {
        let what = What::Listed {
            partition: self.p,
            query,
            asked_us: self.asked_us(),
            by: Some(self.b),
            error: 0,
            offset,
        };
        self.tell(Some(self.reader), what)
    }

    fn read_through(&mut self, began_us: u64, through: Life, end: i64) -> usize {
        let what = What::ReadThrough {
            partition: self.p,
            through: Some(through),
            began_us,
            log_start: 0,
            end,
        };
        self.tell(Some(self.reader), what)
    }

    fn violations(&self) -> Vec<Violation> {
        check(&self.history, &self.terms)
    }

    /// The names of the rules that are broken, each once.
    fn broken(&self) -> Vec<&'static str> {
        let mut rules: Vec<_> = self.violations().iter().map(|one| one.rule).collect();
        rules.sort_unstable();
        rules.dedup();
        rules
    }

    #[track_caller]
    fn passes(&self) {
        let violations = self.violations();
        assert!(violations.is_empty(), "{violations:#?}");
    }

    #[track_caller]
    fn breaks(&self, rules: &[&str]) {
        assert_eq!(self.broken(), rules, "{:#?}", self.violations());
    }
}

fn identity(epoch: i16, first_sequence: i32) -> Identity {
    Identity {
        id: 7,
        epoch,
        first_sequence,
    }
}

fn seen(base_offset: i64, records: Records) -> Seen {
    Seen {
        base_offset,
        records,
        batch_hash: None,
    }
}

#[test]
fn nothing_breaks_nothing() {
    Story::new().passes();
    assert_eq!(check(&History::default(), &Terms::default()), []);
}
