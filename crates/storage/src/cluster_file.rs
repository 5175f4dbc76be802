//! `cluster.json`: whose bucket this is, and in which cluster epoch.
//!
//! Written once by a conditional PUT at the cluster's first start; only a restore replaces it, to raise
//! the epoch. Every agent reads it at start and every few seconds after that, so a read either succeeds
//! soon or fails soon: the caller's next one is never far.

use std::time::Duration;

use bytes::Bytes;
use esker_model::{ClusterEpoch, ClusterId};
use object_store::PutPayload;
use serde::{Deserialize, Serialize};

use crate::bucket::Bucket;
use crate::error::StoreError;

/// The object's key.
pub const CLUSTER_FILE: &str = "cluster.json";
/// The version that this release writes, and the highest that it reads.
pub const FORMAT_VERSION: u32 = 1;

const BYTES_MAX: u64 = 64 * 1024;
const READ_PATIENCE: Duration = Duration::from_millis(2500);
const CREATE_PATIENCE: Duration = Duration::from_secs(10);

/// What `cluster.json` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterFile {
    /// The cluster's id.
    pub cluster_id: ClusterId,
    /// The cluster's epoch, from 1.
    pub epoch: ClusterEpoch,
    /// The version of the bucket's formats.
    pub format_version: u32,
}

/// The JSON itself. Fields that are not known are ignored, so that later releases can add some.
#[derive(Serialize, Deserialize)]
struct Stored {
    format_version: u32,
    cluster_id: String,
    epoch: i32,
}

impl ClusterFile {
    /// The file of a cluster, in this release's format.
    pub fn new(cluster_id: ClusterId, epoch: ClusterEpoch) -> Self {
        Self {
            cluster_id,
            epoch,
            format_version: FORMAT_VERSION,
        }
    }

    fn encode(&self) -> Result<Bytes, StoreError> {
        let stored = Stored {
            format_version: self.format_version,
            cluster_id: self.cluster_id.0.clone(),
            epoch: self.epoch.0,
        };
        let mut json = serde_json::to_vec_pretty(&stored).map_err(|err| garbage(&err.to_string()))?;
        json.push(b'\n');
        Ok(Bytes::from(json))
    }

    /// Reads the JSON. What is no `cluster.json` is `Corrupt`; one of a later release `Misconfigured`.
    pub fn decode(json: &[u8]) -> Result<Self, StoreError> {
        /// Enough to recognise a later format whatever else changed in it.
        #[derive(Deserialize)]
        struct Version {
            format_version: u32,
        }
        let Version { format_version } =
            serde_json::from_slice(json).map_err(|err| garbage(&err.to_string()))?;
        if format_version > FORMAT_VERSION {
            return Err(StoreError::Misconfigured(format!(
                "the bucket was written by a later release of Esker ({CLUSTER_FILE} has format_version \
                 {format_version}, this release knows {FORMAT_VERSION}): upgrade this agent"
            )));
        }
        let stored: Stored = serde_json::from_slice(json).map_err(|err| garbage(&err.to_string()))?;
        if format_version < 1 || stored.cluster_id.is_empty() || stored.epoch < 1 {
            return Err(garbage("a field has a value that Esker never writes"));
        }
        Ok(Self {
            cluster_id: ClusterId(stored.cluster_id),
            epoch: ClusterEpoch(stored.epoch),
            format_version,
        })
    }
}

fn garbage(what: &str) -> StoreError {
    StoreError::Corrupt {
        key: CLUSTER_FILE.to_owned(),
        what: what.to_owned(),
    }
}

/// Reads `cluster.json`; `None` if there is none. Answers within about three seconds.
pub async fn read(bucket: &Bucket) -> Result<Option<ClusterFile>, StoreError> {
    match bucket.get_within(CLUSTER_FILE, BYTES_MAX, READ_PATIENCE).await {
        Ok(json) => ClusterFile::decode(&json).map(Some),
        Err(StoreError::NotFound { .. }) => Ok(None),
        Err(err) => Err(err),
    }
}

/// Writes `cluster.json` unless there is one, and returns the one that is there afterwards: `file`, or
/// what somebody else wrote first. The caller compares.
pub async fn create(bucket: &Bucket, file: &ClusterFile) -> Result<ClusterFile, StoreError> {
    let json = file.encode()?;
    let clock = &bucket.seams().clock;
    let deadline = clock.now().plus(CREATE_PATIENCE);
    bucket
        .put_if_absent(CLUSTER_FILE, PutPayload::from_bytes(json), deadline)
        .await?;
    read(bucket).await?.ok_or_else(|| StoreError::NotFound {
        key: CLUSTER_FILE.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use esker_model::seams::Seams;

    use super::*;

    fn file(id: &str, epoch: i32) -> ClusterFile {
        ClusterFile::new(ClusterId(id.into()), ClusterEpoch(epoch))
    }

    #[tokio::test]
    async fn the_first_to_create_wins_and_the_others_hear_of_it() {
        let bucket = Bucket::memory(Seams::real());
        assert_eq!(read(&bucket).await, Ok(None));
        assert_eq!(create(&bucket, &file("a", 1)).await, Ok(file("a", 1)));
        assert_eq!(create(&bucket, &file("b", 3)).await, Ok(file("a", 1)));
        assert_eq!(read(&bucket).await, Ok(Some(file("a", 1))));
    }

    #[test]
    fn the_bytes_stay_as_they_are() {
        let json = file("x3Xh1Zl9SqCyGyuUMRNVhg", 1).encode().unwrap();
        let text =
            "{\n  \"format_version\": 1,\n  \"cluster_id\": \"x3Xh1Zl9SqCyGyuUMRNVhg\",\n  \"epoch\": 1\n}\n";
        assert_eq!(json, text);
    }

    #[test]
    fn garbage_and_later_formats_are_told_apart() {
        for garbage in [
            &b""[..],
            b"\xff\xfe",
            b"[]",
            b"{}",
            br#"{"format_version":1}"#,
            br#"{"format_version":1,"cluster_id":"","epoch":1}"#,
            br#"{"format_version":1,"cluster_id":"a","epoch":0}"#,
            br#"{"format_version":0,"cluster_id":"a","epoch":1}"#,
        ] {
            assert!(
                matches!(ClusterFile::decode(garbage), Err(StoreError::Corrupt { .. })),
                "{garbage:?}"
            );
        }
        let later = br#"{"format_version":2,"something":"else"}"#;
        assert!(matches!(
            ClusterFile::decode(later),
            Err(StoreError::Misconfigured(_))
        ));
        let more = br#"{"format_version":1,"cluster_id":"a","epoch":4,"since":"then"}"#;
        assert_eq!(ClusterFile::decode(more), Ok(file("a", 4)));
    }
}
