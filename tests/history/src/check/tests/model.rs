//! A small correct system: logs, producers that lose answers and repeat, agents that lag behind, readers,
//! and a topic that is deleted and created again under its name. Its histories must pass.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::event::{Batch, Client, Identity, Life, Partition, Query, Records, Seen};
use crate::{History, Terms, What};

/// Random numbers from a seed (splitmix64).
pub(super) struct Dice(pub u64);

impl Dice {
    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit.max(1)
    }

    pub(super) fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

/// A log, with what it knows of producers.
#[derive(Default)]
struct Log {
    entries: Vec<(i64, Records, u64)>,
    end: i64,
    /// By producer id: epoch, next sequence, and the offsets of what was appended.
    producers: BTreeMap<i64, (i16, i32, BTreeMap<i32, i64>)>,
    /// How far each life shows it.
    views: [i64; 2],
}

impl Log {
    /// The offset, or the error.
    fn append(&mut self, records: Records, identity: Option<Identity>, hash: u64) -> Result<i64, i16> {
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
        self.end += i64::from(records.count);
        Ok(self.end - i64::from(records.count))
    }

    /// The batches from an offset on, at most `count`, below `end`; the first without what lies before.
    fn read(&self, from: i64, end: i64, count: usize) -> Vec<Seen> {
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

/// What happens at a time.
enum Due {
    Make(usize),
    Arrive(usize, usize, Option<Identity>, Partition),
    Answer(usize, usize, Option<Result<i64, i16>>),
    Read(usize),
    Shown(usize, What),
    List,
    Recreate,
}

#[derive(Clone)]
struct Made {
    batch: Batch,
    records: Records,
    partition: usize,
    hash: u64,
}

struct Producer {
    me: Client,
    idempotent: bool,
    epoch: i16,
    /// By partition: what waits for its answer, oldest first, and the sequence of each.
    open: Vec<Vec<(usize, i32)>>,
    next_sequence: Vec<i32>,
    made: Vec<Made>,
    records: u64,
}

pub(super) struct Model {
    pub history: History,
    dice: Dice,
    due: BTreeMap<(u64, u64), Due>,
    scheduled: u64,
    now_us: u64,
    end_us: u64,
    /// The partitions as clients know them: the last one's topic comes and goes.
    partitions: Vec<Partition>,
    logs: BTreeMap<Partition, Log>,
    producers: Vec<Producer>,
    readers: Vec<(Client, usize, Partition, i64)>,
    lister: Client,
}

/// A history of a correct system, and its terms.
pub(super) fn history(seed: u64, end_us: u64) -> (History, Terms) {
    let mut history = History::default();
    let lives = [history.life("agent-1", 0), history.life("agent-2", 0)];
    let orders = history.topic("orders", Uuid::from_u128(1));
    let churned = history.topic("churned", Uuid::from_u128(2));
    let partitions: Vec<Partition> = [(orders, 0), (orders, 1), (churned, 0)]
        .map(|(topic, index)| Partition { topic, index })
        .to_vec();
    let producers = [true, true, false]
        .map(|idempotent| Producer {
            me: history.client(if idempotent { "idempotent" } else { "plain" }),
            idempotent,
            epoch: 0,
            open: vec![Vec::new(); 3],
            next_sequence: vec![0; 3],
            made: Vec::new(),
            records: 0,
        })
        .into();
    let readers = (0..3)
        .map(|at| (history.client("reader"), at, partitions[at], 0))
        .collect();
    let lister = history.client("lister");
    let mut model = Model {
        history,
        dice: Dice(seed),
        due: BTreeMap::new(),
        scheduled: 0,
        now_us: 0,
        end_us,
        logs: partitions.iter().map(|one| (*one, Log::default())).collect(),
        partitions,
        producers,
        readers,
        lister,
    };
    model.run();
    model.read_everything(lives);
    (model.history, Terms::default())
}

impl Model {
    fn schedule(&mut self, after_us: u64, due: Due) {
        self.scheduled += 1;
        let at = self.now_us + 1 + self.dice.below(after_us);
        self.due.insert((at, self.scheduled), due);
    }

    fn tell(&mut self, client: Client, what: What) {
        self.history.push(self.now_us, Some(client), what);
    }

    fn run(&mut self) {
        (0..3).for_each(|at| self.schedule(500, Due::Make(at)));
        (0..3).for_each(|at| self.schedule(500, Due::Read(at)));
        self.schedule(500, Due::List);
        self.schedule(20_000, Due::Recreate);
        while let Some(((at, _), due)) = self.due.pop_first() {
            self.now_us = at;
            let load = at < self.end_us;
            match due {
                Due::Make(producer) if load => self.make(producer),
                Due::Arrive(producer, made, identity, to) => self.arrive(producer, made, identity, to),
                Due::Answer(producer, made, answer) => self.answer(producer, made, answer),
                Due::Read(reader) if load => self.read(reader),
                Due::Shown(reader, what) => self.shown(reader, what),
                Due::List if load => self.list(),
                Due::Recreate if load => self.recreate(),
                _ => {}
            }
        }
        self.history.push(self.now_us, None, What::Healed);
        let finished: Vec<Client> = self.producers.iter().map(|one| one.me).collect();
        let readers = self.readers.iter().map(|(client, ..)| *client);
        for client in finished.into_iter().chain(readers).chain([self.lister]) {
            self.history.push(self.now_us, Some(client), What::Finished);
        }
    }

    fn make(&mut self, at: usize) {
        let partition = self.dice.below(3) as usize;
        let count = 1 + self.dice.below(5) as u32;
        let hash = self.dice.below(u64::MAX);
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
            };
            producer.records += u64::from(count);
            producer.made.push(made);
            let sequence = producer.next_sequence[partition];
            producer.next_sequence[partition] += count as i32;
            let number = producer.made.len() - 1;
            producer.open[partition].push((number, sequence));
            self.send(at, number, sequence);
        }
        self.schedule(400, Due::Make(at));
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

    fn arrive(&mut self, at: usize, number: usize, identity: Option<Identity>, to: Partition) {
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
            Some(log) => Some(log.append(made.records, identity, made.hash)),
        };
        let answer = answer.filter(|_| !self.dice.one_in(15));
        self.schedule(300, Due::Answer(at, number, answer));
    }

