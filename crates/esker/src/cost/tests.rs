//! The formulas, against numbers worked out by hand, and against what was measured.

use super::esker::{self, rates};
use super::kafka::{self, replication_crossing};
use super::units::MIB;
use super::workload::{Workload, rate, span};
use crate::prices::{GIB, Prices};

fn load() -> Workload {
    Workload {
        write: 50.0 * MIB,
        batches: 3_200.0,
        fan_out: 3.0,
        history: 0.0,
        retention: 7.0 * 86_400.0,
        retention_bytes: None,
        kept: None,
        partitions: 100.0,
        zones: 3.0,
        segment_bytes: 8.0 * MIB,
        flush_interval: 0.1,
        agents: None,
        replication: 3.0,
        kafka_local: 7.0 * 86_400.0,
    }
}

fn near(name: &str, value: f64, expected: f64) {
    let off = (value - expected).abs() / expected.abs().max(1e-9);
    assert!(off < 1e-3, "{name}: {value}, not {expected}");
}

#[test]
fn requests_follow_the_formulas() {
    let rates = rates(&load(), 6.0);
    // 50/8 full segments, and 10 a second of each of six agents.
    near("ingest_puts", rates.ingest_puts, 6.25 + 60.0);
    // Four agents are in other zones than the one that wrote.
    near("tail_gets", rates.tail_gets, 66.25 * 4.0);
    near("archive_gets", rates.archive_gets, 66.25 * 5.0 / 6.0);
    // 128 MiB every 2.56 s, in two objects.
    near("round", rates.round, 2.56);
    near("archive_puts", rates.archive_puts, 2.0 / 2.56);
    // 100 pieces of 1.28 MiB in each round; 50 of them are the 64 MiB of a merged segment.
    near("merge_gets", rates.merge_gets, 100.0 / 2.56);
    near("merge_puts", rates.merge_puts, 2.0 * 50.0 / 64.0);
    near("rewrites", rates.rewrites + 1.0, 1.0);
    near("merged_bytes", rates.merged_bytes, 64.0 * MIB);
    near("cluster_gets", rates.cluster_gets, 2.0);
}

#[test]
fn requests_are_what_benchmarks_counted() {
    // `requests-load`: 258 MB/s on one agent were 167 PUTs for a GiB; `requests-trickle`: 1 MB/s were 10,498.
    for (write, puts) in [(258e6, 167.0), (1e6, 10_498.0)] {
        let load = Workload {
            write,
            batches: 1e6,
            zones: 1.0,
            ..load()
        };
        let each_gib = rates(&load, 1.0).ingest_puts / (write / GIB);
        let off = each_gib / puts;
        assert!(
            (0.98..1.05).contains(&off),
            "{write} bytes/s: {each_gib} PUTs for a GiB"
        );
    }
}

#[test]
fn a_quiet_cluster_uploads_no_more_than_it_is_sent() {
    let quiet = Workload {
        write: 1_000.0,
        batches: 0.5,
        ..load()
    };
    near("ingest_puts", rates(&quiet, 6.0).ingest_puts, 0.5);
}

#[test]
fn partitions_with_few_records_are_written_again_by_merging() {
    let many = Workload {
        partitions: 10_000.0,
        ..load()
    };
    // A round of 2.56 s has 8,192 batches, and so pieces of 16 KiB; 128 of them are 2 MiB, five doublings from 64 MiB.
    let rates = rates(&many, 6.0);
    near("merged_bytes", rates.merged_bytes, 2.0 * MIB);
    near("rewrites", rates.rewrites, 5.0);
}

