//! The object store as one process reaches it.
//!
//! The objects lie in object_store's own store in memory, so that conditional writes are right by
//! construction. What may go wrong on the way is drawn for each request. A request that was sent takes
//! effect whatever becomes of the process that sent it, perhaps much later.

mod errors;
mod removing;
mod whole_reads;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use esker_storage::keys::ObjectKind;
use futures::stream::{self, BoxStream, StreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::reach::{Cut, Reach};
use super::tally::Step;
use super::tasks::Tasks;
use super::weather::StoreWeather;
use super::{World, mix};
use errors::{connection_lost, failed, not_implemented, slow_down};
pub(super) use whole_reads::WholeReads;

const INGEST: &str = ObjectKind::Ingest.folder();

/// How long an answer stays away that never comes: longer than anybody waits.
const FOR_EVER: Duration = Duration::from_secs(600);

/// The latest that a PUT lands whose sender has heard of a failure.
const LATE_MAX_MS: u64 = 40_000;

/// The way of one process to the object store.
#[derive(Clone)]
pub(super) struct Line {
    pub(super) world: Arc<World>,
    pub(super) who: String,
    pub(super) process: Arc<Tasks>,
    pub(super) reach: Arc<Reach>,
}

/// A process's client of the object store.
pub(super) struct ProcessStore {
    line: Line,
    reads: Arc<WholeReads>,
    flipped: Mutex<BTreeSet<String>>,
}

/// How one PUT fares.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum PutFate {
    Done,
    LostRequest,
    LostReply,
    BrokenAfter,
    Duplicate,
    Late,
    SlowDown,
    Failed,
}

/// How one read fares.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum GetFate {
    Done,
    Lost,
    SlowDown,
    Failed,
    Slow,
    CutBody,
    Flipped,
}

/// What upkeep does when it puts an object.
fn step_of(key: &str) -> Option<&'static str> {
    let folder = key.split('/').next()?;
    let kind = ObjectKind::ALL.into_iter().find(|kind| kind.folder() == folder)?;
    match kind {
        ObjectKind::Ingest => None,
        ObjectKind::Archive => Some("put of an archive segment"),
        ObjectKind::Merged => Some("put of a merged segment"),
        ObjectKind::Manifest => Some("put of a manifest"),
    }
}

impl Line {
    fn put_fate(&self, weather: &StoreWeather) -> PutFate {
        let chances = [
            (weather.lost_request, PutFate::LostRequest),
            (weather.lost_reply, PutFate::LostReply),
            (weather.broken_after, PutFate::BrokenAfter),
            (weather.duplicate, PutFate::Duplicate),
            (weather.late, PutFate::Late),
            (weather.slow_down, PutFate::SlowDown),
            (weather.put_error, PutFate::Failed),
        ];
        self.draw(&chances).unwrap_or(PutFate::Done)
    }

    fn get_fate(&self, weather: &StoreWeather) -> GetFate {
        let chances = [
            (weather.lost_request, GetFate::Lost),
            (weather.slow_down, GetFate::SlowDown),
            (weather.get_error, GetFate::Failed),
            (weather.slow_get, GetFate::Slow),
            (weather.cut_body, GetFate::CutBody),
            (weather.flipped, GetFate::Flipped),
        ];
        self.draw(&chances).unwrap_or(GetFate::Done)
    }

    fn draw<T: Copy>(&self, chances: &[(u32, T)]) -> Option<T> {
        let total: u32 = chances.iter().map(|(chance, _)| chance).sum();
        if total == 0 || !self.world.chance(total.min(1000)) {
            return None;
        }
        let mut at = esker_model::seams::Rng::below(&self.world.rng, u64::from(total)) as u32;
        for (chance, fate) in chances {
            if at < *chance {
                return Some(*fate);
            }
            at -= chance;
        }
        None
    }

    fn trace(&self, what: &str, location: &Path, detail: u64) {
        let world = &self.world;
        tracing::trace!(who = %self.who, %location, detail, "{what}");
        world.trace.add(world.record.now_us(), &self.who, what, detail);
    }

    /// Sends a PUT: it takes effect after `delay`, whatever becomes of the sender.
    fn send_put(
        &self,
        delay: Duration,
        location: &Path,
        payload: PutPayload,
        opts: PutOptions,
        times: u32,
    ) -> oneshot::Receiver<Result<PutResult>> {
        let (reply, answer) = oneshot::channel();
        let (world, who, location) = (Arc::clone(&self.world), self.who.clone(), location.clone());
        // What is on its way is not in the sender's memory any more.
        let mut bytes = BytesMut::with_capacity(payload.content_length());
        payload.iter().for_each(|part| bytes.extend_from_slice(part));
        let payload = PutPayload::from_bytes(bytes.freeze());
        tokio::task::spawn(async move {
            tokio::time::sleep(delay).await;
            let mut result = Err(failed());
            for _ in 0..times {
                result = world
                    .objects()
                    .put_opts(&location, payload.clone(), opts.clone())
                    .await;
                if result.is_ok() {
                    world.landed(location.as_ref()).await;
                }
            }
            world.trace.add(
                world.record.now_us(),
                &who,
                location.as_ref(),
                u64::from(result.is_ok()),
            );
            let _ = reply.send(result);
        });
        answer
    }

