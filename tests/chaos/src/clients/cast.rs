//! Who takes part in a run.

/// The library that a client stands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Library {
    /// librdkafka, through confluent-kafka for Python.
    Librdkafka,
    /// Apache Kafka's own client for Java.
    Java,
}

/// What a client does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Produces; the share is of the rate of all, in thousandths.
    Producer {
        kind: &'static str,
        codec: &'static str,
        share: u64,
    },
    Consumer {
        mode: &'static str,
    },
}

/// One client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part {
    pub library: Library,
    pub role: Role,
    /// An index into [`crate::system::TOPICS`].
    pub topic: u32,
    /// The zone that it says it is in; agents of that zone lead for it. None: all agents are considered.
    pub zone: Option<&'static str>,
}

const fn producer(
    library: Library,
    kind: &'static str,
    codec: &'static str,
    share: u64,
    topic: u32,
    zone: Option<&'static str>,
) -> Part {
    let role = Role::Producer { kind, codec, share };
    Part {
        library,
        role,
        topic,
        zone,
    }
}

const fn consumer(library: Library, mode: &'static str, topic: u32, zone: Option<&'static str>) -> Part {
    Part {
        library,
        role: Role::Consumer { mode },
        topic,
        zone,
    }
}

const RD: Library = Library::Librdkafka;
const JAVA: Library = Library::Java;

/// Everybody. Clients of different zones are told different leaders, so that the batches of a partition meet
/// from several agents.
pub(crate) const CAST: [Part; 12] = [
    producer(RD, "idempotent", "lz4", 300, 0, None),
    producer(RD, "idempotent", "none", 150, 1, Some("zone-1")),
    producer(RD, "impatient", "snappy", 60, 0, Some("zone-2")),
    producer(RD, "plain", "zstd", 50, 0, Some("zone-3")),
    producer(RD, "one", "gzip", 30, 1, None),
    producer(JAVA, "idempotent", "lz4", 300, 0, Some("zone-1")),
    producer(JAVA, "impatient", "zstd", 60, 1, Some("zone-2")),
    producer(JAVA, "plain", "none", 50, 0, None),
    consumer(RD, "tail", 0, None),
    consumer(RD, "tail", 1, Some("zone-3")),
    consumer(RD, "again", 0, Some("zone-1")),
    consumer(JAVA, "tail", 0, Some("zone-2")),
];

impl Part {
    /// For people.
    pub(crate) fn describe(&self) -> String {
        let library = match self.library {
            Library::Librdkafka => "librdkafka",
            Library::Java => "Java",
        };
        let zone = self.zone.map(|zone| format!(", {zone}")).unwrap_or_default();
        match self.role {
            Role::Producer { kind, codec, .. } => format!("{kind} producer ({library}, {codec}{zone})"),
            Role::Consumer { mode } => format!("{mode} consumer ({library}{zone})"),
        }
    }

    pub(crate) fn is_producer(&self) -> bool {
        matches!(self.role, Role::Producer { .. })
    }

    /// What its program is called after.
    pub(crate) fn script(&self) -> &'static str {
        match self.role {
            Role::Producer { .. } => "producer",
            Role::Consumer { .. } => "consumer",
        }
    }
}
