//! What one agent can reach, and what it cannot.

use parking_lot::Mutex;

/// What an agent cannot reach.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Cut {
    /// The metastore.
    pub metastore: bool,
    /// The object store.
    pub store: bool,
    /// Reads of the object store only.
    pub reads: bool,
    /// Reads of `cluster.json` only.
    pub epoch: bool,
    /// Clients whose number has its bit set in here (modulo 64).
    pub clients: u64,
}

/// What an agent can reach now.
#[derive(Default)]
pub struct Reach(Mutex<Cut>);

impl Reach {
    /// What is cut off now.
    pub fn now(&self) -> Cut {
        *self.0.lock()
    }

    /// Changes what is cut off.
    pub fn change(&self, change: impl FnOnce(&mut Cut)) {
        change(&mut self.0.lock());
    }
}
