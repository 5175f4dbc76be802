//! Chains and archive segments from random extents: nothing is lost, moved or doubled.

use std::collections::BTreeMap;

use bytes::Bytes;
use esker_metastore::Extent;
use esker_model::seams::{Rng, SeededRng};
use esker_model::{ClusterEpoch, IncarnationId, PartitionKey, SegmentId, SegmentKind, TopicKey, TopicUuid};
use esker_protocol::batch::{BatchHeader, PATCH_BYTES};
use esker_protocol::records::BatchBuilder;
use esker_storage::segment::archive;
use uuid::Uuid;

use super::gather::{self, Gathered, NoBytes};
use super::pack::{self, OBJECT_PARTITIONS_MAX, Packed};

fn id(kind: SegmentKind, seq: u64) -> SegmentId {
    SegmentId {
        kind,
        epoch: ClusterEpoch(3),
        incarnation: IncarnationId(Uuid::from_u128(1)),
        seq,
    }
}

/// Ingest segments in memory, and the extents of their records.
#[derive(Default)]
struct Ingest {
    objects: BTreeMap<SegmentId, Vec<u8>>,
    found: Vec<(PartitionKey, Extent)>,
    ends: BTreeMap<PartitionKey, i64>,
}

impl Ingest {
    fn append(&mut self, rng: &SeededRng, partition: PartitionKey, segment: u64) {
        let segment = id(SegmentKind::Ingest, segment);
        let object = self.objects.entry(segment).or_default();
        let position = object.len() as u64;
        let end = self.ends.entry(partition).or_insert(100);
        let base_offset = *end;
        for _ in 0..1 + rng.below(3) {
            let mut batch = BatchBuilder::new();
            let records = 1 + rng.below(3) as i32;
            for _ in 0..records {
                let value = vec![7; rng.below(900) as usize];
                batch = batch.record(rng.below(1_000) as i64, None, Some(&value), &[]);
            }
            object.extend(batch.build().unwrap());
            *end += i64::from(records);
        }
        self.found.push((
            partition,
            Extent {
                base_offset,
                end_offset: *end,
                segment,
                object_bytes: 0,
                chunk: None,
                position,
                bytes: object.len() as u64 - position,
                max_timestamp: 1_000,
                producer: None,
                transactional: false,
            },
        ));
    }

    fn read(&self, extent: &Extent) -> Result<Vec<Bytes>, NoBytes> {
        let from = extent.position as usize;
        let object = &self.objects[&extent.segment];
        Ok(vec![Bytes::copy_from_slice(
            &object[from..from + extent.bytes as usize],
        )])
    }

    fn pack(
        &mut self,
        bytes_max: u64,
        read: impl Fn(&Self, &Extent) -> Result<Vec<Bytes>, NoBytes>,
    ) -> Vec<Packed> {
        self.found
            .sort_by_key(|(partition, extent)| (*partition, extent.base_offset));
        let gathered = self.found.iter().map(|(partition, extent)| Gathered {
            partition: *partition,
            extent: *extent,
            batches: read(self, extent)
                .and_then(|slices| gather::batches(extent, &slices).map_err(|_| NoBytes::Never)),
        });
        let chains = gather::chains(gathered.collect(), topic);
        let mut seq = 0;
        let name = || {
            seq += 1;
            id(SegmentKind::Archive, seq)
        };
        pack::pack(chains, bytes_max, name).unwrap()
    }
}

/// Ids whose order is another than that of the keys; the last topic was deleted.
fn topic(key: TopicKey) -> Option<TopicUuid> {
    (key.0 < 4).then(|| TopicUuid(Uuid::from_u128(100 - key.0 as u128)))
}

fn random(rng: &SeededRng) -> Ingest {
    let mut ingest = Ingest::default();
    for segment in 1..=1 + rng.below(6) {
        for _ in 0..rng.below(20) {
            let partition = PartitionKey {
                topic: TopicKey(1 + rng.below(4) as i32),
                partition: rng.below(3) as i32,
            };
            ingest.append(rng, partition, segment);
        }
    }
    ingest
}

/// The batches in these bytes, which carry their offsets: base offset, end offset, and all that is not patched.
fn batches(mut bytes: &[u8]) -> Vec<(i64, i64, Vec<u8>)> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let header = BatchHeader::parse(bytes).unwrap();
        let (batch, rest) = bytes.split_at(header.total_bytes());
        found.push((
            header.base_offset,
            header.next_offset(),
            batch[PATCH_BYTES..].to_vec(),
        ));
        bytes = rest;
    }
    found
}

