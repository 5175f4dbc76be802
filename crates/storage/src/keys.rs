//! Object keys. All below the bucket's prefix:
//!
//! ```text
//! ingest/<epoch>/<hash3>/<incarnation>/<seq>                 many partitions: ingest segments,
//! archive/<epoch>/<hash3>/<incarnation>/<seq>                and archive segments
//! merged/<epoch>/<topic>/<partition>/<incarnation>/<seq>     one partition's: merged segments,
//! manifest/<epoch>/<topic>/<partition>/<incarnation>/<seq>   and the lists of them
//! ```
//!
//! `hash3` spreads the writes of one agent over the object store's partitions, which it cuts by key
//! prefix. It is three hexadecimal digits of a fixed hash of incarnation and seq, so that the key follows
//! from the id. What belongs to one partition is listed by its topic's id, which is random and spreads as well: so a
//! topic's objects are found by a listing, whatever else is lost. `seq` has twenty digits, so that listings of one
//! folder come in the order of writing.

use std::fmt::{self, Display};

use esker_model::{
    ClusterEpoch, IncarnationId, LogId, ManifestId, ObjectId, SegmentId, SegmentKind, TopicUuid,
};
use uuid::Uuid;

/// What an object is, as its folder and its tail say.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ObjectKind {
    /// An ingest segment.
    Ingest,
    /// An archive segment.
    Archive,
    /// A merged segment.
    Merged,
    /// A manifest.
    Manifest,
}

impl ObjectKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Ingest, Self::Archive, Self::Merged, Self::Manifest];

    /// The first part of the keys.
    pub const fn folder(self) -> &'static str {
        match self {
            Self::Ingest => "ingest",
            Self::Archive => "archive",
            Self::Merged => "merged",
            Self::Manifest => "manifest",
        }
    }

    /// Whether each object belongs to one partition.
    pub const fn is_of_one_log(self) -> bool {
        matches!(self, Self::Merged | Self::Manifest)
    }
}

impl From<SegmentKind> for ObjectKind {
    fn from(kind: SegmentKind) -> Self {
        match kind {
            SegmentKind::Ingest => Self::Ingest,
            SegmentKind::Archive => Self::Archive,
            SegmentKind::Merged(_) => Self::Merged,
        }
    }
}

impl Display for ObjectKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ingest => "ingest segment",
            Self::Archive => "archive segment",
            Self::Merged => "merged segment",
            Self::Manifest => "manifest",
        })
    }
}

/// The key of a segment's object.
pub fn object_key(id: &SegmentId) -> String {
    let kind = ObjectKind::from(id.kind);
    match id.kind {
        SegmentKind::Ingest | SegmentKind::Archive => format!(
            "{}/{}/{:03x}/{}/{:020}",
            kind.folder(),
            id.epoch,
            hash3(id),
            id.incarnation,
            id.seq
        ),
        SegmentKind::Merged(log) => key_of_log(kind, id.epoch, log, id.incarnation, id.seq),
    }
}

/// The key of a manifest's object.
pub fn manifest_key(id: &ManifestId) -> String {
    key_of_log(ObjectKind::Manifest, id.epoch, id.log, id.incarnation, id.seq)
}

/// The key of an object.
pub fn key_of(id: &ObjectId) -> String {
    match id {
        ObjectId::Segment(id) => object_key(id),
        ObjectId::Manifest(id) => manifest_key(id),
    }
}

/// The prefix of all objects of a kind, for listings.
pub fn kind_prefix(kind: ObjectKind) -> String {
    format!("{}/", kind.folder())
}

/// The prefix of all objects of a kind that belong to one topic and were written in one cluster epoch; only for kinds
/// of which each object belongs to one partition.
pub fn topic_prefix(kind: ObjectKind, epoch: ClusterEpoch, topic: TopicUuid) -> String {
    format!("{}/{epoch}/{}/", kind.folder(), topic.0.simple())
}

/// The prefix of all objects of a kind that belong to one partition and were written in one cluster epoch.
pub fn log_prefix(kind: ObjectKind, epoch: ClusterEpoch, log: LogId) -> String {
    format!("{}{:05}/", topic_prefix(kind, epoch, log.topic), log.partition)
}

fn key_of_log(
    kind: ObjectKind,
    epoch: ClusterEpoch,
    log: LogId,
    incarnation: IncarnationId,
    seq: u64,
) -> String {
    let prefix = log_prefix(kind, epoch, log);
    format!("{prefix}{incarnation}/{seq:020}")
}

/// The object that a key names; `None` if it is not exactly the key of one that Esker writes in numbers.
pub fn parse_key(key: &str) -> Option<ObjectId> {
    let mut parts = key.split('/');
    let folder = parts.next()?;
    let kind = ObjectKind::ALL.into_iter().find(|kind| kind.folder() == folder)?;
    let epoch = ClusterEpoch(parts.next()?.parse().ok()?);
    let mut log = None;
    if kind.is_of_one_log() {
        log = Some(LogId {
            topic: TopicUuid(Uuid::try_parse(parts.next()?).ok()?),
            partition: parts.next()?.parse().ok().filter(|partition| *partition >= 0)?,
        });
    } else {
        parts.next()?;
    }
    let incarnation = IncarnationId(Uuid::try_parse(parts.next()?).ok()?);
    let seq = parts.next()?.parse().ok()?;
    let segment = |kind| {
        ObjectId::Segment(SegmentId {
            kind,
            epoch,
            incarnation,
            seq,
        })
    };
    let id = match (kind, log) {
        (ObjectKind::Ingest, _) => segment(SegmentKind::Ingest),
        (ObjectKind::Archive, _) => segment(SegmentKind::Archive),
        (ObjectKind::Merged, Some(log)) => segment(SegmentKind::Merged(log)),
        (ObjectKind::Manifest, Some(log)) => ObjectId::Manifest(ManifestId {
            log,
            epoch,
            incarnation,
            seq,
        }),
        (_, None) => return None,
    };
    (key_of(&id) == key).then_some(id)
}

