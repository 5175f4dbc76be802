//! ListConfigResources 0-1.

use std::sync::Arc;

use esker_broker::authorizer::Operation;
use esker_protocol::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use esker_protocol::messages::{
    IncrementalAlterConfigsRequest, ListConfigResourcesRequest, ListConfigResourcesResponse,
};

use crate::world::{Deny, World, all_versions, config, text};

fn asking(types: &[i8]) -> ListConfigResourcesRequest {
    ListConfigResourcesRequest::default().with_resource_types(types.to_vec())
}

fn listed(response: &ListConfigResourcesResponse) -> Vec<(i8, &str)> {
    let all = response.config_resources.iter();
    all.map(|one| (one.resource_type, one.resource_name.as_str()))
        .collect()
}

#[tokio::test]
async fn what_has_configs_is_listed_by_type() {
    let (world, agent, mut client) = World::one().await;
    client.topic("t", 1).await;
    client.topic("s", 1).await;
    let me = agent.id().0.to_string();
    let all = [(2, "s"), (2, "t"), (4, me.as_str()), (8, me.as_str())];
    let response = client.call(1, &asking(&[])).await;
    assert_eq!((response.error_code, listed(&response)), (0, all.to_vec()));
    let response = client.call(1, &asking(&[4, 4, 2])).await;
    assert_eq!(listed(&response), all[..3]);
    // No client metrics, and no group has configs of its own yet.
    let response = client.call(1, &asking(&[16, 32])).await;
    assert_eq!((response.error_code, listed(&response).len()), (0, 0));
    for group in ["h", "g"] {
        let set = AlterableConfig::default()
            .with_name(text("consumer.session.timeout.ms"))
            .with_value(Some(text("50000")));
        let group = AlterConfigsResource::default()
            .with_resource_type(32)
            .with_resource_name(text(group))
            .with_configs(vec![set]);
        let request = IncrementalAlterConfigsRequest::default().with_resources(vec![group]);
        assert_eq!(client.call(1, &request).await.responses[0].error_code, 0);
    }
    let response = client.call(1, &asking(&[32])).await;
    assert_eq!(listed(&response), [(32, "g"), (32, "h")]);
    let response = client.call(1, &asking(&[])).await;
    assert_eq!(listed(&response)[4..], [(32, "g"), (32, "h")]);
    // The first version knows client metrics only.
    let response = client.call(0, &asking(&[])).await;
    assert_eq!((response.error_code, listed(&response).len()), (0, 0));
    world.metastore.set_down(true);
    let response = client.call(1, &asking(&[2])).await;
    assert_eq!(listed(&response), all[..2]);
}

#[tokio::test]
async fn types_that_nobody_knows_are_refused() {
    let (_world, _agent, mut client) = World::one().await;
    client.topic("t", 1).await;
    for unknown in [0, 1, 3, 64, -1] {
        let response = client.call(1, &asking(&[2, unknown])).await;
        assert_eq!(
            (response.error_code, listed(&response).len()),
            (35, 0),
            "{unknown}"
        );
    }
}

#[tokio::test]
async fn who_may_not_look_is_told_so() {
    let world = World::new();
    let blind = world
        .try_agent(config("a", None), Arc::new(Deny(Operation::DescribeConfigs)))
        .await
        .unwrap();
    let mut client = blind.connect("test");
    for version in all_versions::<ListConfigResourcesRequest>() {
        assert_eq!(client.call(version, &asking(&[])).await.error_code, 31);
    }
}
