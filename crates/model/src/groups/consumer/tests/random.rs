//! Members that do anything: answers are lost, processes die, static members come and go, topics change, and the group
//! is restored from what was last kept at any moment.

use proptest::prelude::*;

use super::client::{Client, Set, set};
use super::*;

/// What becomes of a heartbeat.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    Answered,
    /// The answer does not arrive.
    Lost,
    /// The group's agent dies before anything is kept.
    NeverHappened,
}

struct Story {
    world: World,
    kept: (StoredConsumerGroup, BTreeMap<Arc<str>, StoredConsumerMember>),
    clients: Vec<Client>,
    /// The highest epoch that each member was given.
    epochs: BTreeMap<String, i32>,
    /// The target of each epoch.
    targets: BTreeMap<(i32, String), List>,
}

impl Story {
    fn new() -> Self {
        let world = World::new(&[("a", 3), ("b", 4), ("ab", 2)]);
        let clients = (0..5).map(|number| Client {
            number,
            lives: 0,
            instance: (number < 2).then(|| format!("i{number}")),
            epoch: 0,
            holds: Set::new(),
            told: Set::new(),
            reported: None,
            names: vec!["a".into(), "b".into()],
            regex: String::new(),
            full: true,
            running: number != 4,
        });
        Self {
            kept: (world.group.stored(), BTreeMap::new()),
            clients: clients.collect(),
            world,
            epochs: BTreeMap::new(),
            targets: BTreeMap::new(),
        }
    }

    fn restore(&mut self) {
        let members = self.kept.1.values().cloned().collect();
        self.world.group = ConsumerGroup::restore(self.kept.0, members, self.world.now);
    }

    fn keep(&mut self, keep: Keep) {
        if keep.group {
            self.kept.0 = self.world.group.stored();
        }
        for (id, there) in keep.members {
            match there {
                true => {
                    _ = self
                        .kept
                        .1
                        .insert(id.clone(), self.world.group.stored_member(&id).unwrap())
                }
                false => _ = self.kept.1.remove(&id),
            }
        }
        self.check();
    }

    fn check(&mut self) {
        let (group, members) = self.world.snapshot();
        // What was kept is what there is.
        assert_eq!(self.kept.0, group);
        assert_eq!(self.kept.1.values().cloned().collect::<Vec<_>>(), members);
        // No partition has two owners.
        let mut owned = Set::new();
        for member in &members {
            for partition in set(&member.assigned).into_iter().chain(set(&member.revoking)) {
                assert!(owned.insert(partition), "{partition:?} twice in {members:#?}");
            }
            assert_eq!(member.state == MemberState::Revoking, !member.revoking.is_empty());
        }
        assert_eq!(owned, self.world.group.owners.keys().copied().collect());
        let bytes: usize = self.world.group.members.values().map(Member::bytes).sum();
        assert_eq!(bytes, self.world.group.bytes);
        // What a client reads from it may read from, unless it was fenced and does not know.
        for client in &self.clients {
            if let Some(member) = members.iter().find(|member| *member.member_id == *client.id()) {
                let may: Set = set(&member.assigned)
                    .union(&set(&member.revoking))
                    .copied()
                    .collect();
                assert!(client.holds.is_subset(&may), "{:?} {member:#?}", client.holds);
            }
        }
        // An epoch has one target.
        for member in &members {
            let who = member.instance_id.as_ref().unwrap_or(&member.member_id);
            let epoch = (group.assignment_epoch, who.to_string());
            let target = self.targets.entry(epoch).or_insert_with(|| member.target.clone());
            assert_eq!(*target, member.target);
        }
    }

    /// The target covers each partition of what anybody is subscribed to once.
    fn check_target(&self) {
        let group = &self.world.group;
        if group.epoch != group.assignment_epoch {
            return;
        }
        let mut subscribed = Set::new();
        let mut targets = Set::new();
        for member in group.members.values() {
            let topics = group
                .subscriptions
                .topics_of(&member.subscription, &self.world.topics);
            for (topic, partitions) in topics.into_values() {
                subscribed.extend((0..partitions).map(|partition| (topic, partition)));
            }
            for partition in member.target.iter() {
                assert!(targets.insert(partition));
            }
        }
        assert_eq!(targets, subscribed);
    }

    fn beat(&mut self, client: usize, fate: Fate) {
        let heartbeat = self.clients[client].heartbeat();
        let joins = heartbeat.member_epoch == 0;
        let (answer, keep) = self.world.send(heartbeat);
        if answer.is_ok() {
            self.check_target();
        } else {
            assert!(keep.is_empty());
        }
        if fate == Fate::NeverHappened {
            self.restore();
            self.clients[client].full = true;
            return;
        }
        if let Ok(reply) = &answer {
            let last = self.epochs.entry(reply.member_id.clone()).or_insert(0);
            assert!(reply.member_epoch >= *last && reply.member_epoch > 0);
            *last = reply.member_epoch;
        }
        let of = &mut self.clients[client];
        match answer {
            _ if fate == Fate::Lost => of.full = true,
            Ok(reply) => {
                of.full = false;
                of.epoch = reply.member_epoch;
                if let Some(assignment) = &reply.assignment {
                    of.told = set(assignment);
                    of.holds.extend(of.told.iter().copied());
                }
            }
            Err(GroupError::FencedInstanceId) => of.new_process(),
            Err(GroupError::UnreleasedInstanceId) => assert!(joins && of.instance.is_some()),
            Err(
                GroupError::FencedMemberEpoch | GroupError::UnknownMemberId | GroupError::GroupIdNotFound,
            ) => {
                assert!(!joins);
                of.drop_all();
            }
            Err(error) => panic!("{error:?}"),
        }
        self.keep(keep);
    }