/// The key with which a path or URL ends, and the object that it names; `None` if it does not end with one.
pub fn parse_end(path: &str) -> Option<(&str, ObjectId)> {
    let whole = std::iter::once(0);
    let mut begins = whole.chain(path.match_indices('/').map(|(slash, _)| slash + 1));
    begins.find_map(|begin| {
        let key = path.get(begin..)?;
        Some((key, parse_key(key)?))
    })
}

/// Twelve bits, from the CRC-32C of the incarnation's sixteen bytes and the seq, big-endian.
fn hash3(id: &SegmentId) -> u32 {
    let crc = crc32c::crc32c(id.incarnation.0.as_bytes());
    crc32c::crc32c_append(crc, &id.seq.to_be_bytes()) >> 20
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const LOG: LogId = LogId {
        topic: TopicUuid(Uuid::from_u128(0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10)),
        partition: 12,
    };

    fn id(seq: u64) -> SegmentId {
        SegmentId {
            kind: SegmentKind::Ingest,
            epoch: ClusterEpoch(7),
            incarnation: IncarnationId(Uuid::from_u128(0x0011_2233_4455_6677_8899_aabb_ccdd_eeff)),
            seq,
        }
    }

    fn all(seq: u64) -> [ObjectId; 4] {
        let of = |kind| ObjectId::Segment(SegmentId { kind, ..id(seq) });
        let SegmentId {
            epoch, incarnation, ..
        } = id(seq);
        [
            of(SegmentKind::Ingest),
            of(SegmentKind::Archive),
            of(SegmentKind::Merged(LOG)),
            ObjectId::Manifest(ManifestId {
                log: LOG,
                epoch,
                incarnation,
                seq,
            }),
        ]
    }

    #[test]
    fn a_path_may_end_with_a_key() {
        for object in all(42) {
            let key = key_of(&object);
            for before in ["", "/", "s3://bucket/", "file:///archive/ingest/"] {
                assert_eq!(parse_end(&format!("{before}{key}")), Some((&key[..], object)));
            }
            assert_eq!(parse_end(&format!("x{key}")), None);
            assert_eq!(parse_end(&format!("{key}/x")), None);
        }
        assert_eq!(parse_end(""), None);
    }

    #[test]
    fn keys_stay_as_they_are_for_ever() {
        assert_eq!(
            all(42).map(|id| key_of(&id)),
            [
                "ingest/7/33d/00112233445566778899aabbccddeeff/00000000000000000042",
                "archive/7/33d/00112233445566778899aabbccddeeff/00000000000000000042",
                "merged/7/0102030405060708090a0b0c0d0e0f10/00012/00112233445566778899aabbccddeeff/00000000000000000042",
                "manifest/7/0102030405060708090a0b0c0d0e0f10/00012/00112233445566778899aabbccddeeff/00000000000000000042",
            ]
        );
    }

    #[test]
    fn keys_read_back_and_nothing_else_does() {
        for seq in [1, 9, 10, 12345, u64::MAX] {
            for id in all(seq) {
                assert_eq!(parse_key(&key_of(&id)), Some(id));
            }
        }
        let [ingest, _, merged, _] = all(1).map(|id| key_of(&id));
        for wrong in [
            String::new(),
            "cluster.json".into(),
            format!("{ingest}0"),
            format!("x{ingest}"),
            ingest.replace("ingest/7", "ingest/8/9"),
            ingest.replace("ingest/7", "ingest/07"),
            ingest.to_uppercase(),
            ingest.replace("00000000000000000001", "1"),
            merged.replace("/00012/", "/12/"),
            merged.replace("/00012/", "/-0012/"),
            merged.replace("/00012/", "/"),
            merged.replace("merged", "archive"),
            merged.replace(
                "0102030405060708090a0b0c0d0e0f10",
                "01020304-0506-0708-090a-0b0c0d0e0f10",
            ),
        ] {
            assert_eq!(parse_key(&wrong), None, "{wrong}");
        }
    }

    #[test]
    fn listings_of_a_topic_find_its_objects_and_no_others() {
        let [_, _, merged, manifest] = all(1).map(|id| key_of(&id));
        let epoch = ClusterEpoch(7);
        assert!(merged.starts_with(&topic_prefix(ObjectKind::Merged, epoch, LOG.topic)));
        assert!(manifest.starts_with(&topic_prefix(ObjectKind::Manifest, epoch, LOG.topic)));
        let other = TopicUuid(Uuid::from_u128(1));
        assert!(!merged.starts_with(&topic_prefix(ObjectKind::Merged, epoch, other)));
        for (kind, id) in ObjectKind::ALL.into_iter().zip(all(1)) {
            assert!(key_of(&id).starts_with(&kind_prefix(kind)));
        }
    }

    #[test]
    fn consecutive_segments_are_spread() {
        let hashes: BTreeSet<_> = (1..=1000).map(|seq| hash3(&id(seq))).collect();
        assert!(hashes.len() > 700, "{}", hashes.len());
    }
}
