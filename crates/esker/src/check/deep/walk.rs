//! A partition's log from offset to offset: plans that follow on each other without a gap, and what they lead to.

use std::time::Duration;

use esker_metastore::{Extent, Head, MetastoreError, Plan, PlanRequest};
use esker_model::PartitionKey;
use esker_model::limits::PLAN_EXTENTS_MAX;
use futures::{StreamExt, TryStreamExt, stream};

use super::doubt::{Doubts, Problem};
use super::finding::{Finding, Kind};
use super::ingest::{Tail, Wanted};
use super::reader::{PATIENCE, READS_AT_ONCE, RETRY};
use super::{Deep, Log};
use crate::failure::{Failure, Outcome};
use crate::run::sentence_of;

/// One plan covers so much: what it names is read before it is old.
const PLAN_BYTES: u64 = 256 << 20;

/// Plans that have to show a gap until it is believed, and the time between them: a bucket of extents that is being
/// emptied is missing in older snapshots.
const GAP_PLANS: u32 = 4;
const GAP_PAUSE: Duration = Duration::from_millis(50);

/// Where a walk is.
struct Step {
    next: i64,
    /// Something ends at `next`, so that something begins there.
    is_edge: bool,
    /// Plans that did not cover `next`.
    uncovered: u32,
}

impl Step {
    fn to(&mut self, next: i64, is_edge: bool) {
        *self = Self {
            next,
            is_edge,
            uncovered: 0,
        };
    }
}

impl Deep {
    /// Looks at a part of a log. What is below the log start by now is left out.
    pub(super) async fn walk(&self, log: &Log, from: i64, to: i64, doubts: &Doubts, tail: &Tail) -> Outcome {
        let mut step = Step {
            next: from,
            is_edge: false,
            uncovered: 0,
        };
        while step.next < to {
            let before = step.next;
            let plan = self.plan(log.key, before).await?;
            // The topic was deleted.
            let Some(head) = plan.head else { return Ok(()) };
            if before < head.log_start {
                step.to(head.log_start, false);
            } else if before >= head.next_offset {
                let what = format!(
                    "the log ends at offset {} and was longer before",
                    head.next_offset
                );
                self.find(log, Kind::Inconsistent, before, to, what)?;
                step.to(to, false);
            } else if let Some(manifest) = plan.manifest.filter(|one| one.base_offset <= before) {
                let end = manifest.end_offset;
                self.walk_listed(log, manifest, (before, to), doubts, tail)
                    .await?;
                step.to(end, true);
            } else {
                self.step(log, &mut step, to, head, plan, doubts, tail).await?;
            }
            if doubts.is_first_look() {
                self.progress.passed(step.next.min(to).abs_diff(before));
            }
        }
        Ok(())
    }

    /// Goes over what a plan says that is in no manifest.
    #[allow(clippy::too_many_arguments, reason = "a part of the loop above")]
    async fn step(
        &self,
        log: &Log,
        step: &mut Step,
        to: i64,
        head: Head,
        plan: Plan,
        doubts: &Doubts,
        tail: &Tail,
    ) -> Outcome {
        let next = step.next;
        // What a manifest lists that begins later is behind a gap.
        let listed = plan.manifest.map(|manifest| manifest.base_offset);
        let begins = listed.or(plan.extents.first().map(|first| first.base_offset));
        let begins = begins.unwrap_or(head.next_offset);
        if next < begins {
            step.uncovered += 1;
            if step.uncovered < GAP_PLANS {
                tokio::time::sleep(GAP_PAUSE).await;
                return Ok(());
            }
            let end = begins.min(to);
            self.find(
                log,
                Kind::Gap,
                next,
                end,
                "no object is known that holds them".to_owned(),
            )?;
            step.to(end, true);
            return Ok(());
        }
        let mut extents = plan.extents;
        if step.is_edge && begins < next {
            self.overlap(log, next, &extents[0])?;
        }
        let whole = extents
            .windows(2)
            .take_while(|pair| pair[0].end_offset == pair[1].base_offset);
        let whole = whole.count() + 1;
        if let [last, over, ..] = &extents[whole - 1..]
            && over.base_offset < last.end_offset
        {
            self.overlap(log, last.end_offset, over)?;
        }
        extents.truncate(whole.min(extents.partition_point(|extent| extent.base_offset < to)));
        let end = extents.last().map_or(to, |last| last.end_offset);
        if doubts.is_first_look() {
            // Those that are not archived are known already, as bytes of ingest segments.
            let archived = extents.iter().filter(|extent| extent.chunk.is_some());
            self.progress.planned(archived.map(|extent| extent.bytes).sum());
        }
        self.verify(log, extents, head.archived_to, doubts, tail).await?;
        step.to(end, true);
        Ok(())
    }

