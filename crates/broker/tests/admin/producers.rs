//! InitProducerId 0-5, and the blocks that ids come from.

use std::collections::BTreeSet;
use std::sync::Arc;

use esker_broker::authorizer::Operation;
use esker_broker::producers::ProducerIds;
use esker_metastore::Metastore;
use esker_protocol::messages::{InitProducerIdRequest, ProducerId, TransactionalId};

use crate::world::{Deny, World, all_versions, config, text};

fn plain() -> InitProducerIdRequest {
    InitProducerIdRequest::default()
        .with_transactional_id(None)
        .with_transaction_timeout_ms(60_000)
}

#[tokio::test]
async fn every_version_gives_new_ids_with_epoch_0() {
    let (_world, _agent, mut client) = World::one().await;
    let mut ids = BTreeSet::new();
    for version in all_versions::<InitProducerIdRequest>() {
        let response = client.call(version, &plain()).await;
        assert_eq!((response.error_code, response.producer_epoch), (0, 0));
        assert!(response.producer_id.0 >= 0 && ids.insert(response.producer_id.0));
        // An idempotent producer that had an id gets another one.
        if version >= 3 {
            let had = plain()
                .with_producer_id(response.producer_id)
                .with_producer_epoch(5);
            let response = client.call(version, &had).await;
            assert_eq!((response.error_code, response.producer_epoch), (0, 0));
            assert!(ids.insert(response.producer_id.0));
        }
        // The timeout of a producer without transactions does not matter.
        let odd = plain().with_transaction_timeout_ms(-1);
        assert_eq!(client.call(version, &odd).await.error_code, 0);
    }
}

#[tokio::test]
async fn what_cannot_be_is_refused() {
    let (_world, _agent, mut client) = World::one().await;
    let named = |id: &str| plain().with_transactional_id(Some(TransactionalId(text(id))));
    for version in all_versions::<InitProducerIdRequest>() {
        let mut cases = vec![
            (named(""), 42),
            (named("t").with_transaction_timeout_ms(0), 50),
            (named("t").with_transaction_timeout_ms(-1), 50),
            (named("t").with_transaction_timeout_ms(900_001), 50),
            (named("t").with_transaction_timeout_ms(900_000), 53),
        ];
        if version >= 3 {
            cases.push((plain().with_producer_id(ProducerId(5)), 42));
            cases.push((plain().with_producer_epoch(5), 42));
        }
        for (request, code) in cases {
            let response = client.call(version, &request).await;
            assert_eq!(response.error_code, code, "v{version}");
            assert_eq!((response.producer_id.0, response.producer_epoch), (-1, -1));
        }
    }
}

#[tokio::test]
async fn without_the_metastore_a_block_lasts_and_then_clients_retry() {
    let (world, _agent, mut client) = World::one().await;
    assert_eq!(client.call(4, &plain()).await.error_code, 0);
    world.metastore.set_down(true);
    assert_eq!(client.call(4, &plain()).await.error_code, 0);
    let other = World::one().await;
    other.0.metastore.set_down(true);
    let mut client = other.2;
    assert_eq!(client.call(4, &plain()).await.error_code, 14);
    other.0.metastore.set_down(false);
    assert_eq!(client.call(4, &plain()).await.error_code, 0);
}

#[tokio::test]
async fn who_may_not_write_is_told_so() {
    let world = World::new();
    let deny = Arc::new(Deny(Operation::IdempotentWrite));
    let agent = world.try_agent(config("a", None), deny).await.unwrap();
    assert_eq!(agent.connect("test").call(4, &plain()).await.error_code, 31);
}

fn ids(world: &World) -> Arc<ProducerIds> {
    Arc::new(ProducerIds::new(
        Arc::clone(&world.metastore) as Arc<dyn Metastore>
    ))
}

#[tokio::test]
async fn no_id_is_given_twice_and_a_block_costs_one_question() {
    let world = World::new();
    let (first, second) = (ids(&world), ids(&world));
    let mut seen = BTreeSet::new();
    for _ in 0..1500 {
        assert!(seen.insert(first.next().await.unwrap()));
        assert!(seen.insert(second.next().await.unwrap()));
    }
    assert_eq!(world.metastore.calls("allocate_producer_ids"), 4);
}

#[tokio::test]
async fn callers_that_wait_share_one_question_and_its_failure() {
    let world = World::new();
    let ids = ids(&world);
    world.metastore.hold();
    let waiting: Vec<_> = (0..100)
        .map(|_| {
            let ids = Arc::clone(&ids);
            tokio::task::spawn(async move { ids.next().await })
        })
        .collect();
    tokio::task::yield_now().await;
    world.metastore.turns.add_permits(1);
    let mut seen = BTreeSet::new();
    for task in waiting {
        assert!(seen.insert(task.await.unwrap().unwrap()));
    }
    assert_eq!(world.metastore.calls("allocate_producer_ids"), 1);
}
