//! What may be broken at the same time.
//!
//! What holds: one agent at least is neither dead nor paused nor draining, and one at most is so for long;
//! one fault at a time has Postgres; one at a time stalls the S3 server, and a few at a time trouble it; one
//! at a time weighs on each agent from outside.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Most rules of the S3 server at a time: more of them, and no request would get through.
const RULES_MAX: usize = 2;

#[derive(Default)]
struct Taken {
    /// Agents that are down.
    down: Vec<bool>,
    /// Agents that are under a load.
    loaded: Vec<bool>,
    /// One of them for long.
    long: bool,
    postgres: bool,
    store: bool,
    rules: usize,
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
    Down { agent: usize, long: bool },
    Loaded(usize),
    Postgres,
    Store,
    Rule,
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

    /// The first agent from `from` on that may go down; `None` if it would be the last that is up, or the
    /// second that is down for long.
    pub(crate) fn agent_down(&self, from: usize, long: bool) -> Option<(usize, Claim)> {
        let mut taken = self.taken();
        let count = taken.down.len();
        if taken.down.iter().filter(|down| !**down).count() < 2 || (long && taken.long) {
            return None;
        }
        let agent = (from..from + count)
            .map(|at| at % count)
            .find(|at| !taken.down[*at])?;
        taken.down[agent] = true;
        taken.long |= long;
        Some((agent, self.claim(Claimed::Down { agent, long })))
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

    /// A rule of the S3 server, if there are not too many.
    pub(crate) fn rule(&self) -> Option<Claim> {
        let mut taken = self.taken();
        if taken.rules >= RULES_MAX {
            return None;
        }
        taken.rules += 1;
        Some(self.claim(Claimed::Rule))
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
            Claimed::Down { agent, long } => {
                taken.down[agent] = false;
                taken.long &= !long;
            }
            Claimed::Rule => taken.rules -= 1,
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
    fn one_agent_stays_up_and_one_at_most_is_down_for_long() {
        let claims = Claims::new(3);
        let (first, one) = claims.agent_down(1, true).unwrap();
        assert!(claims.agent_down(1, true).is_none());
        let (second, two) = claims.agent_down(1, false).unwrap();
        assert_eq!((first, second), (1, 2));
        assert!(claims.agent_down(0, false).is_none());
        drop(one);
        assert_eq!(claims.agent_down(0, true).unwrap().0, 0);
        drop(two);
    }

    #[test]
    fn only_agents_that_are_up_are_loaded_and_only_once() {
        let claims = Claims::new(2);
        let _down = claims.agent_down(0, false).unwrap();
        let (agent, _load) = claims.agent_loaded(0).unwrap();
        assert_eq!(agent, 1);
        assert!(claims.agent_loaded(0).is_none());
    }

    #[test]
    fn stores_belong_to_one_fault_at_a_time() {
        let claims = Claims::new(1);
        assert!(claims.agent_down(0, false).is_none());
        let postgres = claims.postgres();
        assert!(postgres.is_some() && claims.postgres().is_none());
        drop(postgres);
        assert!(claims.postgres().is_some());
        let _store = claims.store().unwrap();
        assert!(claims.store().is_none());
        let rules: Vec<Claim> = (0..RULES_MAX).filter_map(|_| claims.rule()).collect();
        assert!(rules.len() == RULES_MAX && claims.rule().is_none());
    }
}
