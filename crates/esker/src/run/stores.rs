//! Metastore and bucket: opened at once where that needs no network, else waited for.
//!
//! Waiting says why every few seconds. An agent also waits for what somebody has to put right (a password, a permission, a
//! database or bucket that does not exist yet): its pod stays, is not ready, and says why. `dev`, which has somebody in front
//! of it, ends with one sentence; so does everybody whom waiting cannot help (an address that cannot be read, a schema from the
//! future, stores that do not belong together).

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use esker_broker::authorizer::AllowAll;
use esker_broker::budget::Budget;
use esker_broker::fetch::HistoryApart;
use esker_broker::{Broker, BrokerConfig, Dependencies, StartError};
use esker_metastore::postgres::{self, PostgresConfig, PostgresMetastore};
use esker_metastore::sqlite::SqliteMetastore;
use esker_metastore::{Metastore, MetastoreError, MetastoreMetrics};
use esker_model::seams::{Instant, Seams};
use esker_storage::cache::MokaCache;
use esker_storage::{Bucket, BucketOptions, StoreMetrics};
use tracing::{info, warn};

use super::state::State;
use crate::failure::{Failure, Outcome, one_line};
use crate::settings::secret::SecretUrl;
use crate::settings::{MetastoreUrl, Mode, Settings};

/// Between two attempts; a slow refusal adds its own time.
const RETRY: Duration = Duration::from_secs(1);
/// The same reason is said again after this.
const SAY_AGAIN: Duration = Duration::from_secs(5);

/// What was opened before anything else.
pub(super) struct Opened {
    sqlite: Option<Arc<dyn Metastore>>,
    bucket: Bucket,
}

/// Opens what needs no network: SQLite, and the bucket's client.
pub(super) fn open_at_once(settings: &Settings, state: &State) -> Outcome<Opened> {
    let sqlite = match &settings.metastore {
        MetastoreUrl::Sqlite(path) => {
            let metastore = open_sqlite(path, state.seams(), state.metastore_metrics())
                .map_err(|error| Failure::Failed(sentence_of(&settings.metastore, &error)))?;
            Some(Arc::new(metastore) as Arc<dyn Metastore>)
        }
        MetastoreUrl::Postgres(_) => None,
    };
    let bucket = open_bucket(&settings.bucket, state.seams(), state.store_metrics())?;
    Ok(Opened { sqlite, bucket })
}

/// Opens a SQLite file.
pub(crate) fn open_sqlite(
    path: &Path,
    seams: &Seams,
    metrics: MetastoreMetrics,
) -> Result<SqliteMetastore, MetastoreError> {
    SqliteMetastore::open(path, Arc::clone(&seams.clock), metrics)
}

/// Opens the client of a bucket; nothing is asked of it yet.
pub(crate) fn open_bucket(url: &SecretUrl, seams: &Seams, metrics: StoreMetrics) -> Outcome<Bucket> {
    esker_storage::open(url.expose(), BucketOptions::new(seams.clone(), metrics))
        .map_err(|error| Failure::Failed(url.scrub(&error.to_string())))
}

/// Opens the bucket for a command that only looks: a directory that is not there is not made.
pub(crate) fn open_bucket_to_read(url: &SecretUrl, seams: &Seams) -> Outcome<Bucket> {
    esker_storage::open_to_read(
        url.expose(),
        BucketOptions::new(seams.clone(), StoreMetrics::default()),
    )
    .map_err(|error| Failure::Failed(url.scrub(&error.to_string())))
}

/// How an agent connects to Postgres.
pub(crate) fn postgres_config(url: &SecretUrl, metrics: MetastoreMetrics) -> PostgresConfig {
    PostgresConfig {
        metrics,
        ..PostgresConfig::new(url.address())
    }
}

/// Connects what has to be connected, waiting for it.
pub(super) async fn connect(settings: &Settings, state: &State, opened: Opened) -> Outcome<Dependencies> {
    let metastore = match (opened.sqlite, &settings.metastore) {
        (Some(metastore), _) => metastore,
        (None, MetastoreUrl::Postgres(url)) => connect_postgres(settings, url, state).await?,
        (None, MetastoreUrl::Sqlite(_)) => {
            return Err(Failure::Failed("the metastore was not opened".to_owned()));
        }
    };
    Ok(Dependencies {
        seams: state.seams().clone(),
        metastore,
        bucket: opened.bucket,
        cache: Arc::new(cache(settings.memory_bytes)),
        authorizer: Arc::new(AllowAll),
        metrics: state.broker_metrics(),
        tracer: state.tracer(),
    })
}

