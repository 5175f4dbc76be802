//! Any object of the bucket, in words, and whether it is whole.

mod fault;
mod manifest;

use std::fmt::Write;

use bytes::Bytes;
use esker_model::ObjectId;
use esker_model::sequence::{Outcome, Piece, Refusal};

pub use self::fault::{Class, Fault};
use crate::cluster_file::{CLUSTER_FILE, ClusterFile};
use crate::error::StoreError;
use crate::keys::{self, ObjectKind};
use crate::segment::archive::{self, ArchiveFooter, Part, Place};
use crate::segment::{self, Footer, Receipt, RunExtent, SegmentError, Tail};

/// What is known of an object before it is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// What to call it.
    pub name: &'a str,
    /// Its key, or a path or URL that ends with it. Anything else tells nothing.
    pub key: &'a str,
    /// What it has to be, if somebody says so.
    pub class: Option<Class>,
}

/// What an object is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Description {
    /// Many lines.
    pub text: String,
    /// The first thing that is wrong with it; `None`: it is whole.
    pub fault: Option<Fault>,
}

/// Describes an object by its key. Never fails: what cannot be read is described as that.
pub fn describe(key: &str, object: &Bytes) -> Description {
    let (name, class) = (key, None);
    Known { name, key, class }.describe(object)
}

impl Known<'_> {
    /// As [`describe`].
    pub fn describe(&self, object: &Bytes) -> Description {
        let mut out = Description {
            text: format!("{}: {} bytes\n", self.name, object.len()),
            fault: None,
        };
        if self.key.rsplit('/').next() == Some(CLUSTER_FILE) {
            self.must_hold(None, &mut out);
            describe_cluster_file(object, &mut out);
            return out;
        }
        match Tail::of_object(object) {
            Err(err @ (SegmentError::NotASegment | SegmentError::TooShort(_))) => {
                line(&mut out, "not an object that this release of Esker writes");
                // What was cut off or has bytes behind its end has no tail there.
                let is_known = self.class.is_some() || self.named().is_some();
                out.wrong(match is_known {
                    true => Fault::Damaged(err.to_string()),
                    false => Fault::Unknown(err.to_string()),
                });
            }
            Err(err) => describe_damaged(&err, &mut out),
            Ok(tail) => {
                self.must_hold(Some(tail.kind), &mut out);
                match tail.kind {
                    ObjectKind::Ingest => describe_ingest(self, &tail, object, &mut out),
                    ObjectKind::Archive | ObjectKind::Merged => {
                        describe_archive(self, &tail, object, &mut out);
                    }
                    ObjectKind::Manifest => manifest::describe_manifest(self, &tail, object, &mut out),
                }
            }
        }
        out
    }

    /// The object that its key names.
    fn named(&self) -> Option<ObjectId> {
        keys::parse_end(self.key).map(|(_, id)| id)
    }

    /// It is of this kind, or `cluster.json`: that has to be what somebody says.
    fn must_hold(&self, kind: Option<ObjectKind>, out: &mut Description) {
        let Some(should) = self.class else { return };
        if !kind.is_some_and(|kind| should.holds(kind)) {
            let is = kind.map_or("a cluster's file".to_owned(), fault::a);
            out.wrong(Fault::Other { is, should });
        }
    }
}

impl Description {
    fn wrong(&mut self, fault: Fault) {
        self.fault.get_or_insert(fault);
    }
}

fn line(out: &mut Description, text: &str) {
    out.text.push_str(text);
    out.text.push('\n');
}

fn describe_cluster_file(object: &Bytes, out: &mut Description) {
    match ClusterFile::decode(object) {
        Ok(file) => line(
            out,
            &format!(
                "cluster {}, epoch {}, format version {}",
                file.cluster_id, file.epoch, file.format_version
            ),
        ),
        Err(err) => {
            line(out, &err.to_string());
            out.wrong(match err {
                StoreError::Corrupt { what, .. } => Fault::Damaged(what),
                later => Fault::Unknown(later.to_string()),
            });
        }
    }
}

/// What ends like a segment, but cannot be read as one.
fn describe_damaged(err: &SegmentError, out: &mut Description) {
    line(out, &format!("a damaged segment: {err}"));
    out.wrong(Fault::of(err));
}

fn describe_ingest(known: &Known<'_>, tail: &Tail, object: &Bytes, out: &mut Description) {
    let footer = match Footer::read(object) {
        Ok(footer) => footer,
        Err(err) => return describe_damaged(&err, out),
    };
    describe_whole(
        known,
        &ObjectId::Segment(footer.id),
        tail,
        segment::verify(object).err(),
        out,
    );
    line(out, &format!("{} runs:", footer.runs.len()));
    for (index, run) in footer.runs.iter().enumerate() {
        line(out, &describe_run(index, run));
    }
    let receipts = &footer.receipts;
    line(
        out,
        &format!(
            "settled through {}; {} receipts:",
            receipts.settled_through,
            receipts.receipts.len()
        ),
    );
    for receipt in &receipts.receipts {
        describe_receipt(receipt, out);
    }
    describe_skipped(&footer.skipped, out);
}

