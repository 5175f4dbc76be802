//! A month of Esker.
//!
//! `rates → requests → how many agents those need → lines`. Where a number depends on what happens to be in memory, the
//! larger one is taken: what stands here should not be exceeded.

use super::bill::{Bill, Line};
use super::units::*;
use super::workload::Workload;
use crate::failure::{Failure, Outcome};
use crate::prices::{GIB, MONTH_HOURS, MONTH_SECONDS, Prices};

/// Most agents that a plan tries.
const AGENTS_MAX: u32 = 10_000;

/// What a cluster of so many agents does in a second.
pub(super) struct Rates {
    pub(super) agents: f64,
    /// PUTs of ingest segments.
    pub(super) ingest_puts: f64,
    /// GETs of ingest segments by agents of other zones, for their consumers.
    pub(super) tail_gets: f64,
    pub(super) archive_gets: f64,
    pub(super) archive_puts: f64,
    pub(super) merge_gets: f64,
    /// Of merged segments and manifests.
    pub(super) merge_puts: f64,
    /// Times that a byte is written again by merging, beyond the first.
    pub(super) rewrites: f64,
    /// Bytes of a merged segment when it is first written.
    pub(super) merged_bytes: f64,
    pub(super) history_gets: f64,
    pub(super) cluster_gets: f64,
    /// Length of a round of archiving, in seconds.
    pub(super) round: f64,
    /// CPU seconds of all agents, and of the metastore.
    pub(super) agent_cpu: f64,
    pub(super) metastore_cpu: f64,
    /// Bytes that all agents send and receive.
    pub(super) sent: f64,
    pub(super) received: f64,
}

/// Rates of a workload on so many agents.
pub(super) fn rates(load: &Workload, agents: f64) -> Rates {
    let write = load.write;
    // Full segments, and no more than one other in each interval of each agent.
    let ingest_puts = write / load.segment_bytes + (agents / load.flush_interval).min(load.batches);
    let readers = agents * load.crossing();
    let tail_gets = ingest_puts * readers * load.fan_out.min(1.0);
    let archive_gets = ingest_puts * (agents - 1.0) / agents;

    let round = match write > 0.0 {
        true => ARCHIVE_INTERVAL.min(ROUND_BYTES / write),
        false => ARCHIVE_INTERVAL,
    };
    let partitions = load.partitions.min((load.batches * round).max(1.0));
    let objects = (write * round / ARCHIVE_BYTES).max(partitions / ARCHIVE_PARTITIONS);
    let archive_puts = objects.max(1.0).min(load.batches * round) / round;

    let piece = write * round / partitions;
    let of_partition = write / load.partitions;
    let most = MERGED_BYTES.min(of_partition * load.retention * RETENTION_PART);
    let merged_bytes = (PIECES * piece).min(of_partition * MERGE_INTERVAL).min(most);
    let rewrites = match merged_bytes > 0.0 {
        true => (most / merged_bytes).log2().max(0.0),
        false => 0.0,
    };
    let merges = match merged_bytes > 0.0 {
        true => write / merged_bytes,
        false => 0.0,
    };
    let pieces = partitions / round * (piece / MERGE_READ).max(1.0);
    let merge_gets = pieces.min(load.batches) + write * rewrites / MERGE_READ;
    let history_gets = load.history / HISTORY_READ;

    let fetched = load.fan_out * write + load.history;
    let agent_cpu = write / GIB * (AGENT.produce_gib + ARCHIVE_GIB + MERGE_GIB * (1.0 + rewrites))
        + load.batches * AGENT.batch
        + fetched / GIB * AGENT.consume_gib;
    let of_agent = (load.partitions * load.zones / agents).min(load.partitions);
    let extents = ingest_puts * of_agent.min(load.batches / ingest_puts.max(f64::MIN_POSITIVE));
    let metastore_cpu =
        ingest_puts * COMMIT + extents * EXTENT + agents * HEADS_EACH_SECOND * (HEADS + of_agent * HEAD);
    Rates {
        agents,
        ingest_puts,
        tail_gets,
        archive_gets,
        archive_puts,
        merge_gets,
        merge_puts: 2.0 * merges,
        rewrites,
        merged_bytes,
        history_gets,
        cluster_gets: agents * CLUSTER_READS,
        round,
        agent_cpu,
        metastore_cpu,
        sent: write * (3.0 + rewrites) + fetched,
        received: write * (1.0 + readers * load.fan_out.min(1.0) + (agents - 1.0) / agents + 1.0 + rewrites)
            + load.history,
    }
}

/// Agents: as many as somebody said, or the fewest that are in every zone and have the processors and the network.
pub(super) fn agents(load: &Workload, prices: &Prices) -> Outcome<f64> {
    if let Some(agents) = load.agents {
        return Ok(agents);
    }
    let machine = &prices.agent;
    let fits = |agents: f64| {
        let rates = rates(load, agents);
        rates.agent_cpu <= agents * machine.vcpus * USABLE
            && rates.sent.max(rates.received) <= agents * machine.network_mib_per_s * MIB * USABLE
    };
    (1..=AGENTS_MAX)
        .map(f64::from)
        .find(|agents| *agents >= load.zones && fits(*agents))
        .ok_or_else(|| {
            Failure::Failed(format!(
                "no number of {} is enough for this workload: each agent has to read what other zones write, and that \
                 alone is more than one of them may receive; name a larger machine in --prices, or say --agents",
                machine.name
            ))
        })
}

