//! What the reference says of a setting beyond the one sentence of its help.

/// By the setting's name; a test holds that each exists.
pub(super) const MORE: &[(&str, &str)] = &[
    (
        "listeners",
        "A name that is no protocol needs `listener_security_protocol_map`.",
    ),
    (
        "advertised_listeners",
        "By the same names. Required where a listener binds all addresses (`0.0.0.0`, `[::]`), for nobody can connect to that.",
    ),
    ("kafka_addr", "For example `--kafka-addr 127.0.0.1:9092`."),
    (
        "advertised_addr",
        "For example `--advertised-addr broker-1.example.com:9092`.",
    ),
    (
        "listener_security_protocol_map",
        "TLS and SASL are not supported yet.",
    ),
    (
        "listener_zones",
        "A client that names its zone itself (`zone=<id>` in its client id) is believed before the listener is.",
    ),
    (
        "max_connections",
        "Kafka's `max.connections`. Where the limit of open files (`ulimit -n`) allows fewer, fewer are taken: 512 files stay for the stores.",
    ),
    (
        "max_connections_per_ip",
        "Kafka's `max.connections.per.ip`. Behind a proxy all clients may share one address.",
    ),
    (
        "bucket_url",
        "Only Esker may write below the prefix. The store must support conditional writes (`If-None-Match`); `esker check` tries that.",
    ),
    ("data_dir", "Agents usually keep nothing on disk."),
    (
        "node_name",
        "Starting a second process with the same name shuts out the first one; while both run they shut each other out, until one of them gives up and exits with 1.",
    ),
    (
        "cluster_id",
        "Kept in the metastore and in the bucket; both must agree.",
    ),
    (
        "zone",
        "Clients of the same zone are led to agents of that zone: [Brokers, leaders, replicas](../protocol.md#brokers-leaders-replicas).",
    ),
    (
        "roles",
        "At least one live agent has to have `upkeep`, or uploaded segments are never archived: [Scaling](../operations/scaling.md).",
    ),
    (
        "flush_interval_ms",
        "Uploads that full segments earn do not count. A quiet agent still uploads at once; a busy one fills its segments.",
    ),
    (
        "archive_interval_ms",
        "Sooner when an agent's round is full: an eighth of `memory_bytes`, at most 256 MiB. Until then the metastore has a row for each run of records.",
    ),
    (
        "archive_grace_ms",
        "It must be longer than any Fetch that was planned before.",
    ),
    (
        "merge_interval_ms",
        "The list is the partition's manifest. Sooner when they have 64 MiB or are in 128 pieces.",
    ),
    (
        "sweep_interval_ms",
        "One search lists the whole bucket: a request for 1,000 objects.",
    ),
    (
        "memory_bytes",
        "When it is used up, agents stop reading from sockets: clients slow down, nothing is lost. How much an agent needs: [Sizing](../operations/sizing.md#memory).",
    ),
    (
        "group_initial_rebalance_delay_ms",
        "Kafka's `group.initial.rebalance.delay.ms`, as all settings of this section have Kafka's names with underscores.",
    ),
    (
        "group_consumer_session_timeout_ms",
        "A group may have [one of its own](configs.md#groups).",
    ),
    (
        "group_consumer_heartbeat_interval_ms",
        "While its group rebalances it is told to come [each second](../protocol.md#groups) if that is sooner. A group may have [one of its own](configs.md#groups).",
    ),
    (
        "offsets_retention_minutes",
        "Those of topics that a group with members does not read any more go when they were committed so long ago (KIP-211).",
    ),
    (
        "offset_metadata_max_bytes",
        "As in Kafka, characters of Java are counted and not bytes: kept as UTF-8 they take three bytes each at most.",
    ),
    (
        "shutdown_grace_seconds",
        "What was accepted is sealed, uploaded, committed and acknowledged, and leases are handed over. A second signal ends the process at once.",
    ),
    (
        "log_format",
        "One line per event, and none per request. For example `RUST_LOG=info,esker_broker=debug`; without it an agent logs from `info`, `dev` from `warn`.",
    ),
];

/// More about the setting of this name.
pub(super) fn of(name: &str) -> Option<&'static str> {
    let found = MORE.iter().find(|(setting, _)| *setting == name);
    found.map(|(_, text)| *text)
}
