//! Manifests through many rounds of random changes, and merged segments from random batches.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use esker_metastore::{Extent, ManifestSummary};
use esker_model::seams::{Rng, SeededRng};
use esker_model::{
    ClusterEpoch, IncarnationId, LogId, ManifestId, ObjectId, PartitionKey, SegmentId, SegmentKind, TopicKey,
    TopicUuid,
};
use esker_protocol::records::BatchBuilder;
use esker_storage::manifest::{Entry, Hole, Leaf, ListedChunk, ListedSegment, Manifest};
use esker_storage::segment::archive::{self, ArchivedBatch};
use uuid::Uuid;

use super::build::{Builder, Built};
use super::edit::Edit;
use crate::config::MergeLimits;
use crate::upkeep::archive::gather::Gathered;

const LIMITS: MergeLimits = MergeLimits::DEFAULT;

const LOG: LogId = LogId {
    topic: TopicUuid(Uuid::from_u128(5)),
    partition: 3,
};

fn manifest_id(seq: u64) -> ManifestId {
    ManifestId {
        log: LOG,
        epoch: ClusterEpoch(1),
        incarnation: IncarnationId(Uuid::from_u128(1)),
        seq,
    }
}

fn segment_id(kind: SegmentKind, seq: u64) -> SegmentId {
    SegmentId {
        kind,
        epoch: ClusterEpoch(1),
        incarnation: IncarnationId(Uuid::from_u128(1)),
        seq,
    }
}

/// A manifest that is replaced again and again, its leaves, and what it should list.
struct World {
    rng: SeededRng,
    seqs: u64,
    root: Manifest,
    leaves: BTreeMap<ManifestId, Manifest>,
    log_start: i64,
    expected: Vec<Entry>,
}

impl World {
    fn new(seed: u64) -> Self {
        Self {
            rng: SeededRng::new(seed),
            seqs: 0,
            root: Manifest::empty(manifest_id(0), 0),
            leaves: BTreeMap::new(),
            log_start: 0,
            expected: Vec::new(),
        }
    }

    fn seq(&mut self) -> u64 {
        self.seqs += 1;
        self.seqs
    }

    fn end_offset(&self) -> i64 {
        self.expected
            .last()
            .map_or(self.root.end_offset(), Entry::end_offset)
    }

    fn new_entry(&mut self, base_offset: i64) -> Entry {
        let seq = self.seq();
        let offsets = 1 + self.rng.below(20);
        let bytes = 100 + self.rng.below(1_000);
        let max_timestamp = self.rng.below(50) as i64 - 1;
        if self.rng.below(10) == 0 {
            return Entry::Hole(Hole {
                segment: segment_id(SegmentKind::Archive, seq),
                object_bytes: bytes,
                position: 0,
                bytes,
                base_offset,
                end_offset: base_offset + offsets as i64,
                max_timestamp,
                archived_ms: seq as i64,
            });
        }
        Entry::Segment(ListedSegment {
            id: segment_id(SegmentKind::Merged(LOG), seq),
            object_bytes: bytes + 9,
            base_offset,
            archived_ms: seq as i64,
            chunks: vec![ListedChunk {
                offsets,
                bytes: bytes as u32,
                crc: 1,
                max_timestamp,
            }],
        })
    }

    /// All that the manifest refers to, the manifest itself not included.
    fn referred(&self) -> BTreeSet<ObjectId> {
        let mut objects = BTreeSet::new();
        for leaf in &self.root.leaves {
            objects.insert(ObjectId::Manifest(leaf.id));
        }
        objects.extend(self.listed().iter().filter_map(object));
        objects
    }

    /// What the manifest lists, in order.
    fn listed(&self) -> Vec<Entry> {
        let in_leaves = self
            .root
            .leaves
            .iter()
            .flat_map(|leaf| &self.leaves[&leaf.id].entries);
        in_leaves
            .chain(&self.root.entries)
            .filter(|entry| entry.end_offset() > self.root.base_offset)
            .cloned()
            .collect()
    }

