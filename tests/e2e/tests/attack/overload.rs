//! More load than the agent can take, on a bucket that is slow or refuses: throughput degrades, memory does
//! not, nothing acknowledged is lost, and afterwards all is as before without anybody's help.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use esker_protocol::messages::ProduceRequest;
use serde_json::{Value, json};

use crate::bystander::{create_topic, fetch};
use crate::frames;
use crate::stand::{Others, Stand};
use esker_e2e::wire::Wire;

const TOPIC: &str = "load";
const PARTITIONS: i32 = 4;
/// Requests that a producer has in flight.
const IN_FLIGHT: usize = 5;
/// After the overload, a Produce is acknowledged within this again.
const RECOVERED: Duration = Duration::from_secs(2);
const RECOVERY_LIMIT: Duration = Duration::from_secs(30);

/// What was acknowledged: which number lies at which offset of which partition.
#[derive(Default)]
struct Acked(Mutex<BTreeMap<(i32, i64), u64>>);

struct Load {
    producers: usize,
    batch_bytes: usize,
    /// No more than that many batches: they are read again afterwards.
    batches_max: u64,
    lasts: Duration,
}

/// One producer at full speed; it begins anew when it loses its connection.
fn produce(
    at: SocketAddr,
    load: &Load,
    partition: i32,
    stop: &AtomicBool,
    next: &AtomicU64,
    acked: &Acked,
) -> io::Result<()> {
    let mut wire = Wire::connect(at)?;
    let mut under_way = VecDeque::new();
    while !stop.load(Ordering::Relaxed) || !under_way.is_empty() {
        if !stop.load(Ordering::Relaxed) && under_way.len() < IN_FLIGHT {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= load.batches_max {
                stop.store(true, Ordering::Relaxed);
                continue;
            }
            let batch = frames::batch(&number.to_be_bytes(), load.batch_bytes);
            wire.send(9, &frames::produce(TOPIC, partition, batch))?;
            under_way.push_back(number);
            continue;
        }
        let answer = wire.receive::<ProduceRequest>(9)?;
        let part = &answer.responses[0].partition_responses[0];
        let number = under_way.pop_front().unwrap();
        if part.error_code == 0 {
            acked
                .0
                .lock()
                .unwrap()
                .insert((partition, part.base_offset), number);
        } else {
            assert!(matches!(part.error_code, 7 | 19), "error {}", part.error_code);
        }
    }
    Ok(())
}

fn overload(stand: &Stand, load: &Load, faults: &Value) {
    create_topic(stand.at, TOPIC, PARTITIONS);
    let store = stand.store.as_ref().unwrap();
    store.add_faults(faults);
    let (stop, next, acked) = (AtomicBool::new(false), AtomicU64::new(0), Acked::default());
    let lost = AtomicU64::new(0);
    let began = Instant::now();
    std::thread::scope(|scope| {
        for producer in 0..load.producers {
            let (stop, next, acked, lost) = (&stop, &next, &acked, &lost);
            scope.spawn(move || {
                let partition = producer as i32 % PARTITIONS;
                while !stop.load(Ordering::Relaxed) {
                    if produce(stand.at, load, partition, stop, next, acked).is_err() {
                        lost.fetch_add(1, Ordering::Relaxed);
                        std::thread::sleep(Duration::from_millis(500));
                    }
                }
            });
        }
        while began.elapsed() < load.lasts && !stop.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(50));
        }
        stop.store(true, Ordering::Relaxed);
    });
    let took = began.elapsed().as_secs_f64();
    let acked = acked.0.into_inner().unwrap();
    let mib = acked.len() as f64 * load.batch_bytes as f64 / f64::from(1 << 20);
    println!(
        "{} batches acknowledged in {took:.0} s, {:.1} MiB/s; {} connections lost",
        acked.len(),
        mib / took,
        lost.into_inner()
    );
    assert!(!acked.is_empty(), "nothing was acknowledged in {took:.1} s");
    store.clear_faults();
    recover(stand.at);
    read_back(stand.at, &acked);
}

