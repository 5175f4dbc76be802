//! One incarnation of an agent: its parts, and its life from registration to leave.

use std::sync::Arc;
use std::time::Duration;

use esker_metastore::Metastore;
use esker_model::limits::HEARTBEAT_INTERVAL;
use esker_model::seams::Seams;
use esker_storage::bucket::Bucket;
use esker_storage::cache::SegmentCache;
use tokio::sync::Semaphore;

use crate::authorizer::Authorizer;
use crate::budget::Budget;
use crate::config::{BrokerConfig, serves};
use crate::connection::limits::LISTINGS_AT_ONCE;
use crate::connection::turns::Turns;
use crate::fetch::{
    Damaged, FetchSessions, HeadWatch, HistoryPlans, HistoryReaders, HotIndex, ReadAhead, Readers,
    SegmentPins,
};
use crate::groups::{self, Groups};
use crate::membership::{self, EpochGate, Membership};
use crate::metrics::BrokerMetrics;
use crate::produce::{ProducePath, RecentSegments};
use crate::producers::ProducerIds;
use crate::throttled_log::ThrottledLog;
use crate::topics::Catalog;
use crate::trace::Tracer;
use crate::upkeep::{self, Leftovers, Upkeep};

pub use crate::membership::{StartError, StopReason};

/// How long the metastore may take to write down that this agent leaves.
const ANNOUNCE_MAX: Duration = Duration::from_secs(2);
/// After so long every other agent has had a heartbeat, and knows.
const HEARD_OF: Duration = Duration::from_millis(HEARTBEAT_INTERVAL.as_millis() as u64 * 3 / 2);
/// So long the metastore has for the last calls, even if the grace is over.
const LAST_WORD: Duration = Duration::from_secs(1);
/// For so long clients are sent to other agents before their connections are closed: longer than a Fetch waits, as a rule.
const SENT_AWAY: Duration = Duration::from_secs(1);

/// What a broker is built on.
#[derive(Clone)]
pub struct Dependencies {
    /// Time, randomness, tasks.
    pub seams: Seams,
    /// Offsets and metadata.
    pub metastore: Arc<dyn Metastore>,
    /// Segments.
    pub bucket: Bucket,
    /// Segments read from the bucket.
    pub cache: Arc<dyn SegmentCache>,
    /// Who may do what.
    pub authorizer: Arc<dyn Authorizer>,
    /// Counters.
    pub metrics: BrokerMetrics,
    /// Requests that are traced.
    pub tracer: Tracer,
}

/// One incarnation of an agent.
pub struct Broker {
    pub(crate) config: BrokerConfig,
    pub(crate) seams: Seams,
    pub(crate) metastore: Arc<dyn Metastore>,
    pub(crate) bucket: Bucket,
    pub(crate) cache: Arc<dyn SegmentCache>,
    pub(crate) authorizer: Arc<dyn Authorizer>,
    pub(crate) metrics: BrokerMetrics,
    pub(crate) tracer: Tracer,
    pub(crate) budget: Arc<Budget>,
    pub(crate) turns: Turns,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) member: Arc<Membership>,
    pub(crate) gate: Arc<EpochGate>,
    pub(crate) hot_index: Arc<HotIndex>,
    pub(crate) history: Arc<HistoryPlans>,
    pub(crate) read_ahead: Arc<ReadAhead>,
    pub(crate) readers: HistoryReaders,
    pub(crate) damaged: Damaged,
    pub(crate) sessions: FetchSessions,
    pub(crate) heads: Arc<HeadWatch>,
    pub(crate) recent: Arc<RecentSegments>,
    pub(crate) pins: SegmentPins,
    pub(crate) produce: Arc<ProducePath>,
    pub(crate) producer_ids: ProducerIds,
    pub(crate) refusals: ThrottledLog,
    /// Turns of answers whose size is known only when they are made.
    pub(crate) listings: Arc<Semaphore>,
    /// Questions of readers that the metastore did not answer.
    pub(crate) unanswered: ThrottledLog,
    pub(crate) groups: Arc<Groups>,
}

