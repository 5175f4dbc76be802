//! InitProducerId 0-5: an id for an idempotent producer.
//!
//! A producer without transactional id gets a new id with epoch 0, whatever id it had. Transactions do not
//! exist yet: a transactional id is checked as Kafka checks it and then answered with 53, the one code that
//! every client takes as final (15 or 14 would be repeated until the client gives up with a timeout).

use esker_protocol::ErrorCode;
use esker_protocol::messages::{InitProducerIdRequest, InitProducerIdResponse, ProducerId};
use tracing::warn;

use crate::Broker;
use crate::authorizer::{Operation, Resource};
use crate::context::RequestContext;

/// Kafka's default of `transaction.max.timeout.ms`.
const TRANSACTION_TIMEOUT_MS_MAX: i32 = 900_000;

/// Gives out an id.
pub(crate) async fn handle(
    broker: &Broker,
    context: &RequestContext,
    request: InitProducerIdRequest,
) -> InitProducerIdResponse {
    if let Err(code) = check(&request) {
        return refuse(code);
    }
    if !broker
        .authorizer
        .allows(context, Operation::IdempotentWrite, Resource::Cluster)
    {
        return refuse(ErrorCode::ClusterAuthorizationFailed);
    }
    match broker.producer_ids.next().await {
        Ok(id) => InitProducerIdResponse::default()
            .with_producer_id(ProducerId(id.0))
            .with_producer_epoch(0),
        Err(err) => {
            warn!(%err, "no producer ids to give out");
            refuse(ErrorCode::CoordinatorLoadInProgress)
        }
    }
}

fn check(request: &InitProducerIdRequest) -> Result<(), ErrorCode> {
    let (no_id, no_epoch) = (request.producer_id.0 == -1, request.producer_epoch == -1);
    if no_id != no_epoch {
        return Err(ErrorCode::InvalidRequest);
    }
    let Some(transactional_id) = &request.transactional_id else {
        return Ok(());
    };
    if transactional_id.is_empty() {
        return Err(ErrorCode::InvalidRequest);
    }
    if !(1..=TRANSACTION_TIMEOUT_MS_MAX).contains(&request.transaction_timeout_ms) {
        return Err(ErrorCode::InvalidTransactionTimeout);
    }
    Err(ErrorCode::TransactionalIdAuthorizationFailed)
}

fn refuse(code: ErrorCode) -> InitProducerIdResponse {
    InitProducerIdResponse::default()
        .with_error_code(code.code())
        .with_producer_id(ProducerId(-1))
        .with_producer_epoch(-1)
}