fn recover(at: SocketAddr) {
    let began = Instant::now();
    let recovered = esker_harness::wait_until(RECOVERY_LIMIT, || {
        let sent = Instant::now();
        let request = frames::produce("load", 0, frames::batch(&u64::MAX.to_be_bytes(), 100));
        let answer = Wire::connect(at).and_then(|mut wire| wire.call(9, &request));
        answer.is_ok_and(|answer| answer.responses[0].partition_responses[0].error_code == 0)
            && sent.elapsed() < RECOVERED
    });
    println!("as before after {:.1} s", began.elapsed().as_secs_f64());
    assert!(recovered);
}

/// Everything that was acknowledged lies where it was said to lie.
fn read_back(at: SocketAddr, acked: &BTreeMap<(i32, i64), u64>) {
    let mut wire = Wire::connect(at).unwrap();
    for partition in 0..PARTITIONS {
        let wanted: Vec<_> = acked.range((partition, 0)..=(partition, i64::MAX)).collect();
        let mut from = 0;
        let mut wanted = wanted.into_iter().peekable();
        while wanted.peek().is_some() {
            let records = fetch(&mut wire, TOPIC, partition, from, 4 << 20).unwrap();
            assert!(
                !records.is_empty(),
                "{partition} ends at {from}: {:?} is lost",
                wanted.peek()
            );
            for (offset, number) in records {
                if offset < from {
                    continue;
                }
                assert_eq!(offset, from, "an offset was skipped");
                from += 1;
                if wanted.peek().is_some_and(|((_, acked), _)| *acked == offset) {
                    assert_eq!(wanted.next().unwrap().1, &number, "{partition} at {offset}");
                }
            }
        }
    }
}

fn slow_store() -> Value {
    json!({"op": "put", "kind": "latency", "ms": 2000})
}

/// A bucket that takes a few MB/s from one agent: less than half of what the producers send, and little enough
/// that all of it can be kept and read again after many minutes.
fn narrow_store() -> Value {
    json!({"op": "put", "kind": "slow_body", "bytes_per_s": 512 << 10})
}

fn refusing_store() -> Value {
    json!({"op": "any", "kind": "slow_down", "probability": 0.3334})
}

const QUICK: Load = Load {
    producers: 12,
    batch_bytes: 200_000,
    batches_max: 1_500,
    lasts: Duration::from_secs(4),
};

#[test]
fn a_bucket_that_takes_two_seconds() {
    let stand = Stand::on_s3("attack-slow-store", &[]);
    stand.suffer("PUT takes 2 s", Others::Slower, |stand| {
        overload(stand, &QUICK, &slow_store())
    });
}

#[test]
fn a_bucket_that_refuses_every_third_request() {
    let stand = Stand::on_s3("attack-refusing-store", &[]);
    stand.suffer("503 for every third", Others::Slower, |stand| {
        overload(stand, &QUICK, &refusing_store());
    });
}

fn long() -> Load {
    let minutes = std::env::var("ESKER_ATTACK_MINUTES")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(10);
    Load {
        producers: 60,
        batch_bytes: 200_000,
        // More than the narrow bucket takes.
        batches_max: 4_000 * minutes,
        lasts: Duration::from_secs(60 * minutes),
    }
}

/// The producers had something to send until the end.
fn overload_throughout(stand: &Stand, faults: &Value) {
    let (load, began) = (long(), Instant::now());
    overload(stand, &load, faults);
    assert!(
        began.elapsed() >= load.lasts,
        "it ended after {:?}",
        began.elapsed()
    );
}

#[test]
#[ignore = "the long form"]
fn an_overload_for_minutes() {
    let stand = Stand::on_s3("attack-overload", &[]);
    stand.suffer("overload", Others::Slower, |stand| {
        overload_throughout(stand, &narrow_store());
    });
}

#[test]
#[ignore = "the long form"]
fn an_overload_on_a_slow_and_refusing_bucket() {
    let stand = Stand::on_s3("attack-overload-faults", &[]);
    stand.suffer("overload on a bad bucket", Others::Slower, |stand| {
        overload(
            stand,
            &long(),
            &json!([narrow_store(), slow_store(), refusing_store()]),
        );
    });
}