    /// Another manifest takes its place, as the merge job has it.
    fn replace(&mut self, appended: usize) {
        let before = self.referred();
        let mut edit = Edit::new(self.root.clone());
        loop {
            edit.drop_dead(self.log_start);
            match edit.wants_leaf() {
                None => break,
                Some(leaf) => edit.put_leaf(self.leaves[&leaf].clone()),
            }
        }
        let listed = self.expected.len();
        self.expected.retain(|entry| entry.end_offset() > self.log_start);
        assert_eq!(edit.has_dropped(), self.expected.len() < listed);
        for _ in 0..self.rng.below(3) {
            if appended > 0 && edit.last_segment().is_some() {
                let taken = edit.take_last_segment().map(Entry::Segment);
                assert_eq!(taken, self.expected.pop());
            }
        }
        let mut base_offset = edit.manifest.end_offset();
        for _ in 0..appended {
            let entry = self.new_entry(base_offset);
            base_offset = entry.end_offset();
            self.expected.push(entry.clone());
            edit.append(entry);
        }
        while let Some(leaf) = edit.split_leaf(&LIMITS, || manifest_id(self.seqs + 1)) {
            self.seqs += 1;
            let object_bytes = leaf.encode().unwrap().object_bytes();
            let line = Leaf::of(&leaf, object_bytes).unwrap();
            self.leaves.insert(leaf.id, leaf.clone());
            edit.list_leaf(line, leaf);
        }
        edit.manifest.id = manifest_id(self.seq());
        self.root = edit.manifest.clone();
        let summary = edit.summary();
        let unneeded: BTreeSet<ObjectId> = edit.unneeded.iter().copied().collect();
        assert_eq!(unneeded.len(), edit.unneeded.len(), "each once");
        self.check(&before, &unneeded, summary);
    }

    fn check(&self, before: &BTreeSet<ObjectId>, unneeded: &BTreeSet<ObjectId>, summary: ManifestSummary) {
        let object = self.root.encode().unwrap();
        assert_eq!(Manifest::decode(&object.payload).unwrap(), self.root);
        let listed = self.listed();
        assert_eq!(listed, self.expected);
        assert!(self.root.base_offset <= self.log_start.max(listed.first().map_or(0, Entry::base_offset)));
        assert!(self.root.entries.len() <= LIMITS.manifest_entries);
        let after = self.referred();
        assert_eq!(*unneeded, before.difference(&after).copied().collect());
        let first = listed.first();
        let expected = ManifestSummary {
            objects: after.len() as u64,
            bytes: listed.iter().map(Entry::bytes).sum(),
            first_end_offset: first.map_or(self.root.base_offset, Entry::end_offset),
            first_bytes: first.map_or(0, Entry::bytes),
            first_timestamp: first.map_or(0, |first| match first.max_timestamp() {
                -1 => first.archived_ms(),
                timestamp => timestamp,
            }),
        };
        assert_eq!(summary, expected);
    }
}

fn object(entry: &Entry) -> Option<ObjectId> {
    match entry {
        Entry::Segment(segment) => Some(ObjectId::Segment(segment.id)),
        Entry::Hole(_) => None,
    }
}

#[test]
fn a_manifest_lists_what_it_should_however_often_it_is_replaced() {
    let mut with_leaves = 0;
    for seed in 0..12 {
        let mut world = World::new(seed);
        for _ in 0..60 {
            let most = [3, 40, 300][world.rng.below(3) as usize];
            let appended = world.rng.below(most) as usize;
            if world.rng.below(3) == 0 {
                let room = (world.end_offset() - world.log_start).max(0) as u64;
                let step = [room / 30, room / 3, room][world.rng.below(3) as usize];
                world.log_start += world.rng.below(step + 1) as i64;
            }
            world.replace(appended);
            with_leaves += usize::from(!world.root.leaves.is_empty());
        }
    }
    assert!(with_leaves > 150, "{with_leaves}");
}

