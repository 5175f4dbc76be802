//! What a record holds follows from who made it and its number, so that a reader knows what it should be.
//!
//! Key, value and timestamp of a record are computed from (client, number, when its batch was made, longest
//! padding); the value begins with those four in words, and the padding's length follows from them as well. A reader takes them from
//! the first record of a batch and compares every byte of all records with what they have to be: a record of
//! another client, a missing or a repeated one, or a single changed bit is [`Damage`].

use std::io::Write;

use bytes::Bytes;
use esker_history::event::{Client, Identity, Records, Seen};
use esker_protocol::batch::{Batch, Batches, Codec, TimestampType};
use esker_protocol::limits::DECOMPRESSED_BYTES_MAX;
use esker_protocol::records::{BatchBuilder, BuildError, RecordReader, decompress};

/// What clients' clocks show when a run begins: so near to 1970 that no clock of an agent calls them future.
pub const TIMESTAMP_BASE_MS: i64 = 1_767_200_000_000;
/// Timestamps of records that are made at the same time lie within so many milliseconds.
pub const WOBBLE_MS: u64 = 16;
/// One record in so many has no key.
const KEYLESS: u64 = 8;

/// Why fetched bytes are not what was written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Damage {
    /// Where.
    pub offset: i64,
    /// What is wrong.
    pub why: String,
}

/// What a fetch brought.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Read {
    /// The records at or after the offset asked for, up to the first damage.
    pub seen: Vec<Seen>,
    /// The offset after the last batch, damaged or not, whose header could be read.
    pub next: Option<i64>,
    /// The first damage.
    pub damage: Option<Damage>,
}

fn mix(client: u32, number: u64) -> u64 {
    // The finaliser of splitmix64: neighbours have nothing in common.
    let mut x = number
        .wrapping_add(u64::from(client) << 40)
        .wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// The timestamp of a record whose batch was made `made_ms` after the run began, by its client's clock; those
/// of a client rise in the long run, but not from each record to the next.
pub fn timestamp_ms(client: Client, number: u64, made_ms: u64) -> i64 {
    let wobble = (mix(client.0, number) >> 8) % WOBBLE_MS;
    TIMESTAMP_BASE_MS.saturating_add_unsigned(made_ms.saturating_add(wobble))
}

/// The largest timestamp of some records that were made together.
pub fn max_timestamp_ms(records: Records, made_ms: u64) -> i64 {
    let numbers = records.first..records.first + u64::from(records.count);
    let timestamps = numbers.map(|number| timestamp_ms(records.by, number, made_ms));
    timestamps.max().unwrap_or(TIMESTAMP_BASE_MS)
}

/// Writes the key; false if the record has none.
fn write_key(out: &mut Vec<u8>, client: u32, number: u64) -> bool {
    out.clear();
    let bits = mix(client, number) >> 16;
    if bits.is_multiple_of(KEYLESS) {
        return false;
    }
    // Writing to memory cannot fail.
    let _ = write!(out, "key {} of client {client}", bits % 97);
    true
}

fn write_value(out: &mut Vec<u8>, client: u32, number: u64, (made_ms, padding_max): (u64, u32)) {
    out.clear();
    let _ = write!(
        out,
        "record {number} of client {client}, made at {made_ms}, padding up to {padding_max}: "
    );
    let bits = mix(client, number);
    let padding = ((bits >> 24) % (u64::from(padding_max) + 1)) as usize;
    let end = out.len() + padding;
    let mut word = bits | 1;
    while out.len() < end {
        // Sixteen letters: compressible, but not away.
        word ^= word << 13;
        word ^= word >> 7;
        word ^= word << 17;
        let letters = ((word >> 3) & 0x0f0f_0f0f_0f0f_0f0f) + 0x6161_6161_6161_6161;
        let take = (end - out.len()).min(8);
        out.extend_from_slice(letters.to_le_bytes().get(..take).unwrap_or_default());
    }
}

/// Reads client, number, when it was made, and the longest padding from the beginning of a value.
fn parse_value(value: &[u8]) -> Option<(u32, u64, (u64, u32))> {
    let rest = value.strip_prefix(b"record ")?;
    let (number, rest) = digits(rest)?;
    let (client, rest) = digits(rest.strip_prefix(b" of client ")?)?;
    let (made_ms, rest) = digits(rest.strip_prefix(b", made at ")?)?;
    let (padding, rest) = digits(rest.strip_prefix(b", padding up to ")?)?;
    rest.strip_prefix(b": ")?;
    Some((
        client.try_into().ok()?,
        number,
        (made_ms, padding.try_into().ok()?),
    ))
}

fn digits(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let end = bytes.iter().position(|byte| !byte.is_ascii_digit())?;
    let (digits, rest) = bytes.split_at(end);
    Some((std::str::from_utf8(digits).ok()?.parse().ok()?, rest))
}

/// Builds the batch that carries some records, made `made_ms` after the run began.
pub fn build(
    records: Records,
    made_ms: u64,
    identity: Option<Identity>,
    codec: Codec,
    padding_max: u32,
) -> Result<Bytes, BuildError> {
    let mut builder = BatchBuilder::new().codec(codec);
    if let Some(identity) = identity {
        builder = builder.producer(identity.id, identity.epoch, identity.first_sequence);
    }
    let (mut key, mut value) = (Vec::new(), Vec::new());
    for number in records.first..records.first + u64::from(records.count) {
        let keyed = write_key(&mut key, records.by.0, number);
        write_value(&mut value, records.by.0, number, (made_ms, padding_max));
        let timestamp = timestamp_ms(records.by, number, made_ms);
        builder = builder.record(timestamp, keyed.then_some(&key[..]), Some(&value), &[]);
    }
    builder.build()
}

/// Hash of a whole batch without the fields that a broker sets on reading: base offset and leader epoch.
pub fn batch_hash(bytes: &[u8]) -> u64 {
    let mut hash = Hash(0);
    hash.add(bytes.get(8..12).unwrap_or_default());
    hash.add(bytes.get(16..).unwrap_or_default());
    hash.0 ^ (hash.0 >> 32)
}

struct Hash(u64);

impl Hash {
    fn add(&mut self, bytes: &[u8]) {
        let mut words = bytes.chunks_exact(8);
        for word in &mut words {
            let mut whole = [0; 8];
            whole.copy_from_slice(word);
            self.word(u64::from_le_bytes(whole));
        }
        let mut rest = [0; 8];
        for (to, from) in rest.iter_mut().zip(words.remainder()) {
            *to = *from;
        }
        self.word(u64::from_le_bytes(rest));
        self.word(bytes.len() as u64);
    }

    fn word(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(23) ^ word).wrapping_mul(0xd6e8_feb8_6659_fd93);
    }
}

