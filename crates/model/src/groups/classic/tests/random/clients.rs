//! Clients that behave, mostly: what they ask, and what they make of the answers.

use super::*;

/// What a client does next.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Step {
    Join,
    Joining(CallId),
    Sync(Joined),
    Syncing(CallId),
    Steady,
    Gone,
}

pub(super) struct Client {
    pub(super) instance_id: Option<String>,
    pub(super) member_id: String,
    pub(super) generation: i32,
    pub(super) assignment: Option<Bytes>,
    pub(super) version: u64,
    pub(super) modern: bool,
    pub(super) step: Step,
}

impl Client {
    pub(super) fn hear(&mut self, answer: Answer) {
        match answer {
            Answer::Join(Ok(joined)) => {
                self.member_id = joined.member_id.clone();
                self.generation = joined.generation;
                self.assignment = None;
                self.step = Step::Sync(joined);
            }
            Answer::Join(Err(refused)) => {
                match refused.error {
                    GroupError::MemberIdRequired => self.member_id = refused.member_id,
                    GroupError::UnknownMemberId | GroupError::FencedInstanceId => self.member_id.clear(),
                    GroupError::RebalanceInProgress => {}
                    other => panic!("{other}"),
                }
                self.step = Step::Join;
            }
            Answer::Sync(Ok(synced)) => {
                self.assignment = Some(synced.assignment);
                self.step = Step::Steady;
            }
            Answer::Sync(Err(error)) => {
                match error {
                    GroupError::UnknownMemberId | GroupError::FencedInstanceId => self.member_id.clear(),
                    GroupError::RebalanceInProgress | GroupError::IllegalGeneration => {}
                    other => panic!("{other}"),
                }
                self.step = Step::Join;
            }
        }
    }
}

impl World {
    pub(super) fn act(&mut self, at: usize) {
        match self.clients[at].step.clone() {
            Step::Join => self.join(at),
            Step::Sync(joined) => self.sync(at, &joined),
            Step::Steady => self.beat(at),
            Step::Joining(_) | Step::Syncing(_) => {
                if self.chance(2) {
                    // The client gives up waiting and comes again.
                    self.clients[at].step = Step::Join;
                } else if self.chance(2) {
                    self.leave(at);
                }
            }
            Step::Gone => {
                if self.chance(20) {
                    self.clients[at].step = Step::Join;
                }
            }
        }
    }

    fn join(&mut self, at: usize) {
        let call = self.call();
        let change = u64::from(self.chance(10));
        let forget = self.chance(5);
        let client = &mut self.clients[at];
        client.version += change;
        if forget {
            client.member_id.clear();
        }
        client.step = Step::Joining(call);
        let names = ["range", "sticky", "both"];
        let turn = client.version as usize % 2;
        let metadata = Bytes::from(client.version.to_string());
        let join = Join {
            instance_id: client.instance_id.clone(),
            session_timeout: secs(10 + at as u64),
            rebalance_timeout: secs(20 + at as u64),
            protocols: (0..2)
                .map(|name| (names[(name + turn) % 2].to_owned(), metadata.clone()))
                .collect(),
            id_required: client.modern,
            can_skip_assignment: client.modern,
            new_member_id: format!("m{}", self.next),
            ..a_join(&client.member_id)
        };
        let effects = self.group.join(self.now, call, join, &self.limits);
        self.take(effects);
    }

    fn sync(&mut self, at: usize, joined: &Joined) {
        let call = self.call();
        let client = &mut self.clients[at];
        client.step = Step::Syncing(call);
        let tag = format!("{}:{call:?}", joined.generation);
        let sync = Sync {
            instance_id: client.instance_id.clone(),
            protocol_type: joined.protocol_type.clone(),
            protocol: joined.protocol.clone(),
            assignments: joined
                .members
                .iter()
                .filter(|_| !joined.skip_assignment)
                .map(|member| (member.member_id.clone(), Bytes::from(tag.clone())))
                .collect(),
            ..a_sync(&client.member_id, joined.generation)
        };
        let was_stable = self.group.state() == ClassicState::Stable;
        let effects = self.group.sync(self.now, call, sync);
        if !was_stable && self.group.state() == ClassicState::Stable {
            self.stable_seen += 1;
            // What was never kept was never assigned.
            self.assigned.insert(joined.generation, tag);
        }
        self.take(effects);
    }

    fn beat(&mut self, at: usize) {
        let client = &self.clients[at];
        let named = MemberRef {
            member_id: client.member_id.clone(),
            instance_id: client.instance_id.clone(),
        };
        let generation = client.generation;
        let tag = client.assignment.clone().unwrap_or_default();
        if let Some(assigned) = self.assigned.get(&generation) {
            assert_eq!(tag, *assigned, "two assignments in generation {generation}");
        }
        if self.chance(3) {
            return self.leave(at);
        }
        if self.chance(3) {
            self.clients[at].step = Step::Join;
            return;
        }
        if self.chance(5) {
            return;
        }
        let commits = self.rng.below(4) == 0;
        let answer = if commits {
            self.group.check_commit(self.now, &named, generation)
        } else {
            self.group.heartbeat(self.now, &named, generation)
        };
        match answer {
            Ok(()) => {}
            Err(GroupError::UnknownMemberId | GroupError::FencedInstanceId) => {
                self.clients[at].member_id.clear();
                self.clients[at].step = Step::Join;
            }
            Err(GroupError::RebalanceInProgress | GroupError::IllegalGeneration) => {
                self.clients[at].step = Step::Join;
            }
            Err(other) => panic!("{other}"),
        }
    }

    fn leave(&mut self, at: usize) {
        let client = &mut self.clients[at];
        let named = MemberRef {
            member_id: std::mem::take(&mut client.member_id),
            instance_id: client.instance_id.clone(),
        };
        client.step = Step::Gone;
        let (_, effects) = self.group.leave(self.now, &[named], &self.limits);
        self.take(effects);
    }
}
