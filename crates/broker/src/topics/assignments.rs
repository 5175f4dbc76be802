//! Manual replica assignments. They are checked as Kafka checks them and their number of replicas is kept
//! as the factor to show; which agent leads is decided by routing, not by them.

use esker_protocol::ErrorCode;
use esker_protocol::messages::BrokerId;

use crate::cluster::Brokers;
use crate::errors::Failure;

/// The factor of the assigned replicas of one partition, or what is wrong with them.
///
/// `factor` is that of the other partitions, if there are some.
pub(super) fn check(replicas: &[BrokerId], factor: Option<i16>, brokers: &Brokers) -> Result<i16, Failure> {
    let wrong = |message: String| Err(Failure::new(ErrorCode::InvalidReplicaAssignment, message));
    if replicas.is_empty() {
        return wrong("the assignment of a partition has no replica".into());
    }
    for (at, id) in replicas.iter().enumerate() {
        if !brokers.has(*id) {
            return wrong(format!(
                "the assignment names broker {}, which is not there",
                id.0
            ));
        }
        // At most as many as there are brokers: none before it repeats.
        if replicas[..at].contains(id) {
            return wrong(format!("the assignment names broker {} twice", id.0));
        }
    }
    let here = i16::try_from(replicas.len()).unwrap_or(i16::MAX);
    match factor {
        Some(factor) if factor != here => wrong(format!(
            "the assignment of one partition has {here} replicas, that of another {factor}"
        )),
        _ => Ok(here),
    }
}
