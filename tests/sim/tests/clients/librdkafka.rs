//! The producer that behaves like librdkafka, against scripted answers.

use std::time::Duration;

use esker_history::What;
use esker_sim::clients::{ProducerKind, ProducerPlan};

use crate::script::{Arrival, Say, Script, check_books, count, in_flight_max, sequences};
use crate::support::producer_plan;

const GAP: Say = Say::Error(19);

fn plan() -> ProducerPlan {
    ProducerPlan {
        pause: Duration::from_millis(1),
        burst: 3,
        records_max: 1,
        ..producer_plan(ProducerKind::Librdkafka, "t", &[0])
    }
}

fn short() -> Duration {
    Duration::from_millis(60)
}

/// From some arrival on, one of each sequence in order.
fn in_order(arrivals: &[Arrival], epoch: i16) -> bool {
    let found = sequences(arrivals);
    let first = found.first().map_or(0, |(_, sequence)| *sequence);
    let wanted = (0..found.len() as i32).map(|n| (epoch, first + n));
    found.iter().copied().eq(wanted)
}

#[tokio::test(start_paused = true)]
async fn five_batches_are_on_the_way() {
    let (history, arrivals) = Script::new(&[], Say::Ok).run(plan(), short()).await;
    check_books(&history);
    assert!(arrivals.len() > 10);
    assert!(in_order(&arrivals, 0), "{arrivals:?}");
    assert_eq!(in_flight_max(&arrivals), 5);
}

#[tokio::test(start_paused = true)]
async fn after_a_refusal_all_go_again_in_order_and_together() {
    let says = [Say::Ok, GAP, GAP, GAP, GAP, GAP];
    // Slow: the wait before a retry is over before the last one is answered.
    let script = Script::new(&says, Say::Ok).slow(Duration::from_millis(60));
    let (history, arrivals) = script.run(plan(), Duration::from_millis(300)).await;
    check_books(&history);
    // The first, five refused ones, and then everything from the first refused one on.
    let (first, again) = arrivals.split_at(6);
    assert!(in_order(first, 0) && in_order(again, 0), "{arrivals:?}");
    assert_eq!(again[0].sequence, 1);
    // Not before all of them were answered, but then together.
    assert!(
        first
            .iter()
            .all(|arrival| arrival.answered_us.unwrap() <= again[0].at_us)
    );
    assert!(in_flight_max(again) > 1);
    assert_eq!(count(&history, |what| matches!(what, What::GivenUp { .. })), 0);
}

#[tokio::test(start_paused = true)]
async fn what_was_on_a_lost_connection_goes_again() {
    for lost in [Say::Close, Say::Nothing] {
        let says = [Say::Ok, lost, Say::Ok, Say::Ok, Say::Ok, Say::Ok];
        let script = Script::new(&says, Say::Ok);
        let (history, arrivals) = script.run(plan(), short()).await;
        check_books(&history);
        let unanswered = count(&history, |what| matches!(what, What::Unanswered { .. }));
        assert!(unanswered > 1, "{lost:?} {unanswered}");
        let (first, again) = arrivals.split_at(1 + unanswered);
        assert!(in_order(first, 0) && in_order(again, 0), "{arrivals:?}");
        assert_eq!(again[0].sequence, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn out_of_order_for_the_oldest_is_fatal() {
    let says = [Say::Ok, Say::Error(45)];
    let (history, arrivals) = Script::new(&says, GAP).run(plan(), short()).await;
    check_books(&history);
    assert_eq!(
        count(&history, |what| matches!(what, What::Fatal { error: 45, .. })),
        1
    );
    // Nothing goes out after the answer.
    assert!(in_order(&arrivals, 0), "{arrivals:?}");
    let fatal_us = arrivals[1].answered_us.unwrap();
    assert!(arrivals.iter().all(|arrival| arrival.at_us <= fatal_us));
}

#[tokio::test(start_paused = true)]
async fn out_of_order_behind_a_failed_one_begins_an_epoch() {
    let says = [
        Say::Ok,
        GAP,
        Say::Error(45),
        Say::Error(45),
        Say::Error(45),
        Say::Error(45),
    ];
    let (history, arrivals) = Script::new(&says, Say::Ok).run(plan(), short()).await;
    check_books(&history);
    let (first, again) = arrivals.split_at(6);
    assert!(in_order(first, 0) && in_order(again, 1), "{arrivals:?}");
    assert_eq!(again[0].sequence, 0);
    assert_eq!(count(&history, |what| matches!(what, What::Fatal { .. })), 0);
    assert_eq!(count(&history, |what| matches!(what, What::GivenUp { .. })), 0);
}

#[tokio::test(start_paused = true)]
async fn an_acknowledgement_covers_what_came_before() {
    let says = [Say::Ok, Say::Error(7), Say::Ok];
    let (history, arrivals) = Script::new(&says, Say::Ok).run(plan(), short()).await;
    check_books(&history);
    assert!(in_order(&arrivals, 0), "{arrivals:?}");
    assert_eq!(count(&history, |what| matches!(what, What::GivenUp { .. })), 1);
}

#[tokio::test(start_paused = true)]
async fn a_new_leader_gets_nothing_before_the_old_one_has_answered() {
    let script = Script::new(&[Say::Ok, Say::Error(6)], GAP);
    let other = script.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(30)).await;
        other.lead(1);
        tokio::time::sleep(Duration::from_secs(2)).await;
        other.say(Say::Ok);
    });
    let (history, arrivals) = script.run(plan(), short()).await;
    check_books(&history);
    let moved = arrivals.iter().position(|arrival| arrival.host == 1).unwrap();
    let (old, new) = arrivals.split_at(moved);
    assert!(new.iter().all(|arrival| arrival.host == 1));
    let last_us = old
        .iter()
        .map(|arrival| arrival.answered_us.unwrap())
        .max()
        .unwrap();
    assert!(last_us <= new[0].at_us);
    assert_eq!(new[0].sequence, 1);
    assert_eq!(count(&history, |what| matches!(what, What::GivenUp { .. })), 0);
}