#[test]
fn the_older_half_of_a_full_manifest_becomes_a_leaf() {
    let mut world = World::new(1);
    let mut edit = Edit::new(world.root.clone());
    for _ in 0..=LIMITS.manifest_entries {
        let entry = world.new_entry(edit.manifest.end_offset());
        edit.append(entry);
    }
    let first = edit.manifest.entries[0].clone();
    let leaf = edit.split_leaf(&LIMITS, || manifest_id(7)).unwrap();
    assert_eq!(
        (leaf.id, leaf.entries.len()),
        (manifest_id(7), LIMITS.leaf_entries)
    );
    assert_eq!(leaf.entries[0], first);
    assert_eq!(
        edit.manifest.entries.len(),
        LIMITS.manifest_entries + 1 - LIMITS.leaf_entries
    );
    assert!(edit.split_leaf(&LIMITS, || manifest_id(8)).is_none());
    // When all of it lies below the log start, it need not be read to go.
    let line = Leaf::of(&leaf, 1_000).unwrap();
    let end = line.end_offset;
    edit.list_leaf(line, leaf);
    let mut edit = Edit::new(edit.manifest);
    assert!(!edit.drop_dead_leaf(end - 1) && !edit.has_dropped());
    assert!(edit.drop_dead_leaf(end) && edit.has_dropped());
    assert_eq!((edit.manifest.base_offset, edit.wants_leaf()), (end, None));
    assert_eq!(edit.unneeded, [ObjectId::Manifest(manifest_id(7))]);
}

/// A batch of about so many bytes.
fn batch(records: i32, bytes: u64) -> ArchivedBatch {
    let value = vec![7; bytes as usize / records as usize];
    let build = |batch: BatchBuilder, _| batch.record(1, None, Some(&value), &[]);
    ArchivedBatch {
        records,
        max_timestamp: 1,
        epoch: ClusterEpoch(1),
        bytes: (0..records)
            .fold(BatchBuilder::new(), build)
            .build()
            .unwrap()
            .into(),
    }
}

fn extent(base_offset: i64, batches: &[ArchivedBatch]) -> Extent {
    Extent {
        base_offset,
        end_offset: base_offset + batches.iter().map(|batch| i64::from(batch.records)).sum::<i64>(),
        segment: segment_id(SegmentKind::Archive, 9),
        object_bytes: 1 << 20,
        chunk: None,
        position: 0,
        bytes: batches.iter().map(|batch| batch.bytes.len() as u64).sum(),
        max_timestamp: 0,
        producer: None,
        transactional: false,
    }
}

/// Merges these extents; an empty one is a hole of 5 records.
fn built(extents: &[Vec<ArchivedBatch>], bytes_max: u64, log_start: i64) -> Vec<Built> {
    let mut seq = 0;
    let mut name = || {
        seq += 1;
        segment_id(SegmentKind::Merged(LOG), seq)
    };
    let mut builder = Builder::new(LOG, 100, 77, bytes_max, &mut name);
    for batches in extents {
        let base_offset = builder.next_offset();
        if batches.is_empty() {
            let hole = Extent {
                end_offset: base_offset + 5,
                bytes: 50,
                ..extent(base_offset, &[])
            };
            builder.push_hole(&hole).unwrap();
        } else {
            builder
                .push(&extent(base_offset, batches), batches.clone(), log_start)
                .unwrap();
        }
    }
    builder.end_segment().unwrap();
    std::mem::take(&mut builder.built)
}

fn spans(built: &[Built]) -> Vec<(i64, i64, bool)> {
    let span = |one: &Built| {
        (
            one.entry.base_offset(),
            one.entry.end_offset(),
            one.object.is_some(),
        )
    };
    built.iter().map(span).collect()
}

