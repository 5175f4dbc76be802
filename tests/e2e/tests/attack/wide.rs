//! Fetches of thousands of partitions: their answers are large and never read, they wait for records that do not
//! come, and many honest ones arrive at the same moment.

use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use ::bytes::Bytes;
use esker_protocol::messages::FetchRequest;
use esker_protocol::messages::fetch_request::FetchPartition;

use crate::bystander::{create_topic, fetch_request};
use crate::frames;
use crate::stand::{Others, Stand};
use esker_e2e::wire::{Wire, encode};

const TOPIC: &str = "narrow";
/// Partitions in one request: its frame is larger than what is read on trust, its answer larger still.
const WIDE: usize = 12_000;
/// Connections that send one at the same time.
const TOGETHER: usize = 60;
/// The last of them must have its answer by then.
const ANSWERED_MAX: Duration = Duration::from_secs(25);

/// A Fetch that names the only partition so many times.
fn wide(times: usize, from: i64, max_wait_ms: i32) -> FetchRequest {
    let mut request = fetch_request(TOPIC, 0, from, i32::MAX).with_max_wait_ms(max_wait_ms);
    let part = FetchPartition::default()
        .with_fetch_offset(from)
        .with_partition_max_bytes(1 << 20);
    request.topics[0].partitions = vec![part; times];
    request
}

/// Clients that ask and take nothing, and clients that wait for what does not come.
fn hold(stand: &Stand, connections: usize) -> Vec<Wire> {
    let unread = encode(1, 12, &wide(WIDE, 0, 0)).repeat(3);
    let waiting = encode(1, 12, &wide(WIDE / 4, 1, 60_000));
    let requests: [Bytes; 2] = [unread.into(), waiting];
    let hold = |at: usize| {
        let mut wire = Wire::connect_from(stand.at, 1, 4096).ok()?;
        let _ = wire.push(&requests[at % requests.len()]);
        Some(wire)
    };
    (0..connections).filter_map(hold).collect()
}

/// Fresh connections, each of which sends one wide Fetch and reads its answer: all are answered.
fn ask_together(stand: &Stand) {
    let request = encode(1, 12, &wide(WIDE, 0, 0));
    let answered = AtomicUsize::new(0);
    let began = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..TOGETHER {
            scope.spawn(|| {
                let asked = Wire::connect(stand.at).and_then(|mut wire| {
                    wire.stream.write_all(&request)?;
                    wire.read_frame()
                });
                answered.fetch_add(usize::from(asked.is_ok()), Ordering::Relaxed);
            });
        }
    });
    let (answered, took) = (answered.into_inner(), began.elapsed());
    println!(
        "{answered} of {TOGETHER} Fetches of {} bytes were answered in {took:.1?}",
        request.len()
    );
    assert_eq!(answered, TOGETHER);
    assert!(took < ANSWERED_MAX, "{took:?}");
}

fn with_topic(stand: Stand) -> Stand {
    create_topic(stand.at, TOPIC, 1);
    let mut wire = Wire::connect(stand.at).unwrap();
    let one = wire.call(9, &frames::produce(TOPIC, 0, frames::batch(b"v", 10)));
    assert_eq!(one.unwrap().responses[0].partition_responses[0].error_code, 0);
    stand
}

#[test]
fn fetches_of_thousands_of_partitions() {
    let stand = with_topic(Stand::new("attack-wide", &[]));
    stand.suffer("wide Fetches", Others::Unaffected, |stand| {
        ask_together(stand);
        // Others who ask for as much wait for these; who asks for little does not.
        let _held = hold(stand, 40);
        std::thread::sleep(Duration::from_secs(2));
    });
}

#[test]
#[ignore = "the long form"]
fn fetches_of_thousands_of_partitions_for_long() {
    let Some(stand) = Stand::on_network("attack-wide-long", &[]) else {
        return;
    };
    with_topic(stand).suffer("wide Fetches", Others::Unaffected, |stand| {
        for _ in 0..6 {
            let _held = hold(stand, 200);
            std::thread::sleep(Duration::from_secs(10));
        }
    });
}
