//! The loop of a producer: connect, find leaders, send what the policy admits, take in what comes back.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use esker_history::What;
use esker_history::event::Life;
use esker_model::seams::{BoxFuture, Rng};
use esker_protocol::messages::{InitProducerIdRequest, ProduceResponse};
use futures::FutureExt;
use futures::stream::{FuturesUnordered, StreamExt};

use super::lane::Lane;
use super::load::Load;
use super::metadata::Refresh;
use super::policy::{Policy, Wishes};
use super::wire::{self, Part};
use crate::clients::connection::{Link, Lost, protest};
use crate::clients::metadata::{Cluster, RETRY_BACKOFF, View};
use crate::clients::{ClientContext, LOOK, Phase, ProducerPlan, payload};

/// Something that was waited for.
pub(super) enum Event {
    Answered {
        host: String,
        life: Life,
        parts: Vec<Part>,
        result: Result<ProduceResponse, Lost>,
    },
    Connected {
        host: String,
        well: bool,
    },
    Found(View),
    Identified(i64, i16),
}

/// How one host is doing.
#[derive(Default)]
pub(super) struct HostState {
    pub(super) connecting: bool,
    pub(super) failures: u32,
    /// Neither connected nor sent to before.
    pub(super) ready_us: u64,
    /// When it was last connected.
    pub(super) connected_us: Option<u64>,
    /// Produce requests in flight.
    pub(super) requests: usize,
}

/// One producer.
pub(super) struct Engine {
    pub(super) ctx: ClientContext,
    pub(super) plan: ProducerPlan,
    pub(super) cluster: Arc<Cluster>,
    pub(super) policy: Box<dyn Policy>,
    pub(super) lanes: Vec<Lane>,
    /// The host that each lane was last sent to.
    leaders: Vec<Option<String>>,
    load: Load,
    pub(super) view: View,
    pub(super) refresh: Refresh,
    pub(super) identifying: bool,
    pub(super) broken: bool,
    pub(super) hosts: BTreeMap<String, HostState>,
    events: FuturesUnordered<BoxFuture<'static, Event>>,
}

impl Engine {
    /// A producer that has not begun.
    pub(super) fn new(ctx: ClientContext, plan: ProducerPlan, policy: Box<dyn Policy>) -> Self {
        let lanes: Vec<Lane> = plan
            .topics
            .iter()
            .flat_map(|(topic, partitions)| partitions.iter().map(|index| Lane::new(topic, *index)))
            .collect();
        // The agent may take the whole timeout to answer.
        let patience = plan.request_timeout + Duration::from_millis(500);
        Self {
            cluster: Cluster::new(ctx.clone(), patience),
            load: Load::new(ctx.me, Arc::clone(&ctx.rng), &plan),
            leaders: vec![None; lanes.len()],
            lanes,
            ctx,
            plan,
            policy,
            view: View::default(),
            refresh: Refresh::default(),
            identifying: false,
            broken: false,
            hosts: BTreeMap::new(),
            events: FuturesUnordered::new(),
        }
    }

    /// Works until there is nothing left to do.
    pub(super) async fn run(&mut self) {
        loop {
            let loads = *self.ctx.phase.borrow() == Phase::Load;
            let now_us = self.ctx.record.now_us();
            self.step(now_us, loads);
            if (!loads || self.broken) && self.lanes.iter().all(Lane::is_idle) {
                return;
            }
            let wake = Duration::from_micros(self.wake_us(now_us, loads) - now_us);
            tokio::select! {
                biased;
                Some(event) = self.events.next() => {
                    self.take(event);
                    // What comes at the same moment is taken in before anything is sent.
                    while let Some(Some(event)) = self.events.next().now_or_never() {
                        self.take(event);
                    }
                }
                () = tokio::time::sleep(wake) => {}
            }
        }
    }

    /// Does what is due.
    fn step(&mut self, now_us: u64, loads: bool) {
        let mut wishes = Wishes::default();
        self.policy.tend(&mut self.lanes, now_us, &mut wishes);
        self.grant(wishes);
        if self.broken {
            return;
        }
        if self.policy.wants_id() && !self.identifying {
            self.identifying = true;
            self.events.push(Box::pin(identify(Arc::clone(&self.cluster))));
        }
        if loads {
            self.load.make(&mut self.lanes, now_us);
        }
        while self.send_round(now_us) {}
        if self.refresh.begins(now_us) {
            let cluster = Arc::clone(&self.cluster);
            let names: Vec<String> = self.plan.topics.iter().map(|(name, _)| name.clone()).collect();
            let finding = async move { Event::Found(cluster.find(&names).await) };
            self.events.push(Box::pin(finding));
        }
    }

    /// The next moment at which something is due without an event.
    fn wake_us(&self, now_us: u64, loads: bool) -> u64 {
        let loads = loads.then(|| self.load.due_us());
        let refresh = (!self.refresh.is_under_way()).then(|| self.refresh.due_us());
        let retries = self
            .lanes
            .iter()
            .flat_map(|lane| &lane.queue)
            .map(|batch| batch.ready_us);
        let hosts = self.hosts.values().map(|host| host.ready_us);
        let due = retries.chain(hosts).chain(loads).chain(refresh);
        let next = due.filter(|due_us| *due_us > now_us).min();
        next.unwrap_or(u64::MAX).min(now_us + LOOK.as_micros() as u64)
    }