    fn leave(&mut self, client: usize, epoch: i32, fate: Fate) {
        let of = &mut self.clients[client];
        of.drop_all();
        of.running = false;
        let mut heartbeat = keep_alive(&of.id(), epoch);
        heartbeat.instance_id.clone_from(&of.instance);
        let (_, keep) = self.world.send(heartbeat);
        match fate {
            Fate::NeverHappened => self.restore(),
            Fate::Answered | Fate::Lost => self.keep(keep),
        }
    }

    fn pass(&mut self, time: Duration) {
        let due = self.world.group.next_wake();
        let keep = self.world.pass(time);
        if due.is_none_or(|due| due > self.world.now) {
            assert!(keep.is_empty());
        }
        assert!(
            self.world
                .group
                .next_wake()
                .is_none_or(|due| due > self.world.now)
        );
        self.keep(keep);
    }

    fn step(&mut self, (what, client, detail): (u8, u8, u8)) {
        let client = usize::from(client) % self.clients.len();
        let fate = match detail % 8 {
            0 => Fate::Lost,
            1 => Fate::NeverHappened,
            _ => Fate::Answered,
        };
        let topic = ["a", "b", "ab", "aa"][usize::from(detail) % 4];
        let running = self.clients[client].running;
        match what % 32 {
            0 => _ = self.world.topics.set(topic, i32::from(detail / 4) % 7),
            1 => self.world.topics.remove(topic),
            2 => {
                let of = &mut self.clients[client];
                let choices: [(&[&str], &str); 5] = [
                    (&["a"], ""),
                    (&["a", "b"], ""),
                    (&[], "a.*"),
                    (&["b"], "a+"),
                    (&[], ""),
                ];
                let (names, regex) = choices[usize::from(detail) % 5];
                of.names = names.iter().map(|name| (*name).to_owned()).collect();
                of.regex = regex.to_owned();
                of.full = true;
            }
            3 if running => self.leave(client, if detail % 3 == 0 { -1 } else { -2 }, fate),
            3 | 4 if !running => self.clients[client].new_process(),
            // A process that dies says nothing.
            5 => {
                self.clients[client].drop_all();
                self.clients[client].lives += 1;
                self.clients[client].running = false;
            }
            6 => {
                self.restore();
                self.check();
            }
            7..=10 => self.pass(Duration::from_millis(u64::from(detail) * 50)),
            11..=15 => self.clients[client].revoke(),
            16 => {
                let members = self.kept.1.keys().nth(client).cloned();
                if let Some(id) = members {
                    let keep = self.world.group.leave(self.world.now, &id, None).1;
                    self.keep(keep);
                }
            }
            _ if running => self.beat(client, fate),
            _ => {}
        }
    }

    /// All that still run behave: soon everybody has its target, and nothing changes any more.
    fn settle(&mut self) {
        let mut rounds = 0;
        while !self.is_settled() {
            rounds += 1;
            // A session, and the time for moves that wait for each other.
            assert!(rounds < 80, "{:#?}", self.world.group.describe());
            self.round();
        }
        let before = self.world.snapshot();
        self.round();
        self.round();
        assert_eq!(self.world.snapshot(), before);
        self.check_target();
    }

    fn round(&mut self) {
        for client in 0..self.clients.len() {
            if self.clients[client].running {
                self.beat(client, Fate::Answered);
                self.clients[client].revoke();
            }
        }
        self.pass(secs(1));
    }

    fn is_settled(&self) -> bool {
        let running: Vec<&Client> = self.clients.iter().filter(|client| client.running).collect();
        let state = match running.is_empty() {
            true => ConsumerState::Empty,
            false => ConsumerState::Stable,
        };
        let has_target = |client: &&Client| {
            let member = self.kept.1.get(&*client.id());
            member
                .is_some_and(|member| client.holds == set(&member.target) && member.target == member.assigned)
        };
        self.world.group.state() == state
            && self.kept.1.len() == running.len()
            && running.iter().all(has_target)
            // The topics may have changed since the last heartbeat.
            && !self.clients.iter().any(|client| client.running && client.full)
            && (running.is_empty() || self.world.group.subscriptions.is_current(&self.world.topics))
    }
}

proptest! {
    #[test]
    fn nothing_goes_wrong_and_all_ends_well(steps in prop::collection::vec(any::<(u8, u8, u8)>(), 0..160)) {
        let mut story = Story::new();
        for step in steps {
            story.step(step);
        }
        story.settle();
    }
}
