//! A bucket that shows less than there is: a replica that lags, a volume that is not mounted, an object behind a broken
//! disk or in a colder class.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use esker_broker::BrokerConfig;
use esker_model::{ObjectId, SegmentId};
use esker_storage::keys::object_key;
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
    /// Reads do not find objects whose keys begin with this, or are refused.
    hidden: Mutex<Option<(String, How)>>,
    /// How often that was so.
    missed: AtomicUsize,
}

#[derive(Clone, Copy, Debug)]
enum How {
    Missing,
    Refused,
}

impl Hiding {
    fn hide(&self, prefix: Option<&str>) {
        self.hide_so(prefix.map(|prefix| (prefix, How::Missing)));
    }

    fn hide_so(&self, prefix: Option<(&str, How)>) {
        *self.hidden.lock() = prefix.map(|(prefix, how)| (prefix.to_owned(), how));
        self.missed.store(0, Ordering::Relaxed);
    }

    fn missed(&self) -> usize {
        self.missed.load(Ordering::Relaxed)
    }

    async fn until_missed(&self, times: usize) {
        until(async || self.missed() >= times).await;
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
        let hidden = self.hidden.lock().clone();
        if let Some((prefix, how)) = hidden
            && location.as_ref().starts_with(&prefix)
        {
            self.missed.fetch_add(1, Ordering::Relaxed);
            let (path, source) = (location.to_string(), "hidden".into());
            return Err(match how {
                How::Missing => object_store::Error::NotFound { path, source },
                How::Refused => object_store::Error::PermissionDenied { path, source },
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

/// A bucket that hides nothing yet, and an agent that leaves upkeep to others; there are topics.
async fn begin() -> (Arc<Hiding>, World, Agent) {
    let store = Arc::new(Hiding::default());
    let world = World::on(Arc::clone(&store) as _);
    let busy = serving(&world, "busy").await;
    create_all(&mut busy.connect(), FOR_EVER).await;
    (store, world, busy)
}

/// The ingest segments in the bucket.
async fn segments(world: &World) -> Vec<SegmentId> {
    let segment = |object| match object {
        ObjectId::Segment(id) => Some(id),
        ObjectId::Manifest(_) => None,
    };
    objects(world, "ingest/")
        .await
        .into_iter()
        .filter_map(segment)
        .collect()
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
    let (store, world, busy) = begin().await;
    let mut client = busy.connect();
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
    let (store, world, busy) = begin().await;
    let mut client = busy.connect();
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

#[tokio::test]
async fn an_object_that_the_bucket_does_not_give_holds_nobody_up_and_is_given_up_at_last() {
    let (store, world, busy) = begin().await;
    let mut client = busy.connect();
    let mut refused = Records::new();
    produce_one(&mut client, "one", 0, 2, &mut refused).await;
    let key = object_key(&segments(&world).await[0]);
    store.hide_so(Some((&key, How::Refused)));
    let archiver = archiver(&world, Duration::from_millis(500)).await;
    store.until_missed(1).await;
    let mut records = Records::new();
    produce_one(&mut client, "two", 1, 2, &mut records).await;
    until(async || archiver.metrics.upkeep.archive.bytes.get() > 0).await;
    assert_eq!(archiver.metrics.upkeep.archive.holes.get(), 0);
    // After twelve intervals.
    until_archived(&world).await;
    assert_eq!(archiver.metrics.upkeep.archive.holes.get(), 1);
    assert!(store.missed() <= 32, "{}", store.missed());
    let late = serving(&world, "late").await;
    all_is_there(&late, &records).await;
    store.hide(None);
    // A hole in an ingest segment can be read as soon as its object can.
    all_is_there(&serving(&world, "later").await, &refused).await;
}

#[tokio::test]
async fn a_bucket_that_refuses_everything_makes_no_holes_and_is_not_asked_for_each_object() {
    let (store, world, busy) = begin().await;
    let mut client = busy.connect();
    let mut records = Records::new();
    produce(&mut client, 12, &mut records).await;
    let waiting = segments(&world).await.len();
    assert!(waiting >= 12);
    let archiver = archiver(&world, Duration::from_millis(800)).await;
    store.hide_so(Some(("", How::Refused)));
    store.until_missed(1).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    // A few objects of the round, and `cluster.json`.
    assert!(store.missed() < 12, "{}", store.missed());
    tokio::time::sleep(Duration::from_millis(1_000)).await;
    assert_eq!(archiver.metrics.upkeep.archive.holes.get(), 0);
    store.hide(None);
    until_archived(&world).await;
    assert_eq!(archiver.metrics.upkeep.archive.holes.get(), 0);
    all_is_there(&serving(&world, "late").await, &records).await;
}