/// Reads what a fetch from `from` brought.
pub fn read(records: Bytes, from: i64) -> Read {
    let mut read = Read::default();
    for batch in Batches::new(records) {
        let checked = match batch {
            Ok(batch) => {
                read.next = Some(batch.header.next_offset());
                check(&batch, from)
            }
            Err(error) => Err(Damage {
                offset: read.next.unwrap_or(from),
                why: error.to_string(),
            }),
        };
        match checked {
            Ok(seen) => read.seen.push(seen),
            Err(damage) => {
                read.damage = Some(damage);
                break;
            }
        }
    }
    read
}

/// Checks one batch, and says what it holds from `from` on.
fn check(batch: &Batch, from: i64) -> Result<Seen, Damage> {
    let header = &batch.header;
    let damaged = |offset: i64, why: String| Damage { offset, why };
    let here = |why: String| damaged(header.base_offset, why);
    batch.check_crc().map_err(|error| here(error.to_string()))?;
    if header.attributes.is_control() {
        return Err(here("a control batch that nobody asked for".into()));
    }
    if header.record_count <= 0 || header.last_offset_delta != header.record_count - 1 {
        let (count, delta) = (header.record_count, header.last_offset_delta);
        return Err(here(format!("{count} records with last offset delta {delta}")));
    }
    if header.next_offset() <= from {
        return Err(here(format!(
            "the batch ends before offset {from}, which was asked for"
        )));
    }
    let codec = header.attributes.codec();
    let codec = codec.map_err(|codec| here(format!("unknown codec {codec}")))?;
    let payload = decompress(codec, batch.payload(), DECOMPRESSED_BYTES_MAX)
        .map_err(|error| here(error.to_string()))?;
    let created = header.attributes.timestamp_type() == TimestampType::CreateTime;
    let mut reader = RecordReader::new(&payload);
    let mut maker = None;
    let (mut key, mut value) = (Vec::new(), Vec::new());
    for index in 0..header.record_count {
        let at = |why: String| damaged(header.base_offset + i64::from(index), why);
        let record = reader
            .next_record(header)
            .map_err(|error| at(error.to_string()))?;
        if record.offset_delta != index {
            return Err(at(format!(
                "record {index} has offset delta {}",
                record.offset_delta
            )));
        }
        let found = record.value.unwrap_or_default();
        let (client, first, made) = match maker {
            Some(maker) => maker,
            None => *maker.insert(
                parse_value(found)
                    .ok_or_else(|| at(format!("a value that no client made: {}", excerpt(found))))?,
            ),
        };
        let number = first + index as u64;
        write_value(&mut value, client, number, made);
        if record.value != Some(&value) {
            let why = format!("{} where {} belongs", excerpt(found), excerpt(&value));
            return Err(at(why));
        }
        let keyed = write_key(&mut key, client, number);
        if record.key != keyed.then_some(&key[..]) {
            return Err(at(format!(
                "the key of record {number} of client {client} is not its own"
            )));
        }
        let timestamp = timestamp_ms(Client(client), number, made.0);
        if created && record.timestamp != timestamp {
            let found = record.timestamp;
            return Err(at(format!("timestamp {found} where {timestamp} belongs")));
        }
        if record.headers().count() > 0 {
            return Err(at("headers that nobody wrote".into()));
        }
    }
    if reader.remaining() > 0 {
        return Err(here(format!(
            "{} bytes after the last record",
            reader.remaining()
        )));
    }
    let (client, first, _) = maker.ok_or_else(|| here("an empty batch".into()))?;
    let below = (from - header.base_offset).clamp(0, i64::from(header.record_count));
    Ok(Seen {
        base_offset: header.base_offset + below,
        records: Records {
            by: Client(client),
            first: first + below as u64,
            count: header.record_count as u32 - below as u32,
        },
        batch_hash: (below == 0).then(|| batch_hash(&batch.bytes)),
    })
}

fn excerpt(bytes: &[u8]) -> String {
    let shown = bytes.get(..60).unwrap_or(bytes);
    format!("{:?} ({} bytes)", String::from_utf8_lossy(shown), bytes.len())
}