    async fn put(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        let weather = self.world.weather().store;
        if self.reach.now().store {
            return never().await;
        }
        if mix(self.world.seed, location.as_ref()) % 1000 < u64::from(weather.cursed_keys) {
            tokio::time::sleep(self.world.between(weather.put)).await;
            return Err(failed());
        }
        let fate = self.put_fate(&weather);
        let (there, back) = (self.world.between(weather.put), self.world.between(weather.put));
        self.trace("put", location, fate as u64);
        match fate {
            PutFate::LostRequest => return never().await,
            PutFate::SlowDown | PutFate::Failed => {
                tokio::time::sleep(there).await;
                return Err(if fate == PutFate::SlowDown {
                    slow_down()
                } else {
                    failed()
                });
            }
            PutFate::Late => {
                let late = self.world.between_ms(500, LATE_MAX_MS);
                drop(self.send_put(late, location, payload, opts, 1));
                tokio::time::sleep(there).await;
                return Err(connection_lost());
            }
            _ => {}
        }
        let times = if fate == PutFate::Duplicate { 2 } else { 1 };
        let done = self.send_put(there, location, payload, opts, times).await;
        match fate {
            PutFate::LostReply => return never().await,
            PutFate::BrokenAfter => return Err(connection_lost()),
            _ => {}
        }
        tokio::time::sleep(back).await;
        if self.reach.now().store {
            return never().await;
        }
        done.unwrap_or_else(|_| Err(connection_lost()))
    }
}

impl ProcessStore {
    pub(super) fn new(line: Line, reads: Arc<WholeReads>) -> Self {
        Self {
            line,
            reads,
            flipped: Mutex::default(),
        }
    }

    /// Bytes of segments and manifests are damaged on their way, but not twice in a row of the same one.
    fn may_flip(&self, location: &Path, bytes: usize) -> bool {
        if bytes == 0 || !is_ours(location) {
            return false;
        }
        let mut flipped = self.flipped.lock();
        !flipped.remove(location.as_ref()) && flipped.insert(location.to_string())
    }
}

/// Whether it is a segment or a manifest.
fn is_ours(location: &Path) -> bool {
    ObjectKind::ALL
        .iter()
        .any(|kind| location.as_ref().starts_with(kind.folder()))
}

async fn never<T>() -> Result<T> {
    tokio::time::sleep(FOR_EVER).await;
    Err(connection_lost())
}

/// The bytes of an object as a reader gets them.
fn result(meta: ObjectMeta, range: std::ops::Range<u64>, body: Vec<Result<Bytes>>) -> GetResult {
    GetResult {
        payload: GetResultPayload::Stream(stream::iter(body).boxed()),
        meta,
        range,
        attributes: Default::default(),
        extensions: Default::default(),
    }
}

#[async_trait]
impl ObjectStore for ProcessStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        let line = &self.line;
        let step = step_of(location.as_ref()).map(|what| Step::begin(&line.world, &line.process, what));
        let put = line.put(location, payload, opts).await;
        if let Some(step) = step {
            step.end();
        }
        put
    }

    async fn put_multipart_opts(
        &self,
        _location: &Path,
        _opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        Err(not_implemented("multipart upload"))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let weather = self.line.world.weather().store;
        let cut =
            |cut: Cut| cut.store || cut.reads || (cut.epoch && location.as_ref().ends_with("cluster.json"));
        if cut(self.line.reach.now()) {
            return never().await;
        }
        let whole = options.range.is_none() && !options.head;
        let fate = self.line.get_fate(&weather);
        let (mut there, back) = (
            self.line.world.between(weather.get),
            self.line.world.between(weather.get),
        );
        self.line.trace("get", location, fate as u64);
        match fate {
            GetFate::Lost => return never().await,
            GetFate::SlowDown | GetFate::Failed => {
                tokio::time::sleep(there).await;
                return Err(if fate == GetFate::SlowDown {
                    slow_down()
                } else {
                    failed()
                });
            }
            GetFate::Slow => there += self.line.world.between_ms(1_000, 8_000),
            _ => {}
        }
        tokio::time::sleep(there).await;
        let found = self.line.world.objects().get_opts(location, options).await;
        tokio::time::sleep(back).await;
        if cut(self.line.reach.now()) {
            return never().await;
        }
        if matches!(found, Err(Error::NotFound { .. })) && is_ours(location) {
            self.line
                .world
                .tally
                .count("reads", "of objects that are gone", 1);
        }
        let found = found?;
        let (meta, range) = (found.meta.clone(), found.range.clone());
        let bytes = found.bytes().await?;
        let body = match fate {
            GetFate::CutBody if bytes.len() > 1 => {
                vec![Ok(bytes.slice(..bytes.len() / 2)), Err(connection_lost())]
            }
            GetFate::Flipped if self.may_flip(location, bytes.len()) => {
                let mut bytes = bytes.to_vec();
                let at = esker_model::seams::Rng::below(&self.line.world.rng, bytes.len() as u64) as usize;
                bytes[at] ^= 1;
                vec![Ok(Bytes::from(bytes))]
            }
            _ => {
                if whole && location.as_ref().starts_with(INGEST) {
                    self.line.world.segment_reads.fetch_add(1, Ordering::Relaxed);
                    self.reads.note(location.as_ref(), bytes.len() as u64);
                }
                vec![Ok(bytes)]
            }
        };
        Ok(result(meta, range, body))
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.line.clone().delete(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.line.clone().list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.line.world.objects().list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, _from: &Path, _to: &Path, _options: CopyOptions) -> Result<()> {
        Err(not_implemented("copy"))
    }
}

impl fmt::Debug for ProcessStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProcessStore")
            .field("who", &self.line.who)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for ProcessStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the simulated store of {}", self.line.who)
    }
}
