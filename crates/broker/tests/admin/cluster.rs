//! ApiVersions, DescribeCluster and FindCoordinator.

use esker_protocol::messages::{ApiVersionsRequest, DescribeClusterRequest, FindCoordinatorRequest};
use esker_protocol::versions;

use crate::world::{World, all_versions, config, text};

#[tokio::test]
async fn every_version_lists_what_is_served() {
    let (_world, _agent, mut client) = World::one().await;
    for version in all_versions::<ApiVersionsRequest>() {
        let mut request = ApiVersionsRequest::default();
        if version >= 3 {
            request = request
                .with_client_software_name(text("apache-kafka-java"))
                .with_client_software_version(text("4.1.0"));
        }
        let response = client.call(version, &request).await;
        assert_eq!(response.error_code, 0);
        let listed: Vec<_> = response
            .api_keys
            .iter()
            .map(|api| (api.api_key, api.min_version, api.max_version))
            .collect();
        let table: Vec<_> = versions::api_versions()
            .iter()
            .map(|api| (api.key, api.min, api.max))
            .collect();
        assert_eq!(listed, table, "v{version}");
        assert!(response.supported_features.is_empty() && response.finalized_features.is_empty());
    }
    let nameless = client.call(3, &ApiVersionsRequest::default()).await;
    assert_eq!((nameless.error_code, nameless.api_keys.len()), (42, 0));
}

#[tokio::test]
async fn every_version_describes_the_cluster() {
    let world = World::new();
    let agent = world.agent(config("a", Some("east"))).await;
    let mut client = agent.connect("test");
    for version in all_versions::<DescribeClusterRequest>() {
        for asked in [false, true] {
            let request = DescribeClusterRequest::default().with_include_cluster_authorized_operations(asked);
            let response = client.call(version, &request).await;
            assert_eq!(response.error_code, 0);
            assert_eq!(
                response.cluster_id.as_str(),
                agent.broker.membership().cluster_id().0
            );
            assert_eq!(response.controller_id, agent.id());
            let broker = &response.brokers[0];
            assert_eq!(
                (broker.host.as_str(), broker.port, broker.rack.as_deref()),
                ("a", 9092, Some("east"))
            );
            assert!(!broker.is_fenced);
            assert_eq!(
                response.cluster_authorized_operations,
                if asked { 0x1fa0 } else { i32::MIN }
            );
        }
        if version >= 1 {
            for (endpoint, code) in [(2, 114), (3, 115), (0, 115), (-1, 115)] {
                let request = DescribeClusterRequest::default().with_endpoint_type(endpoint);
                let response = client.call(version, &request).await;
                assert_eq!(response.error_code, code);
                assert!(response.brokers.is_empty() && response.error_message.is_some());
            }
        }
    }
}

#[tokio::test]
async fn groups_have_a_coordinator_and_transactions_have_none_in_every_version() {
    let (_world, _agent, mut client) = World::one().await;
    // Its first look at who coordinates what.
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    // Clients that are told they talk to a 4.0 send this one unasked.
    assert!(all_versions::<FindCoordinatorRequest>().contains(&6));
    for version in all_versions::<FindCoordinatorRequest>() {
        let kinds: &[(i8, i16)] = if version >= 1 {
            &[(0, 0), (1, 53), (2, 42)]
        } else {
            &[(0, 0)]
        };
        for (kind, code) in kinds {
            let request = FindCoordinatorRequest::default().with_key_type(*kind);
            let request = if version < 4 {
                request.with_key(text("g"))
            } else {
                request.with_coordinator_keys(vec![text("g"), text("")])
            };
            let response = client.call(version, &request).await;
            let codes: Vec<i16> = match version {
                0..4 => vec![response.error_code],
                _ => response
                    .coordinators
                    .iter()
                    .map(|coordinator| coordinator.error_code)
                    .collect(),
            };
            assert_eq!(
                codes,
                vec![*code; if version < 4 { 1 } else { 2 }],
                "v{version} type {kind}"
            );
        }
    }
}
