//! A bucket that shows less than there is, for a while: a replica that lags, or a volume that is not mounted.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use esker_broker::BrokerConfig;
use futures::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use parking_lot::Mutex;

use crate::support::{Agent, World};
use crate::world::*;

#[derive(Debug, Default)]
struct Hiding {
    inner: InMemory,
    /// Reads do not find objects whose keys begin with this.
    hidden: Mutex<Option<&'static str>>,
    /// How often that was so.
    missed: AtomicUsize,
}

impl Hiding {
    fn hide(&self, prefix: Option<&'static str>) {
        *self.hidden.lock() = prefix;
        self.missed.store(0, Ordering::Relaxed);
    }

    async fn until_missed(&self, times: usize) {
        until(async || self.missed.load(Ordering::Relaxed) >= times).await;
    }
}

impl fmt::Display for Hiding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("hiding")
    }
}

#[async_trait]
impl ObjectStore for Hiding {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        self.inner.put_opts(location, payload, opts).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, opts).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let hidden = *self.hidden.lock();
        if hidden.is_some_and(|prefix| location.as_ref().starts_with(prefix)) {
            self.missed.fetch_add(1, Ordering::Relaxed);
            return Err(object_store::Error::NotFound {
                path: location.to_string(),
                source: "hidden".into(),
            });
        }
        self.inner.get_opts(location, options).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

/// An agent that archives after so long, and has nothing in memory.
async fn archiver(world: &World, interval: Duration) -> Agent {
    let settings = |config| BrokerConfig {
        archive_interval: interval,
        archive_grace: LONG,
        merge: MERGE_NOTHING,
        sweep_interval: LONG,
        ..config
    };
    world.agent_with("archiver", settings).await
}

#[tokio::test]
async fn records_that_are_missing_for_a_moment_are_not_lost() {
    let store = Arc::new(Hiding::default());
    let world = World::on(Arc::clone(&store) as _);
    let busy = serving(&world, "busy").await;
    let mut client = busy.connect();
    create_all(&mut client, FOR_EVER).await;
    let mut records = Records::new();
    produce(&mut client, 3, &mut records).await;
    store.hide(Some("ingest/"));
    let archiver = archiver(&world, Duration::from_secs(3)).await;
    store.until_missed(1).await;
    tokio::time::sleep(Duration::from_millis(1_000)).await;
    store.hide(None);
    until_archived(&world).await;
    assert_eq!(archiver.metrics.upkeep.archive.holes.get(), 0);
    all_is_there(&serving(&world, "late").await, &records).await;
}

#[tokio::test]
async fn a_bucket_that_shows_nothing_makes_no_holes() {
    let store = Arc::new(Hiding::default());
    let world = World::on(Arc::clone(&store) as _);
    let busy = serving(&world, "busy").await;
    let mut client = busy.connect();
    create_all(&mut client, FOR_EVER).await;
    let mut records = Records::new();
    produce(&mut client, 3, &mut records).await;
    let archiver = archiver(&world, Duration::from_millis(200)).await;
    store.hide(Some(""));
    // Longer than it takes until one object is given up.
    store.until_missed(1).await;
    tokio::time::sleep(Duration::from_millis(1_000)).await;
    assert_eq!(archiver.metrics.upkeep.archive.holes.get(), 0);
    store.hide(None);
    until_archived(&world).await;
    assert_eq!(archiver.metrics.upkeep.archive.holes.get(), 0);
    all_is_there(&serving(&world, "late").await, &records).await;
}
