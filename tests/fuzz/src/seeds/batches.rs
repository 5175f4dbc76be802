//! Record batches as clients send them.

use bytes::Bytes;
use esker_protocol::batch::Codec;
use esker_protocol::records::BatchBuilder;

/// The time of the first record, in milliseconds since 1970.
pub(crate) const TIMESTAMP: i64 = 1_700_000_000_000;

/// Codecs by name.
pub(crate) const CODECS: [Codec; 5] = [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];

/// Small records with keys, values, nulls and headers.
pub(crate) fn fill(builder: BatchBuilder, records: i64) -> Bytes {
    let headers: [(&[u8], Option<&[u8]>); 3] = [(b"h", Some(b"x")), (b"h", None), (b"", Some(b""))];
    (0..records)
        .fold(builder, |builder, n| {
            let value = format!("value {n}, value {n}, value {n}");
            let value = (n % 5 != 4).then_some(value.as_bytes());
            let headers = &headers[..n as usize % 4];
            builder.record(TIMESTAMP + n, Some(&n.to_be_bytes()), value, headers)
        })
        .build()
        .unwrap()
}

/// A batch without producer.
pub(crate) fn plain(records: i64) -> Bytes {
    fill(BatchBuilder::new(), records)
}

/// A batch of producer `id`, epoch 0.
pub(crate) fn idempotent(id: i64, first_sequence: i32, records: i64) -> Bytes {
    fill(BatchBuilder::new().producer(id, 0, first_sequence), records)
}

/// Records at both ends of time, whose timestamps do not fit into a difference.
pub(crate) fn far_apart() -> Bytes {
    [i64::MAX, i64::MIN, -1, i64::MAX - 1]
        .into_iter()
        .fold(BatchBuilder::new(), |builder, timestamp| {
            builder.record(timestamp, None, Some(b""), &[])
        })
        .build()
        .unwrap()
}

/// One record of 100,000 bytes that are all the same: more than one block in every codec.
pub(crate) fn compressible(codec: Codec) -> Bytes {
    BatchBuilder::new()
        .codec(codec)
        .record(TIMESTAMP, Some(b"k"), Some(&[7; 100_000]), &[])
        .build()
        .unwrap()
}

/// The same records in every codec.
pub(crate) fn by_codec() -> impl Iterator<Item = (&'static str, Bytes)> {
    CODECS
        .into_iter()
        .map(|codec| (codec.name(), fill(BatchBuilder::new().codec(codec), 5)))
}
