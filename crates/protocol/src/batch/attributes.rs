//! The attribute bits of a batch.

use std::fmt;

const CODEC_MASK: i16 = 0b111;
const LOG_APPEND_TIME: i16 = 1 << 3;
const TRANSACTIONAL: i16 = 1 << 4;
const CONTROL: i16 = 1 << 5;
const DELETE_HORIZON: i16 = 1 << 6;

/// The 16 attribute bits as they stand in the header; unused ones are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Attributes(pub i16);

impl Attributes {
    /// The compression codec; `Err` holds the number of an unknown one (5 to 7).
    pub const fn codec(self) -> Result<Codec, u8> {
        match self.0 & CODEC_MASK {
            0 => Ok(Codec::None),
            1 => Ok(Codec::Gzip),
            2 => Ok(Codec::Snappy),
            3 => Ok(Codec::Lz4),
            4 => Ok(Codec::Zstd),
            unknown => Err(unknown as u8),
        }
    }

    /// Whose clock the timestamps come from.
    pub const fn timestamp_type(self) -> TimestampType {
        if self.0 & LOG_APPEND_TIME == 0 {
            TimestampType::CreateTime
        } else {
            TimestampType::LogAppendTime
        }
    }

    /// Part of a transaction (KIP-98).
    pub const fn is_transactional(self) -> bool {
        self.0 & TRANSACTIONAL != 0
    }

    /// Holds a transaction marker instead of records of a client.
    pub const fn is_control(self) -> bool {
        self.0 & CONTROL != 0
    }

    /// baseTimestamp holds the time from which tombstones may go (KIP-534).
    pub const fn has_delete_horizon(self) -> bool {
        self.0 & DELETE_HORIZON != 0
    }

    /// The same bits with another codec.
    #[must_use]
    pub const fn with_codec(self, codec: Codec) -> Self {
        Attributes(self.0 & !CODEC_MASK | codec as i16)
    }

    /// The same bits with the LogAppendTime bit set or cleared.
    #[must_use]
    pub const fn with_timestamp_type(self, timestamp_type: TimestampType) -> Self {
        match timestamp_type {
            TimestampType::CreateTime => Attributes(self.0 & !LOG_APPEND_TIME),
            TimestampType::LogAppendTime => Attributes(self.0 | LOG_APPEND_TIME),
        }
    }

    /// The same bits with the transactional bit set.
    #[must_use]
    pub const fn transactional(self) -> Self {
        Attributes(self.0 | TRANSACTIONAL)
    }

    /// The same bits with the control bit set.
    #[must_use]
    pub const fn control(self) -> Self {
        Attributes(self.0 | CONTROL)
    }
}

/// How the record block is compressed, by its number in the attributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Codec {
    /// Not at all.
    #[default]
    None = 0,
    /// gzip.
    Gzip = 1,
    /// snappy, raw or in the framing of snappy-java.
    Snappy = 2,
    /// LZ4 frame.
    Lz4 = 3,
    /// zstd, v7+ of Produce and v10+ of Fetch (KIP-110).
    Zstd = 4,
}

impl Codec {
    /// All that there are, ascending by Kafka's number.
    pub const ALL: [Codec; 5] = [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];

    /// Kafka's name, as in `compression.type`.
    pub const fn name(self) -> &'static str {
        match self {
            Codec::None => "none",
            Codec::Gzip => "gzip",
            Codec::Snappy => "snappy",
            Codec::Lz4 => "lz4",
            Codec::Zstd => "zstd",
        }
    }

    /// The codec of a name; `None` for an unknown one.
    pub fn from_name(name: &str) -> Option<Codec> {
        Codec::ALL.into_iter().find(|c| c.name() == name)
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Whose clock the timestamps of a batch come from (KIP-32).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum TimestampType {
    /// The client's: every record has its own.
    #[default]
    CreateTime,
    /// The broker's: every record has the batch's maxTimestamp.
    LogAppendTime,
}
