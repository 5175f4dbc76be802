//! Fetch responses v4 to v18, written by hand as a list of slices.
//!
//! The message crate would copy every record into one buffer. Here the bytes around the records are written into
//! one small buffer, which is then cut where records belong; the record slices go out as they came in. The result
//! is byte for byte what the crate's encoder writes.
//!
//! Fields that a version does not have are left out silently, so a handler can fill them for every version. Never
//! written: diverging epochs and snapshot ids (we have no followers), null records (clients take empty ones).
//!
//! Source: FetchResponse.json of Apache Kafka; KIP-74, KIP-98, KIP-227, KIP-392, KIP-516, KIP-951.

use bytes::{BufMut, Bytes, BytesMut};
use uuid::Uuid;

use crate::frame::SIZE_BYTES;
use crate::header::{RequestHeader, put_response_header};
use crate::response::{EncodeError, size_prefix};
use crate::versions::api_key;
use crate::wire::put_unsigned_varint;
use crate::{ErrorCode, StrBytes};

/// First flexible version.
const FLEXIBLE: i16 = 12;
/// First version whose clients look for a leader hint. The tag would be legal from v12, but Kafka leaves it out.
const LEADER_HINT: i16 = 16;

/// A whole Fetch response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchResponseParts {
    /// Milliseconds for which the client is throttled.
    pub throttle_time_ms: i32,
    /// Top-level error, v7+.
    pub error_code: ErrorCode,
    /// Fetch session, 0 for none, v7+.
    pub session_id: i32,
    /// Topics in the order of the request.
    pub topics: Vec<FetchTopicParts>,
    /// Addresses of the nodes named as leaders in hints, v16+.
    pub node_endpoints: Vec<NodeEndpointParts>,
}

/// One topic of a Fetch response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchTopicParts {
    /// Name, up to v12.
    pub name: StrBytes,
    /// Id, from v13.
    pub topic_id: Uuid,
    /// Partitions in the order of the request.
    pub partitions: Vec<FetchPartitionParts>,
}

/// One partition of a Fetch response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchPartitionParts {
    /// Partition index.
    pub index: i32,
    /// Error of this partition.
    pub error: ErrorCode,
    /// High watermark, -1 with an error.
    pub high_watermark: i64,
    /// Last stable offset, -1 with an error.
    pub last_stable_offset: i64,
    /// Log start offset, -1 with an error; v5+.
    pub log_start_offset: i64,
    /// Aborted transactions as (producer id, first offset); `None` unless the client reads committed.
    pub aborted: Option<Vec<(i64, i64)>>,
    /// Node to read from instead, -1 for none; v11+.
    pub preferred_read_replica: i32,
    /// Who leads, sent with an error that moves the client; v16+.
    pub current_leader: Option<LeaderHint>,
    /// Record batches back to back, in as many slices as suits the caller.
    pub records: Vec<Bytes>,
}

impl FetchPartitionParts {
    /// A partition that only carries an error: no records, all offsets -1.
    pub fn error(index: i32, error: ErrorCode) -> Self {
        FetchPartitionParts {
            index,
            error,
            high_watermark: -1,
            last_stable_offset: -1,
            log_start_offset: -1,
            aborted: None,
            preferred_read_replica: -1,
            current_leader: None,
            records: Vec::new(),
        }
    }

    /// Bytes of records in this partition.
    pub fn records_bytes(&self) -> usize {
        self.records.iter().map(Bytes::len).sum()
    }
}

/// The leader of a partition (KIP-951).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaderHint {
    /// Node id.
    pub leader_id: i32,
    /// Its epoch.
    pub leader_epoch: i32,
}

/// Address of a node that a hint names (KIP-951).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeEndpointParts {
    /// Node id.
    pub node_id: i32,
    /// Host name.
    pub host: StrBytes,
    /// Port.
    pub port: i32,
    /// Rack, if it has one.
    pub rack: Option<StrBytes>,
}

impl FetchResponseParts {
    /// A response without topics: a top-level error, or nothing to say.
    pub fn empty(error_code: ErrorCode) -> Self {
        FetchResponseParts {
            throttle_time_ms: 0,
            error_code,
            session_id: 0,
            topics: Vec::new(),
            node_endpoints: Vec::new(),
        }
    }

    /// The frame as slices in wire order: size prefix, header, body. Empty record slices are dropped.
    pub fn encode(&self, request: &RequestHeader) -> Result<Vec<Bytes>, EncodeError> {
        if request.api_key != api_key::FETCH {
            return Err(EncodeError::WrongApi {
                request: request.api_key,
                response: api_key::FETCH,
            });
        }
        let mut writer = Writer {
            out: BytesMut::new(),
            cuts: Vec::new(),
            records_bytes: 0,
            version: request.api_version,
        };
        writer.out.put_i32(0);
        put_response_header(&mut writer.out, request);
        writer.response(self)?;
        writer.finish()
    }
}

/// Bytes around the records, and where in them the records of each partition belong.
struct Writer<'a> {
    out: BytesMut,
    cuts: Vec<(usize, &'a [Bytes])>,
    records_bytes: usize,
    version: i16,
}

