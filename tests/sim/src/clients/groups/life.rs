//! One process of a member: it joins, reads, commits, until it is told to go or something happens to it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use esker_history::event::{Life, Partition};
use esker_history::group::Member;
use esker_model::seams::Rng;
use tokio::time::Instant;

use super::board::Seat;
use super::classic::Classic;
use super::consumer::Consumer;
use super::coordinator::{Coordinator, Trouble};
use super::reader::Reader;
use super::{GroupPlan, Speech, offsets};
use crate::clients::{ClientContext, Phase, pause};

/// Between two looks at what is due.
const TICK: Duration = Duration::from_millis(100);

/// Before what did not come about is tried again.
const RETRY: Duration = Duration::from_millis(200);

/// How a process ends by itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Ended {
    /// The members may go, and it left.
    Dismissed,
    /// It left, for another one to come.
    Left,
    /// Somebody else has its group instance id.
    Replaced,
}

/// What happens to a process, while there is load.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Fate {
    pub(super) leaves: Option<Instant>,
    pub(super) pauses: Option<(Instant, Duration)>,
}

/// What a process has, whatever protocol it speaks.
pub(super) struct Process {
    pub(super) ctx: ClientContext,
    pub(super) plan: Arc<GroupPlan>,
    pub(super) seat: Seat,
    pub(super) coordinator: Coordinator,
    pub(super) reader: Reader,
    /// Its group instance id.
    pub(super) instance: Option<String>,
}

enum Protocol {
    Classic(Classic),
    Consumer(Consumer),
}

/// A process at work.
pub(super) struct Working {
    process: Process,
    protocol: Protocol,
    next_poll: Instant,
    next_commit: Instant,
}

impl Working {
    pub(super) fn new(ctx: &ClientContext, plan: &Arc<GroupPlan>, seat: &Seat, is_static: bool) -> Self {
        let names = plan.topics.iter().map(|(name, _)| name.clone()).collect();
        let instance = is_static.then(|| format!("{}-{}", plan.name, seat.number()));
        let protocol = match plan.speech {
            Speech::Eager | Speech::Cooperative => Protocol::Classic(Classic::default()),
            Speech::Consumer => Protocol::Consumer(Consumer::new(ctx)),
        };
        Self {
            process: Process {
                ctx: ctx.clone(),
                plan: Arc::clone(plan),
                seat: seat.clone(),
                coordinator: Coordinator::new(ctx, &plan.name),
                reader: Reader::new(ctx, names),
                instance,
            },
            protocol,
            next_poll: Instant::now(),
            next_commit: Instant::now(),
        }
    }

    /// Works until it is told to go or somebody has taken its place.
    pub(super) async fn work(&mut self, mut fate: Fate) -> Ended {
        while !self.process.reader.find().await {
            tokio::time::sleep(RETRY).await;
        }
        loop {
            if self.process.seat.is_dismissed() {
                self.leave().await;
                return Ended::Dismissed;
            }
            let now = Instant::now();
            if *self.process.ctx.phase.borrow() == Phase::Load {
                if fate.leaves.is_some_and(|at| at <= now) {
                    self.process.seat.leaves();
                    self.leave().await;
                    return Ended::Left;
                }
                if let Some((_, time)) = fate.pauses.filter(|(at, _)| *at <= now) {
                    fate.pauses = None;
                    self.process.ctx.stand_still(time).await;
                }
            }
            if let Err(Trouble::Member(error)) = self.step().await
                && self.trouble(error)
            {
                return Ended::Replaced;
            }
            tokio::time::sleep(TICK).await;
        }
    }

    /// Does what is due.
    async fn step(&mut self) -> Result<(), Trouble> {
        let stepped = match &mut self.protocol {
            Protocol::Classic(classic) => classic.step(&mut self.process).await,
            Protocol::Consumer(consumer) => consumer.step(&mut self.process).await,
        };
        if let Err(trouble) = stepped {
            tokio::time::sleep(self.process.ctx.rng.jitter(RETRY)).await;
            return Err(trouble);
        }
        let Some(member) = self.member() else {
            return Ok(());
        };
        let process = &mut self.process;
        let unknown = process.reader.unknown();
        if !unknown.is_empty() {
            let group = &process.plan.name;
            let asked = offsets::committed(
                &process.ctx,
                &mut process.coordinator,
                group,
                Some(&member),
                &unknown,
            );
            let committed = asked.await?;
            process.reader.begin(&unknown, &committed);
        }
        let now = Instant::now();
        if self.next_poll <= now {
            let drains = *process.ctx.phase.borrow() >= Phase::Drain;
            process.reader.read().await;
            self.next_poll = match drains {
                true => now,
                false => now + pause(&process.ctx.rng, process.plan.poll),
            };
        }
        if self.next_commit <= Instant::now() {
            self.next_commit = Instant::now() + process.ctx.rng.jitter(process.plan.commit);
            process.commit(&member, |_| true).await?;
        }
        Ok(())
    }

    /// As whom it speaks now, if it is in its group.
    fn member(&self) -> Option<Member> {
        match &self.protocol {
            Protocol::Classic(classic) => classic.member(&self.process),
            Protocol::Consumer(consumer) => consumer.member(&self.process),
        }
    }

    /// Something is the case with the member. Whether this process is over.
    fn trouble(&mut self, error: i16) -> bool {
        match &mut self.protocol {
            Protocol::Classic(classic) => classic.trouble(&mut self.process, error),
            Protocol::Consumer(consumer) => {
                consumer.trouble(&mut self.process, error);
                false
            }
        }
    }

    /// Leaves in good order: commits, gives everything up, says so.
    async fn leave(&mut self) {
        if let Some(member) = self.member() {
            // Whether that comes about or not, it goes.
            let _ = self.process.commit(&member, |_| true).await;
            self.process.give_up();
            match &mut self.protocol {
                Protocol::Classic(classic) => classic.leave(&mut self.process).await,
                Protocol::Consumer(consumer) => consumer.leave(&mut self.process).await,
            }
        }
        self.process.give_up();
    }
}

impl Process {
    /// Stops reading.
    pub(super) fn give_up(&mut self) {
        self.seat.give_up(&self.ctx);
        self.reader.assign(&BTreeSet::new());
    }

    /// It was told what it owns. What it has to give up is committed, and not read any more. Whether there was any.
    pub(super) async fn told(
        &mut self,
        member: &Member,
        owned: &BTreeSet<Partition>,
        answered: (u64, Life),
    ) -> bool {
        self.seat.told(&self.ctx, member, owned, answered);
        let before = self.seat.owned();
        let revoked = before.difference(owned).count() > 0;
        if revoked {
            // If that fails, somebody else reads again what this member has read.
            let _ = self.commit(member, |partition| !owned.contains(partition)).await;
            self.seat.keep(&self.ctx, owned);
        }
        self.reader.assign(owned);
        self.seat.owes_join(revoked && self.instance.is_some());
        revoked
    }

    /// Commits what was read of these.
    pub(super) async fn commit(
        &mut self,
        member: &Member,
        of: impl Fn(&Partition) -> bool,
    ) -> Result<(), Trouble> {
        let uncommitted = self.reader.uncommitted(of);
        if uncommitted.is_empty() {
            return Ok(());
        }
        let instance = self.instance.as_deref();
        let asked = offsets::commit(&self.ctx, &mut self.coordinator, member, instance, &uncommitted);
        let kept = asked.await?;
        self.reader.committed(&kept);
        Ok(())
    }
}
