//! A small correct system: logs, producers that lose answers and repeat, agents that lag behind, readers, a topic
//! that is deleted and created again under its name, one whose records are deleted, and two that do not have to keep
//! them. Its histories must pass.

mod log;
mod producers;
mod readers;
mod removers;

use std::collections::BTreeMap;

use uuid::Uuid;

use log::Log;

use super::dice::Dice;
use crate::event::{Batch, Client, Identity, Partition, Records};
use crate::{History, Terms, What};

/// What happens at a time.
enum Due {
    Make(usize),
    Arrive(usize, usize, Option<Identity>, Partition),
    Answer(usize, usize, Answer),
    Read(usize),
    Shown(usize, What),
    List,
    Recreate,
    Delete,
    Remove(i64, u64, bool),
    Retain,
}

/// Partitions by their place: the first two are those of `orders`, which keeps everything.
const CHURNED: usize = 2;
const TRIMMED: usize = 3;
const AGED: usize = 4;
const SIZED: usize = 5;
const PARTITIONS: usize = 6;

/// What the clock of the database shows when a history begins.
const BEGAN_MS: i64 = 1_000_000;

/// Base offset and log start, or an error; nothing if it was lost.
type Answer = Option<Result<(i64, i64), i16>>;

#[derive(Clone)]
struct Made {
    batch: Batch,
    records: Records,
    partition: usize,
    hash: u64,
    max_timestamp_ms: i64,
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
    admin: Client,
}

/// A history of a correct system, and its terms.
pub(super) fn history(seed: u64, end_us: u64) -> (History, Terms) {
    let mut history = History::default();
    let lives = [history.life("agent-1", 0), history.life("agent-2", 0)];
    let orders = history.topic("orders", Uuid::from_u128(1));
    let churned = history.topic("churned", Uuid::from_u128(2));
    let trimmed = history.topic("trimmed", Uuid::from_u128(3));
    let aged = history.topic("aged", Uuid::from_u128(4));
    let sized = history.topic("sized", Uuid::from_u128(5));
    let topics = [
        (orders, 0),
        (orders, 1),
        (churned, 0),
        (trimmed, 0),
        (aged, 0),
        (sized, 0),
    ];
    let partitions: Vec<Partition> = topics.map(|(topic, index)| Partition { topic, index }).to_vec();
    for (topic, retention) in [(aged, removers::AGED), (sized, removers::SIZED)] {
        history.push(0, None, What::Created { topic, retention });
    }
    let producers = [true, true, false]
        .map(|idempotent| Producer {
            me: history.client(if idempotent { "idempotent" } else { "plain" }),
            idempotent,
            epoch: 0,
            open: vec![Vec::new(); PARTITIONS],
            next_sequence: vec![0; PARTITIONS],
            made: Vec::new(),
            records: 0,
        })
        .into();
    let readers = (0..PARTITIONS)
        .map(|at| (history.client("reader"), at, partitions[at], 0))
        .collect();
    let lister = history.client("lister");
    let admin = history.client("admin");
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
        admin,
    };
    model.run();
    model.read_everything(lives);
    let healed = |event: &&crate::Event| event.what == What::Healed;
    let terms = Terms {
        database_ms: Some(BEGAN_MS),
        settled_from_us: model.history.events.iter().find(healed).map(|event| event.at_us),
        ..Terms::default()
    };
    (model.history, terms)
}

impl Model {
    fn schedule(&mut self, after_us: u64, due: Due) {
        self.scheduled += 1;
        let at = self.now_us + 1 + self.dice.below(after_us);
        self.due.insert((at, self.scheduled), due);
    }

    fn now_ms(&self) -> i64 {
        BEGAN_MS + (self.now_us / 1000) as i64
    }

    fn tell(&mut self, client: Client, what: What) {
        self.history.push(self.now_us, Some(client), what);
    }

    fn run(&mut self) {
        (0..3).for_each(|at| self.schedule(500, Due::Make(at)));
        (0..PARTITIONS).for_each(|at| self.schedule(500, Due::Read(at)));
        self.schedule(500, Due::List);
        self.schedule(1_000, Due::Delete);
        self.schedule(1_000, Due::Retain);
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
                Due::Delete if load => self.delete(),
                Due::Remove(offset, asked_us, is_heard) => self.remove(offset, asked_us, is_heard),
                Due::Retain if load => self.retain(),
                _ => {}
            }
        }
        self.history.push(self.now_us, None, What::Healed);
        let finished: Vec<Client> = self.producers.iter().map(|one| one.me).collect();
        let readers = self.readers.iter().map(|(client, ..)| *client);
        for client in finished
            .into_iter()
            .chain(readers)
            .chain([self.lister, self.admin])
        {
            self.history.push(self.now_us, Some(client), What::Finished);
        }
    }

    fn recreate(&mut self) {
        let id = Uuid::from_u128(10 + self.history.topics.len() as u128);
        let old = self.partitions[CHURNED];
        self.history.topics[old.topic.0 as usize].deleted_from_us = Some(self.now_us);
        let topic = self.history.topic("churned", id);
        self.logs.remove(&old);
        self.partitions[CHURNED] = Partition { topic, index: 0 };
        self.logs.insert(self.partitions[CHURNED], Log::default());
        // Sequences begin anew, in a new epoch so that none is used twice.
        for at in 0..self.producers.len() {
            let numbers: Vec<usize> = self.producers[at].open[CHURNED]
                .drain(..)
                .map(|(one, _)| one)
                .collect();
            for number in numbers {
                let batch = self.producers[at].made[number].batch;
                self.tell(batch.by, What::GivenUp { batch });
            }
            self.new_epoch(at);
        }
        self.schedule(40_000, Due::Recreate);
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
