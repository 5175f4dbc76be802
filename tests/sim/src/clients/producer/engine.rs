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

use super::lane::{Lane, Outgoing};
use super::load::Load;
use super::metadata::{self, Refresh};
use super::policy::{Answer, Fate, Policy, Wishes};
use super::wire::{self, Answers, Part};
use crate::clients::connection::{Link, Lost, protest};
use crate::clients::metadata::{Cluster, RETRY_BACKOFF, View};
use crate::clients::{ClientContext, Phase, ProducerPlan, payload};

/// The longest wait before a retry.
const BACKOFF_MAX: Duration = Duration::from_secs(1);
/// Looked at least this often whether something is due.
const IDLE_US: u64 = 1_000_000;

/// Something that was waited for.
enum Event {
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
struct HostState {
    connecting: bool,
    failures: u32,
    /// Neither connected nor sent to before.
    ready_us: u64,
    /// Produce requests in flight.
    requests: usize,
}

/// One producer.
pub(super) struct Engine {
    ctx: ClientContext,
    plan: ProducerPlan,
    cluster: Arc<Cluster>,
    policy: Box<dyn Policy>,
    lanes: Vec<Lane>,
    /// The host that each lane was last sent to.
    leaders: Vec<Option<String>>,
    load: Load,
    view: View,
    refresh: Refresh,
    identifying: bool,
    broken: bool,
    hosts: BTreeMap<String, HostState>,
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
        let mut phase = self.ctx.phase.clone();
        loop {
            let loads = *phase.borrow_and_update() == Phase::Load;
            let now_us = self.ctx.record.now_us();
            self.step(now_us, loads);
            if (!loads || self.broken) && self.lanes.iter().all(Lane::is_idle) {
                return;
            }
            let wake = Duration::from_micros(self.wake_us(now_us, loads) - now_us);
            tokio::select! {
                biased;
                changed = phase.changed() => if changed.is_err() { return },
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
        next.unwrap_or(u64::MAX).min(now_us + IDLE_US)
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
                match payload::build(batch.records, batch.identity, codec, padding_max) {
                    Ok(bytes) => bytes,
                    Err(error) => {
                        protest(&self.ctx, format!("a batch cannot be built: {error}"));
                        return None;
                    }
                }
            }
        };
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

    fn take(&mut self, event: Event) {
        let now_us = self.ctx.record.now_us();
        match event {
            Event::Connected { host, well } => {
                let state = self.hosts.entry(host).or_default();
                state.connecting = false;
                if well {
                    state.failures = 0;
                } else {
                    state.failures += 1;
                    let wait = backoff(state.failures);
                    state.ready_us = now_us + self.ctx.rng.jitter(wait).as_micros() as u64;
                    self.refresh.want();
                }
            }
            Event::Identified(id, epoch) => {
                self.identifying = false;
                self.policy.set_id(id, epoch);
            }
            Event::Found(view) => {
                self.refresh.ended(now_us);
                self.view.update(view);
                for at in 0..self.lanes.len() {
                    let by_id = self.plan.by_id;
                    let dropped = metadata::apply(&self.view, &mut self.lanes, at, by_id, &mut *self.policy);
                    self.give_up(dropped);
                }
            }
            Event::Answered {
                host,
                life,
                parts,
                result,
            } => {
                let state = self.hosts.entry(host).or_default();
                state.requests = state.requests.saturating_sub(1);
                match result {
                    Ok(response) => {
                        // A client that is told to wait does not send meanwhile (KIP-219).
                        let throttle_us = u64::try_from(response.throttle_time_ms).unwrap_or(0) * 1000;
                        state.ready_us = state.ready_us.max(now_us + throttle_us);
                        self.answered(life, parts, Answers::new(response, self.plan.by_id), now_us);
                    }
                    Err(Lost) => self.lost(parts, now_us),
                }
            }
        }
    }