fn describe_archive(known: &Known<'_>, tail: &Tail, object: &Bytes, out: &mut Description) {
    let footer = match ArchiveFooter::read(object) {
        Ok(footer) => footer,
        Err(err) => return describe_damaged(&err, out),
    };
    describe_whole(
        known,
        &ObjectId::Segment(footer.id),
        tail,
        archive::verify(object).err(),
        out,
    );
    line(out, &format!("{} chunks:", footer.chunks.len()));
    for (number, chunk) in footer.chunks.iter().enumerate() {
        let end = chunk.position + chunk.bytes;
        line(
            out,
            &format!(
                "  {number}: bytes {}..{end}, CRC-32C {:08x}",
                chunk.position, chunk.crc
            ),
        );
    }
    line(out, &format!("{} parts:", footer.parts.len()));
    for part in &footer.parts {
        line(out, &describe_part(part));
        for place in part.places() {
            line(out, &describe_place(&place));
        }
    }
    describe_skipped(&footer.skipped, out);
}

fn describe_part(part: &Part) -> String {
    let mut text = format!(
        "  topic {} partition {}, offsets {}..{}, bytes {}..{}",
        part.topic,
        part.partition,
        part.base_offset,
        part.end_offset(),
        part.position,
        part.position + part.bytes(),
    );
    latest(part.max_timestamp(), &mut text);
    text
}

fn describe_place(place: &Place) -> String {
    let mut text = format!("    offset {} at byte {}", place.base_offset, place.position);
    latest(place.entry.max_timestamp, &mut text);
    text
}

/// What every segment and manifest has; `damage` is what is wrong with it, if anything is.
fn describe_whole(
    known: &Known<'_>,
    id: &ObjectId,
    tail: &Tail,
    damage: Option<SegmentError>,
    out: &mut Description,
) {
    let (kind, epoch, incarnation, seq) = match id {
        ObjectId::Segment(id) => (ObjectKind::from(id.kind), id.epoch, id.incarnation, id.seq),
        ObjectId::Manifest(id) => (ObjectKind::Manifest, id.epoch, id.incarnation, id.seq),
    };
    line(
        out,
        &format!("{kind} {seq} of incarnation {incarnation}, cluster epoch {epoch}"),
    );
    let misplaced = known.named().is_some_and(|named| named != *id);
    let own_key = keys::key_of(id);
    if misplaced {
        line(out, &format!("MISPLACED: its own key is {own_key}"));
    }
    match damage {
        None => line(out, "all checksums are right"),
        Some(err) => {
            line(out, &format!("DAMAGED: {err}"));
            out.wrong(Fault::of(&err));
        }
    }
    if misplaced {
        out.wrong(Fault::Misplaced { own_key });
    }
    let (payload, footer) = (tail.payload_bytes(), tail.footer_bytes);
    line(out, &format!("payload {payload} bytes, footer {footer} bytes"));
}

/// Adds a largest record timestamp, if there is one.
fn latest(max_timestamp: i64, text: &mut String) {
    if max_timestamp >= 0 {
        let _ = write!(text, ", latest timestamp {max_timestamp}");
    }
}

fn describe_skipped(tags: &[u16], out: &mut Description) {
    for tag in tags {
        line(
            out,
            &format!("an optional section {tag} that this release does not know"),
        );
    }
}

fn describe_run(index: usize, run: &RunExtent) -> String {
    let mut text = format!(
        "  {index}: topic {} partition {}, bytes {}..{}, {} records in {} batches",
        run.topic,
        run.partition,
        run.position,
        run.position + run.bytes,
        run.records(),
        run.batches.len(),
    );
    latest(run.max_timestamp, &mut text);
    if let Some(producer) = run.producer {
        let _ = write!(
            text,
            ", producer {} epoch {} from sequence {}",
            producer.id, producer.epoch, producer.first_sequence
        );
    }
    for (set, word) in [(run.transactional, ", transactional"), (run.control, ", control")] {
        if set {
            text.push_str(word);
        }
    }
    text
}

fn describe_receipt(receipt: &Receipt, out: &mut Description) {
    line(out, &format!("  segment {}:", receipt.seq));
    for (index, pieces) in receipt.runs.iter().enumerate() {
        let words: Vec<_> = pieces.iter().map(describe_piece).collect();
        let words = if words.is_empty() {
            "not offered".to_owned()
        } else {
            words.join("; ")
        };
        line(out, &format!("    run {index}: {words}"));
    }
}

fn describe_piece(piece: &Piece) -> String {
    let what = match piece.outcome {
        Outcome::Appended { base_offset } => format!("appended at offset {base_offset}"),
        Outcome::OldDuplicate => "duplicate of an offset that is not remembered".to_owned(),
        Outcome::Duplicate { base_offset, .. } => format!("duplicate of offset {base_offset}"),
        Outcome::Refused(Refusal::Gap) => "refused, gap before it".to_owned(),
        Outcome::Refused(Refusal::OutOfOrder) => "refused, out of order".to_owned(),
        Outcome::Refused(Refusal::StaleEpoch) => "refused, stale producer epoch".to_owned(),
        Outcome::Refused(Refusal::UnknownPartition) => "refused, unknown partition".to_owned(),
    };
    format!("{} batches {what}", piece.batches)
}
