//! Whether a bucket does what Esker stands on: found out by doing it.
//!
//! Writes one small probe object under `preflight/` and removes it. A crash in between leaves that object
//! behind; it does no harm.

use std::time::Duration;

use bytes::Bytes;

use crate::bucket::Bucket;
use crate::error::StoreError;
use crate::segment::TAIL_BYTES;
use futures::StreamExt;

/// How long one step goes on trying.
const PATIENCE: Duration = Duration::from_secs(8);
const PROBE_BYTES: usize = 64;

/// What one step found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// A short, stable name of the step.
    pub name: &'static str,
    /// Whether the bucket does it.
    pub ok: bool,
    /// One sentence for people.
    pub sentence: String,
}

/// A step's error, or a sentence about an answer that is wrong.
enum Trouble {
    Store(StoreError),
    Wrong(String),
}

impl From<StoreError> for Trouble {
    fn from(err: StoreError) -> Self {
        Self::Store(err)
    }
}

type Step = Result<String, Trouble>;

/// Tries everything, in order. A permission that is missing is named, and the other steps are still tried, as far as
/// they can be without it; any other failure is the last finding: what follows would only repeat it. All steps succeeded
/// if all findings are `ok`.
pub async fn preflight(bucket: &Bucket) -> Vec<Finding> {
    let key = format!("preflight/{}", bucket.seams().rng.uuid().simple());
    let ours = probe(bucket);
    let others = probe(bucket);
    let mut findings = Findings::default();
    if findings.stop("bucket.readable", LIST, list(bucket).await) {
        return findings.found;
    }
    let listed = findings.last_is_ok();
    if findings.stop("bucket.writable", PUT, write(bucket, &key, &ours).await) {
        return findings.found;
    }
    let written = findings.last_is_ok();
    let mut stopped = false;
    if written {
        // What is refused now is not the PUT, but to look at what the other one left.
        let step = write_again(bucket, &key, &ours, &others).await;
        stopped = findings.stop("bucket.conditional_put", GET, step);
        if findings.last_is_ok() {
            stopped = findings.stop("bucket.read_back", GET, read_back(bucket, &key, &ours).await);
        }
    } else if listed {
        // Without the probe, whether reading is allowed shows by asking for an object that is not there. Whoever may
        // not list is not told that it is not.
        stopped = findings.stop("bucket.read_back", GET, read_nothing(bucket, &key).await);
    }
    let removed = remove(bucket, &key).await;
    if !stopped {
        findings.stop("bucket.deletable", DELETE, removed);
    }
    findings.found
}

/// What S3 calls the permissions.
const LIST: &str = "s3:ListBucket";
const PUT: &str = "s3:PutObject";
const GET: &str = "s3:GetObject";
const DELETE: &str = "s3:DeleteObject";

#[derive(Default)]
struct Findings {
    found: Vec<Finding>,
}

impl Findings {
    /// Notes what a step found, and says whether nothing after it makes sense.
    fn stop(&mut self, name: &'static str, action: &str, step: Step) -> bool {
        let (ok, stop, sentence) = match step {
            Ok(sentence) => (true, false, sentence),
            Err(Trouble::Store(err @ StoreError::Forbidden(_))) => {
                (false, false, format!("{err}; what is missing is {action}"))
            }
            Err(Trouble::Store(err)) => (false, true, err.to_string()),
            Err(Trouble::Wrong(sentence)) => (false, true, sentence),
        };
        self.found.push(Finding { name, ok, sentence });
        stop
    }

    fn last_is_ok(&self) -> bool {
        self.found.last().is_some_and(|finding| finding.ok)
    }
}

fn probe(bucket: &Bucket) -> Bytes {
    (0..PROBE_BYTES / 8)
        .flat_map(|_| bucket.seams().rng.next_u64().to_be_bytes())
        .collect()
}

async fn put(bucket: &Bucket, key: &str, bytes: &Bytes) -> Result<(), StoreError> {
    let mut tail = [0; TAIL_BYTES];
    tail.copy_from_slice(&bytes[PROBE_BYTES - TAIL_BYTES..]);
    let deadline = bucket.seams().clock.now().plus(PATIENCE);
    bucket.put_new(key, vec![bytes.clone()], tail, deadline).await
}

async fn list(bucket: &Bucket) -> Step {
    match bucket.list("").next().await {
        Some(Err(err)) => Err(err.into()),
        _ => Ok(format!("{} can be listed", bucket.place())),
    }
}

async fn write(bucket: &Bucket, key: &str, ours: &Bytes) -> Step {
    put(bucket, key, ours).await?;
    Ok(format!("{} accepts new objects", bucket.place()))
}

async fn write_again(bucket: &Bucket, key: &str, ours: &Bytes, others: &Bytes) -> Step {
    match put(bucket, key, others).await {
        Err(StoreError::Conflict { .. }) => {}
        Err(err) => return Err(err.into()),
        Ok(()) => {
            return Err(Trouble::Wrong(format!(
                "{} ignores If-None-Match: it replaced an object that must not be replaced, so it cannot \
                 hold a cluster",
                bucket.place()
            )));
        }
    }
    put(bucket, key, ours).await?;
    Ok(format!("{} refuses to replace an object", bucket.place()))
}

async fn read_back(bucket: &Bucket, key: &str, ours: &Bytes) -> Step {
    let whole = bucket.get(key).await?;
    let part = bucket.get_range(key, 8..24).await?;
    if whole == *ours && part == ours.slice(8..24) {
        Ok(format!(
            "{} returns what was written, whole and in ranges",
            bucket.place()
        ))
    } else {
        Err(Trouble::Wrong(format!(
            "{} returned other bytes than were written",
            bucket.place()
        )))
    }
}

async fn read_nothing(bucket: &Bucket, key: &str) -> Step {
    match bucket.get(key).await {
        Err(StoreError::NotFound { .. }) => Ok(format!("{} may be read", bucket.place())),
        Err(err) => Err(err.into()),
        Ok(_) => Err(Trouble::Wrong(format!(
            "{} returned an object that nobody wrote",
            bucket.place()
        ))),
    }
}

async fn remove(bucket: &Bucket, key: &str) -> Step {
    bucket.delete(key).await?;
    match bucket.get(key).await {
        // Who may not read cannot tell; that is said already.
        Err(StoreError::NotFound { .. } | StoreError::Forbidden(_)) => {
            Ok(format!("{} removes objects", bucket.place()))
        }
        Err(err) => Err(err.into()),
        Ok(_) => Err(Trouble::Wrong(format!(
            "{} still returns an object that was removed",
            bucket.place()
        ))),
    }
}