impl Broker {
    /// Proves the cluster's identity, registers a new incarnation and starts its background work.
    pub async fn start(config: BrokerConfig, on: Dependencies) -> Result<Arc<Self>, StartError> {
        let catalog = Arc::new(Catalog::new(Arc::clone(&on.metastore), on.metrics.clone()));
        let (member, gate) = membership::join(
            &config,
            Arc::clone(&on.metastore),
            on.bucket.clone(),
            Arc::clone(&catalog),
            &on.seams,
            &on.metrics,
        )
        .await?;
        let budget = Arc::new(Budget::new(config.memory_bytes));
        let hot_index = Arc::new(HotIndex::new(Arc::clone(&on.seams.clock)));
        let history = Arc::new(HistoryPlans::default());
        catalog.on_deleted({
            let (hot_index, history) = (Arc::clone(&hot_index), Arc::clone(&history));
            move |topic| {
                hot_index.forget_topic(topic);
                history.forget_topic(topic);
            }
        });
        let recent = Arc::new(RecentSegments::new(budget.produce.bytes() / 2));
        budget.produce.on_pressure({
            let recent = Arc::clone(&recent);
            move |bytes| recent.shrink(bytes)
        });
        let produce = ProducePath::start(&config, &on, &member, &gate, &hot_index, &recent);
        let heads = HeadWatch::start(&on, &member, &gate, &hot_index);
        if config.roles.iter().any(|role| role == upkeep::ROLE) {
            let upkeep = Upkeep {
                member: Arc::clone(&member),
                gate: Arc::clone(&gate),
                metastore: Arc::clone(&on.metastore),
                bucket: on.bucket.clone(),
                cache: Arc::clone(&on.cache),
                recent: Arc::clone(&recent),
                catalog: Arc::clone(&catalog),
                seams: on.seams.clone(),
                metrics: on.metrics.upkeep.clone(),
                topics: on.metrics.topics.clone(),
                interval: config.archive_interval,
                grace: config.archive_grace,
                sweep_interval: config.sweep_interval,
                merge: config.merge,
                round_bytes: Budget::archive_round_bytes(config.memory_bytes),
                turn: Arc::new(Semaphore::new(1)),
                seqs: Arc::default(),
                held_up: Arc::new(ThrottledLog::new(
                    Arc::clone(&on.seams.clock),
                    Duration::from_secs(5 * 60),
                )),
                leftovers: Arc::new(Leftovers::new(Arc::clone(&on.seams.clock))),
            };
            upkeep.start();
        }
        let groups = Groups::start(groups::On {
            limits: config.groups.clone(),
            member: Arc::clone(&member),
            metastore: Arc::clone(&on.metastore),
            catalog: Arc::clone(&catalog),
            seams: on.seams.clone(),
            metrics: on.metrics.groups.clone(),
            bytes_max: Budget::group_bytes(config.memory_bytes),
            serves: serves(&config.roles),
        });
        let sessions_bytes = Budget::sessions_bytes(config.memory_bytes);
        Ok(Arc::new(Self {
            sessions: FetchSessions::new(sessions_bytes, on.metrics.clone()),
            pins: SegmentPins::new(Arc::clone(&budget.fetch), Arc::clone(&budget.history)),
            producer_ids: ProducerIds::new(Arc::clone(&on.metastore)),
            refusals: ThrottledLog::new(Arc::clone(&on.seams.clock), Duration::from_secs(1)),
            listings: Arc::new(Semaphore::new(LISTINGS_AT_ONCE)),
            groups,
            unanswered: ThrottledLog::new(Arc::clone(&on.seams.clock), Duration::from_secs(1)),
            config,
            seams: on.seams,
            metastore: on.metastore,
            bucket: on.bucket,
            cache: on.cache,
            authorizer: on.authorizer,
            metrics: on.metrics,
            tracer: on.tracer,
            readers: HistoryReaders::new(Readers::new(budget.history_cache_bytes)),
            budget,
            turns: Turns::default(),
            catalog,
            member,
            gate,
            hot_index,
            history,
            read_ahead: Arc::default(),
            damaged: Damaged::default(),
            heads,
            recent,
            produce,
        }))
    }

    /// Who this incarnation is, and who else is alive.
    pub fn membership(&self) -> &Membership {
        &self.member
    }

    /// Whether acknowledgements pass the epoch gate now.
    pub fn gate_is_open(&self) -> bool {
        self.gate.is_open()
    }

    /// Waits until this incarnation ends, and says why.
    pub async fn stopped(&self) -> StopReason {
        self.member.until_stopped().await
    }

    /// Has the other agents name this one to no client any more, and waits until they know. Returns for how long clients
    /// should find this agent, to be sent to the others; nobody is told, and nothing waited for, if there are none.
    async fn announce_leave(&self) -> Duration {
        if !self.member.others_serve() {
            return Duration::ZERO;
        }
        let patience = self.config.shutdown_grace / 4;
        if patience.is_zero() {
            return Duration::ZERO;
        }
        let telling = self.metastore.announce_leave(self.member.incarnation());
        match tokio::time::timeout(patience.min(ANNOUNCE_MAX), telling).await {
            Ok(Ok(())) => {}
            Ok(Err(err)) => {
                tracing::warn!(%err, "cannot tell the other agents that this one leaves: clients find out by themselves");
                return Duration::ZERO;
            }
            Err(_) => {
                tracing::warn!(
                    "the metastore takes too long: clients find out by themselves that this agent leaves"
                );
                return Duration::ZERO;
            }
        }
        tokio::time::sleep(patience.min(HEARD_OF)).await;
        self.member.leaves();
        patience.min(SENT_AWAY)
    }

    /// Ends in good order: has the others name this agent no more, sends clients to them, seals, uploads, commits and
    /// acknowledges what was taken, then leaves. Bounded by the grace of the configuration; what could not be acknowledged
    /// by then gets a retriable error.
    pub async fn drain(&self) {
        let clock = &self.seams.clock;
        let over = clock.now().plus(self.config.shutdown_grace);
        let moves = self.announce_leave().await;
        let sent_away = clock.now().plus(moves);
        if tokio::time::timeout(over - clock.now(), self.produce.drain())
            .await
            .is_err()
        {
            tracing::warn!("the grace is over: some produce requests were not acknowledged");
        }
        // Whoever takes them over finds everything written.
        let left = |least| (over - clock.now()).max(least);
        let _ = tokio::time::timeout(left(LAST_WORD), self.groups.drain()).await;
        // Who asks meanwhile is told where to go; who waits for records asks again within that time.
        tokio::time::sleep(sent_away - clock.now()).await;
        let leaving = self.metastore.leave(self.member.incarnation());
        match tokio::time::timeout(left(LAST_WORD), leaving).await {
            Ok(Ok(())) => {}
            Ok(Err(err)) => tracing::warn!(%err, "could not sign off; other agents will notice"),
            Err(_) => {
                tracing::warn!("the grace is over before this agent signed off; other agents will notice")
            }
        }
        self.member.stop(StopReason::Drained);
    }
}
