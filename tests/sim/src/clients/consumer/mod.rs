//! Consumers: read partitions from where they stand to the end, again and again.
//!
//! What holds: every answer about a partition is a `Fetched`, except one without records that says nothing
//! new; every record was compared with what its number says it is, and what differs is `Damaged`. An error, a
//! lost connection or a new topic under the old name leads to Metadata and another attempt after a short
//! wait. An offset out of range leads to the earliest or the latest one, as the consumer's policy says; one whose record
//! was lost on purpose, behind what was lost, as a person would have it.
//!
//! One host has one Fetch in flight at a time, for all the partitions that it leads. In the drain every
//! partition's end is asked for once; when all are read so far, the consumer has finished.

mod cursor;
pub(crate) mod fetching;
pub(crate) mod heard;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use esker_history::What;
use esker_history::event::Query;
use esker_model::seams::{BoxFuture, Rng};
use futures::FutureExt;
use futures::stream::{FuturesUnordered, StreamExt};

use super::connection::Lost;
use super::metadata::{Cluster, RETRY_BACKOFF, View};
use super::offsets::{self, Place};
use super::{ClientContext, ConsumerPlan, LOOK, Phase};
use cursor::{Cursor, Next, Start};
use fetching::{Answer, Asked, Limits};
use heard::Told;

/// Metadata is asked at least this often.
const REFRESH_US: u64 = 10_000_000;
/// One answer in so many sends a rewinding consumer back.
const REWIND: u64 = 64;

/// Runs one consumer until it is done or the run is over.
pub async fn run_consumer(ctx: ClientContext, plan: ConsumerPlan) {
    let over = super::until(ctx.phase.clone(), Phase::Over);
    let mut consumer = Consumer::new(ctx.clone(), plan);
    tokio::select! {
        biased;
        () = over => {}
        () = consumer.run() => ctx.record.tell(ctx.me, What::Finished),
    }
}

enum Event {
    Found(View),
    Listed {
        at: usize,
        place: Place,
        query: Query,
        result: Result<Vec<(i16, i64)>, Lost>,
    },
    Fetched {
        host: String,
        asked: Vec<(usize, Asked)>,
        result: Result<Answer, Lost>,
    },
}

/// One host: fetched from, and not before.
#[derive(Default)]
struct HostState {
    busy: bool,
    ready_us: u64,
}

struct Consumer {
    ctx: ClientContext,
    plan: ConsumerPlan,
    cluster: Arc<Cluster>,
    cursors: Vec<Cursor>,
    view: View,
    finding: bool,
    find_us: u64,
    hosts: BTreeMap<String, HostState>,
    events: FuturesUnordered<BoxFuture<'static, Event>>,
}

impl Consumer {
    fn new(ctx: ClientContext, plan: ConsumerPlan) -> Self {
        let cursors = plan.topics.iter().flat_map(|(topic, partitions)| {
            let from_start = plan.from_start;
            partitions
                .iter()
                .map(move |index| Cursor::new(topic, *index, from_start))
        });
        Self {
            cluster: Cluster::new(ctx.clone(), super::PATIENCE),
            cursors: cursors.collect(),
            ctx,
            plan,
            view: View::default(),
            finding: false,
            find_us: 0,
            hosts: BTreeMap::new(),
            events: FuturesUnordered::new(),
        }
    }

    async fn run(&mut self) {
        loop {
            let draining = *self.ctx.phase.borrow() >= Phase::Drain;
            if draining && self.cursors.iter().all(Cursor::is_done) {
                return;
            }
            let now_us = self.ctx.record.now_us();
            self.step(now_us, draining);
            let wake = Duration::from_micros(self.wake_us(now_us) - now_us);
            tokio::select! {
                biased;
                Some(event) = self.events.next() => {
                    self.take(event, draining);
                    while let Some(Some(event)) = self.events.next().now_or_never() {
                        self.take(event, draining);
                    }
                }
                () = tokio::time::sleep(wake) => {}
            }
        }
    }

    fn wake_us(&self, now_us: u64) -> u64 {
        let hosts = self.hosts.values().map(|host| host.ready_us);
        let cursors = self.cursors.iter().map(|cursor| cursor.ready_us);
        let due = hosts.chain(cursors).chain([self.find_us]);
        let next = due.filter(|due_us| *due_us > now_us).min();
        next.unwrap_or(u64::MAX).min(now_us + LOOK.as_micros() as u64)
    }

    fn step(&mut self, now_us: u64, draining: bool) {
        if !self.finding && self.find_us <= now_us {
            self.finding = true;
            let cluster = Arc::clone(&self.cluster);
            let names: Vec<String> = self.plan.topics.iter().map(|(name, _)| name.clone()).collect();
            self.events
                .push(Box::pin(async move { Event::Found(cluster.find(&names).await) }));
        }
        let stray = self.plan.wanders.then(|| self.cluster.any_host());
        let mut by_host: BTreeMap<String, Vec<(usize, Asked)>> = BTreeMap::new();
        let mut homeless = false;
        for (at, cursor) in self.cursors.iter_mut().enumerate() {
            if cursor.busy || cursor.ready_us > now_us || (draining && cursor.is_done()) {
                continue;
            }
            let leader = self.view.leader(cursor.topic(), cursor.index());
            let Some(leader) = leader else {
                homeless = true;
                continue;
            };
            let host = stray.clone().unwrap_or_else(|| leader.to_owned());
            if let (Some(query), Some(place)) = (cursor.wanted(draining), cursor.place()) {
                cursor.busy = true;
                let cluster = Arc::clone(&self.cluster);
                self.events.push(Box::pin(async move {
                    let places = std::slice::from_ref(&place);
                    let result = offsets::list(&cluster, &host, places, query).await;
                    Event::Listed {
                        at,
                        place,
                        query,
                        result,
                    }
                }));
            } else if let Some(asked) = cursor.ask() {
                by_host.entry(host).or_default().push((at, asked));
            }
        }
        if homeless {
            self.refresh(now_us);
        }
        for (host, asked) in by_host {
            self.fetch(host, asked, now_us);
        }
    }

