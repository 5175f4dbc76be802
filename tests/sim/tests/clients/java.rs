//! The producer that behaves like the Java client, and the two without idempotence, against scripted answers.

use std::time::Duration;

use esker_history::What;
use esker_sim::clients::{ProducerKind, ProducerPlan};

use crate::script::{Arrival, Say, Script, check_books, count, in_flight_max, sequences};
use crate::support::producer_plan;

const GAP: Say = Say::Error(19);

fn plan(kind: ProducerKind) -> ProducerPlan {
    ProducerPlan {
        pause: Duration::from_millis(1),
        burst: 3,
        records_max: 1,
        ..producer_plan(kind, "t", &[0])
    }
}

fn short() -> Duration {
    Duration::from_millis(60)
}

/// Those that carry these sequences again.
fn repeated(arrivals: &[Arrival], sequences: std::ops::RangeInclusive<i32>) -> Vec<Arrival> {
    let mut seen = Vec::new();
    let again = |arrival: &&Arrival| {
        let known = seen.contains(&(arrival.epoch, arrival.sequence));
        seen.push((arrival.epoch, arrival.sequence));
        known && sequences.contains(&arrival.sequence)
    };
    arrivals.iter().filter(again).copied().collect()
}

#[tokio::test(start_paused = true)]
async fn refused_batches_go_again_one_by_one() {
    let says = [Say::Ok, GAP, GAP, GAP, GAP, GAP];
    let (history, arrivals) = Script::new(&says, Say::Ok)
        .run(plan(ProducerKind::Java), short())
        .await;
    check_books(&history);
    assert!(in_flight_max(&arrivals) <= 5);
    let again = repeated(&arrivals, 1..=5);
    let order: Vec<i32> = again.iter().map(|arrival| arrival.sequence).collect();
    assert_eq!(order, [1, 2, 3, 4, 5], "{arrivals:?}");
    for pair in again.windows(2) {
        assert!(pair[0].answered_us.unwrap() <= pair[1].at_us, "{pair:?}");
    }
    assert_eq!(count(&history, |what| matches!(what, What::GivenUp { .. })), 0);
}

#[tokio::test(start_paused = true)]
async fn out_of_order_for_the_oldest_begins_an_epoch() {
    let says = [Say::Ok, Say::Error(45), GAP, GAP, GAP, GAP];
    let (history, arrivals) = Script::new(&says, Say::Ok)
        .run(plan(ProducerKind::Java), short())
        .await;
    check_books(&history);
    assert_eq!(count(&history, |what| matches!(what, What::Fatal { .. })), 0);
    assert_eq!(count(&history, |what| matches!(what, What::GivenUp { .. })), 0);
    let new: Vec<(i16, i32)> = sequences(&arrivals)
        .into_iter()
        .filter(|(epoch, _)| *epoch == 1)
        .collect();
    let wanted = (0..new.len() as i32).map(|n| (1, n));
    assert!(new.len() > 5 && new.iter().copied().eq(wanted), "{arrivals:?}");
}

#[tokio::test(start_paused = true)]
async fn out_of_order_behind_a_failed_one_is_repeated() {
    let says = [
        Say::Ok,
        GAP,
        Say::Error(45),
        Say::Error(45),
        Say::Error(45),
        Say::Error(45),
    ];
    let (history, arrivals) = Script::new(&says, Say::Ok)
        .run(plan(ProducerKind::Java), short())
        .await;
    check_books(&history);
    assert!(arrivals.iter().all(|arrival| arrival.epoch == 0), "{arrivals:?}");
    let order: Vec<i32> = repeated(&arrivals, 1..=5)
        .iter()
        .map(|arrival| arrival.sequence)
        .collect();
    assert_eq!(order, [1, 2, 3, 4, 5]);
}

#[tokio::test(start_paused = true)]
async fn what_waits_too_long_is_given_up_and_begins_an_epoch() {
    let script = Script::new(&[Say::Ok], GAP);
    let other = script.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(21)).await;
        other.say(Say::Ok);
    });
    let (history, arrivals) = script
        .run(plan(ProducerKind::Java), Duration::from_secs(22))
        .await;
    check_books(&history);
    assert!(count(&history, |what| matches!(what, What::GivenUp { .. })) > 0);
    let last = arrivals.last().unwrap();
    assert!(last.epoch > 0 && last.say == Say::Ok, "{last:?}");
    let first = arrivals
        .iter()
        .find(|arrival| arrival.epoch == last.epoch)
        .unwrap();
    assert_eq!(first.sequence, 0);
}

#[tokio::test(start_paused = true)]
async fn a_hanging_agent_does_not_hold_a_batch_for_ever() {
    let script = Script::new(&[Say::Ok], Say::Nothing);
    let (history, arrivals) = script.run(plan(ProducerKind::Java), short()).await;
    check_books(&history);
    assert!(arrivals.len() > 10);
    let given_up = count(&history, |what| matches!(what, What::GivenUp { .. }));
    assert!(given_up > 0);
    let last_us = history.events.last().unwrap().at_us;
    assert!((20_000_000..30_000_000).contains(&last_us), "{last_us}");
}

#[tokio::test(start_paused = true)]
async fn a_plain_producer_repeats_what_failed() {
    let says = [Say::Ok, Say::Error(7), Say::Ok, Say::Error(87)];
    let (history, arrivals) = Script::new(&says, Say::Ok)
        .run(plan(ProducerKind::Plain), short())
        .await;
    check_books(&history);
    let refused = count(&history, |what| matches!(what, What::Refused { .. }));
    let given_up = count(&history, |what| matches!(what, What::GivenUp { .. }));
    assert_eq!((refused, given_up), (2, 1));
    assert!(
        arrivals
            .iter()
            .all(|arrival| arrival.acks == -1 && arrival.sequence == -1)
    );
    assert!(in_flight_max(&arrivals) <= 5);
}

#[tokio::test(start_paused = true)]
async fn a_careless_producer_tries_once() {
    let says = [Say::Ok, GAP, Say::Ok, Say::Close];
    let (history, arrivals) = Script::new(&says, Say::Ok)
        .run(plan(ProducerKind::Careless), short())
        .await;
    check_books(&history);
    let sent = count(&history, |what| matches!(what, What::Sent { .. }));
    let acked = count(&history, |what| matches!(what, What::Acked { .. }));
    let given_up = count(&history, |what| matches!(what, What::GivenUp { .. }));
    assert_eq!((sent, sent), (arrivals.len(), acked + given_up));
    assert!(given_up >= 2);
    assert!(arrivals.iter().all(|arrival| arrival.acks == 1));
}