    fn lost(&mut self, parts: Vec<Part>, now_us: u64) {
        for part in parts {
            let Some(batch) = self.off_wire(&part) else {
                continue;
            };
            let what = What::Unanswered { batch: batch.name };
            self.ctx.record.tell(self.ctx.me, what);
            self.judge(part.at, batch, Answer::Lost, now_us);
        }
    }

    fn answered(&mut self, life: Life, parts: Vec<Part>, mut answers: Answers, now_us: u64) {
        for part in parts {
            let Some(batch) = self.off_wire(&part) else {
                continue;
            };
            let Some(answer) = answers.take(self.plan.by_id, &part) else {
                let (topic, index) = (&part.topic, part.index);
                protest(&self.ctx, format!("no answer for partition {index} of {topic}"));
                let what = What::Unanswered { batch: batch.name };
                self.ctx.record.tell(self.ctx.me, what);
                self.judge(part.at, batch, Answer::Lost, now_us);
                continue;
            };
            let by = Some(life);
            let (error, base_offset) = (answer.error_code, answer.base_offset);
            let what = if error == 0 {
                What::Acked {
                    batch: batch.name,
                    base_offset,
                    log_start: answer.log_start_offset,
                    by,
                }
            } else {
                What::Refused {
                    batch: batch.name,
                    error,
                    base_offset,
                    by,
                }
            };
            self.ctx.record.tell(self.ctx.me, what);
            let answer = if error == 0 {
                Answer::Acked
            } else {
                Answer::Refused(error)
            };
            self.judge(part.at, batch, answer, now_us);
        }
        if !answers.is_empty() {
            protest(
                &self.ctx,
                "an answer for a partition that was not asked for".into(),
            );
        }
    }

    fn off_wire(&mut self, part: &Part) -> Option<Outgoing> {
        self.lanes.get_mut(part.at)?.take_from_wire(part.number)
    }

    /// Lets the policy decide what becomes of a batch.
    fn judge(&mut self, at: usize, mut batch: Outgoing, answer: Answer, now_us: u64) {
        let mut wishes = Wishes::default();
        let fate = if batch.abandoned || self.broken {
            if answer == Answer::Acked {
                self.policy.acked_late(at, &batch);
                Fate::Done
            } else {
                Fate::GivenUp
            }
        } else {
            let lanes = &mut self.lanes;
            self.policy
                .answered(lanes, at, &mut batch, answer, now_us, &mut wishes)
        };
        match fate {
            Fate::Done => {}
            Fate::GivenUp => self.give_up(vec![batch]),
            Fate::Again => {
                batch.retried = true;
                let wait = self.ctx.rng.jitter(backoff(batch.attempts));
                batch.ready_us = now_us + wait.as_micros() as u64;
                if let Some(lane) = self.lanes.get_mut(at) {
                    lane.requeue(batch);
                }
            }
        }
        self.grant(wishes);
    }

    fn grant(&mut self, wishes: Wishes) {
        if wishes.refresh {
            self.refresh.want();
        }
        self.give_up(wishes.given_up);
        if let Some((error, why)) = wishes.fatal
            && !self.broken
        {
            self.broken = true;
            self.ctx.record.tell(self.ctx.me, What::Fatal { error, why });
            for at in 0..self.lanes.len() {
                let queue = self.lanes.get_mut(at).map(|lane| std::mem::take(&mut lane.queue));
                self.give_up(queue.unwrap_or_default());
            }
        }
    }

    /// Notes that batches are not sent again. What was never sent has no fate.
    fn give_up(&self, batches: impl IntoIterator<Item = Outgoing>) {
        for batch in batches {
            if batch.attempts > 0 {
                let what = What::GivenUp { batch: batch.name };
                self.ctx.record.tell(self.ctx.me, what);
            }
        }
    }
}

/// The wait before attempt `attempts` + 1.
fn backoff(attempts: u32) -> Duration {
    (RETRY_BACKOFF * (1 << attempts.saturating_sub(1).min(5))).min(BACKOFF_MAX)
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
