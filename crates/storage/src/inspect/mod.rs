//! Any object of the bucket, in words.

mod manifest;

use std::fmt::Write;

use bytes::Bytes;
use esker_model::ObjectId;
use esker_model::sequence::{Outcome, Piece, Refusal};

use crate::cluster_file::{CLUSTER_FILE, ClusterFile};
use crate::keys::{self, ObjectKind};
use crate::segment::archive::{self, ArchiveFooter, Part, Place};
use crate::segment::{self, Footer, Receipt, RunExtent, SegmentError, Tail};

/// Describes an object. Never fails: what cannot be read is described as that.
pub fn describe(key: &str, object: &Bytes) -> String {
    let mut out = format!("{key}: {} bytes\n", object.len());
    if key.rsplit('/').next() == Some(CLUSTER_FILE) {
        describe_cluster_file(object, &mut out);
    } else {
        match Tail::of_object(object) {
            Err(SegmentError::NotASegment | SegmentError::TooShort(_)) => {
                line(&mut out, "not an object that this release of Esker writes");
            }
            Err(err) => line(&mut out, &format!("a damaged segment: {err}")),
            Ok(tail) => match tail.kind {
                ObjectKind::Ingest => describe_ingest(key, &tail, object, &mut out),
                ObjectKind::Archive | ObjectKind::Merged => describe_archive(key, &tail, object, &mut out),
                ObjectKind::Manifest => manifest::describe_manifest(key, &tail, object, &mut out),
            },
        }
    }
    out
}

fn line(out: &mut String, text: &str) {
    out.push_str(text);
    out.push('\n');
}

fn describe_cluster_file(object: &Bytes, out: &mut String) {
    match ClusterFile::decode(object) {
        Ok(file) => line(
            out,
            &format!(
                "cluster {}, epoch {}, format version {}",
                file.cluster_id, file.epoch, file.format_version
            ),
        ),
        Err(err) => line(out, &err.to_string()),
    }
}

fn describe_ingest(key: &str, tail: &Tail, object: &Bytes, out: &mut String) {
    let footer = match Footer::read(object) {
        Ok(footer) => footer,
        Err(err) => return line(out, &format!("a damaged segment: {err}")),
    };
    describe_whole(
        key,
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

fn describe_archive(key: &str, tail: &Tail, object: &Bytes, out: &mut String) {
    let footer = match ArchiveFooter::read(object) {
        Ok(footer) => footer,
        Err(err) => return line(out, &format!("a damaged segment: {err}")),
    };
    describe_whole(
        key,
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
fn describe_whole(key: &str, id: &ObjectId, tail: &Tail, damage: Option<SegmentError>, out: &mut String) {
    let (kind, epoch, incarnation, seq) = match id {
        ObjectId::Segment(id) => (ObjectKind::from(id.kind), id.epoch, id.incarnation, id.seq),
        ObjectId::Manifest(id) => (ObjectKind::Manifest, id.epoch, id.incarnation, id.seq),
    };
    line(
        out,
        &format!("{kind} {seq} of incarnation {incarnation}, cluster epoch {epoch}"),
    );
    if let Some(named) = keys::parse_key(key)
        && named != *id
    {
        line(out, &format!("MISPLACED: its own key is {}", keys::key_of(id)));
    }
    match damage {
        None => line(out, "all checksums are right"),
        Some(err) => line(out, &format!("DAMAGED: {err}")),
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

fn describe_skipped(tags: &[u16], out: &mut String) {
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

fn describe_receipt(receipt: &Receipt, out: &mut String) {
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
        Outcome::Duplicate { base_offset, .. } => format!("duplicate of offset {base_offset}"),
        Outcome::Refused(Refusal::Gap) => "refused, gap before it".to_owned(),
        Outcome::Refused(Refusal::OutOfOrder) => "refused, out of order".to_owned(),
        Outcome::Refused(Refusal::StaleEpoch) => "refused, stale producer epoch".to_owned(),
        Outcome::Refused(Refusal::UnknownPartition) => "refused, unknown partition".to_owned(),
    };
    format!("{} batches {what}", piece.batches)
}
