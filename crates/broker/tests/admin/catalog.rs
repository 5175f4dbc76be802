//! What an agent's catalog costs the metastore, and that it is never behind.

use std::sync::Arc;
use std::time::Duration;

use esker_broker::metrics::BrokerMetrics;
use esker_broker::topics::Catalog;
use esker_metastore::{Metastore, MetastoreError, NewTopic, Topics};
use esker_model::TopicUuid;
use uuid::Uuid;

use crate::world::World;

fn catalog(world: &World) -> Arc<Catalog> {
    Arc::new(Catalog::new(
        Arc::clone(&world.metastore) as Arc<dyn Metastore>,
        BrokerMetrics::default(),
    ))
}

async fn make(world: &World, number: u128) -> String {
    let name = format!("t{number}");
    let new = NewTopic {
        uuid: TopicUuid(Uuid::from_u128(number)),
        name: name.clone(),
        partitions: 2,
        replication_factor: 1,
        configs: Default::default(),
    };
    world.metastore.create_topics(&[new]).await.unwrap()[0]
        .as_ref()
        .unwrap();
    name
}

fn asked(world: &World) -> usize {
    world.metastore.calls("catalog")
}

#[tokio::test]
async fn knows_what_changed_before_the_call() {
    let world = World::new();
    let catalog = catalog(&world);
    for number in 1..50 {
        let name = make(&world, number).await;
        catalog.refresh().await.unwrap();
        let state = catalog.by_name(&name).unwrap();
        let (uuid, key) = (state.topic.uuid, state.topic.key);
        assert_eq!(catalog.by_uuid(uuid).unwrap().topic.name, name);
        assert_eq!(catalog.by_key(key).unwrap().topic.name, name);
        assert_eq!(state.partition(1).unwrap().topic, key);
        assert!(state.partition(2).is_none() && state.partition(-1).is_none());
    }
    let gone = TopicUuid(Uuid::from_u128(7));
    let key = catalog.by_uuid(gone).unwrap().topic.key;
    let (tell, told) = std::sync::mpsc::channel();
    catalog.on_deleted(move |key| tell.send(key).unwrap());
    world.metastore.delete_topics(&[gone]).await.unwrap();
    catalog.refresh().await.unwrap();
    assert!(
        catalog.by_uuid(gone).is_none() && catalog.by_key(key).is_none() && catalog.by_name("t7").is_none()
    );
    assert_eq!(catalog.all().len(), 48);
    assert_eq!(told.try_iter().collect::<Vec<_>>(), [key]);
}

#[tokio::test]
async fn a_name_used_again_is_another_topic() {
    let world = World::new();
    let catalog = catalog(&world);
    make(&world, 1).await;
    catalog.refresh().await.unwrap();
    let first = TopicUuid(Uuid::from_u128(1));
    world.metastore.delete_topics(&[first]).await.unwrap();
    let again = NewTopic {
        uuid: TopicUuid(Uuid::from_u128(2)),
        name: "t1".into(),
        partitions: 1,
        replication_factor: 1,
        configs: Default::default(),
    };
    world.metastore.create_topics(&[again]).await.unwrap()[0]
        .as_ref()
        .unwrap();
    catalog.refresh().await.unwrap();
    assert_eq!(
        catalog.by_name("t1").unwrap().topic.uuid,
        TopicUuid(Uuid::from_u128(2))
    );
    assert!(catalog.by_uuid(first).is_none());
}

#[tokio::test]
async fn a_caller_is_never_served_by_a_question_older_than_its_call() {
    let world = World::new();
    let catalog = catalog(&world);
    world.metastore.hold();
    let early = tokio::task::spawn({
        let catalog = Arc::clone(&catalog);
        async move { catalog.refresh().await }
    });
    while asked(&world) == 0 {
        tokio::task::yield_now().await;
    }
    // The first question is under way; whoever calls now must see a topic made now.
    let name = make(&world, 1).await;
    let late: Vec<_> = (0..20)
        .map(|_| {
            let (catalog, name) = (Arc::clone(&catalog), name.clone());
            tokio::task::spawn(async move {
                catalog.refresh().await.unwrap();
                assert!(catalog.by_name(&name).is_some());
            })
        })
        .collect();
    tokio::task::yield_now().await;
    world.metastore.turns.add_permits(100);
    early.await.unwrap().unwrap();
    for task in late {
        task.await.unwrap();
    }
    assert_eq!(asked(&world), 2);
}

#[tokio::test]
async fn a_failed_question_fails_all_that_waited_for_it() {
    let world = World::new();
    let catalog = catalog(&world);
    world.metastore.set_down(true);
    let waiting: Vec<_> = (0..50)
        .map(|_| {
            let catalog = Arc::clone(&catalog);
            tokio::task::spawn(async move { catalog.refresh().await })
        })
        .collect();
    for task in waiting {
        assert!(matches!(task.await.unwrap(), Err(MetastoreError::Unavailable(_))));
    }
    world.metastore.set_down(false);
    catalog.refresh().await.unwrap();
}

#[tokio::test]
async fn a_caller_that_goes_away_leaves_nothing_behind() {
    let world = World::new();
    let catalog = catalog(&world);
    world.metastore.hold();
    let gone = tokio::time::timeout(Duration::from_millis(20), catalog.refresh()).await;
    assert!(gone.is_err());
    let name = make(&world, 1).await;
    world.metastore.turns.add_permits(1);
    catalog.refresh().await.unwrap();
    assert!(catalog.by_name(&name).is_some());
}

#[tokio::test(start_paused = true)]
async fn unknown_names_cost_a_bounded_number_of_questions() {
    let world = World::new();
    let catalog = catalog(&world);
    let began = tokio::time::Instant::now();
    let mut clients = Vec::new();
    for client in 0..20 {
        let catalog = Arc::clone(&catalog);
        clients.push(tokio::task::spawn(async move {
            for n in 0..50 {
                assert!(
                    catalog
                        .find_name(&format!("x{client}.{n}"))
                        .await
                        .unwrap()
                        .is_none()
                );
                assert!(
                    catalog
                        .find_uuid(TopicUuid(Uuid::from_u128(n)))
                        .await
                        .unwrap()
                        .is_none()
                );
            }
        }));
    }
    for client in clients {
        client.await.unwrap();
    }
    // Each client asked 100 times, one after the other: so many questions serve all 20 of them.
    assert!(asked(&world) <= 102, "{}", asked(&world));
    let elapsed = began.elapsed().as_millis() as usize;
    assert!(
        asked(&world) <= elapsed / 20 + 2,
        "{} questions in {elapsed} ms",
        asked(&world)
    );
    // A change that an administrator makes does not wait.
    let before = began.elapsed();
    catalog.refresh().await.unwrap();
    assert_eq!(began.elapsed(), before);
}

#[tokio::test]
async fn a_hit_costs_nothing() {
    let world = World::new();
    let catalog = catalog(&world);
    let name = make(&world, 1).await;
    catalog.find_name(&name).await.unwrap().unwrap();
    let before = asked(&world);
    for _ in 0..100 {
        catalog.find_name(&name).await.unwrap().unwrap();
    }
    assert_eq!(asked(&world), before);
}
