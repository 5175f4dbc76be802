//! What producers notice of work beside them: consumers of history, archiving and merging.
//!
//! Like `idle-connections`: acknowledgements at 1 MB/s without and with it, within one repetition. Consumers of history
//! leave the processors to whoever wants them: on machines of their own they would not take them. What the times of a
//! PUT and of a commit say beside it is where an acknowledgement waits; an agent that archives puts large objects, too,
//! so that its mean PUT says nothing of that.

use super::archive::wait::{AT_ONCE, MERGE_AT_ONCE, SERVE, UPKEEP, until_archived, until_merged};
use super::{Entry, System, each, note_complaint};
use crate::client::{ConsumeSpec, Latency, Spec};
use crate::load::{Load, MB, Measured, PARTITIONS, consumer, fill, paced_producer};
use crate::results::{Declared, Figure, higher, lower, told};
use crate::system::{Bench, Esker, Settings, create_topic, end};

/// What is archived, and the topic that is measured.
const OLD: &str = "old";
const NEW: &str = "new";
/// Ten times what an agent keeps of history.
const HISTORY_BYTES: usize = 1 << 30;
/// More than is archived while it is measured.
const BACKLOG_BYTES: usize = 3 << 30;
/// Partitions of each of the four consumers.
const EACH: i32 = PARTITIONS / 4;
const GET_MS: u64 = 20;
const WARM_UP_S: f64 = 5.0;
const MEASURE_S: f64 = 20.0;

const RATIO: Declared = lower("ack-p99-ratio", "with/without").at_most(1.2);
const WITHOUT: Declared = lower("ack-p99-without-ms", "ms");
const WITH: Declared = lower("ack-p99-with-ms", "ms");
const PUT_WITHOUT: Declared = told("put-without-ms", "ms");
const PUT_WITH: Declared = told("put-with-ms", "ms");
const COMMIT_WITHOUT: Declared = told("commit-without-ms", "ms");
const COMMIT_WITH: Declared = told("commit-with-ms", "ms");

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        name: "backfill-p99",
        title: "a producer of 1 MB/s beside four consumers of archived history, GET 20 ms",
        metrics: &[
            RATIO,
            WITHOUT,
            WITH,
            PUT_WITHOUT,
            PUT_WITH,
            COMMIT_WITHOUT,
            COMMIT_WITH,
            higher("history-mb-per-s", "MB/s"),
            told("client-cpu", "cores"),
            told("broker-cpu", "cores"),
        ],
        by_default: true,
        take: backfill,
    },
    Entry {
        name: "archive-p99",
        title: "a producer of 1 MB/s on an agent that archives and merges a backlog",
        metrics: &[
            RATIO,
            WITHOUT,
            WITH,
            COMMIT_WITHOUT,
            COMMIT_WITH,
            told("archived-mb-per-s", "MB/s"),
            told("merged-mb-per-s", "MB/s"),
            told("broker-cpu", "cores"),
        ],
        by_default: true,
        take: archive,
    },
];

fn backfill(bench: &mut Bench, figure: &mut Figure) -> Result<(), String> {
    each(bench, figure, |bench, figure| {
        let bytes = if bench.quick {
            HISTORY_BYTES / 4
        } else {
            HISTORY_BYTES
        };
        let mut esker = bench.esker(&Settings::with(&SERVE))?;
        create_topic(&bench.parts, &esker, OLD, PARTITIONS)?;
        create_topic(&bench.parts, &esker, NEW, PARTITIONS)?;
        fill(&esker, OLD, PARTITIONS, bytes)?;
        let arguments = [&UPKEEP[..], &AT_ONCE, &MERGE_AT_ONCE].concat();
        let mut upkeep = esker.beside("upkeep", &arguments);
        let mut sql = esker.sql()?;
        until_archived(bench, &mut sql)?;
        until_merged(bench, &mut sql)?;
        end(&mut upkeep)?;
        esker.slow_gets(GET_MS);
        esker.start_again(&SERVE)?;
        // Each has partitions of its own: none lives on what another one had fetched.
        let backfill = |consumer_number: i32| {
            Spec::Consume(ConsumeSpec {
                first_partition: consumer_number * EACH,
                again: true,
                yields: true,
                ..consumer(&esker, OLD, EACH)
            })
        };
        let without = acknowledged(bench, figure, &esker, Vec::new(), &mut |_| {})?;
        let consumers = (0..PARTITIONS / EACH).map(backfill).collect();
        let with = acknowledged(bench, figure, &esker, consumers, &mut |_| {})?;
        note(figure, &without, &with)?;
        let clients = 1..with.outcomes.len();
        let read: f64 = clients.map(|client| with.mb_per_s(client)).sum();
        figure.esker("history-mb-per-s", read);
        figure.esker("client-cpu", with.client_cpu_s / with.seconds);
        Ok(())
    })
}

