//! What is found by a manifest: the same as by looking at everything in it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use esker_model::SegmentKind;
use esker_storage::manifest::{Entry, Leaf, Manifest, Place};
use proptest::prelude::*;
use support::manifests::{any_manifest, everything, hole, leaf, manifest_id, merged_id};
use support::segments::segment_id;

#[test]
fn a_manifest_says_what_it_lists() {
    let manifest = everything();
    assert_eq!(
        (manifest.base_offset, manifest.end_offset()),
        (1_520, (1 << 41) + 12)
    );
    let entries = 1 + u64::from(u32::MAX) + 2 * 9_000 + 4_274_000;
    assert_eq!(manifest.bytes(), 4_194_374 + 4_000_000 + (1 << 42) + entries);
    assert_eq!(
        manifest.objects(),
        2 + 2 + 2,
        "two leaves, what is in them, two segments"
    );
    assert_eq!(manifest.max_timestamp(), 1_700_000_000_030);

    let empty = Manifest::empty(manifest_id(1), 44);
    assert_eq!((empty.base_offset, empty.end_offset()), (44, 44));
    assert_eq!(
        (empty.bytes(), empty.objects(), empty.max_timestamp()),
        (0, 0, -1)
    );
    assert_eq!((empty.leaf_for(44), empty.places(0).next()), (None, None));
}

#[test]
fn what_is_gone_is_not_listed() {
    let mut manifest = leaf();
    assert_eq!(manifest.places(0).next().unwrap().base_offset, 1_500);
    assert_eq!(manifest.max_timestamp(), 1_700_000_000_009);
    assert_eq!(manifest.find_time(0, 0).unwrap().base_offset, 1_500);
    manifest.base_offset = 1_499;
    assert_eq!(manifest.places(0).next().unwrap().base_offset, 1_000);
}

#[test]
fn a_leaf_is_known_by_its_line() {
    let line = Leaf::of(&leaf(), 321).unwrap();
    assert_eq!((line.id, line.object_bytes), (manifest_id(20), 321));
    assert_eq!((line.base_offset, line.end_offset), (1_510, 1_600));
    assert_eq!((line.bytes, line.segments), (8_194_374, 2));
    assert_eq!(line.max_timestamp, 1_700_000_000_009);
    assert_eq!(Leaf::of(&everything(), 321), None, "it has leaves itself");
    assert_eq!(Leaf::of(&Manifest::empty(manifest_id(1), 0), 321), None);
}

#[test]
fn places_say_what_to_read() {
    let manifest = everything();
    let places: Vec<_> = manifest.places(0).collect();
    assert_eq!(places.len(), 6);
    let chunk = places[1];
    assert_eq!(
        (chunk.segment, chunk.object_bytes),
        (merged_id(9), (1 << 32) + 300)
    );
    assert_eq!((chunk.position, chunk.bytes), (1, u64::from(u32::MAX)));
    assert_eq!(chunk.crc, Some(u32::MAX.wrapping_mul(0x9e37_79b9)));
    assert_eq!(
        (chunk.max_timestamp, chunk.archived_ms),
        (1_700_000_000_010, 1_700_000_100_000)
    );
    let hole = places[2];
    assert_eq!((hole.segment, hole.object_bytes), (segment_id(42), 29_743));
    assert_eq!((hole.position, hole.bytes, hole.crc), (20_270, 9_000, None));
    assert_eq!((hole.max_timestamp, hole.archived_ms), (-1, 1_700_000_100_005));
    assert_eq!(manifest.entries[1].places().next(), Some(hole));
    assert_eq!(places[5].segment.kind, SegmentKind::Archive);
    assert_eq!(manifest.entries[2].archived_ms(), 1_700_000_100_000);
    assert_eq!(manifest.entries[2].bytes(), 4_274_000);
    assert_eq!(manifest.entries[2].max_timestamp(), 1_700_000_000_030);
    assert_eq!(self::hole(3, 4).places().count(), 1);
}

/// All places of the entries, in order, in the plainest way.
fn all_places(manifest: &Manifest) -> Vec<Place> {
    let mut places = Vec::new();
    for entry in &manifest.entries {
        match entry {
            Entry::Segment(segment) => {
                let (mut offset, mut position) = (segment.base_offset, 0);
                for chunk in &segment.chunks {
                    places.push(Place {
                        base_offset: offset,
                        end_offset: offset + chunk.offsets as i64,
                        segment: segment.id,
                        object_bytes: segment.object_bytes,
                        position,
                        bytes: chunk.bytes.into(),
                        crc: Some(chunk.crc),
                        max_timestamp: chunk.max_timestamp,
                        archived_ms: segment.archived_ms,
                    });
                    offset += chunk.offsets as i64;
                    position += u64::from(chunk.bytes);
                }
            }
            Entry::Hole(hole) => places.push(hole.place()),
        }
    }
    places
}

/// Offsets at and around every border, and some others.
fn offsets(manifest: &Manifest, random: i64) -> Vec<i64> {
    let places = all_places(manifest);
    let mut offsets: Vec<_> = places.iter().map(|place| place.base_offset).collect();
    offsets.extend(manifest.leaves.iter().map(|leaf| leaf.base_offset));
    offsets.extend([manifest.base_offset, manifest.end_offset(), random]);
    let around = offsets
        .iter()
        .flat_map(|offset| [offset.saturating_sub(1), *offset, offset.saturating_add(1)]);
    around.chain([i64::MIN, 0, i64::MAX]).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn offsets_and_times_are_found_where_they_lie(
        manifest in any_manifest(),
        random in any::<i64>(),
        timestamps in prop::collection::vec(prop_oneof![0i64..60, any::<i64>()], 4),
    ) {
        let everywhere = all_places(&manifest);
        for from in offsets(&manifest, random) {
            let listed = from.max(manifest.base_offset);
            let expected: Vec<_> = everywhere.iter().copied().filter(|place| place.end_offset > listed).collect();
            prop_assert_eq!(manifest.places(from).collect::<Vec<_>>(), &expected[..]);
            let leaves: Vec<_> = manifest.leaves.iter().filter(|leaf| leaf.end_offset > from).collect();
            prop_assert_eq!(manifest.leaf_for(from), leaves.first().copied());
            for timestamp in timestamps.iter().copied().chain([-1, manifest.max_timestamp()]) {
                let place = expected.iter().copied().find(|place| place.max_timestamp >= timestamp);
                prop_assert_eq!(manifest.find_time(timestamp, from), place);
                let leaf = leaves.iter().copied().find(|leaf| leaf.max_timestamp >= timestamp);
                prop_assert_eq!(manifest.leaf_for_time(timestamp, from), leaf);
            }
        }
    }

    #[test]
    fn what_lies_end_to_end_is_found_end_to_end(manifest in any_manifest()) {
        let mut next = manifest.base_offset;
        while let Some(leaf) = manifest.leaf_for(next) {
            prop_assert!((leaf.base_offset..leaf.end_offset).contains(&next));
            next = leaf.end_offset;
        }
        for place in manifest.places(next) {
            prop_assert!((place.base_offset..place.end_offset).contains(&next));
            next = place.end_offset;
        }
        prop_assert_eq!(next, manifest.end_offset());
    }
}
