//! What the bucket holds: what can be read can be written again, and reads the same.

mod again;
mod archive;
mod footer;
mod manifest;
mod stated;

use bytes::Bytes;
use esker_model::seams::Seams;
use esker_model::{ClusterEpoch, IncarnationId, SegmentId, SegmentKind};
use esker_storage::keys::{ObjectKind, key_of, parse_key};
use esker_storage::segment::{Footer, SegmentError, TAIL_BYTES, Tail, verify};
use esker_storage::{Bucket, cluster_file, inspect};
use uuid::Uuid;

use crate::heap::peak_of;
use crate::input::Input;

use again::check_written_again;
use archive::{check_archive, check_archive_footer};
use footer::check_footer;
use manifest::{check_manifest, check_manifest_section};

/// What the first byte of an input says that the rest is.
pub(crate) mod kind {
    /// A whole object.
    pub(crate) const OBJECT: u8 = 0;
    /// A footer; payload and tail are made to suit it.
    pub(crate) const FOOTER: u8 = 1;
    /// The bodies of the sections for extents (a block) and receipts (the rest).
    pub(crate) const SECTIONS: u8 = 2;
    /// A tail, whose own checksum is put right.
    pub(crate) const TAIL: u8 = 3;
    /// `cluster.json`.
    pub(crate) const CLUSTER_FILE: u8 = 4;
    /// An object's key.
    pub(crate) const KEY: u8 = 5;
    /// Bytes of a payload (two), and the footer of an archive segment with such a payload.
    pub(crate) const ARCHIVE_FOOTER: u8 = 6;
    /// The body of a manifest's section.
    pub(crate) const MANIFEST_SECTION: u8 = 7;
    /// How many there are.
    pub(crate) const COUNT: u8 = 8;
}

/// Objects are refused or read without a panic, in memory that their size bounds; what is read can be written,
/// and is then read as the same again.
pub fn segment_footer(data: &[u8]) {
    let mut input = Input::new(data);
    match input.u8() % kind::COUNT {
        kind::FOOTER => check_footer(input.rest()),
        kind::SECTIONS => {
            let extents = input.block();
            check_footer(&sections(extents, input.rest()));
        }
        kind::TAIL => check_tail(input.array()),
        kind::CLUSTER_FILE => check_cluster_file(input.rest()),
        kind::KEY => check_key(input.rest()),
        kind::ARCHIVE_FOOTER => {
            let payload_bytes = u16::from_be_bytes(input.array());
            check_archive_footer(u64::from(payload_bytes), input.rest());
        }
        kind::MANIFEST_SECTION => check_manifest_section(input.rest()),
        _ => check_object(&Bytes::copy_from_slice(input.rest())),
    }
}

/// Whose segments these are.
pub(crate) fn segment_id() -> SegmentId {
    SegmentId {
        kind: SegmentKind::Ingest,
        epoch: ClusterEpoch(2),
        incarnation: IncarnationId(Uuid::from_u128(0xabc)),
        seq: 9,
    }
}

/// A footer of the three sections that every segment has.
fn sections(extents: &[u8], receipts: &[u8]) -> Vec<u8> {
    footer_of(&segment_id(), &[(2, 1, extents), (3, 0, receipts)])
}

/// A footer that says whose it is, and has these sections: tag, flags, body.
fn footer_of(id: &SegmentId, sections: &[(u16, u16, &[u8])]) -> Vec<u8> {
    let mut identity = id.epoch.0.to_be_bytes().to_vec();
    identity.extend_from_slice(id.incarnation.0.as_bytes());
    identity.extend_from_slice(&id.seq.to_be_bytes());
    let mut footer = Vec::new();
    for (tag, flags, body) in [&[(1, 1, &identity[..])], sections].concat() {
        footer.extend_from_slice(&tag.to_be_bytes());
        footer.extend_from_slice(&flags.to_be_bytes());
        footer.extend_from_slice(&u32::try_from(body.len()).unwrap().to_be_bytes());
        footer.extend_from_slice(body);
    }
    footer
}

fn check_object(object: &Bytes) {
    let (read, peak) = peak_of(|| verify(object));
    assert!(peak <= bound(object.len()), "{peak} bytes for {}", object.len());
    let described = inspect::describe("ingest/1/000/x/1", object);
    let said = described.text;
    assert_eq!(
        described.fault.is_none(),
        said.contains("all checksums are right")
    );
    match read {
        Err(SegmentError::Kind(ObjectKind::Manifest)) => check_manifest(object, &said),
        Err(SegmentError::Kind(_)) => check_archive(object, &said),
        Ok(footer) => {
            assert!(said.contains("all checksums are right"));
            check_written_again(&footer, object);
        }
        Err(_) => assert!(!said.contains("all checksums are right")),
    }
}

/// Heap in bytes that reading so many bytes may take.
fn bound(bytes: usize) -> usize {
    128 * bytes + 4096
}

fn check_tail(mut bytes: [u8; TAIL_BYTES]) {
    let right = crc32c::crc32c(&bytes[..24]);
    bytes[24..28].copy_from_slice(&right.to_be_bytes());
    match Tail::decode(&bytes) {
        Ok(tail) => {
            assert_eq!(tail.encode(), bytes);
            let besides = u64::from(tail.footer_bytes) + TAIL_BYTES as u64;
            assert_eq!(tail.payload_bytes() + besides, tail.object_bytes);
            assert!(Footer::read_after_tail(&tail, &[]).is_err());
        }
        Err(error) => assert_ne!(error, SegmentError::TailCrc),
    }
    let object = Bytes::copy_from_slice(&bytes);
    if Tail::of_object(&object).is_ok() {
        assert!(Footer::read(&object).is_err(), "a tail alone is no segment");
    }
}

fn check_cluster_file(json: &[u8]) {
    let described = inspect::describe(cluster_file::CLUSTER_FILE, &Bytes::copy_from_slice(json));
    let Ok(file) = cluster_file::ClusterFile::decode(json) else {
        assert!(described.fault.is_some());
        return;
    };
    assert_eq!(described.fault, None);
    assert!(described.text.contains("format version"));
    assert!(file.epoch.0 >= 1 && !file.cluster_id.0.is_empty());
    let stored = crate::runtime::block_on(async {
        let bucket = Bucket::memory(Seams::real());
        cluster_file::create(&bucket, &file).await
    });
    assert_eq!(stored, Ok(file));
}

fn check_key(key: &[u8]) {
    let Ok(key) = std::str::from_utf8(key) else {
        return;
    };
    if let Some(id) = parse_key(key) {
        assert_eq!(key_of(&id), key);
    }
}