#[test]
fn agents_are_in_each_zone_and_at_most_half_busy() {
    let prices = Prices::builtin();
    let quiet = Workload {
        write: 1_000.0,
        batches: 0.5,
        ..load()
    };
    near("agents", esker::agents(&quiet, &prices).unwrap(), 3.0);
    let agents = esker::agents(&load(), &prices).unwrap();
    let busy = rates(&load(), agents);
    assert!(busy.sent.max(busy.received) <= agents * 223.0 * MIB / 2.0);
    assert!(busy.agent_cpu <= agents * 4.0 / 2.0);
    let fewer = rates(&load(), agents - 1.0);
    assert!(agents == 3.0 || fewer.sent.max(fewer.received) > (agents - 1.0) * 223.0 * MIB / 2.0);
    let far_too_much = Workload {
        write: 1_000.0 * MIB,
        batches: 64_000.0,
        ..load()
    };
    let said = esker::agents(&far_too_much, &prices).unwrap_err().to_string();
    assert!(said.starts_with("no number of c7g.xlarge is enough"), "{said}");
}

#[test]
fn kafkas_copies_cross_zones_and_fill_disks() {
    let prices = Prices::builtin();
    let disks = kafka::on_disks(&load(), &prices);
    // 50 MiB/s for a week are 29,531.25 GiB: three times, on disks that are 70 % full.
    near("disks", disks.quantity("disks"), 29_531.25 * 3.0 / 0.7);
    // Two thirds of what is written come from another zone, and two copies go to one each.
    let month = 50.0 / 1_024.0 * 730.0 * 3_600.0;
    near(
        "crossing",
        disks.quantity("cross_zone"),
        month * (2.0 / 3.0 + 2.0),
    );
    near(
        "crossing of others",
        disks.quantity("cross_zone_other_clients"),
        month * 3.0 * 2.0 / 3.0,
    );
    let msk = kafka::msk(&load(), &prices);
    near("msk crossing", msk.quantity("cross_zone"), month * 2.0 / 3.0);
    let tiered = Workload {
        kafka_local: 86_400.0,
        ..load()
    };
    let tiered = kafka::on_disks(&tiered, &prices);
    near(
        "disks of a day",
        tiered.quantity("disks"),
        29_531.25 / 7.0 * 3.0 / 0.7,
    );
    near("tiered", tiered.quantity("tiered"), 29_531.25);
}

#[test]
fn replicas_are_spread_over_zones() {
    for (replication, zones, crossing) in [
        (3.0, 3.0, 2.0),
        (3.0, 1.0, 0.0),
        (3.0, 5.0, 2.0),
        (1.0, 3.0, 0.0),
        // Two in one zone, one in the other.
        (3.0, 2.0, 2.0 / 3.0 + 2.0 / 3.0),
    ] {
        let load = Workload {
            replication,
            zones,
            ..load()
        };
        let found = replication_crossing(&load);
        assert!(
            (found - crossing).abs() < 1e-9,
            "{replication} in {zones}: {found}"
        );
    }
}

#[test]
fn one_zone_has_no_traffic_between_zones() {
    let one = Workload { zones: 1.0, ..load() };
    let prices = Prices::builtin();
    for bill in [
        esker::bill(&one, &prices).unwrap(),
        kafka::on_disks(&one, &prices),
        kafka::msk(&one, &prices),
    ] {
        assert!(bill.total_other_clients() == bill.total(), "{}", bill.title);
        assert!(bill.quantity("cross_zone") == 0.0 && bill.total() > 0.0);
    }
}

#[test]
fn retention_by_bytes_keeps_less() {
    let less = Workload {
        retention_bytes: Some(GIB),
        ..load()
    };
    near("kept", less.kept(), 100.0 * GIB);
}

#[test]
fn rates_and_times_as_people_write_them() {
    assert_eq!(rate("50MiB/s"), Ok(50 << 20));
    assert_eq!(rate("1000"), Ok(1_000));
    assert!(rate("fast").unwrap_err().contains("is not a rate"));
    assert_eq!(span("30d"), Ok(30.0 * 86_400.0));
    assert_eq!(span("1.5h"), Ok(5_400.0));
    assert_eq!(span("90 min"), Ok(5_400.0));
    assert_eq!(span("250ms"), Ok(0.25));
    for wrong in ["", "30", "d", "-1d", "0s", "inf d", "soon"] {
        assert!(span(wrong).unwrap_err().contains("is not a time"), "{wrong}");
    }
}
