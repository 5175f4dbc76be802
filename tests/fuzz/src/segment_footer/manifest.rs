//! Manifests, and their sections by themselves.

use bytes::Bytes;
use esker_storage::keys::ObjectKind;
use esker_storage::manifest::{Leaf, Manifest};
use esker_storage::segment::{SegmentError, TAIL_BYTES, Tail};

use super::{footer_of, segment_id};
use crate::heap::peak_of;

/// A whole object; `said` is how it was described.
pub(super) fn check_manifest(object: &Bytes, said: &str) {
    let read = read(object);
    assert_eq!(read.is_ok(), said.contains("all checksums are right"));
    if let Ok(manifest) = read {
        check_read(manifest, object);
    }
}

/// The body of the section that lists everything.
pub(super) fn check_manifest_section(body: &[u8]) {
    let footer = footer_of(&segment_id(), &[(8, 1, body)]);
    let tail = Tail {
        kind: ObjectKind::Manifest,
        object_bytes: (footer.len() + TAIL_BYTES) as u64,
        footer_bytes: u32::try_from(footer.len()).unwrap(),
        footer_crc: crc32c::crc32c(&footer),
        payload_crc: 0,
    };
    let object = Bytes::from([&footer[..], &tail.encode()].concat());
    if let Ok(manifest) = read(&object) {
        assert!(manifest.skipped.is_empty());
        check_read(manifest, &object);
    }
}

/// Reads one in memory that its size bounds.
fn read(object: &Bytes) -> Result<Manifest, SegmentError> {
    let (read, peak) = peak_of(|| Manifest::decode(object));
    let bound = 16 * object.len() + 4096;
    assert!(peak <= bound, "{peak} bytes for {}", object.len());
    read
}

fn check_read(mut manifest: Manifest, object: &Bytes) {
    assert_lies_end_to_end(&manifest);
    manifest.skipped.clear();
    let again = manifest.encode().unwrap();
    assert!(again.payload.len() <= object.len());
    assert_eq!(Manifest::decode(&again.payload), Ok(manifest.clone()));
    let line = Leaf::of(&manifest, again.object_bytes());
    let lists_entries_only = manifest.leaves.is_empty() && !manifest.entries.is_empty();
    assert_eq!(line.is_some(), lists_entries_only);
    check_damage(&again.payload);
}

/// No byte can change unnoticed: one is looked at, chosen by the checksum of all.
fn check_damage(object: &Bytes) {
    let mut damaged = object.to_vec();
    let at = crc32c::crc32c(object) as usize % damaged.len();
    damaged[at] ^= 1 << (at % 8);
    let read = Manifest::decode(&Bytes::from(damaged));
    assert!(read.is_err(), "damage at {at} was not noticed");
}

/// Every offset that is listed lies in one leaf or place, which is found; sizes add up.
fn assert_lies_end_to_end(manifest: &Manifest) {
    assert!(manifest.id.log.partition >= 0 && manifest.base_offset >= 0);
    let mut next = manifest.base_offset;
    let mut bytes = 0u64;
    for leaf in &manifest.leaves {
        assert_eq!(manifest.leaf_for(next), Some(leaf));
        assert!((leaf.base_offset..leaf.end_offset).contains(&next));
        assert_eq!(leaf.id.log, manifest.id.log);
        next = leaf.end_offset;
        bytes += leaf.bytes;
    }
    assert_eq!(manifest.leaf_for(next), None);
    for place in manifest.places(next) {
        assert!((place.base_offset..place.end_offset).contains(&next));
        assert!(place.bytes > 0 && place.position + place.bytes <= place.object_bytes);
        assert_eq!(manifest.places(next).next(), Some(place));
        let found = manifest.find_time(place.max_timestamp, next);
        assert_eq!(found, Some(place));
        next = place.end_offset;
    }
    assert_eq!(next, manifest.end_offset());
    bytes += manifest.entries.iter().map(|entry| entry.bytes()).sum::<u64>();
    assert_eq!(bytes, manifest.bytes());
    assert!(i64::try_from(bytes).is_ok() && i64::try_from(manifest.objects()).is_ok());
}
