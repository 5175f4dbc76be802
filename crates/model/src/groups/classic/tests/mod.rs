//! A group with a clock that the test moves, and calls that it numbers.

mod commits;
mod joins;
mod limits;
mod random;
mod rejoins;
mod static_members;
mod syncs;
mod takeover;
mod waits;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::*;
use crate::groups::GroupLimits;

/// One group under test. Effects are taken at once; answers wait in `answers` until a test looks at them.
struct Bench {
    group: ClassicGroup,
    limits: GroupLimits,
    now: Instant,
    calls: u64,
    ids: u64,
    answers: Vec<(CallId, Answer)>,
    /// What was kept last, and how often something was.
    kept: Option<StoredClassic>,
    keeps: usize,
}

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// A Join of a consumer that knows `range` with the metadata `m`: session 10 s, rebalance 60 s.
fn a_join(member_id: &str) -> Join {
    Join {
        member_id: member_id.to_owned(),
        instance_id: None,
        client_id: Arc::from("client"),
        client_host: Arc::from("/127.0.0.1"),
        session_timeout: secs(10),
        rebalance_timeout: secs(60),
        protocol_type: "consumer".to_owned(),
        protocols: protocols(&["range"]),
        id_required: false,
        can_skip_assignment: true,
        new_member_id: String::new(),
        reason: None,
    }
}

fn a_static_join(instance_id: &str) -> Join {
    Join {
        instance_id: Some(instance_id.to_owned()),
        ..a_join("")
    }
}

fn protocols(names: &[&str]) -> Vec<(String, Bytes)> {
    names
        .iter()
        .map(|name| ((*name).to_owned(), Bytes::from_static(b"m")))
        .collect()
}

fn a_sync(member_id: &str, generation: i32) -> Sync {
    Sync {
        member_id: member_id.to_owned(),
        instance_id: None,
        generation,
        protocol_type: None,
        protocol: None,
        assignments: Vec::new(),
    }
}

fn member(member_id: &str) -> MemberRef {
    MemberRef {
        member_id: member_id.to_owned(),
        instance_id: None,
    }
}

fn static_member(member_id: &str, instance_id: &str) -> MemberRef {
    MemberRef {
        member_id: member_id.to_owned(),
        instance_id: Some(instance_id.to_owned()),
    }
}

impl Bench {
    fn new() -> Self {
        Self {
            group: ClassicGroup::new(),
            limits: GroupLimits::default(),
            now: Instant(secs(1_000)),
            calls: 0,
            ids: 0,
            answers: Vec::new(),
            kept: None,
            keeps: 0,
        }
    }

    fn take(&mut self, effects: Effects) {
        if effects.keep {
            self.kept = Some(self.group.stored());
            self.keeps += 1;
        }
        self.answers.extend(effects.answers);
    }

    /// Joins; a member without an id is offered `m0`, `m1` and so on.
    fn join(&mut self, mut join: Join) -> CallId {
        self.calls += 1;
        let call = CallId(self.calls);
        if join.new_member_id.is_empty() {
            join.new_member_id = format!("m{}", self.ids);
            self.ids += u64::from(join.member_id.is_empty());
        }
        let effects = self.group.join(self.now, call, join, &self.limits);
        self.take(effects);
        call
    }

    fn sync(&mut self, sync: Sync) -> CallId {
        self.calls += 1;
        let call = CallId(self.calls);
        let effects = self.group.sync(self.now, call, sync);
        self.take(effects);
        call
    }

    fn leave(&mut self, members: &[MemberRef]) -> Vec<Result<(), GroupError>> {
        let (results, effects) = self.group.leave(self.now, members, &self.limits);
        self.take(effects);
        results
    }

    fn heartbeat(&mut self, member_id: &str, generation: i32) -> Result<(), GroupError> {
        self.group.heartbeat(self.now, &member(member_id), generation)
    }

    /// Lets time pass, waking the group whenever it wants to be woken.
    fn pass(&mut self, by: Duration) {
        let until = self.now.plus(by);
        while let Some(at) = self.group.next_wake().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            let effects = self.group.wake(self.now, &self.limits);
            self.take(effects);
        }
        self.now = until;
    }

    /// The answer to a call, if there is one. It is there once only.
    fn answer(&mut self, call: CallId) -> Option<Answer> {
        let at = self.answers.iter().position(|(answered, _)| *answered == call)?;
        let answer = self.answers.remove(at).1;
        assert!(
            self.answers.iter().all(|(answered, _)| *answered != call),
            "{call:?} was answered twice"
        );
        Some(answer)
    }

    fn waits(&self, call: CallId) -> bool {
        self.answers.iter().all(|(answered, _)| *answered != call)
    }

    fn joined(&mut self, call: CallId) -> Joined {
        match self.answer(call) {
            Some(Answer::Join(Ok(joined))) => joined,
            other => panic!("not joined: {other:?}"),
        }
    }

    fn refused(&mut self, call: CallId) -> (GroupError, String) {
        match self.answer(call) {
            Some(Answer::Join(Err(refused))) => (refused.error, refused.member_id),
            other => panic!("not refused: {other:?}"),
        }
    }

    fn synced(&mut self, call: CallId) -> Result<Bytes, GroupError> {
        match self.answer(call) {
            Some(Answer::Sync(answer)) => answer.map(|synced| synced.assignment),
            other => panic!("not synced: {other:?}"),
        }
    }

    fn unsynced(&mut self, call: CallId) -> GroupError {
        self.synced(call).expect_err("not synced")
    }

    /// The group as a coordinator finds it that takes over now.
    fn restore(&mut self) {
        let kept = self.kept.clone().unwrap_or_default();
        self.group = ClassicGroup::restore(kept, self.now);
    }

    /// A Stable group in generation 1 with members `m0` (the leader), `m1` and so on; each has its own id as assignment.
    fn stable(members: usize) -> Self {
        Self::stable_of((0..members).map(|_| a_join("")).collect())
    }

    fn stable_of(joins: Vec<Join>) -> Self {
        let mut bench = Self::new();
        let calls: Vec<CallId> = joins.into_iter().map(|join| bench.join(join)).collect();
        bench.pass(secs(6));
        let joined: Vec<Joined> = calls.into_iter().map(|call| bench.joined(call)).collect();
        bench.sync_all(&joined);
        bench
    }

    /// All members sync, the leader last, and hear their own id.
    fn sync_all(&mut self, joined: &[Joined]) {
        let (leader, mut order): (Vec<&Joined>, Vec<&Joined>) = joined
            .iter()
            .partition(|member| member.leader == member.member_id);
        order.extend(leader);
        let mut calls = Vec::new();
        for member in order {
            let sync = Sync {
                assignments: member
                    .members
                    .iter()
                    .map(|member| (member.member_id.clone(), Bytes::from(member.member_id.clone())))
                    .collect(),
                ..a_sync(&member.member_id, member.generation)
            };
            calls.push((self.sync(sync), member.member_id.clone()));
        }
        for (call, member_id) in calls {
            assert_eq!(self.synced(call), Ok(Bytes::from(member_id)));
        }
        assert_eq!(self.group.state(), ClassicState::Stable);
    }
}
