//! What happened in a run, counted by name: so that one can see that it did.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::World;
use super::tasks::Tasks;

/// Counts by group and name.
pub type Counts = BTreeMap<(&'static str, &'static str), u64>;

/// The counts of one run.
#[derive(Default)]
pub struct Tally(Mutex<Counts>);

impl Tally {
    /// It happened so many more times.
    pub fn count(&self, group: &'static str, what: &'static str, times: u64) {
        if times > 0 {
            *self.0.lock().entry((group, what)).or_default() += times;
        }
    }

    /// All of them.
    pub fn counts(&self) -> Counts {
        self.0.lock().clone()
    }
}

/// A step of upkeep that a process has under way: counted if the process dies meanwhile.
pub(super) struct Step {
    world: Arc<World>,
    process: Arc<Tasks>,
    what: Option<&'static str>,
}

impl Step {
    pub(super) fn begin(world: &Arc<World>, process: &Arc<Tasks>, what: &'static str) -> Self {
        Self {
            world: Arc::clone(world),
            process: Arc::clone(process),
            what: Some(what),
        }
    }

    /// The process heard of its end.
    pub(super) fn end(mut self) {
        self.what = None;
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        if let Some(what) = self.what.filter(|_| self.process.is_dead()) {
            self.world.tally.count("killed in", what, 1);
        }
    }
}