    fn answer(&mut self, at: usize, number: usize, answer: Option<Result<i64, i16>>) {
        let Made { batch, partition, .. } = self.producers[at].made[number];
        let by = None;
        self.tell(
            batch.by,
            match answer {
                None => What::Unanswered { batch },
                Some(Ok(base_offset)) => What::Acked {
                    batch,
                    base_offset,
                    log_start: 0,
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

    fn new_epoch(&mut self, at: usize) {
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

    fn read(&mut self, reader: usize) {
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

    fn shown(&mut self, reader: usize, what: What) {
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

    fn list(&mut self) {
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

    fn recreate(&mut self) {
        let id = Uuid::from_u128(10 + self.history.topics.len() as u128);
        let old = self.partitions[2];
        self.history.topics[old.topic.0 as usize].deleted_from_us = Some(self.now_us);
        let topic = self.history.topic("churned", id);
        self.logs.remove(&old);
        self.partitions[2] = Partition { topic, index: 0 };
        self.logs.insert(self.partitions[2], Log::default());
        // Sequences begin anew, in a new epoch so that none is used twice.
        for at in 0..self.producers.len() {
            let numbers: Vec<usize> = self.producers[at].open[2].drain(..).map(|(one, _)| one).collect();
            for number in numbers {
                let batch = self.producers[at].made[number].batch;
                self.tell(batch.by, What::GivenUp { batch });
            }
            self.new_epoch(at);
        }
        self.schedule(40_000, Due::Recreate);
    }

    fn read_everything(&mut self, lives: [Life; 2]) {
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

#[test]
fn histories_of_a_correct_system_pass() {
    for seed in 0..300 {
        let (history, terms) = history(seed, 20_000 + seed * 200);
        let violations = crate::check(&history, &terms);
        assert!(
            violations.is_empty(),
            "seed {seed}: {}",
            crate::report::tell(&violations[0], &history)
        );
    }
}
