//! From an input to what a client sends.

use bytes::Bytes;
use esker_protocol::Request;
use esker_protocol::batch::{BATCH_HEADER_BYTES, BatchHeader};
use esker_protocol::frame::SIZE_BYTES;
use esker_protocol::header::{Incoming, decode_request_header};
use esker_protocol::request::decode_request;

use crate::input::Input;

/// What the second byte of an input asks for.
pub(crate) mod flag {
    /// The rest is sent as it is, size prefixes included.
    pub(crate) const BARE: u8 = 1;
    /// Put the checksums of record batches right.
    pub(crate) const CRC: u8 = 2;
    /// The client goes away without reading its replies.
    pub(crate) const GO_AWAY: u8 = 4;
    /// The client keeps its sending side open after its last byte, for a while.
    pub(crate) const LINGER: u8 = 8;
}

/// The sizes in which bytes arrive, by the first byte of an input.
const PIECES: [usize; 6] = [1 << 20, 1, 7, 61, 1000, 5];
/// Streams that arrive in pieces of a few bytes are cut off here, to stay quick.
const SLOW_BYTES_MAX: usize = 4096;

/// What a client sends, and how.
pub(super) struct Stream {
    pub(super) bytes: Vec<u8>,
    pub(super) piece: usize,
    pub(super) goes_away: bool,
    pub(super) lingers: bool,
}

impl Stream {
    pub(super) fn read(mut input: Input<'_>) -> Self {
        let piece = PIECES[input.below(PIECES.len())];
        let flags = input.u8();
        let mut bytes = Vec::new();
        if flags & flag::BARE != 0 {
            bytes.extend_from_slice(input.rest());
        } else {
            while !input.is_empty() {
                let mut content = input.block().to_vec();
                if flags & flag::CRC != 0 {
                    put_checksums_right(&mut content);
                }
                bytes.extend_from_slice(&u32::try_from(content.len()).unwrap().to_be_bytes());
                bytes.extend_from_slice(&content);
            }
        }
        if piece < 100 {
            bytes.truncate(SLOW_BYTES_MAX);
        }
        Self {
            bytes,
            piece,
            goes_away: flags & flag::GO_AWAY != 0,
            lingers: flags & flag::LINGER != 0,
        }
    }

    /// The contents of the frames that are whole, and whether nothing follows them.
    pub(super) fn frames(&self) -> (Vec<Bytes>, bool) {
        let mut rest = Bytes::copy_from_slice(&self.bytes);
        let mut frames = Vec::new();
        while let Some(prefix) = rest.first_chunk::<SIZE_BYTES>() {
            let size = usize::try_from(i32::from_be_bytes(*prefix)).unwrap_or(0);
            if size == 0 || rest.len() - SIZE_BYTES < size {
                break;
            }
            let mut frame = rest.split_to(SIZE_BYTES + size);
            frames.push(frame.split_off(SIZE_BYTES));
        }
        (frames, rest.is_empty())
    }
}

/// Finds the batches of a produce request and gives each the checksum of its bytes.
fn put_checksums_right(content: &mut [u8]) {
    let frame = Bytes::copy_from_slice(content);
    let Ok(Incoming::Request(header, body)) = decode_request_header(frame.clone()) else {
        return;
    };
    let Ok(Request::Produce(request)) = decode_request(&header, body) else {
        return;
    };
    let partitions = request.topic_data.iter().flat_map(|topic| &topic.partition_data);
    for records in partitions.filter_map(|partition| partition.records.as_ref()) {
        if let Ok(mut batch) = BatchHeader::parse(records) {
            // Records are slices of the frame: where they lie there, they lie in `content`.
            let at = records.as_ptr() as usize - frame.as_ptr() as usize;
            let end = batch.total_bytes().min(records.len());
            batch.crc = crc32c::crc32c(&records[CHECKED_FROM..end]);
            content[at..at + BATCH_HEADER_BYTES].copy_from_slice(&batch.write());
        }
    }
}

/// A batch's checksum covers it from here on.
const CHECKED_FROM: usize = 21;
