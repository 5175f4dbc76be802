//! The Postgres metastore alone, called directly: no agent, no clients.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use esker_metastore::benching::{GroupCommits, appended};
use esker_metastore::postgres::{PostgresConfig, PostgresMetastore, migrate};
use esker_metastore::{
    AgentProfile, Agents, Clusters, Commits, MetastoreError, NewTopic, Registration, Topics,
};
use esker_model::{ClusterEpoch, ClusterId, IncarnationId, TopicUuid};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::{Entry, each};
use crate::clock::{monotonic_ns, seconds};
use crate::results::stats::percentile;
use crate::results::{Figure, higher, lower, told};
use crate::system::Bench;

const PARTITIONS: i32 = 640;
const EXTENTS: usize = 1600;
const COMMITS: usize = 60;
/// Whole seconds at the beginning that do not count: buffers and plans are cold.
const WARM_UP: Duration = Duration::from_secs(2);
const SUSTAINED: Duration = Duration::from_secs(10);
const COMMITTERS: [u32; 3] = [2, 3, 4];

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        name: "commit-640",
        title: "one commit of 1,600 extents over 640 partitions on Postgres, called directly",
        metrics: &[
            lower("p50-ms", "ms").at_most(25.0),
            lower("p99-ms", "ms"),
            lower("idempotent-p50-ms", "ms").at_most(25.0),
            lower("idempotent-p99-ms", "ms"),
        ],
        by_default: true,
        take: commit_640,
    },
    Entry {
        name: "extents-per-second",
        title: "extents committed per second on one Postgres, 2 to 4 agents, 1,600 extents a commit",
        metrics: &[
            higher("extents-per-s", "extents/s").at_least(30_000.0),
            higher("with-2-agents", "extents/s"),
            higher("with-3-agents", "extents/s"),
            higher("with-4-agents", "extents/s"),
            told("postgres-cpu", "cores"),
        ],
        by_default: true,
        take: extents_per_second,
    },
];

fn failed(error: MetastoreError) -> String {
    format!("the metastore: {error}")
}

fn runtime() -> Result<Runtime, String> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|err| format!("no runtime: {err}"))
}

/// One agent, as the metastore sees it.
struct Committer {
    store: Arc<PostgresMetastore>,
    commits: GroupCommits,
}

impl Committer {
    /// Registers, and makes a topic of its own: agents rarely share partitions.
    async fn new(url: &str, number: u32, idempotent: bool) -> Result<Self, MetastoreError> {
        let store = Arc::new(PostgresMetastore::connect(PostgresConfig::new(url)).await?);
        store.init_cluster(&ClusterId("bench".into())).await?;
        let id = Uuid::from_u128(u128::from(number) + 1);
        let incarnation = IncarnationId(id);
        let registration = Registration {
            node_name: format!("bench-{number}"),
            incarnation,
            epoch: ClusterEpoch(1),
            profile: AgentProfile::default(),
        };
        store.register(&registration).await?;
        let topic = NewTopic {
            uuid: TopicUuid(id),
            name: format!("bench-{number}"),
            partitions: PARTITIONS,
            replication_factor: 1,
            configs: BTreeMap::new(),
        };
        let mut created = store.create_topics(&[topic]).await?;
        let Some(Ok(topic)) = created.pop() else {
            return Err(MetastoreError::Misconfigured("the topic exists already".into()));
        };
        Ok(Self {
            store,
            commits: GroupCommits {
                incarnation,
                topic: topic.key,
                partitions: PARTITIONS,
                extents: EXTENTS,
                first_producer: idempotent.then_some(0),
                batch_bytes: 5000,
                max_timestamp: 7,
                segments: 0,
                calls: 0,
            },
        })
    }

    /// Seconds of one commit.
    async fn commit(&mut self) -> Result<f64, MetastoreError> {
        let request = self.commits.request();
        let began = monotonic_ns();
        let reply = self.store.commit(request).await?;
        let took = seconds(began, monotonic_ns());
        match appended(&reply) {
            EXTENTS => Ok(took),
            count => Err(MetastoreError::Corrupt(format!(
                "{count} of {EXTENTS} runs were appended"
            ))),
        }
    }
}

