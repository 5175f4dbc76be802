//! What must be the case in a group when nothing is done to the system any more.
//!
//! - Within [`STABLE_MAX`] and the group's own times: its coordinator says that it is Stable; its members are those that are
//!   there; each partition has one owner; and as many members own some as there are partitions for. (One that may be an
//!   orphan, see [`Board`], need not have one.)
//! - Within [`CAUGHT_UP_MAX`] of when the last record was written: what the group committed is the end of the log, in each
//!   partition; and the group is stable once more, as soon. (What the last faults led to may come after it was stable: an
//!   outage of the metastore in which answers waited for longer than a session, a group that is given to another agent.)

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use esker_history::What;
use esker_history::event::{Partition, Query};
use esker_history::group::Kind;
use esker_protocol::StrBytes;
use esker_protocol::messages::{ConsumerGroupDescribeRequest, DescribeGroupsRequest, GroupId};
use tokio::time::Instant;

use super::board::Board;
use super::coordinator::{Coordinator, PATIENCE, Trouble};
use super::{GroupPlan, offsets};
use crate::clients::metadata::Cluster;
use crate::clients::offsets::Place;
use crate::clients::{ClientContext, Phase, offsets as log_ends, until};

/// Longer than it takes until all agents are up again, dead ones are fenced, and the shards have found their holders.
const STABLE_MAX: Duration = Duration::from_secs(45);

/// So long after the last record was written, and after the group was stable, the group has read it.
pub const CAUGHT_UP_MAX: Duration = Duration::from_secs(30);

/// Between two looks.
const LOOK: Duration = Duration::from_millis(500);

const DESCRIBE_VERSION: i16 = 5;
const CONSUMER_DESCRIBE_VERSION: i16 = 1;

/// Watches a group from the end of the faults on, and lets its members go.
pub async fn observe(ctx: ClientContext, plan: Arc<GroupPlan>, board: Arc<Board>) {
    until(ctx.phase.clone(), Phase::Flush).await;
    let watched = watch(&ctx, &plan, &board);
    let over = until(ctx.phase.clone(), Phase::Over);
    let watched = tokio::select! {
        biased;
        () = over => Ok(()),
        watched = watched => watched,
    };
    if let Err(why) = watched {
        let why = format!("group {}: {why}", plan.name);
        ctx.record.note(What::Stuck { why });
    }
    ctx.record.tell(ctx.me, What::Finished);
    board.dismiss();
}

async fn watch(ctx: &ClientContext, plan: &GroupPlan, board: &Board) -> Result<(), String> {
    let mut observer = Observer {
        ctx,
        plan,
        coordinator: Coordinator::new(ctx, &plan.name),
        cluster: Cluster::new(ctx.clone(), PATIENCE),
        places: Vec::new(),
        hosts: Vec::new(),
    };
    observer
        .settles(board)
        .await
        .map_err(|why| format!("after the faults {why}"))?;
    until(ctx.phase.clone(), Phase::Drain).await;
    let begun = Instant::now();
    while let Err(why) = observer.is_caught_up(board).await {
        if begun.elapsed() > CAUGHT_UP_MAX {
            return Err(format!(
                "not at the end {} s after the last record: {why}",
                CAUGHT_UP_MAX.as_secs()
            ));
        }
        tokio::time::sleep(LOOK).await;
    }
    observer
        .settles(board)
        .await
        .map_err(|why| format!("once more {why}"))
}

struct Observer<'a> {
    ctx: &'a ClientContext,
    plan: &'a GroupPlan,
    coordinator: Coordinator,
    cluster: Arc<Cluster>,
    places: Vec<Place>,
    /// Who leads each place.
    hosts: Vec<String>,
}

fn again(trouble: Trouble) -> String {
    format!("the coordinator does not say: {trouble:?}")
}