impl<'a> Writer<'a> {
    fn response(&mut self, response: &'a FetchResponseParts) -> Result<(), EncodeError> {
        self.out.put_i32(response.throttle_time_ms);
        if self.version >= 7 {
            self.out.put_i16(response.error_code.code());
            self.out.put_i32(response.session_id);
        }
        self.length(Some(response.topics.len()))?;
        for topic in &response.topics {
            self.topic(topic)?;
        }
        if self.version >= FLEXIBLE {
            if self.version >= LEADER_HINT && !response.node_endpoints.is_empty() {
                self.node_endpoints(&response.node_endpoints)?;
            } else {
                self.no_tags();
            }
        }
        Ok(())
    }

    fn topic(&mut self, topic: &'a FetchTopicParts) -> Result<(), EncodeError> {
        if self.version >= 13 {
            self.out.put_slice(topic.topic_id.as_bytes());
        } else {
            self.string(&topic.name)?;
        }
        self.length(Some(topic.partitions.len()))?;
        for partition in &topic.partitions {
            self.partition(partition)?;
        }
        self.no_tags();
        Ok(())
    }

    fn partition(&mut self, partition: &'a FetchPartitionParts) -> Result<(), EncodeError> {
        self.out.put_i32(partition.index);
        self.out.put_i16(partition.error.code());
        self.out.put_i64(partition.high_watermark);
        self.out.put_i64(partition.last_stable_offset);
        if self.version >= 5 {
            self.out.put_i64(partition.log_start_offset);
        }
        self.length(partition.aborted.as_ref().map(Vec::len))?;
        for (producer_id, first_offset) in partition.aborted.iter().flatten() {
            self.out.put_i64(*producer_id);
            self.out.put_i64(*first_offset);
            self.no_tags();
        }
        if self.version >= 11 {
            self.out.put_i32(partition.preferred_read_replica);
        }
        let bytes = partition.records_bytes();
        self.length(Some(bytes))?;
        self.records_bytes = self.records_bytes.saturating_add(bytes);
        self.cuts.push((self.out.len(), &partition.records));
        match partition.current_leader {
            Some(hint) if self.version >= LEADER_HINT => {
                // One tag: number 1, 9 bytes, in them an empty tag section.
                self.out.put_slice(&[1, 1, 9]);
                self.out.put_i32(hint.leader_id);
                self.out.put_i32(hint.leader_epoch);
                self.no_tags();
            }
            _ => self.no_tags(),
        }
        Ok(())
    }

    /// The tag section of the whole response: one tag, number 0. Its size has to be known before its content, so the
    /// content is written apart.
    fn node_endpoints(&mut self, endpoints: &[NodeEndpointParts]) -> Result<(), EncodeError> {
        let outer = std::mem::take(&mut self.out);
        self.length(Some(endpoints.len()))?;
        for endpoint in endpoints {
            self.out.put_i32(endpoint.node_id);
            self.string(&endpoint.host)?;
            self.out.put_i32(endpoint.port);
            match &endpoint.rack {
                Some(rack) => self.string(rack)?,
                None => self.out.put_u8(0),
            }
            self.no_tags();
        }
        let content = std::mem::replace(&mut self.out, outer);
        self.out.put_slice(&[1, 0]);
        put_unsigned_varint(&mut self.out, wire_u32(content.len())?);
        self.out.put_slice(&content);
        Ok(())
    }

    /// Length of an array or of bytes; `None` is null.
    fn length(&mut self, length: Option<usize>) -> Result<(), EncodeError> {
        if self.version >= FLEXIBLE {
            let plus_one = match length {
                Some(length) => wire_u32(length)? + 1,
                None => 0,
            };
            put_unsigned_varint(&mut self.out, plus_one);
        } else {
            self.out.put_i32(match length {
                Some(length) => size_prefix(length)?,
                None => -1,
            });
        }
        Ok(())
    }

    fn string(&mut self, text: &str) -> Result<(), EncodeError> {
        if self.version >= FLEXIBLE {
            self.length(Some(text.len()))?;
        } else {
            self.out
                .put_i16(i16::try_from(text.len()).map_err(|_| EncodeError::TooLarge(text.len()))?);
        }
        self.out.put_slice(text.as_bytes());
        Ok(())
    }

    fn no_tags(&mut self) {
        if self.version >= FLEXIBLE {
            self.out.put_u8(0);
        }
    }

    fn finish(mut self) -> Result<Vec<Bytes>, EncodeError> {
        let content = (self.out.len() - SIZE_BYTES).saturating_add(self.records_bytes);
        let prefix = size_prefix(content)?;
        self.out[..SIZE_BYTES].copy_from_slice(&prefix.to_be_bytes());
        let around = self.out.freeze();
        let mut slices = Vec::with_capacity(
            1 + self
                .cuts
                .iter()
                .map(|(_, records)| records.len() + 1)
                .sum::<usize>(),
        );
        let mut from = 0;
        for (at, records) in self.cuts {
            if records.iter().all(Bytes::is_empty) {
                continue;
            }
            slices.push(around.slice(from..at));
            slices.extend(records.iter().filter(|slice| !slice.is_empty()).cloned());
            from = at;
        }
        if from < around.len() {
            slices.push(around.slice(from..));
        }
        Ok(slices)
    }
}

/// A length that fits a size prefix, so that one can be added to it.
fn wire_u32(length: usize) -> Result<u32, EncodeError> {
    size_prefix(length).map(i32::cast_unsigned)
}

#[cfg(test)]
mod tests;
