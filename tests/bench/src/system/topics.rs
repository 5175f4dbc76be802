//! Topics, made and removed with our own command line, which works on any broker.

use super::Broker;
use crate::parts::Parts;

/// Creates a topic.
pub(crate) fn create_topic(
    parts: &Parts,
    broker: &dyn Broker,
    name: &str,
    partitions: i32,
) -> Result<(), String> {
    let partitions = partitions.to_string();
    esker(
        parts,
        broker,
        &["topic", "create", name, "--partitions", &partitions],
    )
}

/// Deletes a topic, so that Apache Kafka's data leave the disk. A failure is of no interest.
pub(crate) fn delete_topic(parts: &Parts, broker: &dyn Broker, name: &str) {
    let _ = esker(parts, broker, &["topic", "delete", name]);
}

fn esker(parts: &Parts, broker: &dyn Broker, arguments: &[&str]) -> Result<(), String> {
    let bootstrap = broker.bootstrap();
    parts.esker(&[arguments, &["--bootstrap-server", &bootstrap]].concat())
}