    /// Sends at most one request to each host; false if there was nothing to send.
    fn send_round(&mut self, now_us: u64) -> bool {
        let mut by_host: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (at, lane) in self.lanes.iter().enumerate() {
            if lane.queue.is_empty() {
                continue;
            }
            match self.view.leader(&lane.topic, lane.index) {
                Some(host) => by_host.entry(host.to_owned()).or_default().push(at),
                None => self.refresh.want(),
            }
        }
        let mut sent = false;
        for (host, lanes) in by_host {
            let Some(link) = self.link(&host, now_us) else {
                continue;
            };
            let parts: Vec<Part> = lanes
                .into_iter()
                .filter_map(|at| self.admit(&host, at, link.life(), now_us))
                .collect();
            if !parts.is_empty() {
                self.send(host, &link, parts);
                sent = true;
            }
        }
        sent
    }

    /// The connection to a host if a request may be sent there now; else sees to it that there is one.
    fn link(&mut self, host: &str, now_us: u64) -> Option<Link> {
        let state = self.hosts.entry(host.to_owned()).or_default();
        if state.connecting || state.ready_us > now_us || state.requests >= self.policy.requests_max() {
            return None;
        }
        let link = self.cluster.open_link(host);
        if link.is_none() {
            // A host that hangs up at once is not called again at once.
            let again_us = state
                .connected_us
                .map_or(0, |us| us + RETRY_BACKOFF.as_micros() as u64);
            if again_us > now_us {
                state.ready_us = again_us;
                return None;
            }
            state.connecting = true;
            let (cluster, host) = (Arc::clone(&self.cluster), host.to_owned());
            self.events.push(Box::pin(async move {
                let well = cluster.link(&host).await.is_ok();
                Event::Connected { host, well }
            }));
        }
        link
    }

    /// Takes the batch of a lane that may be sent now onto the wire.
    fn admit(&mut self, host: &str, at: usize, to: Life, now_us: u64) -> Option<Part> {
        let leader = self.leaders.get_mut(at)?;
        if leader.as_deref() != Some(host) {
            *leader = Some(host.to_owned());
            self.policy.leader_changed(at);
        }
        let front = self.policy.admit(&mut self.lanes, at, now_us)?;
        let lane = self.lanes.get_mut(at)?;
        let (home, partition) = (lane.home?, lane.partition()?);
        let mut batch = lane.queue.remove(front)?;
        let bytes = match batch.bytes.take() {
            Some(bytes) => bytes,
            None => {
                let (codec, padding_max) = (self.plan.codec, self.plan.padding_max);
                match payload::build(batch.records, batch.made_ms, batch.identity, codec, padding_max) {
                    Ok(bytes) => bytes,
                    Err(error) => {
                        protest(&self.ctx, format!("a batch cannot be built: {error}"));
                        return None;
                    }
                }
            }
        };
        if batch.attempts == 0 {
            let what = What::Made {
                batch: batch.name,
                bytes: bytes.len() as u64,
                max_timestamp_ms: payload::max_timestamp_ms(batch.records, batch.made_ms),
            };
            self.ctx.record.tell(self.ctx.me, what);
        }
        batch.bytes = Some(bytes.clone());
        batch.attempts += 1;
        self.ctx.record.tell(
            self.ctx.me,
            What::Sent {
                batch: batch.name,
                partition,
                by_name: !self.plan.by_id,
                identity: batch.identity,
                records: batch.records,
                to: Some(to),
            },
        );
        let part = Part {
            at,
            topic: lane.topic.clone(),
            uuid: home.uuid,
            index: lane.index,
            number: batch.name.number,
            bytes,
        };
        lane.wire.push(batch);
        Some(part)
    }

    fn send(&mut self, host: String, link: &Link, parts: Vec<Part>) {
        let request = wire::request(&parts, self.policy.acks(), self.plan.request_timeout);
        let answer = link.send(wire::version(self.plan.by_id), &request, self.cluster.patience);
        let life = link.life();
        self.hosts.entry(host.clone()).or_default().requests += 1;
        self.events.push(Box::pin(async move {
            let result = answer.await;
            Event::Answered {
                host,
                life,
                parts,
                result,
            }
        }));
    }
}

/// Asks for a producer id until there is one.
async fn identify(cluster: Arc<Cluster>) -> Event {
    let request = InitProducerIdRequest::default()
        .with_transactional_id(None)
        .with_transaction_timeout_ms(60_000)
        .with_producer_id((-1).into())
        .with_producer_epoch(-1);
    loop {
        let host = cluster.any_host();
        if let Ok((_, answer)) = cluster.call(&host, 4, &request).await
            && answer.error_code == 0
        {
            return Event::Identified(answer.producer_id.0, answer.producer_epoch);
        }
        let pause = cluster.ctx.rng.jitter(Duration::from_millis(500));
        tokio::time::sleep(pause).await;
    }
}