fn archive(bench: &mut Bench, figure: &mut Figure) -> Result<(), String> {
    each(bench, figure, |bench, figure| {
        let bytes = if bench.quick {
            BACKLOG_BYTES / 4
        } else {
            BACKLOG_BYTES
        };
        let mut esker = bench.esker(&Settings::with(&SERVE))?;
        create_topic(&bench.parts, &esker, OLD, PARTITIONS)?;
        create_topic(&bench.parts, &esker, NEW, PARTITIONS)?;
        fill(&esker, OLD, PARTITIONS, bytes)?;
        esker.start_again(&SERVE)?;
        let without = acknowledged(bench, figure, &esker, Vec::new(), &mut |_| {})?;
        esker.start_again(&[&AT_ONCE[..], &MERGE_AT_ONCE].concat())?;
        let mut looks = Vec::new();
        let with = acknowledged(bench, figure, &esker, Vec::new(), &mut |_| {
            let bytes = |name| esker.agent.metric(name, "");
            looks.push((
                bytes("esker_archive_bytes_total"),
                bytes("esker_merge_bytes_total"),
            ));
        })?;
        note(figure, &without, &with)?;
        if let [(archived_before, merged_before), (archived, merged)] = looks.as_slice() {
            let mb_per_s = |bytes: f64| bytes / MB / with.seconds;
            figure.esker("archived-mb-per-s", mb_per_s(archived - archived_before));
            figure.esker("merged-mb-per-s", mb_per_s(merged - merged_before));
        }
        // A little is always on its way.
        let left = "SELECT sum(object_bytes) FROM segment WHERE state = 0";
        if esker.sql()?.number(left)? < 64.0 * MB {
            figure.note("the backlog came to its end while it was measured");
        }
        Ok(())
    })
}

/// A producer of 1 MB/s beside other clients.
fn acknowledged(
    bench: &Bench,
    figure: &mut Figure,
    esker: &Esker,
    others: Vec<Spec>,
    look: &mut dyn FnMut(bool),
) -> Result<Measured, String> {
    let mut clients = vec![Spec::Produce(paced_producer(esker, NEW, PARTITIONS, MB))];
    clients.extend(others);
    let measured = Load::new(bench, clients, WARM_UP_S, MEASURE_S).run_with(bench, esker, look)?;
    note_complaint(figure, System::Esker, &measured);
    Ok(measured)
}

fn note(figure: &mut Figure, without: &Measured, with: &Measured) -> Result<(), String> {
    let p99 = |measured: &Measured| -> Result<f64, String> {
        let latency: Option<Latency> = measured.outcomes.first().and_then(|outcome| outcome.latency);
        let latency = latency.ok_or("no record came through while it was measured")?;
        Ok(latency.p99_ms)
    };
    let (without_ms, with_ms) = (p99(without)?, p99(with)?);
    figure.esker("ack-p99-ratio", with_ms / without_ms);
    figure.esker("ack-p99-without-ms", without_ms);
    figure.esker("ack-p99-with-ms", with_ms);
    for (name, measured) in [("without", without), ("with", with)] {
        figure.esker(&format!("put-{name}-ms"), measured.used.put_mean_s() * 1000.0);
        figure.esker(
            &format!("commit-{name}-ms"),
            measured.used.commit_mean_s() * 1000.0,
        );
    }
    figure.esker("broker-cpu", with.used.broker_cpu_s / with.seconds);
    Ok(())
}
