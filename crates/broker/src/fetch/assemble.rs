//! Assembling: a response out of what was found and read.
//!
//! Whole batches only, in request order, within the limits of each partition and of the request; the
//! first partition that has something to give returns at least one batch whatever the limits, so that a
//! client gets past a batch that is larger than its limits. An extent that cannot be read ends its
//! partition's part of the response; if nothing came before it, the partition answers with an error.

use bytes::Bytes;
use esker_protocol::ErrorCode;
use esker_protocol::fetch_response::FetchPartitionParts;
use tracing::error;

use super::batches::{ExtentBatches, Outgoing};
use super::plan::Found;
use super::read::{ReadError, ReadExtent, Source};

/// The limits of one partition's part.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// First offset wanted.
    pub from: i64,
    /// The client's limit for this partition.
    pub bytes_max: u64,
    /// This partition's part of the response; its first batch may be larger.
    pub share: u64,
}

/// The parts of one response, one partition after the other.
pub(super) struct Assembly {
    leader_epoch: i32,
    committed_only: bool,
    bytes_left: u64,
    any: bool,
}

/// Bytes of one partition by source.
pub(super) type Served = Vec<(Source, u64)>;

impl Assembly {
    pub(super) fn new(leader_epoch: i32, committed_only: bool, bytes_max: u64) -> Self {
        Self {
            leader_epoch,
            committed_only,
            bytes_left: bytes_max,
            any: false,
        }
    }

    /// The part of the next partition in request order.
    pub(super) fn partition(
        &mut self,
        index: i32,
        found: &Found,
        limits: Limits,
        read: Vec<ReadExtent>,
    ) -> (FetchPartitionParts, Served) {
        let mut out = Outgoing::new(self.leader_epoch);
        let mut served = Served::new();
        let mut failure = None;
        for one in read {
            let outcome = match &one.bytes {
                Ok((slices, _)) => self.extent(&one, slices, found.end, limits, &mut out),
                Err(error) => Err(of_read_error(*error)),
            };
            let before: u64 = served.iter().map(|(_, bytes)| bytes).sum();
            if let (Ok((_, source)), true) = (&one.bytes, out.bytes() > before) {
                served.push((*source, out.bytes() - before));
            }
            match outcome {
                Ok(More::Wanted) => {}
                Ok(More::Enough) => break,
                Err(error) => {
                    failure = Some(error);
                    break;
                }
            }
        }
        if let (Some(error), 0) = (failure, out.bytes()) {
            return (FetchPartitionParts::error(index, error), served);
        }
        self.any |= out.bytes() > 0;
        self.bytes_left = self.bytes_left.saturating_sub(out.bytes());
        let records = out.into_slices();
        (
            FetchPartitionParts {
                records,
                ..self.without_records(index, found)
            },
            served,
        )
    }

    /// A partition that has nothing to give.
    pub(super) fn without_records(&self, index: i32, found: &Found) -> FetchPartitionParts {
        FetchPartitionParts {
            index,
            error: ErrorCode::None,
            high_watermark: found.head.next_offset,
            last_stable_offset: found.head.last_stable_offset,
            log_start_offset: found.head.log_start,
            // Nothing opens transactions yet, so none was aborted.
            aborted: self.committed_only.then(Vec::new),
            preferred_read_replica: -1,
            current_leader: None,
            records: Vec::new(),
        }
    }

    fn extent(
        &self,
        one: &ReadExtent,
        slices: &[Bytes],
        end: i64,
        limits: Limits,
        out: &mut Outgoing,
    ) -> Result<More, ErrorCode> {
        let damaged = |damage| {
            error!(segment = %one.extent.segment, position = one.extent.position, %damage, "stored batches are damaged");
            ErrorCode::CorruptMessage
        };
        let mut batches = ExtentBatches::new(&one.extent, slices);
        batches.skip_to(limits.from).map_err(damaged)?;
        loop {
            let so_far = out.bytes();
            let mut enough = false;
            let next = batches.next_if(|header| {
                let fits = self.fits(so_far, header.total_bytes() as u64, limits) && header.base_offset < end;
                enough = !fits;
                fits
            });
            match next.map_err(damaged)? {
                Some(batch) => out.push(batch),
                None if enough => return Ok(More::Enough),
                None => return Ok(More::Wanted),
            }
        }
    }

    fn fits(&self, so_far: u64, batch: u64, limits: Limits) -> bool {
        let hard = limits.bytes_max.min(self.bytes_left);
        match so_far {
            0 => !self.any || batch <= hard,
            _ => so_far + batch <= hard.min(limits.share),
        }
    }
}

enum More {
    Wanted,
    Enough,
}

/// What a client is told about an extent that cannot be read.
pub(super) fn of_read_error(error: ReadError) -> ErrorCode {
    match error {
        // Planned anew already, and the new plan names the same object: it is lost.
        ReadError::Missing | ReadError::Corrupt => ErrorCode::CorruptMessage,
        ReadError::Unavailable => ErrorCode::KafkaStorageError,
    }
}