/// Reads what was packed as a reader does, and compares with what went in.
fn same_records(ingest: &Ingest, packed: &[Packed]) {
    let mut ends: BTreeMap<PartitionKey, i64> = BTreeMap::new();
    let mut archived: BTreeMap<PartitionKey, Vec<Vec<u8>>> = BTreeMap::new();
    for one in packed {
        let object = one.object.as_ref().unwrap();
        let whole: Bytes = object.payload.concat().into();
        let footer = archive::verify(&whole).unwrap();
        assert_eq!(footer.parts.len(), one.partitions.len());
        assert!(one.partitions.is_sorted_by_key(|moved| moved.partition));
        for moved in &one.partitions {
            let end = ends.entry(moved.partition).or_insert(100);
            for extent in &moved.extents {
                assert_eq!(extent.base_offset, *end);
                let chunk = extent.chunk.unwrap();
                let from = extent.position as usize;
                let bytes = &whole[from..from + extent.bytes as usize];
                assert!(chunk.position <= extent.position);
                assert!(extent.position + extent.bytes <= chunk.position + u64::from(chunk.bytes));
                for (base, next, rest) in batches(bytes) {
                    assert_eq!(base, *end);
                    *end = next;
                    archived.entry(moved.partition).or_default().push(rest);
                }
                assert_eq!(extent.end_offset, *end);
            }
        }
    }
    let mut expected: BTreeMap<PartitionKey, Vec<Vec<u8>>> = BTreeMap::new();
    for (partition, extent) in ingest.found.iter().filter(|(key, _)| topic(key.topic).is_some()) {
        for (_, _, rest) in batches(&ingest.read(extent).unwrap().concat()) {
            expected.entry(*partition).or_default().push(rest);
        }
    }
    assert_eq!(archived, expected);
}

fn bytes(packed: &Packed) -> u64 {
    let extents = packed.partitions.iter().flat_map(|one| &one.extents);
    extents.map(|extent| extent.bytes).sum()
}

fn holes(packed: &Packed) -> usize {
    let extents = packed.partitions.iter().flat_map(|one| &one.extents);
    extents.filter(|extent| extent.chunk.is_none()).count()
}

#[test]
fn what_goes_in_comes_out() {
    for seed in 0..150 {
        let rng = SeededRng::new(seed);
        let mut ingest = random(&rng);
        let bytes_max = [1, 2_000, 20_000, 1 << 20][rng.below(4) as usize];
        let packed = ingest.pack(bytes_max, Ingest::read);
        same_records(&ingest, &packed);
        assert!(
            packed
                .iter()
                .all(|one| bytes(one) <= bytes_max.max(4_000) && holes(one) == 0)
        );
    }
}

#[test]
fn an_object_that_is_read_later_cuts_chains_and_one_that_is_gone_ends_them_with_a_hole() {
    for seed in 0..50 {
        let rng = SeededRng::new(seed);
        let mut ingest = random(&rng);
        for (gone, why) in [(2, NoBytes::Later), (3, NoBytes::Never)] {
            let packed = ingest.pack(1 << 20, |ingest, extent| match extent.segment.seq {
                seq if seq == gone => Err(why),
                _ => ingest.read(extent),
            });
            for (partition, end) in &ingest.ends {
                let extents = packed.iter().flat_map(|one| &one.partitions);
                let extents: Vec<_> = extents
                    .filter(|moved| moved.partition == *partition)
                    .flat_map(|moved| &moved.extents)
                    .collect();
                let first = ingest
                    .found
                    .iter()
                    .find(|(key, extent)| key == partition && extent.segment.seq == gone);
                let reached = extents.last().map_or(100, |extent| extent.end_offset);
                match first {
                    _ if topic(partition.topic).is_none() => assert!(extents.is_empty()),
                    None => assert_eq!(reached, *end),
                    Some((_, extent)) if why == NoBytes::Later => assert_eq!(reached, extent.base_offset),
                    Some((_, extent)) => assert_eq!(extents.last(), Some(&extent)),
                }
            }
        }
    }
}

#[test]
fn an_archive_segment_has_a_bounded_number_of_partitions() {
    let rng = SeededRng::new(7);
    let mut ingest = Ingest::default();
    for partition in 0..OBJECT_PARTITIONS_MAX as i32 + 5 {
        let partition = PartitionKey {
            topic: TopicKey(1),
            partition,
        };
        ingest.append(&rng, partition, 1);
    }
    let packed = ingest.pack(1 << 30, Ingest::read);
    same_records(&ingest, &packed);
    let counts: Vec<_> = packed.iter().map(|one| one.partitions.len()).collect();
    assert_eq!(counts, [OBJECT_PARTITIONS_MAX, 5]);
}

