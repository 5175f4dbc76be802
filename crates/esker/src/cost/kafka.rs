//! A month of Apache Kafka for the same workload: on one's own machines, and as Amazon MSK.
//!
//! Sized as Esker is: the fewest brokers that have the processors, the network and the disks, with the same part of each
//! machine left free.

use super::bill::{Bill, Line};
use super::esker::{crossing, crossing_more};
use super::units::*;
use super::workload::Workload;
use crate::prices::{GIB, MONTH_HOURS, Machine, Prices};

/// What a cluster does, whoever runs it.
struct Needs {
    cpu: f64,
    sent: f64,
    written: f64,
    /// Size of all disks.
    disk_gib: f64,
    /// In tiered storage.
    tiered_gib: f64,
}

fn needs(load: &Workload) -> Needs {
    let copies = load.replication - 1.0;
    let fetched = load.fan_out * load.write + load.history;
    // Retention by size may keep less than the retention time.
    let kept_seconds = (load.kept() / load.write).min(load.retention);
    let local = (load.kafka_local / kept_seconds).min(1.0);
    Needs {
        cpu: load.write / GIB
            * (KAFKA.produce_gib + copies * (KAFKA.consume_gib + FOLLOWER * KAFKA.produce_gib))
            + load.batches * KAFKA.batch
            + fetched / GIB * KAFKA.consume_gib,
        sent: load.write * copies + fetched,
        written: load.write * load.replication,
        disk_gib: load.kept() * local * load.replication / DISK_USED / GIB,
        // A closed segment is copied at once (KIP-405): what is local is there, too.
        tiered_gib: if local < 1.0 { load.kept() / GIB } else { 0.0 },
    }
}

fn brokers(load: &Workload, needs: &Needs, machine: &Machine) -> f64 {
    [
        load.zones,
        load.replication,
        needs.cpu / (machine.vcpus * USABLE),
        needs.sent.max(needs.written) / (machine.network_mib_per_s * MIB * USABLE),
        needs.written / (machine.disk_mib_per_s * MIB * USABLE),
        needs.disk_gib / machine.disk_gib_max,
    ]
    .into_iter()
    .fold(1.0, f64::max)
    .ceil()
}

/// On EC2 instances with EBS disks.
pub(super) fn on_disks(load: &Workload, prices: &Prices) -> Bill {
    let needs = needs(load);
    let brokers = brokers(load, &needs, &prices.kafka);
    let each = needs.written / MIB / brokers / USABLE;
    let bought = (each - EBS_FREE_MIB_PER_S).max(0.0) * brokers;
    let mut lines = vec![
        hours("brokers", brokers, &prices.kafka, "kafka_broker_hour", prices),
        disks(&needs, "ebs_gib_month", prices),
        Line {
            item: "disk_throughput",
            what: "disk throughput beyond what is free".to_owned(),
            quantity: bought,
            unit: "MiB/s",
            cost: bought * prices.of("ebs_mib_per_s_month"),
        },
    ];
    if needs.tiered_gib > 0.0 {
        lines.push(tiered(&needs, prices.stored(needs.tiered_gib)));
    }
    let (always, more) = traffic(load);
    Bill {
        system: "kafka",
        title: "Apache Kafka on EC2 and EBS".to_owned(),
        lines,
        cross_zone: crossing(always + load.write * replication_crossing(load), prices),
        cross_zone_more: crossing_more(more, prices),
    }
}

/// As Amazon MSK, whose copies between zones cost nothing.
pub(super) fn msk(load: &Workload, prices: &Prices) -> Bill {
    let needs = needs(load);
    let brokers = brokers(load, &needs, &prices.msk);
    let mut lines = vec![
        hours("brokers", brokers, &prices.msk, "msk_broker_hour", prices),
        disks(&needs, "msk_storage_gib_month", prices),
    ];
    if needs.tiered_gib > 0.0 {
        lines.push(tiered(
            &needs,
            needs.tiered_gib * prices.of("msk_tiered_gib_month"),
        ));
    }
    let (always, more) = traffic(load);
    Bill {
        system: "msk",
        title: "Amazon MSK".to_owned(),
        lines,
        cross_zone: crossing(always, prices),
        cross_zone_more: crossing_more(more, prices),
    }
}

/// Bytes a second of clients between zones: of those that know their zone, and what others add. Producers write to the
/// leader, wherever it is; consumers that know their zone read from a replica in it, where there is one (KIP-392).
fn traffic(load: &Workload) -> (f64, f64) {
    let read = load.write * load.fan_out;
    let far = 1.0 - (load.replication / load.zones).min(1.0);
    let always = load.write * load.crossing() + read * far;
    (always, read * (load.crossing() - far))
}

/// How many of a leader's copies go to another zone: replicas are spread evenly, and each of them leads as often.
pub(super) fn replication_crossing(load: &Workload) -> f64 {
    let (replicas, zones) = (load.replication, load.zones);
    let least = (replicas / zones).floor();
    let with_one_more = replicas - least * zones;
    let of = |zones: f64, each: f64| zones * each / replicas * (replicas - each);
    of(zones - with_one_more, least) + of(with_one_more, least + 1.0)
}

fn hours(item: &'static str, count: f64, machine: &Machine, price: &str, prices: &Prices) -> Line {
    Line {
        item,
        what: format!("brokers: {count} x {}", machine.name),
        quantity: count * MONTH_HOURS,
        unit: "hours",
        cost: count * MONTH_HOURS * prices.of(price),
    }
}

fn disks(needs: &Needs, price: &str, prices: &Prices) -> Line {
    Line {
        item: "disks",
        what: "disks".to_owned(),
        quantity: needs.disk_gib,
        unit: "GiB-months",
        cost: needs.disk_gib * prices.of(price),
    }
}

fn tiered(needs: &Needs, cost: f64) -> Line {
    Line {
        item: "tiered",
        what: "tiered storage".to_owned(),
        quantity: needs.tiered_gib,
        unit: "GiB-months",
        cost,
    }
}
