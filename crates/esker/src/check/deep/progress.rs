//! How far the check is: counted for the end, told on stderr meanwhile.

use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use esker_metastore::UpkeepStatus;
use esker_model::seams::Seams;

use super::finding::Findings;
use crate::cli::{age, counted};
use crate::settings::size;

/// Time between two lines.
const TELL_EVERY: Duration = Duration::from_secs(5);

/// Counts.
pub(super) struct Progress {
    seams: Seams,
    pub topics: AtomicU64,
    pub partitions: AtomicU64,
    /// Offsets whose records are right.
    pub offsets: AtomicU64,
    offsets_passed: AtomicU64,
    offsets_known: AtomicU64,
    /// Objects that something was read of.
    pub objects: AtomicU64,
    objects_known: AtomicU64,
    /// Bytes that were read and are right.
    pub bytes: AtomicU64,
    bytes_known: AtomicU64,
    waits: Mutex<Option<String>>,
}

impl Progress {
    pub(super) fn new(seams: Seams) -> Self {
        Self {
            seams,
            topics: AtomicU64::new(0),
            partitions: AtomicU64::new(0),
            offsets: AtomicU64::new(0),
            offsets_passed: AtomicU64::new(0),
            offsets_known: AtomicU64::new(0),
            objects: AtomicU64::new(0),
            objects_known: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            bytes_known: AtomicU64::new(0),
            waits: Mutex::new(None),
        }
    }

    /// What is known before anything is read. Merged segments are counted when the manifests that list them are read.
    pub(super) fn begin(&self, topics: usize, partitions: usize, offsets: u64, status: &UpkeepStatus) {
        let objects = status.waiting_segments + status.archive_segments + status.manifests;
        let bytes = status.waiting_bytes + status.manifest_bytes;
        for (count, known) in [
            (&self.topics, topics as u64),
            (&self.partitions, partitions as u64),
            (&self.offsets_known, offsets),
            (&self.objects_known, objects),
            (&self.bytes_known, bytes),
        ] {
            count.store(known, Ordering::Relaxed);
        }
    }

    /// A manifest lists more objects.
    pub(super) fn listed(&self, objects: u64) {
        self.objects_known.fetch_add(objects, Ordering::Relaxed);
    }

    /// Archived records that no manifest lists have so many bytes.
    pub(super) fn planned(&self, bytes: u64) {
        self.bytes_known.fetch_add(bytes, Ordering::Relaxed);
    }

    /// So many offsets were looked at for the first time.
    pub(super) fn passed(&self, offsets: u64) {
        self.offsets_passed.fetch_add(offsets, Ordering::Relaxed);
    }

    /// The records of so many offsets are right.
    pub(super) fn verified(&self, offsets: u64) {
        self.offsets.fetch_add(offsets, Ordering::Relaxed);
    }

    /// Another object is looked into.
    pub(super) fn object(&self) {
        self.objects.fetch_add(1, Ordering::Relaxed);
    }

    /// So many bytes came and are right.
    pub(super) fn read(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// A store does not answer; `None`: it does again.
    pub(super) fn waits(&self, why: Option<String>) {
        *self.waits.lock().unwrap_or_else(PoisonError::into_inner) = why;
    }

    /// Tells how far it is, until the check is over.
    pub(super) async fn tell(&self, findings: &Findings) {
        let began = self.seams.clock.now();
        loop {
            tokio::time::sleep(TELL_EVERY).await;
            let took = self.seams.clock.now() - began;
            let took = i64::try_from(took.as_millis()).unwrap_or(i64::MAX);
            let line = self.line(findings.wrong(), took);
            // Nobody reads it: then nobody needs it.
            let _ = writeln!(std::io::stderr(), "{line}");
        }
    }

    fn line(&self, wrong: u64, took_ms: i64) -> String {
        let of = |done: &AtomicU64, known: &AtomicU64| {
            let done = done.load(Ordering::Relaxed);
            (done, known.load(Ordering::Relaxed).max(done))
        };
        let (objects, objects_known) = of(&self.objects, &self.objects_known);
        let (bytes, bytes_known) = of(&self.bytes, &self.bytes_known);
        let (offsets, offsets_known) = of(&self.offsets_passed, &self.offsets_known);
        let percent = (offsets * 100).checked_div(offsets_known).unwrap_or(100);
        let waits = self.waits.lock().unwrap_or_else(PoisonError::into_inner);
        let waits = waits
            .as_ref()
            .map_or(String::new(), |why| format!("; waiting: {why}"));
        format!(
            "checking for {}: {objects} of about {}, {} of about {}, {percent} % of all offsets; {}{waits}",
            age::show(took_ms),
            counted(objects_known, "object"),
            size::show(bytes),
            size::show(bytes_known),
            counted(wrong, "finding"),
        )
    }
}