fn cache(memory_bytes: u64) -> HistoryApart<MokaCache> {
    let history = Budget::history_cache_bytes(memory_bytes);
    let recent = Budget::cache_bytes(memory_bytes) - history;
    HistoryApart::new(MokaCache::new(recent), MokaCache::new(history))
}

async fn connect_postgres(
    settings: &Settings,
    url: &SecretUrl,
    state: &State,
) -> Outcome<Arc<dyn Metastore>> {
    let mut waiting = Waiting::new(state);
    loop {
        let config = postgres_config(url, state.metastore_metrics());
        let error = match PostgresMetastore::connect(config).await {
            Ok(metastore) => {
                waiting.over();
                return Ok(Arc::new(metastore));
            }
            // One process that needs nothing else also migrates by itself.
            Err(MetastoreError::NotMigrated { .. }) if settings.mode == Mode::Dev => {
                match postgres::migrate(url.address()).await {
                    Ok(_) => continue,
                    Err(error) => error,
                }
            }
            Err(error) => error,
        };
        let sentence = sentence_of(&settings.metastore, &error);
        let mended = matches!(error, MetastoreError::NotMigrated { .. })
            || settings.mode == Mode::Agent && matches!(error, MetastoreError::Refused(_));
        if !error.is_transient() && !mended {
            return Err(Failure::Failed(sentence));
        }
        waiting.wait(&sentence).await;
    }
}

/// Begins an incarnation, waiting for stores that do not answer.
pub(super) async fn start_broker(
    settings: &Settings,
    state: &State,
    config: &BrokerConfig,
    on: &Dependencies,
) -> Outcome<Arc<Broker>> {
    let mut waiting = Waiting::new(state);
    loop {
        let error = match Broker::start(config.clone(), on.clone()).await {
            Ok(broker) => {
                waiting.over();
                return Ok(broker);
            }
            Err(error) => error,
        };
        let sentence = scrub(settings, &error.to_string());
        // Another registration of this name came in between: the next attempt is a new incarnation.
        let again = matches!(
            error,
            StartError::Metastore(MetastoreError::Fenced | MetastoreError::NotMigrated { .. })
        );
        let mended = settings.mode == Mode::Agent && error.may_be_mended();
        if !error.is_transient() && !again && !mended {
            return Err(Failure::Failed(sentence));
        }
        waiting.wait(&sentence).await;
    }
}

/// Says why the process waits: at once, when the reason changes, and every few seconds.
struct Waiting<'a> {
    state: &'a State,
    said: Option<(String, Instant)>,
}

impl<'a> Waiting<'a> {
    fn new(state: &'a State) -> Self {
        Self { state, said: None }
    }

    async fn wait(&mut self, reason: &str) {
        let now = self.state.seams().clock.now();
        let again = match &self.said {
            Some((said, at)) => said != reason || now - *at >= SAY_AGAIN,
            None => true,
        };
        if again {
            warn!("waiting: {reason}");
            self.said = Some((reason.to_owned(), now));
        }
        self.state.set_waiting(Some(reason));
        tokio::time::sleep(RETRY).await;
    }

    fn over(&self) {
        if self.said.is_some() {
            info!("waiting is over");
        }
        self.state.set_waiting(None);
    }
}

/// An error of the metastore as one sentence without a password.
pub(crate) fn sentence_of(metastore: &MetastoreUrl, error: &MetastoreError) -> String {
    match metastore {
        MetastoreUrl::Postgres(url) => one_line(&url.scrub(&error.to_string())),
        MetastoreUrl::Sqlite(_) => one_line(&error.to_string()),
    }
}

fn scrub(settings: &Settings, text: &str) -> String {
    let text = settings.bucket.scrub(text);
    match &settings.metastore {
        MetastoreUrl::Postgres(url) => one_line(&url.scrub(&text)),
        MetastoreUrl::Sqlite(_) => one_line(&text),
    }
}

/// Whether both stores live in the data directory.
pub(super) fn are_under(settings: &Settings, directory: &Path) -> bool {
    let bucket = settings.bucket.to_string();
    let metastore = match &settings.metastore {
        MetastoreUrl::Sqlite(path) => path.starts_with(directory),
        MetastoreUrl::Postgres(_) => false,
    };
    metastore
        && bucket
            .strip_prefix("file://")
            .is_some_and(|path| Path::new(path).starts_with(directory))
}
