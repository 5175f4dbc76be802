//! Many clients, a network that loses requests and answers, coordinators that fall over and lose what they had not kept:
//! what always holds, and that the group is Stable soon after it is left in peace.

mod checks;
mod clients;
mod hostile;

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::seams::{Rng, SeededRng};
use clients::{Client, Step};

struct World {
    rng: SeededRng,
    group: ClassicGroup,
    limits: GroupLimits,
    now: Instant,
    next: u64,
    kept: Option<StoredClassic>,
    clients: Vec<Client>,
    /// Calls that are not answered yet.
    open: BTreeSet<CallId>,
    /// What generations were told with.
    protocols: BTreeMap<i32, Option<String>>,
    /// The list that the leader of a generation was told, by instance id where there is one.
    lists: BTreeMap<i32, BTreeSet<String>>,
    /// Which leader's Sync made the assignment of a generation.
    assigned: BTreeMap<i32, String>,
    /// The highest generation that anybody was told, ever.
    told: i32,
    /// The one that the coordinator found, and the highest told before it came.
    found: (i32, i32),
    faults: bool,
    stable_seen: u64,
    takeovers: u64,
}

impl World {
    fn new(seed: u64) -> Self {
        let rng = SeededRng::new(seed);
        let clients = (0..2 + rng.below(10))
            .map(|at| Client {
                instance_id: (rng.below(3) == 0).then(|| format!("i{at}")),
                member_id: String::new(),
                generation: -1,
                assignment: None,
                version: 0,
                modern: rng.below(2) == 0,
                step: Step::Join,
            })
            .collect();
        Self {
            rng,
            group: ClassicGroup::new(),
            limits: GroupLimits::default(),
            now: Instant(secs(1)),
            next: 0,
            kept: None,
            clients,
            open: BTreeSet::new(),
            protocols: BTreeMap::new(),
            lists: BTreeMap::new(),
            assigned: BTreeMap::new(),
            told: 0,
            found: (0, 0),
            faults: true,
            stable_seen: 0,
            takeovers: 0,
        }
    }

    fn chance(&self, of_hundred: u64) -> bool {
        self.faults && self.rng.below(100) < of_hundred
    }

    fn call(&mut self) -> CallId {
        self.next += 1;
        let call = CallId(self.next);
        self.open.insert(call);
        call
    }

    fn take(&mut self, effects: Effects) {
        if effects.keep {
            if self.chance(3) {
                // It fell over before it was kept: nobody hears these answers.
                for (call, _) in &effects.answers {
                    assert!(self.open.remove(call), "{call:?} was answered twice");
                }
                self.take_over();
                return;
            }
            self.kept = Some(self.group.stored());
        }
        for (call, answer) in effects.answers {
            assert!(self.open.remove(&call), "{call:?} was answered twice");
            self.check(&answer);
            let lost = self.chance(10);
            for client in &mut self.clients {
                if client.step == Step::Joining(call) || client.step == Step::Syncing(call) {
                    if lost {
                        client.step = Step::Join;
                    } else {
                        client.hear(answer.clone());
                    }
                }
            }
        }
        self.check_group();
    }

    /// Another coordinator goes on from what was kept; calls are answered by the connection that breaks.
    fn take_over(&mut self) {
        self.takeovers += 1;
        for call in self.group.abandon() {
            assert!(self.open.remove(&call), "{call:?} was given back and is not open");
        }
        assert!(self.open.is_empty(), "calls were lost: {:?}", self.open);
        for client in &mut self.clients {
            if matches!(client.step, Step::Joining(_) | Step::Syncing(_)) {
                client.step = Step::Join;
            }
        }
        self.group = ClassicGroup::restore(self.kept.clone().unwrap_or_default(), self.now);
        self.found = (self.group.generation(), self.told);
    }

    fn pass(&mut self, by: Duration) {
        let until = self.now.plus(by);
        // Sometimes nobody looks after the group meanwhile.
        if self.chance(5) {
            self.now = until;
        }
        while let Some(at) = self.group.next_wake().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            let effects = self.group.wake(self.now, &self.limits);
            self.take(effects);
            assert!(
                self.group.next_wake().is_none_or(|next| next > self.now),
                "waking did not do what was due"
            );
        }
        self.now = until;
    }

    fn round(&mut self) {
        for _ in 0..self.clients.len() {
            let at = self.rng.below(self.clients.len() as u64) as usize;
            self.act(at);
        }
        if self.chance(1) {
            self.take_over();
        }
        let by = if self.chance(2) {
            secs(40)
        } else {
            Duration::from_millis(self.rng.below(2_000))
        };
        self.pass(by);
    }

    fn settled(&self) -> bool {
        self.group.state() == ClassicState::Stable
            && self
                .clients
                .iter()
                .all(|client| client.step == Step::Steady && client.generation == self.group.generation())
            && self.group.describe().members.len() == self.clients.len()
    }
}

#[test]
fn whatever_happens() {
    let mut stable_seen = 0;
    let mut takeovers = 0;
    for seed in 0..150 {
        let mut world = World::new(seed);
        for _ in 0..150 {
            world.round();
        }
        world.faults = false;
        for client in &mut world.clients {
            if client.step == Step::Gone {
                client.step = Step::Join;
            }
        }
        let begun = world.now;
        while !world.settled() {
            world.round();
            assert!(
                world.now.since(begun) < secs(300),
                "seed {seed}: not Stable: {:?}",
                world.group
            );
        }
        for client in &world.clients {
            let assigned = &world.assigned[&client.generation];
            assert_eq!(
                client.assignment.as_deref(),
                Some(assigned.as_bytes()),
                "seed {seed}"
            );
        }
        // The rest stays in peace.
        let generation = world.group.generation();
        for _ in 0..20 {
            world.round();
        }
        assert_eq!(world.group.generation(), generation, "seed {seed}");
        assert!(world.open.is_empty(), "seed {seed}: {:?}", world.open);
        stable_seen += world.stable_seen;
        takeovers += world.takeovers;
    }
    assert!(
        stable_seen > 1_000 && takeovers > 150,
        "{stable_seen} {takeovers}"
    );
}
