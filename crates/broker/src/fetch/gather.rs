//! Reading for a whole request: which segments and chunks, how many, and what they are charged.
//!
//! A request waits for its first charge while it holds nothing, and takes further ones only if they are
//! free: so requests cannot wait for each other, and when memory is short responses become smaller.
//! Where an object is gone its records may have moved: they are planned anew, once.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use esker_metastore::Extent;
use esker_model::SegmentId;
use esker_model::planted::{Mistake, planted};
use esker_protocol::ErrorCode;
use esker_storage::cache::CacheKey;
use tracing::error;

use super::asked::Asked;
use super::find::available;
use super::hot_index::bytes_from;
use super::plan::{self, Found, Wanted};
use super::read::{self, ObjectPart, ReadError, ReadExtent};
use super::{share, yield_after};
use crate::Broker;
use crate::budget::Reservation;

/// Segments and chunks that one request reads from cache and bucket.
const PARTS_MAX: usize = 64;

/// What a request wants to read of one partition.
#[derive(Clone, Copy)]
struct Chain<'a> {
    /// Contiguous extents.
    extents: &'a [Extent],
    /// The first offset wanted.
    from: i64,
    /// About so many bytes; the first extent is read in any case.
    bytes: u64,
}

/// What was read for a request: for each chain its first extents, as many as memory allows.
pub(super) struct Gathered {
    pub chains: Vec<Vec<ReadExtent>>,
    /// To be held until the response is written.
    pub hold: Option<Reservation>,
}

/// What of the response each partition may fill.
pub(super) fn shares(asked: &Asked, wanted: &[Wanted], found: &[Result<Found, ErrorCode>]) -> Vec<u64> {
    let available = available(wanted, found);
    let shares = share::divide(asked.bytes_max, &available);
    // Who gets all that seems to be there is held by its own limit only: the estimate may be low.
    let unless_cut = |(at, share): (usize, u64)| {
        if share >= available[at] {
            wanted[at].bytes_max
        } else {
            share
        }
    };
    shares.into_iter().enumerate().map(unless_cut).collect()
}

/// Reads what was found. Where an object is gone, plans again: its records may have moved. Only if the
/// new plan names the same object is it lost.
pub(super) async fn read_found(
    broker: &Broker,
    asked: &Asked,
    wanted: &[Wanted],
    found: &mut [Result<Found, ErrorCode>],
) -> Gathered {
    let shares = share::divide(asked.bytes_max, &available(wanted, found));
    let mut first = true;
    let chains: Vec<Chain<'_>> = wanted
        .iter()
        .zip(found.iter())
        .zip(&shares)
        .map(|((wanted, found), share)| {
            let extents = extents_of(found);
            // The first that has something gives a batch, whatever the limits.
            let read = *share > 0 || (first && !extents.is_empty());
            first &= extents.is_empty();
            Chain {
                extents: if read { extents } else { &[] },
                from: wanted.from,
                bytes: *share,
            }
        })
        .collect();
    yield_after(wanted.len()).await;
    let mut gathered = gather(broker, &chains, None).await;
    forget_missing(broker, wanted, &gathered.chains);
    let missing: Vec<(usize, SegmentId)> = (0..wanted.len())
        .filter_map(|at| Some((at, missing_segment(&gathered.chains[at])?)))
        .collect();
    if missing.is_empty() {
        return gathered;
    }
    let again: Vec<Wanted> = missing.iter().map(|(at, _)| wanted[*at]).collect();
    again
        .iter()
        .for_each(|one| broker.hot_index.forget_extents(one.partition));
    let plans = plan::find_in_metastore(broker, &again).await;
    for ((at, lost), plan) in missing.iter().zip(plans) {
        let same = extents_of(&plan)
            .first()
            .is_some_and(|first| first.segment == *lost || planted(Mistake::CorruptOn404));
        found[*at] = if same {
            error!(partition = %wanted[*at].partition, segment = %lost, "a segment with records is not in the bucket");
            Err(ErrorCode::CorruptMessage)
        } else {
            plan
        };
    }
    let chains: Vec<Chain<'_>> = missing
        .iter()
        .map(|(at, _)| Chain {
            extents: extents_of(&found[*at]),
            from: wanted[*at].from,
            bytes: shares[*at],
        })
        .collect();
    let more = gather(broker, &chains, gathered.hold.take()).await;
    gathered.hold = more.hold;
    for ((at, _), chain) in missing.into_iter().zip(more.chains) {
        gathered.chains[at] = chain;
    }
    gathered
}

fn extents_of(found: &Result<Found, ErrorCode>) -> &[Extent] {
    found
        .as_ref()
        .map(|found| found.extents.as_slice())
        .unwrap_or_default()
}

/// What plans said of archived records is not believed any more where an object is gone. Objects do not change: what is
/// damaged stays so, and a new plan would name it again.
fn forget_missing(broker: &Broker, wanted: &[Wanted], chains: &[Vec<ReadExtent>]) {
    let missing = |one: &ReadExtent| matches!(one.bytes, Err(ReadError::Missing));
    wanted
        .iter()
        .zip(chains)
        .filter(|(_, chain)| chain.iter().any(missing))
        .for_each(|(one, _)| broker.history.forget(one.partition));
}

/// The segment of the first extent, if its object is not there. One further on is met by the next request.
fn missing_segment(chain: &[ReadExtent]) -> Option<SegmentId> {
    let first = chain
        .first()
        .filter(|one| matches!(one.bytes, Err(ReadError::Missing)));
    first.map(|one| one.extent.segment)
}