/// A month.
pub(super) fn bill(load: &Workload, prices: &Prices) -> Outcome<Bill> {
    let rates = rates(load, agents(load, prices)?);
    let stored = stored(load, &rates) / GIB;
    let mut lines = vec![
        requests(
            "put_ingest",
            "PUT of ingest segments",
            rates.ingest_puts,
            "put",
            prices,
        ),
        requests(
            "put_upkeep",
            "PUT of archive and merged segments, manifests",
            rates.archive_puts + rates.merge_puts,
            "put",
            prices,
        ),
        requests(
            "get_tail",
            "GET for consumers of other zones",
            rates.tail_gets,
            "get",
            prices,
        ),
        requests(
            "get_upkeep",
            "GET to archive and to merge",
            rates.archive_gets + rates.merge_gets,
            "get",
            prices,
        ),
        requests("get_history", "GET of history", rates.history_gets, "get", prices),
        requests(
            "get_cluster",
            "GET of cluster.json",
            rates.cluster_gets,
            "get",
            prices,
        ),
        requests("list", "LIST to sweep", lists(load, &rates), "list", prices),
    ];
    lines.extend(kept(stored, rates.metastore_cpu, rates.agents, prices));
    Ok(Bill {
        system: "esker",
        title: "Esker".to_owned(),
        lines,
        cross_zone: crossing(0.0, prices),
        cross_zone_more: crossing_more(load.write * load.crossing() * (1.0 + load.fan_out), prices),
    })
}

/// Bytes in the bucket: what retention keeps and a little more, and what waits for its deletion.
fn stored(load: &Workload, rates: &Rates) -> f64 {
    if let Some(kept) = load.kept {
        return kept;
    }
    let half_segment = load.partitions * rates.merged_bytes / 2.0;
    let twice = load.write * (rates.round + GRACE + GRACE + rates.rewrites * GRACE);
    load.kept() + half_segment.min(load.kept()) + twice
}

/// Listings a second.
fn lists(load: &Workload, rates: &Rates) -> f64 {
    let merged = match rates.merged_bytes > 0.0 {
        true => load.kept() / (rates.merged_bytes * rates.rewrites.exp2()),
        false => 0.0,
    };
    let recent = (rates.ingest_puts + rates.archive_puts) * (rates.round + GRACE);
    ((merged + load.partitions + recent) / LISTED).max(4.0).ceil() / SWEEP_INTERVAL
}

/// A line of requests, so many a second.
pub(super) fn requests(
    item: &'static str,
    what: &str,
    each_second: f64,
    price: &str,
    prices: &Prices,
) -> Line {
    let quantity = each_second * MONTH_SECONDS;
    Line {
        item,
        what: what.to_owned(),
        quantity,
        unit: "requests",
        cost: quantity * prices.of(price),
    }
}

/// The lines that do not follow requests.
pub(super) fn kept(stored_gib: f64, metastore_cpu: f64, agents: f64, prices: &Prices) -> [Line; 4] {
    let metastores = (metastore_cpu / (prices.metastore.vcpus * USABLE))
        .ceil()
        .max(1.0);
    [
        Line {
            item: "stored",
            what: "stored in the bucket".to_owned(),
            quantity: stored_gib,
            unit: "GiB-months",
            cost: prices.stored(stored_gib),
        },
        Line {
            item: "metastore",
            what: format!("metastore: {metastores} x {}", prices.metastore.name),
            quantity: metastores * MONTH_HOURS,
            unit: "hours",
            cost: metastores * MONTH_HOURS * prices.of("metastore_hour"),
        },
        Line {
            item: "metastore_storage",
            what: "its disk".to_owned(),
            quantity: METASTORE_GIB,
            unit: "GiB-months",
            cost: METASTORE_GIB * prices.of("metastore_storage_gib_month"),
        },
        Line {
            item: "agents",
            what: format!("agents: {agents} x {}", prices.agent.name),
            quantity: agents * MONTH_HOURS,
            unit: "hours",
            cost: agents * MONTH_HOURS * prices.of("agent_hour"),
        },
    ]
}

/// Traffic between zones, in bytes a second, with clients that know theirs.
pub(super) fn crossing(each_second: f64, prices: &Prices) -> Line {
    line_of_traffic(
        "cross_zone",
        "between zones, clients know their zone",
        each_second,
        prices,
    )
}

/// What clients that know no zones add.
pub(super) fn crossing_more(each_second: f64, prices: &Prices) -> Line {
    line_of_traffic(
        "cross_zone_other_clients",
        "more between zones, clients that do not",
        each_second,
        prices,
    )
}

fn line_of_traffic(item: &'static str, what: &str, each_second: f64, prices: &Prices) -> Line {
    let quantity = each_second * MONTH_SECONDS / GIB;
    Line {
        item,
        what: what.to_owned(),
        quantity,
        unit: "GiB",
        cost: quantity * prices.of("cross_zone_gib"),
    }
}
