//! Requests that no client would send, with ids from a small pool: no panic, no call lost or answered twice, no counter
//! wrong, no wake that leaves something due.

use super::checks::consistent;
use super::*;

struct Hostile {
    rng: SeededRng,
    bench: Bench,
    open: BTreeSet<CallId>,
}

impl Hostile {
    fn pick<T: Copy>(&self, of: &[T]) -> T {
        of[self.rng.below(of.len() as u64) as usize]
    }

    fn id(&self) -> String {
        match self.rng.below(8) {
            0 => String::new(),
            1 => "nobody".to_owned(),
            _ => format!("m{}", self.rng.below(self.bench.ids + 1)),
        }
    }

    fn instance_id(&self) -> Option<String> {
        (self.rng.below(3) == 0).then(|| format!("i{}", self.rng.below(3)))
    }

    fn member(&self) -> MemberRef {
        MemberRef {
            member_id: self.id(),
            instance_id: self.instance_id(),
        }
    }

    fn generation(&self) -> i32 {
        self.bench.group.generation() - self.pick(&[0, 0, 0, 0, 1, -1])
    }

    fn a_join(&self) -> Join {
        let names: &[&str] = self.pick(&[
            &["a", "b"][..],
            &["b", "a"],
            &["a"],
            &["b"],
            &["a", "a", "b"],
            &["c"],
            &[],
        ]);
        let metadata = Bytes::from(self.rng.below(2).to_string());
        Join {
            member_id: self.id(),
            instance_id: self.instance_id(),
            session_timeout: secs(self.pick(&[1, 6, 10, 100])),
            rebalance_timeout: secs(self.pick(&[0, 1, 30, 400])),
            protocol_type: self.pick(&["t", "t", "t", "t", "u", ""]).to_owned(),
            protocols: names
                .iter()
                .map(|name| ((*name).to_owned(), metadata.clone()))
                .collect(),
            id_required: self.rng.below(2) == 0,
            can_skip_assignment: self.rng.below(2) == 0,
            new_member_id: if self.rng.below(20) == 0 {
                self.id()
            } else {
                String::new()
            },
            ..a_join("")
        }
    }

    fn a_sync(&self) -> Sync {
        Sync {
            instance_id: self.instance_id(),
            assignments: (0..self.rng.below(3))
                .map(|_| (self.id(), Bytes::from_static(b"all")))
                .collect(),
            ..a_sync(&self.id(), self.generation())
        }
    }

    fn event(&mut self) {
        match self.rng.below(12) {
            0..=3 => {
                let call = self.bench.join(self.a_join());
                self.open.insert(call);
            }
            4..=6 => {
                let call = self.bench.sync(self.a_sync());
                self.open.insert(call);
            }
            7 => {
                let named = self.member();
                let generation = self.generation();
                let now = self.bench.now;
                let beat = self.bench.group.heartbeat(now, &named, generation);
                let commit = self.bench.group.check_commit(now, &named, generation);
                // One whom the group does not know is known to neither.
                if commit == Err(GroupError::FencedInstanceId) {
                    assert_eq!(beat, commit);
                }
            }
            8 => {
                let members: Vec<MemberRef> = (0..self.rng.below(3)).map(|_| self.member()).collect();
                assert_eq!(self.bench.leave(&members).len(), members.len());
            }
            9 if self.rng.below(10) == 0 => self.take_over(),
            _ => {
                let by = Duration::from_millis(self.rng.below(self.pick(&[10, 3_000, 60_000])));
                self.pass(by);
            }
        }
    }

    fn pass(&mut self, by: Duration) {
        let until = self.bench.now.plus(by);
        // A rebalance timeout of zero is over when it begins, so waking may have to follow on waking.
        let mut wakes = 0;
        while let Some(at) = self.bench.group.next_wake().filter(|at| *at <= until) {
            self.bench.now = self.bench.now.max(at);
            let effects = self.bench.group.wake(self.bench.now, &self.bench.limits);
            self.bench.take(effects);
            consistent(&self.bench.group);
            wakes += 1;
            assert!(wakes < 1_000, "waking without end");
        }
        self.bench.now = until;
    }

    fn take_over(&mut self) {
        self.settle();
        let waiting: BTreeSet<CallId> = self.bench.group.abandon().into_iter().collect();
        assert_eq!(waiting, self.open);
        self.open.clear();
        self.bench.restore();
    }

    fn settle(&mut self) {
        for (call, _) in std::mem::take(&mut self.bench.answers) {
            assert!(self.open.remove(&call), "{call:?} was answered twice");
        }
    }
}

#[test]
fn whoever_asks_whatever() {
    let mut completing = 0;
    let mut stable = 0;
    for seed in 0..150 {
        let mut hostile = Hostile {
            rng: SeededRng::new(seed),
            bench: Bench::new(),
            open: BTreeSet::new(),
        };
        hostile.bench.limits.max_size = hostile.pick(&[3, 1_000]);
        for _ in 0..600 {
            hostile.event();
            consistent(&hostile.bench.group);
            hostile.settle();
            stable += u64::from(hostile.bench.group.state() == ClassicState::Stable);
            completing += u64::from(hostile.bench.group.state() == ClassicState::CompletingRebalance);
        }
        hostile.take_over();
    }
    assert!(completing > 800 && stable > 800, "{completing} {stable}");
}