/// Reads the beginnings of chains. With `held`, what this request holds already, it does not wait for
/// memory.
async fn gather(broker: &Broker, chains: &[Chain<'_>], held: Option<Reservation>) -> Gathered {
    let chosen: Vec<&[Extent]> = chains.iter().map(choose).collect();
    let mut hold = charge_recent(broker, chains, &chosen, held).await;
    let mut pins: BTreeMap<CacheKey, Arc<Reservation>> = BTreeMap::new();
    let mut to_load = Vec::new();
    let mut places: Vec<Vec<(Extent, Option<Vec<Bytes>>)>> = chains.iter().map(|_| Vec::new()).collect();
    // Breadth first: when memory or the number of parts runs out, every chain had its turn.
    let mut going: Vec<usize> = (0..chains.len()).collect();
    let mut depth = 0;
    while !going.is_empty() {
        let mut still = Vec::with_capacity(going.len());
        for at in going {
            let Some(extent) = chosen[at].get(depth) else {
                continue;
            };
            let slices = broker
                .recent
                .slices(&extent.segment, extent.position, extent.bytes);
            let to_pin = match slices {
                Some(_) => None,
                None => ObjectPart::of(extent).filter(|part| !pins.contains_key(&part.key)),
            };
            if let Some(part) = to_pin {
                let may_wait = hold.is_none() && pins.is_empty();
                let pin = match (may_wait, pins.len() < PARTS_MAX) {
                    (true, _) => broker.pins.pin(part.key, part.bytes).await.ok(),
                    (false, true) => broker.pins.try_pin(part.key, part.bytes),
                    (false, false) => None,
                };
                let Some(pin) = pin else { continue };
                pins.insert(part.key, pin);
                to_load.push(part);
            }
            places[at].push((*extent, slices));
            still.push(at);
        }
        going = still;
        depth += 1;
    }
    let loaded = read::load_all(broker, to_load).await;
    if !pins.is_empty() {
        let own = hold.take().or_else(|| broker.budget.fetch.try_reserve(0));
        hold = own.map(|own| own.sharing(pins.into_values()));
    }
    let place = |(extent, slices)| read::place(extent, slices, &loaded);
    let chains = places
        .into_iter()
        .map(|places| places.into_iter().map(place).collect())
        .collect();
    Gathered { chains, hold }
}

/// Charges what will come from recent segments. Its frames are charged to producers; this keeps slow
/// consumers from holding on to more of them than the readers' share.
async fn charge_recent(
    broker: &Broker,
    chains: &[Chain<'_>],
    chosen: &[&[Extent]],
    held: Option<Reservation>,
) -> Option<Reservation> {
    let of_chain = |(chain, extents): (&Chain<'_>, &&[Extent])| {
        let recent = extents
            .iter()
            .filter(|extent| broker.recent.contains(&extent.segment));
        recent
            .map(|extent| bytes_from(extent, chain.from))
            .sum::<u64>()
            .min(chain.bytes)
    };
    let bytes: u64 = chains.iter().zip(chosen).map(of_chain).sum();
    let pool = &broker.budget.fetch;
    match (bytes, held) {
        (0, held) => held,
        (bytes, None) => pool.reserve(bytes.min(pool.bytes())).await.ok(),
        (bytes, Some(held)) => Some(match pool.try_reserve(bytes) {
            Some(more) => held.sharing([Arc::new(more)]),
            // The plan changed under this request: a moment's excess, bounded by the first charge.
            None => held,
        }),
    }
}

/// The first extents of a chain that hold as many bytes as are wanted.
fn choose<'a>(chain: &Chain<'a>) -> &'a [Extent] {
    let mut bytes = 0;
    let count = chain
        .extents
        .iter()
        .take_while(|extent| {
            let wanted = bytes < chain.bytes || bytes == 0;
            bytes += bytes_from(extent, chain.from).max(1);
            wanted
        })
        .count();
    &chain.extents[..count]
}

#[cfg(test)]
mod tests {
    use esker_model::{ClusterEpoch, IncarnationId, SegmentKind};
    use uuid::Uuid;

    use super::*;

    fn id(seq: u64) -> SegmentId {
        SegmentId {
            kind: SegmentKind::Ingest,
            epoch: ClusterEpoch(1),
            incarnation: IncarnationId(Uuid::from_u128(1)),
            seq,
        }
    }

    #[test]
    fn reads_as_many_extents_as_are_wanted_and_at_least_one() {
        let extent = |base: i64| Extent {
            base_offset: base,
            end_offset: base + 10,
            segment: id(1),
            object_bytes: 1000,
            chunk: None,
            position: 0,
            bytes: 100,
            max_timestamp: -1,
            producer: None,
            transactional: false,
        };
        let extents = [extent(0), extent(10), extent(20)];
        let count = |from, bytes| {
            choose(&Chain {
                extents: &extents,
                from,
                bytes,
            })
            .len()
        };
        assert_eq!(
            (
                count(0, 0),
                count(0, 1),
                count(0, 100),
                count(0, 101),
                count(0, 1000)
            ),
            (1, 1, 1, 2, 3)
        );
        // Half of the first extent was read before.
        assert_eq!((count(5, 50), count(5, 100)), (1, 2));
        assert_eq!(
            choose(&Chain {
                extents: &[],
                from: 0,
                bytes: 10
            })
            .len(),
            0
        );
    }
}
