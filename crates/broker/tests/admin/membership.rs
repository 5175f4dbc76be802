//! How an incarnation begins, stays current, and ends.

use std::sync::Arc;
use std::time::Duration;

use esker_broker::authorizer::AllowAll;
use esker_broker::{BrokerConfig, StartError, StopReason};
use esker_metastore::{Clusters, MetastoreError};
use esker_model::{ClusterEpoch, ClusterId};
use esker_storage::Bucket;
use esker_storage::cluster_file::{self, ClusterFile};

use crate::world::{World, config};

async fn start(world: &World, config: BrokerConfig) -> Result<esker_model::NodeId, StartError> {
    let agent = world.try_agent(config, Arc::new(AllowAll)).await?;
    Ok(agent.broker.membership().node_id())
}

async fn put_file(world: &World, id: &str, epoch: i32) {
    let file = ClusterFile::new(ClusterId(id.into()), ClusterEpoch(epoch));
    assert_eq!(cluster_file::create(&world.bucket, &file).await, Ok(file));
}

#[track_caller]
fn refused(outcome: Result<esker_model::NodeId, StartError>, says: &str) {
    match outcome {
        Err(err @ StartError::Identity(_)) => {
            assert!(!err.is_transient());
            assert!(err.to_string().contains(says), "{err}");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_first_start_binds_metastore_and_bucket() {
    let world = World::new();
    let agent = world.agent(config("a", None)).await;
    let cluster = world.metastore.cluster().await.unwrap().unwrap();
    let file = cluster_file::read(&world.bucket).await.unwrap().unwrap();
    assert_eq!((&file.cluster_id, file.epoch), (&cluster.id, cluster.epoch));
    assert!(cluster.bucket_bound);
    assert_eq!(cluster.id.0.len(), 22);
    assert_eq!(agent.broker.membership().live().len(), 1);
}

#[tokio::test]
async fn names_keep_their_ids_and_a_new_life_fences_the_old() {
    let world = World::new();
    let first = world.agent(config("a", None)).await;
    let second = world.agent(config("b", None)).await;
    assert_ne!(first.id(), second.id());
    let again = world.agent(config("a", None)).await;
    assert_eq!(first.id(), again.id());
    assert_ne!(
        first.broker.membership().incarnation(),
        again.broker.membership().incarnation()
    );
    let reason = tokio::time::timeout(Duration::from_secs(10), first.broker.stopped())
        .await
        .unwrap();
    assert_eq!(reason, StopReason::Fenced);
    assert!(!first.broker.membership().is_current());
    assert!(again.broker.membership().is_current());
    assert_eq!(second.broker.membership().stopped(), None);
}

#[tokio::test]
async fn a_wanted_cluster_id_must_fit() {
    let world = World::new();
    let wanting = |id: &str| BrokerConfig {
        cluster_id: Some(id.into()),
        ..config("a", None)
    };
    start(&world, wanting("mine")).await.unwrap();
    assert_eq!(world.metastore.cluster().await.unwrap().unwrap().id.0, "mine");
    start(&world, wanting("mine")).await.unwrap();
    start(&world, config("a", None)).await.unwrap();
    refused(start(&world, wanting("yours")).await, "cluster_id");
}

#[tokio::test]
async fn strangers_are_refused_before_anything_is_written() {
    // A bucket of a cluster, and an empty metastore.
    let world = World::new();
    put_file(&world, "theirs", 1).await;
    refused(start(&world, config("a", None)).await, "metastore is empty");
    assert_eq!(world.metastore.cluster().await, Ok(None));

    // A metastore that used a bucket, and an empty bucket.
    let mut world = World::new();
    start(&world, config("a", None)).await.unwrap();
    world.bucket = Bucket::memory(world.seams.clone());
    refused(start(&world, config("a", None)).await, "no cluster.json");
    assert_eq!(cluster_file::read(&world.bucket).await, Ok(None));

    // Two clusters.
    world.bucket = Bucket::memory(world.seams.clone());
    put_file(&world, "theirs", 1).await;
    refused(
        start(&world, config("a", None)).await,
        "belongs to cluster theirs",
    );

    // A metastore that a restore replaced.
    let id = world.metastore.cluster().await.unwrap().unwrap().id;
    world.bucket = Bucket::memory(world.seams.clone());
    put_file(&world, &id.0, 2).await;
    let registered = world.metastore.calls("register");
    refused(start(&world, config("a", None)).await, "epoch 2");
    assert_eq!(world.metastore.calls("register"), registered);
}

#[tokio::test]
async fn a_first_start_that_crashed_is_finished_by_the_next() {
    // After the metastore knew the cluster, before the bucket did.
    let world = World::new();
    world
        .metastore
        .init_cluster(&ClusterId("half".into()))
        .await
        .unwrap();
    start(&world, config("a", None)).await.unwrap();
    assert_eq!(
        cluster_file::read(&world.bucket)
            .await
            .unwrap()
            .unwrap()
            .cluster_id
            .0,
        "half"
    );
    // After the bucket knew it, before the metastore heard of that.
    let world = World::new();
    world
        .metastore
        .init_cluster(&ClusterId("half".into()))
        .await
        .unwrap();
    put_file(&world, "half", 1).await;
    start(&world, config("a", None)).await.unwrap();
    assert!(world.metastore.cluster().await.unwrap().unwrap().bucket_bound);
}

#[tokio::test]
async fn many_first_starts_at_once_agree() {
    for _ in 0..20 {
        let world = Arc::new(World::new());
        let starts: Vec<_> = (0..5)
            .map(|n| {
                let world = Arc::clone(&world);
                tokio::task::spawn(async move { start(&world, config(&format!("n{n}"), None)).await })
            })
            .collect();
        for task in starts {
            task.await.unwrap().unwrap();
        }
        let cluster = world.metastore.cluster().await.unwrap().unwrap();
        let file = cluster_file::read(&world.bucket).await.unwrap().unwrap();
        assert_eq!(file.cluster_id, cluster.id);
    }
}

#[tokio::test]
async fn a_first_start_beside_ours_is_not_taken_for_a_lost_bucket() {
    let world = World::new();
    let (metastore, bucket) = (Arc::clone(&world.metastore), world.bucket.clone());
    // Our look into the bucket found nothing. Before our look into the metastore, another agent does it all.
    *world.metastore.meanwhile.lock() = Some(Box::pin(async move {
        let id = ClusterId("quick".into());
        let cluster = metastore.init_cluster(&id).await.unwrap();
        let file = ClusterFile::new(id, cluster.epoch);
        cluster_file::create(&bucket, &file).await.unwrap();
        metastore.bucket_bound().await.unwrap();
    }));
    start(&world, config("a", None)).await.unwrap();
    assert_eq!(world.metastore.cluster().await.unwrap().unwrap().id.0, "quick");
}

#[tokio::test]
async fn an_unreachable_metastore_is_worth_waiting_for() {
    let world = World::new();
    world.metastore.set_down(true);
    let err = start(&world, config("a", None)).await.unwrap_err();
    assert!(err.is_transient());
    assert!(matches!(
        err,
        StartError::Metastore(MetastoreError::Unavailable(_))
    ));
    world.metastore.set_down(false);
    start(&world, config("a", None)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_agent_without_its_metastore_is_not_current_before_its_peers_could_fence_it() {
    let (world, agent, _client) = World::one().await;
    let member = agent.broker.membership();
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(member.is_current());
    world.metastore.set_down(true);
    tokio::time::sleep(Duration::from_millis(3900)).await;
    assert!(member.is_current());
    tokio::time::sleep(Duration::from_millis(1200)).await;
    assert!(!member.is_current());
    assert_eq!(member.stopped(), None);
    assert_eq!(member.live().len(), 1);
    world.metastore.set_down(false);
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert!(member.is_current());
}

#[tokio::test(start_paused = true)]
async fn a_silent_agent_is_fenced_by_its_peers_and_leaves_their_lists() {
    let world = World::new();
    let first = world.agent(config("a", None)).await;
    let silent = world.agent(config("b", None)).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let (a, b) = (first.broker.membership(), silent.broker.membership());
    assert_eq!((a.live().len(), b.live().len()), (2, 2));
    // Its tasks end, as those of a killed process do; nobody is told.
    b.stop(StopReason::Drained);
    tokio::time::sleep(Duration::from_secs(9)).await;
    assert_eq!(a.live().len(), 1);
    assert!(world.metastore.calls("fence_expired") >= 1);
    assert!(a.is_current());
}