fn commit_640(bench: &mut Bench, figure: &mut Figure) -> Result<(), String> {
    let runtime = runtime()?;
    let commits = if bench.quick { COMMITS / 4 } else { COMMITS };
    each(bench, figure, |bench, figure| {
        for idempotent in [false, true] {
            let url = bench.database()?.url;
            let mut times = runtime.block_on(async {
                migrate(&url).await.map_err(failed)?;
                let mut committer = Committer::new(&url, 0, idempotent).await.map_err(failed)?;
                let mut times = Vec::new();
                for number in 0..commits + commits / 4 {
                    let took = committer.commit().await.map_err(failed)?;
                    if number >= commits / 4 {
                        times.push(took * 1000.0);
                    }
                }
                committer.store.close().await;
                Ok::<_, String>(times)
            })?;
            times.sort_by(f64::total_cmp);
            let names = match idempotent {
                false => ["p50-ms", "p99-ms"],
                true => ["idempotent-p50-ms", "idempotent-p99-ms"],
            };
            for (name, share) in names.into_iter().zip([0.5, 0.99]) {
                figure.esker(name, percentile(&times, share).unwrap_or(f64::NAN));
            }
            bench.wait(Duration::ZERO)?;
        }
        Ok(())
    })
}

fn extents_per_second(bench: &mut Bench, figure: &mut Figure) -> Result<(), String> {
    let runtime = runtime()?;
    let sustained = if bench.quick { SUSTAINED / 5 } else { SUSTAINED };
    for repetition in 0..bench.repetitions {
        let mut best = (0.0, 0.0);
        for committers in COMMITTERS {
            eprintln!(
                "  {}: repetition {}, {committers} agents",
                figure.name,
                repetition + 1
            );
            let database = bench.database()?;
            let postgres = || esker_harness::proc::cpu_seconds_of_family(database.postgres_pid);
            let (extents, cpu) = runtime.block_on(async {
                migrate(&database.url).await.map_err(failed)?;
                let mut tasks = JoinSet::new();
                let mut all = Vec::new();
                for number in 0..committers {
                    all.push(
                        Committer::new(&database.url, number, false)
                            .await
                            .map_err(failed)?,
                    );
                }
                let began = monotonic_ns();
                for committer in all {
                    tasks.spawn(commit_until(committer, began, sustained));
                }
                tokio::time::sleep(WARM_UP).await;
                let cpu = postgres();
                tokio::time::sleep(sustained).await;
                let cpu = (postgres() - cpu) / sustained.as_secs_f64();
                let mut extents = 0;
                while let Some(done) = tasks.join_next().await {
                    let done = done.map_err(|err| format!("a committer failed: {err}"))?;
                    extents += done.map_err(failed)?;
                }
                Ok::<_, String>((extents, cpu))
            })?;
            let rate = extents as f64 / sustained.as_secs_f64();
            figure.esker(&format!("with-{committers}-agents"), rate);
            if rate > best.0 {
                best = (rate, cpu);
            }
            bench.wait(Duration::ZERO)?;
        }
        figure.esker("extents-per-s", best.0);
        figure.esker("postgres-cpu", best.1);
    }
    Ok(())
}

/// Commits without a pause; how many extents were committed after the warm-up.
async fn commit_until(
    mut committer: Committer,
    began: u64,
    sustained: Duration,
) -> Result<usize, MetastoreError> {
    let warm_up = WARM_UP.as_secs_f64();
    let mut extents = 0;
    loop {
        committer.commit().await?;
        let at = seconds(began, monotonic_ns());
        if at > warm_up + sustained.as_secs_f64() {
            committer.store.close().await;
            return Ok(extents);
        }
        if at > warm_up {
            extents += EXTENTS;
        }
    }
}
