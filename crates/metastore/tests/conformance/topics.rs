//! Topics and the catalog.

use std::collections::BTreeMap;

use esker_metastore::{
    Catalog, ConfigChange, ConfigSubject, CreatePartitionsRefusal, CreateTopicRefusal, NewPartitions, Topic,
};
use esker_model::TopicUuid;

use crate::runs::*;
use crate::world::{World, at};

pub async fn a_topic_is_created_with_its_heads(world: &World) {
    let mut new = world.new_topic("orders", 3);
    new.configs = configs(&[("retention.ms", "1000"), ("cleanup.policy", "delete")]);
    let created = world
        .store
        .create_topics(std::slice::from_ref(&new))
        .await
        .unwrap();
    let topic = created[0].clone().unwrap();
    assert_eq!(
        (topic.uuid, topic.name.as_str(), topic.partitions),
        (new.uuid, "orders", 3)
    );
    assert_eq!((topic.replication_factor, &topic.configs), (3, &new.configs));
    let catalog = world.store.catalog(0).await.unwrap();
    assert_eq!(catalog.changed, std::slice::from_ref(&topic));
    assert!(topic.version > 0 && topic.version <= catalog.version);
    let heads = world
        .store
        .heads(&[0, 1, 2, 3, -1].map(|p| at(&topic, p)))
        .await
        .unwrap();
    let exist: Vec<_> = heads.iter().map(Option::is_some).collect();
    assert_eq!(exist, [true, true, true, false, false]);
    for head in heads.into_iter().flatten() {
        assert_eq!((head.log_start, head.next_offset), (0, 0));
        assert_eq!((head.last_stable_offset, head.archived_to), (0, 0));
    }
}

pub async fn names_exist_once(world: &World) {
    world.topic("orders", 1).await;
    let new = [
        world.new_topic("orders", 2),
        world.new_topic("Orders", 1),
        world.new_topic("Orders", 1),
    ];
    let created = world.store.create_topics(&new).await.unwrap();
    assert_eq!(created[0], Err(CreateTopicRefusal::Exists));
    assert!(created[1].is_ok(), "names differ by case");
    assert_eq!(
        created[2],
        Err(CreateTopicRefusal::Exists),
        "made by the same call"
    );
}

pub async fn names_collide_when_dots_read_as_underscores(world: &World) {
    let new = ["a.b", "a_b", "a.b", "a-b", "x_y.z", "x.y_z"].map(|name| world.new_topic(name, 1));
    let created = world.store.create_topics(&new).await.unwrap();
    assert!(created[0].is_ok());
    assert_eq!(created[1], Err(CreateTopicRefusal::Collides("a.b".to_owned())));
    assert_eq!(created[2], Err(CreateTopicRefusal::Exists));
    assert!(created[3].is_ok() && created[4].is_ok());
    assert_eq!(created[5], Err(CreateTopicRefusal::Collides("x_y.z".to_owned())));

    world.store.delete_topics(&[new[0].uuid]).await.unwrap();
    let created = world
        .store
        .create_topics(&[world.new_topic("a_b", 1)])
        .await
        .unwrap();
    assert!(created[0].is_ok(), "a deleted topic collides with nobody");
}

pub async fn creating_fails_topic_by_topic(world: &World) {
    world.topic("b", 1).await;
    let new = ["a", "b", "c"].map(|name| world.new_topic(name, 1));
    let created = world.store.create_topics(&new).await.unwrap();
    let fine: Vec<_> = created.iter().map(|result| result.is_ok()).collect();
    assert_eq!(fine, [true, false, true]);
    assert_eq!(world.store.create_topics(&[]).await, Ok(vec![]));
    assert_eq!(names(&world.store.catalog(0).await.unwrap()), ["a", "b", "c"]);
}

pub async fn creating_again_with_the_same_uuid_finds_the_topic(world: &World) {
    let new = world.new_topic("orders", 2);
    let first = world
        .store
        .create_topics(std::slice::from_ref(&new))
        .await
        .unwrap();
    let version = world.store.catalog(0).await.unwrap().version;
    let again = world.store.create_topics(&[new]).await.unwrap();
    assert_eq!(again, first);
    assert_eq!(world.store.catalog(version).await, Ok(unchanged(version)));
}

pub async fn a_deleted_topic_is_not_created_by_a_repeated_call(world: &World) {
    let new = [world.new_topic("orders", 2), world.new_topic("returns", 1)];
    let first = world.store.create_topics(&new).await.unwrap();
    let old = first[0].clone().unwrap();
    assert_eq!(world.store.delete_topics(&[old.uuid]).await, Ok(vec![true]));
    let version = world.store.catalog(0).await.unwrap().version;
    let again = world.store.create_topics(&new).await.unwrap();
    assert_eq!(again, [Err(CreateTopicRefusal::Deleted), first[1].clone()]);
    assert_eq!(world.store.catalog(version).await, Ok(unchanged(version)));
    assert_eq!(world.store.heads(&[at(&old, 0)]).await, Ok(vec![None]));
    // The name is free for another.
    assert!(world.topic("orders", 1).await.key != old.key);
}

