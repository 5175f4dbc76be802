//! Segments that this agent wrote a moment ago, kept in memory for readers at the tail.
//!
//! What holds: a segment's slices are those that were uploaded, so that a reader gets the same bytes from
//! here as from the bucket, without a copy. The whole never weighs more than its cap; the oldest goes
//! first. Dropping a segment loses nothing: readers find it in the bucket.
//!
//! The memory belongs to the produce share of the budget: it stays charged until the last slice of a
//! frame is gone. That is why the oldest segments are given up when a producer would have to wait.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use esker_model::SegmentId;
use esker_model::collections::FixedMap;
use parking_lot::RwLock;

/// Recently uploaded segments of this agent.
pub struct RecentSegments {
    cap_bytes: u64,
    kept: RwLock<Kept>,
}

#[derive(Default)]
struct Kept {
    segments: FixedMap<SegmentId, Arc<Payload>>,
    /// Oldest first. Ids that were removed out of turn are skipped when their turn comes.
    order: VecDeque<SegmentId>,
    bytes: u64,
}

/// A segment's payload, from the object's first byte on.
struct Payload {
    slices: Vec<Bytes>,
    /// Where each slice begins in the object.
    starts: Vec<u64>,
    bytes: u64,
}

impl Payload {
    fn new(slices: Vec<Bytes>) -> Self {
        let mut bytes = 0;
        let starts = slices
            .iter()
            .map(|slice| {
                let start = bytes;
                bytes += slice.len() as u64;
                start
            })
            .collect();
        Self {
            slices,
            starts,
            bytes,
        }
    }

    fn range(&self, position: u64, bytes: u64) -> Option<Vec<Bytes>> {
        let end = position.checked_add(bytes).filter(|end| *end <= self.bytes)?;
        let mut out = Vec::new();
        // The last slice that begins at or before the position; slices before it end before it.
        let first = self
            .starts
            .partition_point(|start| *start <= position)
            .saturating_sub(1);
        for (slice, start) in self.slices.iter().zip(&self.starts).skip(first) {
            if *start >= end {
                break;
            }
            let from = position.saturating_sub(*start).min(slice.len() as u64) as usize;
            let to = (end - start).min(slice.len() as u64) as usize;
            if from < to {
                out.push(slice.slice(from..to));
            }
        }
        Some(out)
    }
}

impl RecentSegments {
    /// Keeps up to `cap_bytes` of payload.
    pub fn new(cap_bytes: u64) -> Self {
        Self {
            cap_bytes,
            kept: RwLock::default(),
        }
    }

    /// Keeps a segment's payload: the slices as they were uploaded, from the object's first byte on.
    /// `bytes` is what they weigh. The oldest segments make room; a payload above the cap is not kept.
    pub fn insert(&self, id: SegmentId, payload: Vec<Bytes>, bytes: u64) {
        let payload = Arc::new(Payload::new(payload));
        debug_assert_eq!(payload.bytes, bytes);
        if payload.bytes > self.cap_bytes {
            return;
        }
        let mut given_up = Vec::new();
        let mut kept = self.kept.write();
        kept.bytes += payload.bytes;
        if let Some(before) = kept.segments.insert(id, payload) {
            kept.bytes -= before.bytes;
            given_up.push(before);
        } else {
            kept.order.push_back(id);
        }
        let over = kept.bytes.saturating_sub(self.cap_bytes);
        kept.give_up(over, &mut given_up);
        drop(kept);
        // Thousands of slices may go here: not under the lock.
        drop(given_up);
    }

    /// The bytes of a range of a segment, as slices; `None` if the segment is not here or the range goes
    /// beyond its payload.
    pub fn slices(&self, id: &SegmentId, position: u64, bytes: u64) -> Option<Vec<Bytes>> {
        let payload = self.kept.read().segments.get(id).cloned()?;
        payload.range(position, bytes)
    }

    /// Whether a segment is here now.
    pub fn contains(&self, id: &SegmentId) -> bool {
        self.kept.read().segments.contains_key(id)
    }

    /// Forgets a segment that was never committed.
    pub fn remove(&self, id: &SegmentId) {
        let mut kept = self.kept.write();
        let removed = kept.segments.remove(id);
        if let Some(payload) = &removed {
            kept.bytes -= payload.bytes;
        }
        drop(kept);
        drop(removed);
    }

