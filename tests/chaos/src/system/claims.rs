//! What may be broken at the same time.
//!
//! What holds: one agent at least is neither dead nor paused nor draining; one fault at a time has Postgres;
//! one at a time stalls the S3 server; one at a time weighs on each agent from outside.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

#[derive(Default)]
struct Taken {
    /// Agents that are down.
    down: Vec<bool>,
    /// Agents that are under a load.
    loaded: Vec<bool>,
    postgres: bool,
    store: bool,
}

/// Who holds what.
#[derive(Clone)]
pub(crate) struct Claims(Arc<Mutex<Taken>>);

/// What a fault may break until this is dropped.
pub(crate) struct Claim {
    claims: Claims,
    what: Claimed,
}

#[derive(Clone, Copy)]
enum Claimed {
    Down(usize),
    Loaded(usize),
    Postgres,
    Store,
}

impl Claims {
    pub(crate) fn new(agents: usize) -> Self {
        Self(Arc::new(Mutex::new(Taken {
            down: vec![false; agents],
            loaded: vec![false; agents],
            ..Taken::default()
        })))
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn claim(&self, what: Claimed) -> Claim {
        Claim {
            claims: self.clone(),
            what,
        }
    }

    /// The first agent from `from` on that may go down; `None` if it would be the last that is up.
    pub(crate) fn agent_down(&self, from: usize) -> Option<(usize, Claim)> {
        let mut taken = self.taken();
        let count = taken.down.len();
        if taken.down.iter().filter(|down| !**down).count() < 2 {
            return None;
        }
        let agent = (from..from + count)
            .map(|at| at % count)
            .find(|at| !taken.down[*at])?;
        taken.down[agent] = true;
        Some((agent, self.claim(Claimed::Down(agent))))
    }

    /// The first agent from `from` on that is up and under no load.
    pub(crate) fn agent_loaded(&self, from: usize) -> Option<(usize, Claim)> {
        let mut taken = self.taken();
        let count = taken.down.len();
        let is_free = |at: &usize| !taken.down[*at] && !taken.loaded[*at];
        let agent = (from..from + count).map(|at| at % count).find(is_free)?;
        taken.loaded[agent] = true;
        Some((agent, self.claim(Claimed::Loaded(agent))))
    }

    /// Postgres, if nobody has it.
    pub(crate) fn postgres(&self) -> Option<Claim> {
        let mut taken = self.taken();
        (!std::mem::replace(&mut taken.postgres, true)).then(|| self.claim(Claimed::Postgres))
    }

    /// The S3 server, if nobody has it.
    pub(crate) fn store(&self) -> Option<Claim> {
        let mut taken = self.taken();
        (!std::mem::replace(&mut taken.store, true)).then(|| self.claim(Claimed::Store))
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut taken = self.claims.taken();
        match self.what {
            Claimed::Down(agent) => taken.down[agent] = false,
            Claimed::Loaded(agent) => taken.loaded[agent] = false,
            Claimed::Postgres => taken.postgres = false,
            Claimed::Store => taken.store = false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_agent_stays_up() {
        let claims = Claims::new(3);
        let (first, one) = claims.agent_down(1).unwrap();
        let (second, two) = claims.agent_down(1).unwrap();
        assert_eq!((first, second), (1, 2));
        assert!(claims.agent_down(0).is_none());
        drop(one);
        assert_eq!(claims.agent_down(0).unwrap().0, 0);
        drop(two);
    }

    #[test]
    fn only_agents_that_are_up_are_loaded_and_only_once() {
        let claims = Claims::new(2);
        let _down = claims.agent_down(0).unwrap();
        let (agent, _load) = claims.agent_loaded(0).unwrap();
        assert_eq!(agent, 1);
        assert!(claims.agent_loaded(0).is_none());
    }

    #[test]
    fn stores_belong_to_one_fault_at_a_time() {
        let claims = Claims::new(1);
        assert!(claims.agent_down(0).is_none());
        let postgres = claims.postgres();
        assert!(postgres.is_some() && claims.postgres().is_none());
        drop(postgres);
        assert!(claims.postgres().is_some());
        let _store = claims.store().unwrap();
        assert!(claims.store().is_none());
    }
}