#[test]
fn partitions_with_holes_only_are_bounded_too() {
    let rng = SeededRng::new(7);
    let mut ingest = Ingest::default();
    for partition in 0..OBJECT_PARTITIONS_MAX as i32 + 5 {
        let partition = PartitionKey {
            topic: TopicKey(1),
            partition,
        };
        ingest.append(&rng, partition, 1);
    }
    let packed = ingest.pack(1 << 30, |_, _| Err(NoBytes::Never));
    let counts: Vec<_> = packed.iter().map(|one| one.partitions.len()).collect();
    assert_eq!(counts, [OBJECT_PARTITIONS_MAX, 5]);
    assert!(packed.iter().all(|one| one.object.is_none()));
    assert!(
        packed
            .iter()
            .all(|one| one.partitions.is_sorted_by_key(|one| one.partition))
    );
}

#[test]
fn a_batch_whose_checksum_is_wrong_is_not_archived() {
    let rng = SeededRng::new(3);
    let mut ingest = Ingest::default();
    let partition = PartitionKey {
        topic: TopicKey(1),
        partition: 0,
    };
    for _ in 0..3 {
        ingest.append(&rng, partition, 1);
    }
    let second = ingest.found[1].1;
    let packed = ingest.pack(1 << 20, |ingest, extent| {
        let mut bytes = ingest.read(extent)?.concat();
        if extent.base_offset == second.base_offset {
            // A byte of a record, which no header tells.
            *bytes.last_mut().unwrap() ^= 1;
        }
        Ok(vec![bytes.into()])
    });
    let extents = &packed[0].partitions[0].extents;
    assert_eq!(extents.last(), Some(&second));
    assert_eq!(holes(&packed[0]), 1);
}

#[test]
fn what_does_not_begin_where_its_partition_is_archived_to_is_left_alone() {
    let key = |partition| PartitionKey {
        topic: TopicKey(1),
        partition,
    };
    let rng = SeededRng::new(11);
    let mut ingest = Ingest::default();
    for partition in [0, 1, 2] {
        for segment in 1..=4 {
            ingest.append(&rng, key(partition), segment);
        }
    }
    let found = ingest.found.clone();
    // The first partition from the beginning, the second from its third extent on, the third not at all.
    let archived_to = BTreeMap::from([(key(0), 100), (key(1), found[6].1.base_offset)]);
    let chosen = gather::reachable(found.clone(), archived_to);
    assert_eq!(chosen, [&found[..4], &found[6..8]].concat());
    // What lies behind a gap is not reached either.
    let mut gap = found.clone();
    gap.remove(2);
    let archived_to = BTreeMap::from([(key(0), 100)]);
    assert_eq!(gather::reachable(gap, archived_to), found[..2]);
}

#[test]
fn an_extent_that_was_archived_in_part_goes_on_where_that_ended() {
    for seed in 0..50 {
        let rng = SeededRng::new(seed);
        let mut ingest = random(&rng);
        // Each batch in an archive segment of its own, of which only some were registered.
        let packed = ingest.pack(1, Ingest::read);
        let mut archived_to: BTreeMap<PartitionKey, i64> =
            ingest.ends.keys().map(|partition| (*partition, 100)).collect();
        let mut registered = Vec::new();
        for one in packed {
            let moved = &one.partitions[0];
            let end = archived_to.get_mut(&moved.partition).unwrap();
            if rng.below(4) > 0 && moved.extents[0].base_offset == *end {
                *end = moved.extents[0].end_offset;
                registered.push(one);
            }
        }
        let found = gather::reachable(ingest.found.clone(), archived_to.clone());
        let gathered = found.into_iter().map(|(partition, extent)| Gathered {
            partition,
            extent,
            batches: gather::batches(&extent, &ingest.read(&extent).unwrap()).map_err(|_| NoBytes::Never),
        });
        let mut gathered: Vec<Gathered> = gathered.collect();
        gather::trim(&mut gathered, &archived_to);
        let mut seq = 1_000;
        let name = || {
            seq += 1;
            id(SegmentKind::Archive, seq)
        };
        registered.extend(pack::pack(gather::chains(gathered, topic), 1 << 20, name).unwrap());
        same_records(&ingest, &registered);
    }
}