#[tokio::test(start_paused = true)]
async fn a_new_leader_without_an_error_waits_as_well() {
    let script = Script::new(&[], Say::Ok).slow(Duration::from_millis(50));
    let other = script.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(1)).await;
        other.lead(1);
    });
    // Metadata is asked after ten seconds.
    let (history, arrivals) = script.run(plan(), Duration::from_secs(12)).await;
    check_books(&history);
    let moved = arrivals.iter().position(|arrival| arrival.host == 1).unwrap();
    let (old, new) = arrivals.split_at(moved);
    let last_us = old
        .iter()
        .map(|arrival| arrival.answered_us.unwrap())
        .max()
        .unwrap();
    assert!(last_us <= new[0].at_us);
    assert!(in_order(&arrivals, 0));
    assert_eq!(in_flight_max(old), 5);
}

#[tokio::test(start_paused = true)]
async fn a_topic_that_is_gone_loses_its_batches() {
    let script = Script::new(&[Say::Ok; 3], Say::Error(100));
    let other = script.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(30)).await;
        other.topic(None);
        tokio::time::sleep(Duration::from_secs(5)).await;
        // The same topic after all: its sequences go on in another epoch.
        other.topic(Some(1));
        other.say(Say::Ok);
    });
    let (history, arrivals) = script.run(plan(), Duration::from_secs(6)).await;
    check_books(&history);
    assert!(count(&history, |what| matches!(what, What::GivenUp { .. })) > 0);
    let again = arrivals.iter().position(|arrival| arrival.epoch == 1).unwrap();
    assert!(in_order(&arrivals[again..], 1));
    assert_eq!(arrivals[again].sequence, 0);
    assert!(arrivals[again].at_us > 5_000_000);
}

#[tokio::test(start_paused = true)]
async fn a_topic_with_another_id_gets_new_batches() {
    let script = Script::new(&[Say::Ok; 3], Say::Error(100));
    let other = script.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(30)).await;
        other.topic(Some(2));
        other.say(Say::Ok);
    });
    let (history, arrivals) = script.run(plan(), Duration::from_secs(1)).await;
    check_books(&history);
    assert!(count(&history, |what| matches!(what, What::GivenUp { .. })) > 0);
    assert_eq!(history.topics.len(), 2);
    // It never saw this producer: sequences begin at 0, in the same epoch.
    assert!(arrivals.iter().all(|arrival| arrival.epoch == 0));
    assert!(arrivals[1..].iter().any(|arrival| arrival.sequence == 0));
}

#[tokio::test(start_paused = true)]
async fn what_waits_too_long_is_given_up_and_the_gap_closed() {
    let script = Script::new(&[Say::Ok], GAP);
    let other = script.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(21)).await;
        other.say(Say::Ok);
    });
    let (history, arrivals) = script.run(plan(), Duration::from_secs(22)).await;
    check_books(&history);
    assert!(count(&history, |what| matches!(what, What::GivenUp { .. })) > 0);
    let last = arrivals.last().unwrap();
    assert!(last.epoch > 0 && last.say == Say::Ok, "{last:?}");
    let last_epoch: Vec<Arrival> = arrivals
        .iter()
        .copied()
        .filter(|one| one.epoch == last.epoch)
        .collect();
    assert_eq!(last_epoch[0].sequence, 0);
}

#[tokio::test(start_paused = true)]
async fn a_producer_of_an_old_epoch_begins_another() {
    let says = [Say::Ok, Say::Error(47), Say::Error(47)];
    let (history, arrivals) = Script::new(&says, Say::Ok)
        .run(plan(), Duration::from_millis(25))
        .await;
    check_books(&history);
    let given_up = count(&history, |what| matches!(what, What::GivenUp { .. }));
    assert_eq!(given_up, 2, "{arrivals:?}");
    assert_eq!(count(&history, |what| matches!(what, What::Fatal { .. })), 0);
}
