//! Topics whose name was deleted before: producers know topics by name and go on with their sequences.

use esker_metastore::{NewPartitions, Topic};
use esker_model::PartitionKey;
use esker_model::sequence::Outcome;

use crate::runs::*;
use crate::world::{World, Writer, at};

const NAME: &str = "orders";

/// Deletes a topic and creates one of its name.
async fn again(world: &World, old: &Topic, partitions: i32) -> Topic {
    assert_eq!(world.store.delete_topics(&[old.uuid]).await, Ok(vec![true]));
    world.topic(&old.name, partitions).await
}

async fn grow(world: &World, topic: &Topic, partitions: i32) {
    let request = NewPartitions {
        topic: topic.uuid,
        partitions,
    };
    let grown = world.store.create_partitions(&[request]).await.unwrap();
    assert_eq!(grown[0].as_ref().unwrap().partitions, partitions);
}

/// What is answered when one record is offered, so often as answers are expected.
async fn offer(
    world: &World,
    writer: &Writer,
    (id, sequence): (i64, i32),
    to: PartitionKey,
    expected: &[Outcome],
) {
    for (attempt, expected) in expected.iter().enumerate() {
        let run = produced_by(id, 0, to, sequence, &[1]);
        let pieces = world.commit(writer, vec![run]).await;
        let what = format!("producer {id}, sequence {sequence}, attempt {attempt}");
        assert_eq!(pieces, [[piece(0, 1, *expected)]], "{what}");
    }
}

pub async fn a_producer_goes_on_at_its_second_offer(world: &World) {
    let writer = world.writer("a").await;
    let id = world.store.allocate_producer_ids(1).await.unwrap();
    let old = world.topic(NAME, 2).await;
    let runs = vec![produced_by(id, 0, at(&old, 0), 0, &[7])];
    world.commit(&writer, runs).await;
    let new = again(world, &old, 2).await;
    offer(world, &writer, (id, 7), at(&new, 0), &[GAP, appended(0)]).await;
    offer(world, &writer, (id, 8), at(&new, 0), &[appended(1)]).await;
    offer(world, &writer, (id, 9), at(&old, 0), &[UNKNOWN_PARTITION; 2]).await;
    // It may have written there, too: nobody can tell any more.
    offer(world, &writer, (id, 4), at(&new, 1), &[GAP, appended(0)]).await;
}

pub async fn pipelined_batches_go_on_from_the_lowest(world: &World) {
    let writer = world.writer("a").await;
    let id = world.store.allocate_producer_ids(1).await.unwrap();
    let old = world.topic(NAME, 1).await;
    let new = again(world, &old, 1).await;
    let to = at(&new, 0);
    for (sequence, expected) in [
        (9, GAP),
        (7, GAP),
        (9, GAP),
        (8, GAP),
        (7, appended(0)),
        (9, GAP),
        (8, appended(1)),
        (9, appended(2)),
    ] {
        offer(world, &writer, (id, sequence), to, &[expected]).await;
    }
}

pub async fn a_producer_id_given_out_later_starts_at_zero(world: &World) {
    let writer = world.writer("a").await;
    let early = world.store.allocate_producer_ids(3).await.unwrap();
    let old = world.topic(NAME, 1).await;
    let new = again(world, &old, 1).await;
    let late = world.store.allocate_producer_ids(1).await.unwrap();
    let to = at(&new, 0);
    offer(world, &writer, (late, 7), to, &[GAP; 3]).await;
    offer(world, &writer, (late, 0), to, &[appended(0)]).await;
    // The highest id that there was.
    offer(world, &writer, (early + 2, 7), to, &[GAP, appended(1)]).await;
}

pub async fn a_new_name_has_forgotten_nobody(world: &World) {
    let writer = world.writer("a").await;
    let id = world.store.allocate_producer_ids(1).await.unwrap();
    let dotted = world.topic("a.b", 1).await;
    let new = world.topic(NAME, 1).await;
    offer(world, &writer, (id, 7), at(&new, 0), &[GAP; 3]).await;
    // The names collide, but no client takes the one for the other; nor by case.
    world.store.delete_topics(&[dotted.uuid]).await.unwrap();
    for name in ["a_b", "A.b"] {
        let new = world.topic(name, 1).await;
        offer(world, &writer, (id, 7), at(&new, 0), &[GAP; 3]).await;
    }
    // What goes on elsewhere changes nothing here.
    offer(world, &writer, (id, 7), at(&new, 0), &[GAP]).await;
}

pub async fn each_creation_knows_the_producers_before_it(world: &World) {
    let writer = world.writer("a").await;
    let one = world.store.allocate_producer_ids(1).await.unwrap();
    let first = world.topic(NAME, 1).await;
    let second = again(world, &first, 1).await;
    let two = world.store.allocate_producer_ids(1).await.unwrap();
    offer(world, &writer, (two, 7), at(&second, 0), &[GAP; 2]).await;
    offer(world, &writer, (two, 0), at(&second, 0), &[appended(0)]).await;
    let third = again(world, &second, 1).await;
    let three = world.store.allocate_producer_ids(1).await.unwrap();
    let to = at(&third, 0);
    offer(world, &writer, (three, 7), to, &[GAP; 3]).await;
    offer(world, &writer, (two, 1), to, &[GAP, appended(0)]).await;
    offer(world, &writer, (one, 7), to, &[GAP, appended(1)]).await;
}

/// Partitions are told apart by what the name had before, and producers by when the topic was created.
pub async fn partitions_added_later_were_known_before(world: &World) {
    let writer = world.writer("a").await;
    let old = world.store.allocate_producer_ids(1).await.unwrap();
    let first = world.topic(NAME, 1).await;
    grow(world, &first, 3).await;
    let second = again(world, &first, 1).await;
    let third = again(world, &second, 2).await;
    let late = world.store.allocate_producer_ids(1).await.unwrap();
    grow(world, &third, 5).await;
    for partition in 0..3 {
        let to = at(&third, partition);
        offer(world, &writer, (late, 7), to, &[GAP; 2]).await;
        offer(world, &writer, (old, 7), to, &[GAP, appended(0)]).await;
    }
    // No topic of this name ever had them.
    for partition in 3..5 {
        offer(world, &writer, (old, 7), at(&third, partition), &[GAP; 3]).await;
    }
}

/// What a head forgets later is remembered beside what it began with.
pub async fn forgetting_goes_on_from_there(world: &World) {
    let writer = world.writer("a").await;
    let early = world.store.allocate_producer_ids(2).await.unwrap();
    let old = world.topic(NAME, 1).await;
    let new = again(world, &old, 1).await;
    let late = world.store.allocate_producer_ids(2).await.unwrap();
    let to = at(&new, 0);
    offer(world, &writer, (early, 0), to, &[appended(0)]).await;
    world.pass(5).await;
    assert_eq!(world.store.forget_idle_producers(0, 100).await, Ok(1));
    // The lower mark does not replace the higher one.
    offer(world, &writer, (early + 1, 7), to, &[GAP, appended(1)]).await;
    offer(world, &writer, (late, 0), to, &[appended(2)]).await;
    world.pass(5).await;
    assert_eq!(world.store.forget_idle_producers(0, 100).await, Ok(2));
    offer(world, &writer, (late, 7), to, &[GAP, appended(3)]).await;
    offer(world, &writer, (late + 1, 7), to, &[GAP; 2]).await;
}
