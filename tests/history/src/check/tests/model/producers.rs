//! Producers that keep up to five batches of a partition open, repeat and give up.

use super::removers::batch_bytes;
use super::{Answer, Due, Made, Model, PARTITIONS};
use crate::What;
use crate::event::{Batch, Identity, Partition, Records};

impl Model {
    pub(super) fn make(&mut self, at: usize) {
        let partition = self.dice.below(PARTITIONS as u64) as usize;
        let count = 1 + self.dice.below(5) as u32;
        let hash = self.dice.below(u64::MAX);
        let max_timestamp_ms = self.now_ms() - self.dice.below(4) as i64;
        let producer = &mut self.producers[at];
        if producer.open[partition].len() < 5 {
            let made = Made {
                batch: Batch {
                    by: producer.me,
                    number: producer.made.len() as u64,
                },
                records: Records {
                    by: producer.me,
                    first: producer.records,
                    count,
                },
                partition,
                hash,
                max_timestamp_ms,
            };
            let (batch, bytes) = (made.batch, batch_bytes(&made.records));
            self.history.push(
                self.now_us,
                Some(made.batch.by),
                What::Made {
                    batch,
                    bytes,
                    max_timestamp_ms,
                },
            );
            producer.records += u64::from(count);
            producer.made.push(made);
            let sequence = producer.next_sequence[partition];
            producer.next_sequence[partition] += count as i32;
            let number = producer.made.len() - 1;
            producer.open[partition].push((number, sequence));
            self.send(at, number, sequence);
        }
        self.schedule(250, Due::Make(at));
    }

    fn send(&mut self, at: usize, made: usize, sequence: i32) {
        let producer = &self.producers[at];
        let Made {
            batch,
            records,
            partition,
            ..
        } = producer.made[made].clone();
        let identity = producer.idempotent.then_some(Identity {
            id: at as i64,
            epoch: producer.epoch,
            first_sequence: sequence,
        });
        let to = self.partitions[partition];
        let by_name = at == 1;
        let what = What::Sent {
            batch,
            partition: to,
            by_name,
            identity,
            records,
            to: None,
        };
        self.tell(batch.by, what);
        self.schedule(300, Due::Arrive(at, made, identity, to));
    }

    pub(super) fn arrive(&mut self, at: usize, number: usize, identity: Option<Identity>, to: Partition) {
        let made = self.producers[at].made[number].clone();
        // By name it reaches whoever has the name by now.
        let to = if at == 1 {
            self.partitions[made.partition]
        } else {
            to
        };
        let answer = match self.logs.get_mut(&to) {
            _ if self.dice.one_in(20) => None,
            None => Some(Err(100)),
            Some(log) => Some(log.append(made.records, identity, (made.hash, made.max_timestamp_ms))),
        };
        let log_start = self.logs.get(&to).map_or(0, |log| log.start);
        let answer = answer.filter(|_| !self.dice.one_in(15));
        let answer = answer.map(|answer| answer.map(|base| (base, log_start)));
        self.schedule(300, Due::Answer(at, number, answer));
    }

    pub(super) fn answer(&mut self, at: usize, number: usize, answer: Answer) {
        let Made { batch, partition, .. } = self.producers[at].made[number];
        let by = None;
        self.tell(
            batch.by,
            match answer {
                None => What::Unanswered { batch },
                Some(Ok((base_offset, log_start))) => What::Acked {
                    batch,
                    base_offset,
                    log_start,
                    by,
                },
                Some(Err(error)) => What::Refused {
                    batch,
                    error,
                    base_offset: -1,
                    by,
                },
            },
        );
        let open = &mut self.producers[at].open[partition];
        let Some(place) = open.iter().position(|(open, _)| *open == number) else {
            return;
        };
        let sequence = open[place].1;
        match answer {
            Some(Ok(_)) => drop(open.remove(place)),
            _ if self.dice.one_in(4) => self.give_up(at, partition, place),
            _ => self.send(at, number, sequence),
        }
    }

    /// An idempotent producer that gives a batch up goes on in a new epoch, with all that is open.
    fn give_up(&mut self, at: usize, partition: usize, place: usize) {
        let producer = &mut self.producers[at];
        let (number, _) = producer.open[partition].remove(place);
        let batch = producer.made[number].batch;
        self.tell(batch.by, What::GivenUp { batch });
        self.new_epoch(at);
    }

    pub(super) fn new_epoch(&mut self, at: usize) {
        let producer = &mut self.producers[at];
        if !producer.idempotent {
            return;
        }
        let mut again = Vec::new();
        producer.epoch += 1;
        for partition in 0..producer.open.len() {
            let mut next = 0;
            for (open, sequence) in &mut producer.open[partition] {
                *sequence = next;
                next += producer.made[*open].records.count as i32;
                again.push((*open, *sequence));
            }
            producer.next_sequence[partition] = next;
        }
        again
            .into_iter()
            .for_each(|(number, sequence)| self.send(at, number, sequence));
    }
}