#[test]
fn segments_end_where_they_are_full_and_where_records_are_lost() {
    let of = |sizes: &[u64]| sizes.iter().map(|bytes| batch(10, *bytes)).collect::<Vec<_>>();
    let extents = [
        of(&[4_000, 4_000]),
        of(&[4_000, 30_000]),
        vec![],
        of(&[1_000]),
        of(&[2_000, 2_000]),
    ];
    let all = built(&extents, 10_000, 0);
    assert_eq!(
        spans(&all),
        [
            (100, 120, true),
            (120, 130, true),
            (130, 140, true),
            (140, 145, false),
            (145, 175, true)
        ]
    );
    // Those that lie below the log start are left out, but only at the beginning.
    let all = built(&extents, 100_000, 115);
    assert_eq!(
        spans(&all),
        [(110, 140, true), (140, 145, false), (145, 175, true)]
    );
    let all = built(&extents, 100_000, 160);
    assert_eq!(spans(&all), [(140, 145, false), (145, 175, true)]);
    assert_eq!(spans(&built(&[of(&[500])], 1_000, 110)), []);
}

#[test]
fn what_a_built_entry_says_is_what_its_object_holds() {
    let extents: Vec<Vec<ArchivedBatch>> = (1..40)
        .map(|records| vec![batch(records, 400_000), batch(records, 100)])
        .collect();
    for Built { entry, object } in built(&extents, 6_000_000, 0) {
        let (Entry::Segment(listed), Some(sealed)) = (&entry, object) else {
            panic!("no hole was pushed");
        };
        let object = Bytes::from(sealed.payload.concat());
        assert_eq!(listed.object_bytes, object.len() as u64);
        assert_eq!((listed.id, listed.archived_ms), (sealed.id, 77));
        let footer = archive::verify(&object).unwrap();
        assert_eq!(footer.parts.len(), 1);
        assert_eq!(footer.parts[0].base_offset, listed.base_offset);
        assert!(listed.chunks.len() > 1);
        let mut next = listed.base_offset;
        for (place, chunk) in entry.places().zip(&sealed.chunks) {
            assert_eq!((place.position, place.bytes), (chunk.position, chunk.bytes));
            assert_eq!((place.crc, place.base_offset), (Some(chunk.crc), next));
            next = place.end_offset;
        }
        assert_eq!(next, entry.end_offset());
    }
}

#[test]
fn extents_that_do_not_follow_on_each_other_are_refused() {
    let mut name = || segment_id(SegmentKind::Merged(LOG), 1);
    let mut builder = Builder::new(LOG, 100, 77, 1_000, &mut name);
    let batches = vec![batch(3, 100)];
    assert!(builder.push(&extent(101, &batches), batches.clone(), 0).is_err());
    assert!(builder.push_hole(&extent(99, &batches)).is_err());
    assert!(builder.push(&extent(100, &batches), batches, 0).is_ok());
}

/// Stretches of archived extents, each read.
fn gathered(spans: &[(i32, i64, i64)]) -> Vec<Gathered> {
    let one = |(partition, base_offset, end_offset): &(i32, i64, i64)| {
        let partition = PartitionKey {
            topic: TopicKey(1),
            partition: *partition,
        };
        Gathered {
            partition,
            extent: Extent {
                end_offset: *end_offset,
                ..extent(*base_offset, &[])
            },
            batches: Ok(Vec::new()),
        }
    };
    spans.iter().map(one).collect()
}

#[test]
fn stretches_of_one_partition_come_one_after_the_other() {
    let layers = super::repack::layers(gathered(&[
        (0, 0, 10),
        (0, 10, 20),
        (0, 30, 40),
        (0, 41, 50),
        (1, 5, 6),
        (1, 7, 8),
        (2, 0, 1),
    ]));
    let told: Vec<Vec<(i32, i64)>> = layers
        .iter()
        .map(|layer| {
            let place = |one: &Gathered| (one.partition.partition, one.extent.base_offset);
            layer.iter().map(place).collect()
        })
        .collect();
    assert_eq!(
        told,
        [
            vec![(0, 0), (0, 10), (1, 5), (2, 0)],
            vec![(0, 30), (1, 7)],
            vec![(0, 41)]
        ]
    );
}
