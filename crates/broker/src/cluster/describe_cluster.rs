//! DescribeCluster 0-2 (KIP-700): the live agents and who stands for the controller.
//!
//! There are no controllers here: any agent does their work. One that asks for their endpoints is told so.

use esker_protocol::messages::describe_cluster_response::DescribeClusterBroker;
use esker_protocol::messages::{BrokerId, DescribeClusterRequest, DescribeClusterResponse};
use esker_protocol::{ErrorCode, StrBytes};

use super::{Brokers, operations};
use crate::Broker;
use crate::context::RequestContext;

/// Endpoint types of KIP-919.
const BROKERS: i8 = 1;
const CONTROLLERS: i8 = 2;

/// Describes the cluster.
pub(crate) async fn handle(
    broker: &Broker,
    context: &RequestContext,
    request: DescribeClusterRequest,
) -> DescribeClusterResponse {
    match request.endpoint_type {
        BROKERS => {}
        CONTROLLERS => {
            let message = "this is a broker; there are no controllers here";
            return refuse(ErrorCode::MismatchedEndpointType, message);
        }
        _ => return refuse(ErrorCode::UnsupportedEndpointType, "unknown endpoint type"),
    }
    let known = Brokers::known_to(broker, context);
    let allowed = if request.include_cluster_authorized_operations {
        operations::of_cluster(broker, context)
    } else {
        operations::NOT_ASKED
    };
    DescribeClusterResponse::default()
        .with_cluster_id(StrBytes::from_string(broker.member.cluster_id().0.clone()))
        .with_controller_id(BrokerId(known.controller.0))
        .with_cluster_authorized_operations(allowed)
        .with_brokers(
            known
                .all
                .into_iter()
                .map(|known| {
                    DescribeClusterBroker::default()
                        .with_broker_id(BrokerId(known.id.0))
                        .with_host(known.host)
                        .with_port(known.port)
                        .with_rack(known.rack)
                })
                .collect(),
        )
}

fn refuse(code: ErrorCode, message: &'static str) -> DescribeClusterResponse {
    DescribeClusterResponse::default()
        .with_error_code(code.code())
        .with_error_message(Some(StrBytes::from_static_str(message)))
}
