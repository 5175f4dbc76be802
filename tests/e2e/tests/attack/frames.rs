//! Requests: ordinary ones, and ones whose numbers lie.

use ::bytes::Bytes;
use esker_protocol::StrBytes;
use esker_protocol::batch::Codec;
use esker_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use esker_protocol::messages::{ProduceRequest, TopicName};
use esker_protocol::records::BatchBuilder;

pub(crate) const PRODUCE: i16 = 0;
pub(crate) const METADATA: i16 = 3;

/// A batch with one record, whose value starts so and is that long.
pub(crate) fn batch(start: &[u8], bytes: usize) -> Bytes {
    let mut value = start.to_vec();
    value.resize(bytes.max(start.len()), b'x');
    let builder = BatchBuilder::new().record(1_700_000_000_000, None, Some(&value), &[]);
    builder.build().unwrap()
}

/// A batch whose one record, of zeros, is that long when it is decompressed.
pub(crate) fn bomb(bytes: usize) -> Bytes {
    let builder = BatchBuilder::new().codec(Codec::Zstd);
    let builder = builder.record(1_700_000_000_000, Some(b"k"), Some(&vec![0; bytes]), &[]);
    builder.build().unwrap()
}

pub(crate) fn produce(topic: &str, partition: i32, batch: Bytes) -> ProduceRequest {
    let data = PartitionProduceData::default()
        .with_index(partition)
        .with_records(Some(batch));
    produce_to(topic, vec![data])
}

pub(crate) fn produce_to(topic: &str, data: Vec<PartitionProduceData>) -> ProduceRequest {
    let topic = TopicProduceData::default()
        .with_name(TopicName(StrBytes::from_string(topic.to_owned())))
        .with_partition_data(data);
    ProduceRequest::default()
        .with_acks(-1)
        .with_timeout_ms(30_000)
        .with_topic_data(vec![topic])
}

/// The bytes with their size in front.
pub(crate) fn framed(body: &[u8]) -> Vec<u8> {
    let mut frame = (body.len() as i32).to_be_bytes().to_vec();
    frame.extend_from_slice(body);
    frame
}

/// A request header; `flexible` ones end with the number of tagged fields, here none.
pub(crate) fn header(key: i16, version: i16, flexible: bool) -> Vec<u8> {
    let mut header = key.to_be_bytes().to_vec();
    header.extend(version.to_be_bytes());
    header.extend(7i32.to_be_bytes());
    header.extend([0, 1, b'a']);
    if flexible {
        header.push(0);
    }
    header
}

/// The start of a frame that announces so many bytes of a request, and no more of it.
pub(crate) fn announcement(key: i16, size: i32) -> Vec<u8> {
    let mut start = size.to_be_bytes().to_vec();
    start.extend(header(key, 8, false));
    start
}

/// A number in seven bits to a byte.
pub(crate) fn varint(mut number: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
    out
}

/// A batch with other bytes in some place, and the checksum that belongs to them.
pub(crate) fn doctored(place: usize, bytes: &[u8]) -> Bytes {
    let mut batch = batch(b"value", 200).to_vec();
    batch[place..place + bytes.len()].copy_from_slice(bytes);
    let crc = crc32c::crc32c(&batch[CRC_COVERS..]);
    batch[CRC..CRC + 4].copy_from_slice(&crc.to_be_bytes());
    batch.into()
}

/// Places in a record batch of format 2.
pub(crate) const BATCH_LENGTH: usize = 8;
pub(crate) const MAGIC: usize = 16;
pub(crate) const CRC: usize = 17;
pub(crate) const CRC_COVERS: usize = 21;
pub(crate) const LAST_OFFSET_DELTA: usize = 23;
pub(crate) const RECORD_COUNT: usize = 57;
pub(crate) const RECORDS: usize = 61;
