//! Producer ids, and forgetting producers.

use esker_metastore::ActiveProducer;
use esker_model::{ProducerEpoch, ProducerId};

use crate::runs::*;
use crate::world::{LONG_MS, World, at};

pub async fn producer_ids_never_overlap(world: &World) {
    let mut taken = Vec::new();
    for count in [1, 1000, 1, 7, 1000] {
        let first = world.store.allocate_producer_ids(count).await.unwrap();
        assert!(first >= 0);
        taken.push(first..first + i64::from(count));
    }
    taken.sort_by_key(|block| block.start);
    assert!(
        taken.windows(2).all(|pair| pair[0].end <= pair[1].start),
        "{taken:?}"
    );
}

pub async fn an_idle_producer_is_forgotten_and_taken_up_again(world: &World) {
    let writer = world.writer("a").await;
    let topic = world.topic("orders", 2).await;
    let (partition, other) = (at(&topic, 0), at(&topic, 1));
    world.commit(&writer, vec![produced(partition, 0, &[10])]).await;
    world.pass(5).await;
    assert_eq!(world.store.forget_idle_producers(0, 100).await, Ok(1));
    assert_eq!(world.store.forget_idle_producers(0, 100).await, Ok(0));

    // Noted, refused, noted lower, refused; taken up where the lowest is offered again.
    let offers = [
        (12, GAP),
        (10, GAP),
        (12, GAP),
        (10, appended(10)),
        (11, appended(11)),
        (9, OUT_OF_ORDER),
        (13, GAP),
        (12, appended(12)),
        (13, appended(13)),
        (14, appended(14)),
        (15, appended(15)),
        // 10 is in no remembered run any more. What lies that low may have been appended, or never: nobody knows.
        (10, OUT_OF_ORDER),
        (11, duplicate(11)),
    ];
    for (first, expected) in offers {
        let pieces = world
            .commit(&writer, vec![produced(partition, first, &[1])])
            .await;
        assert_eq!(pieces, [[piece(0, 1, expected)]], "offered {first}");
    }
    // Another partition has forgotten nobody.
    for _ in 0..2 {
        let pieces = world.commit(&writer, vec![produced(other, 10, &[1])]).await;
        assert_eq!(pieces, [[piece(0, 1, GAP)]]);
    }
}

pub async fn a_forgotten_producer_may_start_at_zero(world: &World) {
    let writer = world.writer("a").await;
    let partition = world.partition().await;
    world.commit(&writer, vec![produced(partition, 0, &[10])]).await;
    world.pass(5).await;
    world.store.forget_idle_producers(0, 100).await.unwrap();
    let runs = vec![
        produced(partition, 4, &[1]),
        produced_by(7, 4, partition, 0, &[1]),
        produced_by(7, 3, partition, 4, &[1]),
        produced_by(7, 4, partition, 1, &[1]),
    ];
    let pieces = world.commit(&writer, runs).await;
    let outcomes: Vec<_> = pieces.iter().map(|pieces| pieces[0].outcome).collect();
    assert_eq!(outcomes, [GAP, appended(10), STALE_EPOCH, appended(11)]);
}

pub async fn a_producer_above_the_forgotten_ones_starts_at_zero(world: &World) {
    let writer = world.writer("a").await;
    let partition = world.partition().await;
    let runs = vec![
        produced_by(3, 0, partition, 0, &[1]),
        produced_by(5, 0, partition, 0, &[1]),
    ];
    world.commit(&writer, runs).await;
    world.pass(5).await;
    assert_eq!(world.store.forget_idle_producers(0, 100).await, Ok(2));
    // 4 was never known here, but its id is below 5: nobody can tell. 6 was surely never forgotten.
    for (id, expected) in [(6, GAP), (6, GAP), (4, GAP), (4, appended(2)), (6, GAP)] {
        let pieces = world
            .commit(&writer, vec![produced_by(id, 0, partition, 8, &[1])])
            .await;
        assert_eq!(pieces, [[piece(0, 1, expected)]], "producer {id}");
    }
}

