//! Produce requests, written byte by byte: what a client would send that means no good.

/// Bytes of a value, at most; topics take batches of 1 MiB.
pub(super) const VALUE_BYTES_MAX: usize = 1_000_000;

const PRODUCE: i16 = 0;
const VERSION: i16 = 7;

/// The start of a frame that announces `size` bytes of a produce request, and its header.
pub(super) fn announcement(size: i32) -> Vec<u8> {
    let mut frame = size.to_be_bytes().to_vec();
    header(&mut frame, 1);
    frame
}

/// A whole produce request with one record of that many bytes, for partition 0 of a topic.
pub(super) fn produce(topic: &str, value_bytes: usize, correlation: i32) -> Vec<u8> {
    let batch = batch(value_bytes.min(VALUE_BYTES_MAX));
    let mut body = Vec::with_capacity(batch.len() + 100);
    header(&mut body, correlation);
    body.extend((-1i16).to_be_bytes()); // no transaction
    body.extend((-1i16).to_be_bytes()); // acks=all
    body.extend(30_000i32.to_be_bytes());
    body.extend(1i32.to_be_bytes());
    string(&mut body, topic);
    body.extend(1i32.to_be_bytes());
    body.extend(0i32.to_be_bytes());
    body.extend((batch.len() as i32).to_be_bytes());
    body.extend(batch);
    let mut frame = (body.len() as i32).to_be_bytes().to_vec();
    frame.extend(body);
    frame
}

fn header(frame: &mut Vec<u8>, correlation: i32) {
    frame.extend(PRODUCE.to_be_bytes());
    frame.extend(VERSION.to_be_bytes());
    frame.extend(correlation.to_be_bytes());
    string(frame, "chaos-load");
}

fn string(frame: &mut Vec<u8>, text: &str) {
    frame.extend((text.len() as i16).to_be_bytes());
    frame.extend(text.as_bytes());
}

/// A record batch of format 2 with one record.
fn batch(value_bytes: usize) -> Vec<u8> {
    let mut record = vec![0u8]; // attributes
    record.extend([0, 0]); // deltas of timestamp and offset
    varint(&mut record, -1); // no key
    varint(&mut record, value_bytes as i64);
    record.resize(record.len() + value_bytes, b'x');
    varint(&mut record, 0); // no headers
    let mut checked = Vec::with_capacity(record.len() + 64);
    checked.extend(0i16.to_be_bytes()); // attributes
    checked.extend(0i32.to_be_bytes()); // offset of the last record
    checked.extend([0u8; 16]); // first and last timestamp
    checked.extend((-1i64).to_be_bytes()); // producer id, epoch, sequence: none
    checked.extend((-1i16).to_be_bytes());
    checked.extend((-1i32).to_be_bytes());
    checked.extend(1i32.to_be_bytes());
    varint(&mut checked, record.len() as i64);
    checked.extend(record);
    let mut batch = 0i64.to_be_bytes().to_vec();
    batch.extend((checked.len() as i32 + 9).to_be_bytes());
    batch.extend((-1i32).to_be_bytes()); // leader epoch
    batch.push(2);
    batch.extend(crc32c::crc32c(&checked).to_be_bytes());
    batch.extend(checked);
    batch
}

/// A number as records hold it: zigzag, seven bits to a byte.
fn varint(out: &mut Vec<u8>, number: i64) {
    let mut rest = ((number << 1) ^ (number >> 63)) as u64;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_what_they_say() {
        let frame = produce("t", 300, 5);
        let said = i32::from_be_bytes(frame[..4].try_into().unwrap());
        assert_eq!(said as usize, frame.len() - 4);
        let batch = batch(300);
        let said = i32::from_be_bytes(batch[8..12].try_into().unwrap());
        assert_eq!(said as usize, batch.len() - 12);
        assert_eq!(batch[16], 2);
    }

    #[test]
    fn numbers_are_zigzag() {
        let bytes = |number| {
            let mut out = Vec::new();
            varint(&mut out, number);
            out
        };
        assert_eq!(bytes(-1), [1]);
        assert_eq!(bytes(1), [2]);
        assert_eq!(bytes(300), [0xd8, 0x04]);
    }
}
