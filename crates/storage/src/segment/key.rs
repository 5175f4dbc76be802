//! Object keys of segments: `<folder>/<epoch>/<hash3>/<incarnation>/<seq>`, where the folder is `ingest` or
//! `archive`.
//!
//! `hash3` spreads the writes of one agent over the object store's partitions, which it cuts by key
//! prefix. It is three hexadecimal digits of a fixed hash of incarnation and seq, so that the key follows
//! from the id. `seq` has twenty digits, so that listings of one folder come in seal order.

use esker_model::{ClusterEpoch, IncarnationId, SegmentId, SegmentKind};
use uuid::Uuid;

/// The folder of all segments of a kind.
pub const fn folder(kind: SegmentKind) -> &'static str {
    match kind {
        SegmentKind::Ingest => "ingest",
        SegmentKind::Archive => "archive",
    }
}

/// The key of a segment's object.
pub fn object_key(id: &SegmentId) -> String {
    format!(
        "{}/{}/{:03x}/{}/{:020}",
        folder(id.kind),
        id.epoch,
        hash3(id),
        id.incarnation,
        id.seq
    )
}

/// The prefix of all segments of a kind of a cluster epoch, for listings.
pub fn epoch_prefix(kind: SegmentKind, epoch: ClusterEpoch) -> String {
    format!("{}/{epoch}/", folder(kind))
}

/// The segment that a key names; `None` if it is not exactly the key of a segment.
pub fn parse_key(key: &str) -> Option<SegmentId> {
    let mut parts = key.split('/');
    let named = parts.next()?;
    let kind = [SegmentKind::Ingest, SegmentKind::Archive]
        .into_iter()
        .find(|kind| folder(*kind) == named)?;
    let epoch = ClusterEpoch(parts.next()?.parse().ok()?);
    parts.next()?;
    let incarnation = IncarnationId(Uuid::try_parse(parts.next()?).ok()?);
    let id = SegmentId {
        kind,
        epoch,
        incarnation,
        seq: parts.next()?.parse().ok()?,
    };
    (object_key(&id) == key).then_some(id)
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

    fn id(seq: u64) -> SegmentId {
        SegmentId {
            kind: SegmentKind::Ingest,
            epoch: ClusterEpoch(7),
            incarnation: IncarnationId(Uuid::from_u128(0x0011_2233_4455_6677_8899_aabb_ccdd_eeff)),
            seq,
        }
    }

    #[test]
    fn keys_stay_as_they_are_for_ever() {
        assert_eq!(
            object_key(&id(42)),
            "ingest/7/33d/00112233445566778899aabbccddeeff/00000000000000000042"
        );
        let archive = SegmentId {
            kind: SegmentKind::Archive,
            ..id(42)
        };
        assert_eq!(
            object_key(&archive),
            "archive/7/33d/00112233445566778899aabbccddeeff/00000000000000000042"
        );
        assert_eq!(parse_key(&object_key(&archive)), Some(archive));
    }

    #[test]
    fn keys_read_back_and_nothing_else_does() {
        for seq in [1, 9, 10, 12345, u64::MAX] {
            assert_eq!(parse_key(&object_key(&id(seq))), Some(id(seq)));
        }
        let key = object_key(&id(1));
        for wrong in [
            String::new(),
            "cluster.json".into(),
            format!("{key}0"),
            format!("x{key}"),
            key.replace("ingest/7", "ingest/8/9"),
            key.replace("ingest/7", "ingest/07"),
            key.to_uppercase(),
            key.replace("00000000000000000001", "1"),
        ] {
            assert_eq!(parse_key(&wrong), None, "{wrong}");
        }
    }

    #[test]
    fn consecutive_segments_are_spread() {
        let hashes: BTreeSet<_> = (1..=1000).map(|seq| hash3(&id(seq))).collect();
        assert!(hashes.len() > 700, "{}", hashes.len());
    }
}