pub async fn the_catalog_tells_what_changed(world: &World) {
    let start = world.store.catalog(0).await.unwrap();
    assert!(start.changed.is_empty() && start.deleted.is_empty());
    let a = world.topic("a", 1).await;
    let one = world.store.catalog(start.version).await.unwrap();
    assert!(one.version > start.version);
    assert_eq!(names(&one), ["a"]);
    assert_eq!(world.store.catalog(one.version).await, Ok(unchanged(one.version)));

    let b = world.topic("b", 1).await;
    let c = world.topic("c", 1).await;
    world.store.delete_topics(&[b.uuid]).await.unwrap();
    set_config(world, &a, "retention.ms", "5").await;
    let two = world.store.catalog(one.version).await.unwrap();
    assert_eq!(names(&two), ["a", "c"]);
    assert_eq!(
        two.deleted,
        [b.uuid],
        "created and deleted since: it is told as deleted"
    );
    assert!(two.changed.iter().all(|topic| topic.version > one.version));

    let grown = NewPartitions {
        topic: c.uuid,
        partitions: 4,
    };
    world.store.create_partitions(&[grown]).await.unwrap()[0]
        .clone()
        .unwrap();
    world.store.delete_topics(&[a.uuid]).await.unwrap();
    let three = world.store.catalog(two.version).await.unwrap();
    assert_eq!(names(&three), ["c"]);
    assert_eq!(three.deleted, [a.uuid]);
    assert_eq!(names(&world.store.catalog(0).await.unwrap()), ["c"]);
}

pub async fn a_name_is_created_again_as_another_topic(world: &World) {
    let writer = world.writer("a").await;
    let old = world.topic("orders", 1).await;
    world.commit(&writer, vec![produced(at(&old, 0), 0, &[5])]).await;
    let version = world.store.catalog(0).await.unwrap().version;
    let deleted = world.store.delete_topics(&[old.uuid, old.uuid]).await;
    assert_eq!(deleted, Ok(vec![true, false]));
    let new = world.topic("orders", 1).await;
    assert!(new.key != old.key && new.uuid != old.uuid);
    let catalog = world.store.catalog(version).await.unwrap();
    assert_eq!(catalog.changed, std::slice::from_ref(&new));
    assert_eq!(catalog.deleted, [old.uuid]);

    // Nothing of the old log is left in the new one, not even what it knew of producers. (Their ids were
    // never given out here: more in `created_again`.)
    let runs = vec![
        produced(at(&old, 0), 5, &[1]),
        produced(at(&new, 0), 5, &[1]),
        produced(at(&new, 0), 0, &[5]),
    ];
    let pieces = world.commit(&writer, runs).await;
    let outcomes: Vec<_> = pieces.iter().map(|pieces| pieces[0].outcome).collect();
    assert_eq!(outcomes, [UNKNOWN_PARTITION, GAP, appended(0)]);
    assert_eq!(world.extents(at(&new, 0), 0).await.len(), 1);
    let nobody = TopicUuid(world.id());
    assert_eq!(world.store.delete_topics(&[nobody]).await, Ok(vec![false]));
}

pub async fn partitions_are_only_added(world: &World) {
    let writer = world.writer("a").await;
    let topic = world.topic("orders", 2).await;
    world.commit(&writer, vec![plain(at(&topic, 1), &[5])]).await;
    let nobody = TopicUuid(world.id());
    let request = |topic, partitions| NewPartitions { topic, partitions };
    let replies = world
        .store
        .create_partitions(&[
            request(topic.uuid, 2),
            request(topic.uuid, 1),
            request(nobody, 9),
            request(topic.uuid, 4),
            request(topic.uuid, 4),
        ])
        .await
        .unwrap();
    assert_eq!(replies[0], Err(CreatePartitionsRefusal::NotMore(2)));
    assert_eq!(replies[1], Err(CreatePartitionsRefusal::NotMore(2)));
    assert_eq!(replies[2], Err(CreatePartitionsRefusal::UnknownTopic));
    let grown = replies[3].clone().unwrap();
    assert_eq!((grown.partitions, grown.key), (4, topic.key));
    assert!(grown.version > topic.version);
    assert_eq!(replies[4], Err(CreatePartitionsRefusal::NotMore(4)));
    let heads = world
        .store
        .heads(&[0, 1, 2, 3, 4].map(|p| at(&topic, p)))
        .await
        .unwrap();
    let ends: Vec<_> = heads
        .iter()
        .map(|head| head.map(|head| head.next_offset))
        .collect();
    assert_eq!(ends, [Some(0), Some(5), Some(0), Some(0), None]);
}

async fn set_config(world: &World, topic: &Topic, name: &str, value: &str) {
    let change = ConfigChange {
        subject: ConfigSubject::Topic(topic.uuid),
        replace_all: false,
        changes: BTreeMap::from([(name.to_owned(), Some(value.to_owned()))]),
    };
    assert!(world.store.alter_configs(&[change]).await.unwrap()[0].is_ok());
}

pub fn configs(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_string()))
        .collect()
}

fn names(catalog: &Catalog) -> Vec<&str> {
    let mut names: Vec<_> = catalog.changed.iter().map(|topic| topic.name.as_str()).collect();
    names.sort_unstable();
    names
}

pub fn unchanged(version: i64) -> Catalog {
    Catalog {
        version,
        changed: vec![],
        deleted: vec![],
        groups: vec![],
        groups_anew: false,
    }
}