    fn fetch(&mut self, host: String, asked: Vec<(usize, Asked)>, now_us: u64) {
        let state = self.hosts.entry(host.clone()).or_default();
        if state.busy || state.ready_us > now_us {
            return;
        }
        state.busy = true;
        for (at, _) in &asked {
            if let Some(cursor) = self.cursors.get_mut(*at) {
                cursor.busy = true;
            }
        }
        let drains = *self.ctx.phase.borrow() >= Phase::Drain;
        let limits = Limits {
            by_id: self.plan.by_id,
            max_wait: self.plan.max_wait,
            // What is left is wanted soon.
            min_bytes: if drains { 1 } else { self.plan.min_bytes },
            max_bytes: if drains {
                self.plan.max_bytes.max(1 << 20)
            } else {
                self.plan.max_bytes
            },
        };
        let cluster = Arc::clone(&self.cluster);
        self.events.push(Box::pin(async move {
            let partitions: Vec<Asked> = asked.iter().map(|(_, asked)| asked.clone()).collect();
            let result = fetching::fetch(&cluster, &host, &partitions, limits).await;
            Event::Fetched { host, asked, result }
        }));
    }

    /// Metadata is out of date.
    fn refresh(&mut self, now_us: u64) {
        let soon_us = now_us + 2 * RETRY_BACKOFF.as_micros() as u64;
        if !self.finding && (self.find_us > soon_us || self.find_us <= now_us) {
            self.find_us = soon_us;
        }
    }

    fn take(&mut self, event: Event, draining: bool) {
        let now_us = self.ctx.record.now_us();
        match event {
            Event::Found(view) => {
                self.finding = false;
                self.find_us = now_us + REFRESH_US;
                self.view.update(view);
                for cursor in &mut self.cursors {
                    cursor.update(&self.view);
                }
            }
            Event::Listed {
                at,
                place,
                query,
                result,
            } => {
                let Some(cursor) = self.cursors.get_mut(at) else {
                    return;
                };
                let answer = result.ok().and_then(|answers| answers.first().copied());
                let next = match answer {
                    Some((error, offset)) => cursor.listed(&place, query, draining, error, offset),
                    None => Next::Wait,
                };
                self.freed(at, next, now_us);
            }
            Event::Fetched { host, asked, result } => self.fetched(&host, asked, result, now_us),
        }
    }

    fn fetched(&mut self, host: &str, asked: Vec<(usize, Asked)>, result: Result<Answer, Lost>, now_us: u64) {
        let (answer, throttle) = match result {
            Ok(answer) => {
                let told = Told {
                    by: answer.life,
                    by_name: !self.plan.by_id,
                    asked_us: answer.asked_us,
                };
                (Some((told, answer.partitions)), answer.throttle)
            }
            Err(Lost) => (None, self.ctx.rng.jitter(5 * RETRY_BACKOFF)),
        };
        let rest = match self.plan.pause {
            Duration::ZERO => Duration::ZERO,
            _ if *self.ctx.phase.borrow() >= Phase::Drain => Duration::ZERO,
            pause => super::pause(&self.ctx.rng, pause),
        };
        let state = self.hosts.entry(host.to_owned()).or_default();
        state.busy = false;
        state.ready_us = now_us + rest.max(throttle).as_micros() as u64;
        let Some((told, partitions)) = answer else {
            for (at, _) in asked {
                self.freed(at, Next::Wait, now_us);
            }
            return;
        };
        for ((at, asked), data) in asked.into_iter().zip(partitions) {
            let rewinds = self.plan.rewinds && self.ctx.rng.below(REWIND) == 0;
            let Some(cursor) = self.cursors.get_mut(at) else {
                continue;
            };
            let next = cursor.fetched(&self.ctx, &asked, told, data);
            if rewinds && *self.ctx.phase.borrow() < Phase::Drain {
                cursor.rewind(match self.ctx.rng.below(4) {
                    0 => Start::Zero,
                    1 => Start::Known,
                    _ => Start::Asked,
                });
            }
            self.freed(at, next, now_us);
        }
    }

    /// A question about a partition was answered, or will not be.
    fn freed(&mut self, at: usize, next: Next, now_us: u64) {
        let wait = self.ctx.rng.jitter(2 * RETRY_BACKOFF).as_micros() as u64;
        if let Some(cursor) = self.cursors.get_mut(at) {
            cursor.busy = false;
            if next == Next::Wait {
                cursor.ready_us = now_us + wait;
            }
        }
        if next == Next::Wait {
            self.refresh(now_us);
        }
    }
}