    /// Gives up at least `bytes`, the oldest segments first, or all there is.
    pub fn shrink(&self, bytes: u64) {
        let mut given_up = Vec::new();
        self.kept.write().give_up(bytes, &mut given_up);
    }

    /// What all payloads weigh.
    pub fn bytes(&self) -> u64 {
        self.kept.read().bytes
    }

    /// How many segments are kept.
    pub fn len(&self) -> usize {
        self.kept.read().segments.len()
    }

    /// Whether no segment is kept.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Kept {
    fn give_up(&mut self, bytes: u64, given_up: &mut Vec<Arc<Payload>>) {
        let mut freed = 0;
        while freed < bytes
            && let Some(id) = self.order.pop_front()
        {
            if let Some(payload) = self.segments.remove(&id) {
                freed += payload.bytes;
                self.bytes -= payload.bytes;
                given_up.push(payload);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use esker_model::{ClusterEpoch, IncarnationId, SegmentKind};
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    fn id(seq: u64) -> SegmentId {
        SegmentId {
            kind: SegmentKind::Ingest,
            epoch: ClusterEpoch(1),
            incarnation: IncarnationId(Uuid::from_u128(1)),
            seq,
        }
    }

    fn payload(lengths: &[usize]) -> (Vec<Bytes>, Vec<u8>) {
        let mut whole = Vec::new();
        let slices = lengths
            .iter()
            .map(|length| {
                let part: Vec<u8> = (0..*length).map(|i| (whole.len() + i) as u8).collect();
                whole.extend_from_slice(&part);
                Bytes::from(part)
            })
            .collect();
        (slices, whole)
    }

    proptest! {
        #[test]
        fn gives_the_bytes_of_any_range(
            lengths in prop::collection::vec(0..40_usize, 0..12),
            position in 0..300_u64,
            bytes in 0..300_u64,
        ) {
            let (slices, whole) = payload(&lengths);
            let recent = RecentSegments::new(1 << 20);
            recent.insert(id(1), slices, whole.len() as u64);
            let found = recent.slices(&id(1), position, bytes);
            let (from, to) = (position as usize, (position + bytes) as usize);
            prop_assert_eq!(found.map(|slices| slices.concat()), whole.get(from..to).map(<[u8]>::to_vec));
        }

        #[test]
        fn never_weighs_more_than_its_cap(sizes in prop::collection::vec(0..60_usize, 1..60)) {
            let recent = RecentSegments::new(100);
            for (seq, size) in sizes.iter().enumerate() {
                recent.insert(id(seq as u64), vec![Bytes::from(vec![0; *size])], *size as u64);
                if seq % 5 == 3 {
                    recent.remove(&id(seq as u64 - 1));
                }
                prop_assert!(recent.bytes() <= 100);
                let kept: u64 = (0..=seq)
                    .filter(|seq| recent.contains(&id(*seq as u64)))
                    .map(|seq| sizes[seq] as u64)
                    .sum();
                prop_assert_eq!(kept, recent.bytes());
                // What was inserted last is never what makes room.
                prop_assert!(recent.contains(&id(seq as u64)));
            }
        }
    }

    #[test]
    fn shares_the_memory_of_what_was_uploaded() {
        let slice = Bytes::from(vec![7; 100]);
        let recent = RecentSegments::new(1000);
        recent.insert(id(1), vec![slice.clone()], 100);
        let found = recent.slices(&id(1), 10, 20).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].as_ptr(), slice[10..].as_ptr());
    }

    #[test]
    fn frees_the_oldest_first_under_pressure() {
        let recent = RecentSegments::new(1000);
        for seq in 1..=4 {
            recent.insert(id(seq), vec![Bytes::from(vec![0; 100])], 100);
        }
        recent.shrink(150);
        assert!(!recent.contains(&id(1)) && !recent.contains(&id(2)) && recent.contains(&id(3)));
        assert_eq!(recent.bytes(), 200);
        recent.shrink(u64::MAX);
        assert!(recent.is_empty());
        assert_eq!(recent.bytes(), 0);
    }

    #[test]
    fn a_payload_above_the_cap_is_not_kept_and_evicts_nothing() {
        let recent = RecentSegments::new(100);
        recent.insert(id(1), vec![Bytes::from(vec![0; 60])], 60);
        recent.insert(id(2), vec![Bytes::from(vec![0; 101])], 101);
        assert!(recent.contains(&id(1)) && !recent.contains(&id(2)));
    }
}
