//! Archive segments, and their footers by themselves.

use bytes::Bytes;
use esker_storage::keys::ObjectKind;
use esker_storage::segment::archive::{ArchiveFooter, verify};
use esker_storage::segment::{TAIL_BYTES, Tail};

use super::bound;
use crate::heap::peak_of;

/// A whole object; `said` is how it was described.
pub(super) fn check_archive(object: &Bytes, said: &str) {
    let (read, peak) = peak_of(|| verify(object));
    assert!(peak <= bound(object.len()), "{peak} bytes for {}", object.len());
    assert_eq!(read.is_ok(), said.contains("all checksums are right"));
    if let Ok(footer) = read {
        let tail = Tail::of_object(object).unwrap();
        assert_covers(&footer, tail.payload_bytes());
    }
}

/// A footer behind a payload of so many bytes.
pub(super) fn check_archive_footer(payload_bytes: u64, footer: &[u8]) {
    let tail = Tail {
        kind: ObjectKind::Archive,
        object_bytes: payload_bytes + (footer.len() + TAIL_BYTES) as u64,
        footer_bytes: u32::try_from(footer.len()).unwrap(),
        footer_crc: crc32c::crc32c(footer),
        payload_crc: 0,
    };
    let (read, peak) = peak_of(|| ArchiveFooter::read_after_tail(&tail, footer));
    assert!(peak <= bound(footer.len()), "{peak} bytes for {}", footer.len());
    if let Ok(read) = read {
        assert_covers(&read, payload_bytes);
    }
}

/// Chunks and parts lie back to back over the whole payload, and what a part says is found again.
fn assert_covers(footer: &ArchiveFooter, payload_bytes: u64) {
    let mut position = 0;
    for (number, chunk) in footer.chunks.iter().enumerate() {
        assert_eq!(chunk.position, position);
        assert_eq!(footer.chunk_at(position), Some(number));
        position += chunk.bytes;
        assert_eq!(footer.chunk_at(position - 1), Some(number));
    }
    assert_eq!(position, payload_bytes);
    assert_eq!(footer.chunk_at(payload_bytes), None);
    let mut position = 0;
    for part in &footer.parts {
        assert_eq!(part.position, position);
        assert_eq!(footer.part(part.topic, part.partition), Some(part));
        for place in part.places() {
            assert_eq!(part.find(place.base_offset), Some(place));
        }
        assert_eq!(part.find(part.end_offset()), None);
        position += part.bytes();
    }
    assert_eq!(position, payload_bytes);
}
