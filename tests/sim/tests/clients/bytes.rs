//! What a record holds, and what a reader makes of bytes that differ.

use bytes::{Bytes, BytesMut};
use esker_history::event::{Client, Identity, Records};
use esker_protocol::batch::{Codec, patch_on_read};
use esker_sim::clients::payload;

const CODECS: [Codec; 5] = [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];

fn records(first: u64, count: u32) -> Records {
    let by = Client(7);
    Records { by, first, count }
}

fn at(offset: i64, batch: &Bytes) -> Bytes {
    patch_on_read(batch, offset, 3).unwrap().concat().into()
}

#[test]
fn every_codec_brings_back_what_was_written() {
    let identity = Identity {
        id: 5,
        epoch: 1,
        first_sequence: 9,
    };
    for codec in CODECS {
        let one = payload::build(records(100, 20), 3, Some(identity), codec, 300).unwrap();
        let two = payload::build(records(120, 1), 0, None, codec, 0).unwrap();
        let log: Bytes = [at(50, &one), at(70, &two)].concat().into();
        let read = payload::read(log.clone(), 50);
        assert_eq!((read.damage, read.next), (None, Some(71)));
        assert_eq!(read.seen[0].base_offset, 50);
        assert_eq!(read.seen[0].records, records(100, 20));
        assert_eq!(read.seen[0].batch_hash, Some(payload::batch_hash(&one)));
        assert_eq!(read.seen[1].records, records(120, 1));

        // From the middle of a batch its end is seen, without a hash.
        let read = payload::read(log, 55);
        assert_eq!((read.seen[0].base_offset, read.seen[0].batch_hash), (55, None));
        assert_eq!(read.seen[0].records, records(105, 15));
    }
}

#[test]
fn timestamps_are_told_and_differ() {
    let by = Client(1);
    let all: Vec<i64> = (0..100)
        .map(|number| payload::timestamp_ms(by, number, number))
        .collect();
    assert!(!all.is_sorted());
    assert!(all[0] < all[99]);
}

#[test]
fn every_changed_bit_is_damage() {
    let batch = at(
        5,
        &payload::build(records(0, 3), 1, None, Codec::None, 20).unwrap(),
    );
    // The base offset and the leader epoch are not the client's.
    for byte in (16..batch.len()).chain(8..12) {
        let mut bytes = BytesMut::from(&batch[..]);
        bytes[byte] ^= 4;
        let read = payload::read(bytes.freeze(), 5);
        assert!(read.damage.is_some(), "byte {byte}");
    }
    let read = payload::read(batch.slice(..batch.len() - 1), 5);
    assert_eq!(read.damage.unwrap().offset, 5);
}

#[test]
fn other_records_under_a_right_checksum_are_damage() {
    use esker_protocol::records::BatchBuilder;
    let by = Client(7);
    let build = |value: &str| {
        let timestamp = payload::timestamp_ms(by, 0, 5);
        BatchBuilder::new()
            .record(timestamp, None, Some(value.as_bytes()), &[])
            .build()
            .unwrap()
    };
    for value in [
        "",
        "record",
        "record 0 of client 7, made at 5, padding up to 0: x",
        "record 0 of client 7, made at 5, padding up to 900: ",
        "record 0 of client 7, made at 6, padding up to 0: ",
    ] {
        assert!(payload::read(build(value), 0).damage.is_some(), "{value}");
    }
    // A batch that lies before what was asked for.
    let batch = payload::build(records(0, 3), 1, None, Codec::None, 20).unwrap();
    assert!(payload::read(at(0, &batch), 3).damage.is_some());
    assert!(payload::read(at(0, &batch), 2).damage.is_none());
}