impl Observer<'_> {
    /// Waits until the group is stable.
    async fn settles(&mut self, board: &Board) -> Result<(), String> {
        let begun = Instant::now();
        let patience = STABLE_MAX + 2 * (self.plan.session + self.plan.rebalance);
        while let Err(why) = self.is_stable(board).await {
            if begun.elapsed() > patience {
                return Err(format!("not stable within {} s: {why}", patience.as_secs()));
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    async fn is_stable(&mut self, board: &Board) -> Result<(), String> {
        self.find().await?;
        let (state, members) = self.describe().await.map_err(again)?;
        let there = board.members();
        if state != "Stable" || members != there || members.len() != self.plan.members.len() {
            return Err(format!(
                "it is {state} with {members:?}, and these are there: {there:?}"
            ));
        }
        let owned = board.owned();
        let mut all: BTreeSet<Partition> = BTreeSet::new();
        for partition in owned.iter().flatten() {
            if !all.insert(*partition) {
                return Err(format!("{partition:?} is read twice: {owned:?}"));
            }
        }
        if board.may_have_orphans() {
            return Ok(());
        }
        if all.len() != self.places.len() {
            return Err(format!(
                "{} of {} partitions are read: {owned:?}",
                all.len(),
                self.places.len()
            ));
        }
        let readers = owned.iter().filter(|owned| !owned.is_empty()).count();
        let fair = self.places.len().min(self.plan.members.len());
        match readers == fair {
            true => Ok(()),
            false => Err(format!(
                "{readers} instead of {fair} members read something: {owned:?}"
            )),
        }
    }

    async fn find(&mut self) -> Result<(), String> {
        if !self.places.is_empty() {
            return Ok(());
        }
        let names: Vec<_> = self.plan.topics.iter().map(|(name, _)| name.clone()).collect();
        let view = self.cluster.find(&names).await;
        let (mut places, mut hosts) = (Vec::new(), Vec::new());
        for name in &names {
            let topic = view.topic(name).ok_or_else(|| format!("no topic {name}"))?;
            for (index, leader) in &topic.leaders {
                let partition = Partition {
                    topic: topic.topic,
                    index: *index,
                };
                places.push(Place {
                    topic: name.clone(),
                    partition,
                });
                hosts.push(
                    leader
                        .clone()
                        .ok_or_else(|| format!("nobody leads {name}-{index}"))?,
                );
            }
        }
        (self.places, self.hosts) = (places, hosts);
        Ok(())
    }

    async fn describe(&mut self) -> Result<(String, BTreeSet<String>), Trouble> {
        let group = GroupId(StrBytes::from_string(self.plan.name.clone()));
        match self.plan.speech.kind() {
            Kind::Classic => {
                let request = DescribeGroupsRequest::default().with_groups(vec![group]);
                let (_, _, answer) = self
                    .coordinator
                    .call(DESCRIBE_VERSION, &request, PATIENCE)
                    .await?;
                let group = answer.groups.into_iter().next().ok_or(Trouble::Again)?;
                self.coordinator.judge("DescribeGroups", group.error_code)?;
                let ids = group.members.iter().map(|member| member.member_id.to_string());
                Ok((group.group_state.to_string(), ids.collect()))
            }
            Kind::Consumer => {
                let request = ConsumerGroupDescribeRequest::default().with_group_ids(vec![group]);
                let asked = self
                    .coordinator
                    .call(CONSUMER_DESCRIBE_VERSION, &request, PATIENCE);
                let (_, _, answer) = asked.await?;
                let group = answer.groups.into_iter().next().ok_or(Trouble::Again)?;
                self.coordinator
                    .judge("ConsumerGroupDescribe", group.error_code)?;
                let ids = group.members.iter().map(|member| member.member_id.to_string());
                Ok((group.group_state.to_string(), ids.collect()))
            }
        }
    }

    async fn is_caught_up(&mut self, board: &Board) -> Result<(), String> {
        let owned: BTreeSet<Partition> = board.owned().into_iter().flatten().collect();
        let asked = offsets::committed(
            self.ctx,
            &mut self.coordinator,
            &self.plan.name,
            None,
            &self.places,
        );
        let committed = asked.await.map_err(again)?;
        for ((place, host), committed) in self.places.clone().iter().zip(self.hosts.clone()).zip(committed) {
            let places = std::slice::from_ref(place);
            let listed = log_ends::list(&self.cluster, &host, places, Query::Latest).await;
            let end = match listed.as_deref() {
                Ok([(0, end)]) => *end,
                other => {
                    // Somebody else may lead it now.
                    self.places.clear();
                    return Err(format!("where {place:?} ends is not known: {other:?}"));
                }
            };
            let is_read = owned.contains(&place.partition) || !board.may_have_orphans();
            if is_read && committed != end {
                return Err(format!(
                    "{committed} is committed of {place:?}, which ends at {end}"
                ));
            }
        }
        Ok(())
    }
}