    fn overlap(&self, log: &Log, end: i64, over: &Extent) -> Outcome {
        let what = "two places are known that hold them".to_owned();
        self.find(
            log,
            Kind::Inconsistent,
            over.base_offset,
            end.min(over.end_offset),
            what,
        )
    }

    fn find(&self, log: &Log, kind: Kind, first: i64, end: i64, what: String) -> Outcome {
        self.findings.add(Finding {
            kind,
            topic: log.topic.clone(),
            partition: log.key.partition,
            first,
            end,
            key: None,
            what,
        })
    }

    /// Looks at extents that lie end to end. Those in ingest segments wait in `tail`.
    pub(super) async fn verify(
        &self,
        log: &Log,
        extents: Vec<Extent>,
        archived_to: i64,
        doubts: &Doubts,
        tail: &Tail,
    ) -> Outcome {
        let (archived, others): (Vec<Extent>, Vec<Extent>) =
            extents.into_iter().partition(|extent| extent.chunk.is_some());
        let wanted = others.into_iter().map(|extent| Wanted {
            log: log.clone(),
            extent,
            is_hole: extent.base_offset < archived_to,
        });
        if let Some(table) = tail.add(wanted.collect()).await {
            Box::pin(self.flush(table, doubts)).await?;
        }
        let looked = stream::iter(archived)
            .filter_map(|extent| std::future::ready(extent.chunk.map(|chunk| (extent, chunk))))
            .map(|(extent, chunk)| async move {
                let looked = self.chunk(log, &extent, chunk, doubts);
                let problems = self.reader.with_room(looked).await?;
                // What is in doubt is looked at again, and counted then.
                let can_be_read = problems.iter().all(|one| !one.kind.hides_records());
                if can_be_read && (problems.is_empty() || !doubts.is_first_look()) {
                    self.progress
                        .verified(extent.base_offset.abs_diff(extent.end_offset));
                }
                Outcome::Ok(problems)
            })
            .buffered(READS_AT_ONCE);
        let problems: Vec<Problem> = looked.try_concat().await?;
        self.judge(problems, doubts, tail).await?;
        Ok(())
    }

    /// Says what is believed, and looks again at what is in doubt; `true`: something was.
    pub(super) async fn judge(&self, problems: Vec<Problem>, doubts: &Doubts, tail: &Tail) -> Outcome<bool> {
        let judged = doubts.judge(problems);
        for finding in judged.findings {
            self.findings.add(finding)?;
        }
        let in_doubt = !judged.again.is_empty();
        for (log, from, to) in judged.again {
            Box::pin(self.walk(&log, from, to, &judged.doubts, tail)).await?;
        }
        Ok(in_doubt)
    }

    async fn plan(&self, partition: PartitionKey, from: i64) -> Outcome<Plan> {
        let request = [PlanRequest {
            partition,
            from,
            bytes_max: PLAN_BYTES,
            extents_max: PLAN_EXTENTS_MAX,
        }];
        let mut plans = self.ask(|| self.metastore.plan(&request)).await?;
        plans
            .pop()
            .ok_or_else(|| Failure::Failed("the metastore answered without a plan".to_owned()))
    }

    /// Asks the metastore until it answers.
    pub(super) async fn ask<T, F>(&self, mut question: impl FnMut() -> F) -> Outcome<T>
    where
        F: Future<Output = Result<T, MetastoreError>>,
    {
        let clock = &self.seams.clock;
        let began = clock.now();
        let mut waited = false;
        loop {
            match question().await {
                Err(error) if error.is_transient() && clock.now() - began < PATIENCE => {
                    waited = true;
                    self.progress.waits(Some(sentence_of(&self.url, &error)));
                    tokio::time::sleep(RETRY).await;
                }
                Err(error) => return Err(Failure::Failed(sentence_of(&self.url, &error))),
                Ok(answer) => {
                    if waited {
                        self.progress.waits(None);
                    }
                    return Ok(answer);
                }
            }
        }
    }
}
