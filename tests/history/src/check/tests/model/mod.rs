//! A small correct system: logs, producers that lose answers and repeat, agents that lag behind, readers,
//! and a topic that is deleted and created again under its name. Its histories must pass.

mod log;
mod producers;
mod readers;

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
