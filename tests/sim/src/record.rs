//! The clock of a run, and the history that everybody writes into.

use std::collections::BTreeMap;
use std::sync::Arc;

use esker_history::event::{Client, Life, Partition, Topic};
use esker_history::{History, What};
use parking_lot::Mutex;
use tokio::time::Instant;
use uuid::Uuid;

/// Writes the history of one run. Cheap to clone.
#[derive(Clone)]
pub struct Recorder {
    begun: Instant,
    history: Arc<Mutex<History>>,
    lost: Arc<Mutex<Lost>>,
}

/// Offsets that were lost on purpose: the first, and the one after the last.
type Lost = BTreeMap<Partition, Vec<(i64, i64)>>;

impl Recorder {
    /// An empty history that begins now. Must be called inside a runtime.
    pub fn begin() -> Self {
        Self {
            begun: Instant::now(),
            history: Arc::default(),
            lost: Arc::default(),
        }
    }

    /// Microseconds since the beginning.
    pub fn now_us(&self) -> u64 {
        self.begun.elapsed().as_micros() as u64
    }

    /// Something that a client did or was told.
    pub fn tell(&self, client: Client, what: What) {
        let at_us = self.now_us();
        self.history.lock().push(at_us, Some(client), what);
    }

    /// Something that was done to the system.
    pub fn note(&self, what: What) {
        let at_us = self.now_us();
        self.history.lock().push(at_us, None, what);
    }

    /// Records were lost on purpose.
    pub fn lost(&self, partition: Partition, first: i64, end: i64) {
        self.lost.lock().entry(partition).or_default().push((first, end));
        self.note(What::Lost {
            partition,
            first,
            end,
        });
    }

    /// Where the records end that were lost on purpose, if the one at an offset was. A client has no other way to know; a
    /// person who saw the error would look for it, and go on there.
    pub fn lost_until(&self, partition: Partition, offset: i64) -> Option<i64> {
        let lost = self.lost.lock();
        let mut covers = lost.get(&partition)?.iter();
        let covers = covers.find(|(first, end)| *first <= offset && offset < *end);
        covers.map(|(_, end)| *end)
    }

    /// A new client.
    pub fn client(&self, what: &str) -> Client {
        self.history.lock().client(what)
    }

    /// A new life of an agent.
    pub fn life(&self, node: &str) -> Life {
        let now_us = self.now_us();
        self.history.lock().life(node, now_us)
    }

    /// A life ended.
    pub fn ended(&self, life: Life) {
        let now_us = self.now_us();
        if let Some(life) = self.history.lock().lives.get_mut(life.0 as usize) {
            life.ended_us.get_or_insert(now_us);
        }
    }

    /// The topic with this id.
    pub fn topic(&self, name: &str, id: Uuid) -> Topic {
        self.history.lock().topic(name, id)
    }

    /// What is known of topics and lives may be changed here.
    pub fn with<T>(&self, change: impl FnOnce(&mut History) -> T) -> T {
        change(&mut self.history.lock())
    }

    /// Takes the history away.
    pub fn take(&self) -> History {
        std::mem::take(&mut *self.history.lock())
    }
}