pub async fn active_producers_are_not_forgotten(world: &World) {
    let writer = world.writer("a").await;
    let partition = world.partition().await;
    world
        .commit(
            &writer,
            vec![
                produced_by(1, 0, partition, 0, &[1]),
                produced_by(2, 0, partition, 0, &[1]),
            ],
        )
        .await;
    world.pass(400).await;
    // Producer 1 appends again; 2 only repeats itself.
    let runs = vec![
        produced_by(1, 0, partition, 1, &[1]),
        produced_by(2, 0, partition, 0, &[1]),
    ];
    world.commit(&writer, runs).await;
    assert_eq!(world.store.forget_idle_producers(LONG_MS, 100).await, Ok(0));
    assert_eq!(world.store.forget_idle_producers(390, 100).await, Ok(1));
    let runs = vec![
        produced_by(1, 0, partition, 2, &[1]),
        produced_by(2, 0, partition, 1, &[1]),
    ];
    let pieces = world.commit(&writer, runs).await;
    assert_eq!(pieces, [[piece(0, 1, appended(3))], [piece(0, 1, GAP)]]);
}

pub async fn forgetting_stops_at_its_limit(world: &World) {
    let writer = world.writer("a").await;
    let partition = world.partition().await;
    let runs = (0..5).map(|id| produced_by(id, 0, partition, 0, &[1])).collect();
    world.commit(&writer, runs).await;
    world.pass(5).await;
    for expected in [2, 2, 1, 0] {
        assert_eq!(world.store.forget_idle_producers(0, 2).await, Ok(expected));
    }
}

fn active(id: i64, epoch: i16, last_sequence: i32, last_timestamp: i64) -> ActiveProducer {
    ActiveProducer {
        id: ProducerId(id),
        epoch: ProducerEpoch(epoch),
        last_sequence,
        last_timestamp,
    }
}

pub async fn active_producers_are_told(world: &World) {
    let writer = world.writer("a").await;
    let topic = world.topic("orders", 3).await;
    let (one, two, idle) = (at(&topic, 0), at(&topic, 1), at(&topic, 2));
    world.commit(&writer, vec![produced_by(5, 0, one, 0, &[7])]).await;
    world.pass(5).await;
    world.store.forget_idle_producers(0, 100).await.unwrap();
    // Noted only: nothing was appended of it since.
    world.commit(&writer, vec![produced_by(5, 0, one, 9, &[1])]).await;
    let runs = vec![
        timed(40, produced_by(9, 2, one, 0, &[3])),
        timed(30, produced_by(9, 2, one, 3, &[2])),
        timed(50, produced_by(7, 0, one, 0, &[1])),
        timed(60, produced_by(7, 0, two, 0, &[4])),
        timed(70, produced_by(7, 1, two, 0, &[1])),
        plain(idle, &[1]),
    ];
    world.commit(&writer, runs).await;
    for first in 1..8 {
        world
            .commit(
                &writer,
                vec![timed(80 + i64::from(first), produced_by(7, 0, one, first, &[1]))],
            )
            .await;
    }
    let mut nowhere = one;
    nowhere.topic.0 += 1000;
    let told = world.store.active_producers(&[two, nowhere, one, idle], 10).await;
    let expected = vec![
        vec![active(7, 1, 0, 70)],
        vec![],
        vec![active(7, 0, 7, 87), active(9, 2, 4, 30)],
        vec![],
    ];
    assert_eq!(told, Ok(expected));
    assert_eq!(world.store.active_producers(&[], 10).await, Ok(vec![]));
}

pub async fn of_many_producers_those_that_appended_last_are_told(world: &World) {
    let writer = world.writer("a").await;
    let partition = world.partition().await;
    for id in [3, 1, 4, 2] {
        world
            .commit(&writer, vec![timed(id, produced_by(id, 0, partition, 0, &[1]))])
            .await;
        world.pass(5).await;
    }
    // The sequences of this one begin again.
    let all = i32::MAX - 1;
    let runs = vec![
        produced_by(5, 0, partition, 0, &[all]),
        timed(5, produced_by(5, 0, partition, all, &[2])),
    ];
    world.commit(&writer, runs).await;
    let told = world.store.active_producers(&[partition], 3).await.unwrap();
    assert_eq!(
        told,
        [[active(2, 0, 0, 2), active(4, 0, 0, 4), active(5, 0, i32::MAX, 5)]]
    );
    assert_eq!(
        world.store.active_producers(&[partition], 0).await,
        Ok(vec![vec![]])
    );
}
