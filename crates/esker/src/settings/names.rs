//! The list of settings: one row makes the flag, the environment variable, the key of the file, the
//! help and the default. A setting that is not here does not exist.

/// A default, as text that is parsed like any other value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fallback {
    /// This value.
    Value(&'static str),
    /// Worked out from other settings or from the machine; the text is for people.
    Computed(&'static str),
    /// There is none, and none is needed.
    Nothing,
    /// There is none: whoever starts an agent must say it.
    Required,
}

/// One setting.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting {
    /// Its name in the file; the flag is `--kebab-case`, the variable `ESKER_UPPER_CASE`.
    pub(crate) name: &'static str,
    /// What stands for its value in the help, with the unit.
    pub(crate) value: &'static str,
    /// Heading that it stands under.
    pub(crate) heading: &'static str,
    /// One sentence.
    pub(crate) help: &'static str,
    /// Fallback of `esker dev`.
    pub(crate) dev: Fallback,
    /// Fallback of `esker agent`.
    pub(crate) agent: Fallback,
}

impl Setting {
    /// `--kebab-case` without the dashes in front.
    pub(crate) fn flag(&self) -> String {
        self.name.replace('_', "-")
    }

    /// The environment variable.
    pub(crate) fn variable(&self) -> String {
        format!("{PREFIX}{}", self.name.to_uppercase())
    }

    /// The default of a mode.
    pub(crate) fn default_of(&self, mode: Mode) -> Fallback {
        match mode {
            Mode::Dev => self.dev,
            Mode::Agent => self.agent,
        }
    }
}

/// Which defaults apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// One process that needs nothing else.
    Dev,
    /// One of many.
    Agent,
}

/// What the environment variables of settings start with.
pub(crate) const PREFIX: &str = "ESKER_";

/// Variables that start like settings, but are read elsewhere or by nobody.
pub(crate) const OTHER_VARIABLES: &[&str] = &["ESKER_CONFIG", "ESKER_BOOTSTRAP_SERVER"];

/// Starts of variables that belong to this repository's tests and scripts, which run `esker` as well.
pub(crate) const OTHER_VARIABLE_STARTS: &[&str] = &[
    "ESKER_TEST_",
    "ESKER_CACHE",
    "ESKER_ROOT",
    "ESKER_ALLOW_SKIPS",
    "ESKER_CARGO_DENY",
    "ESKER_CRASH_",
    "ESKER_DOCS_",
    "ESKER_GOLDEN",
    "ESKER_MDBOOK",
    "ESKER_PROPERTY_",
    "ESKER_PYTHON",
    "ESKER_SETUP_",
    "ESKER_SHELLCHECK",
    "ESKER_STORES_",
];

const CLIENTS: &str = "Clients";
const STORES: &str = "Stores";
const IDENTITY: &str = "Identity";
const WORK: &str = "Memory, speed and price";
const TOPICS: &str = "Topics";
const GROUPS: &str = "Consumer groups";
const OPERATION: &str = "Operation";

use Fallback::{Computed, Nothing, Required, Value};

/// Every setting.
pub(crate) const SETTINGS: &[Setting] = &[
    Setting {
        name: "listeners",
        value: "NAME://HOST:PORT,...",
        heading: CLIENTS,
        help: "Where Kafka clients connect: a list; port 0 takes any free port and says which",
        dev: Value("PLAINTEXT://127.0.0.1:9092"),
        agent: Value("PLAINTEXT://0.0.0.0:9092"),
    },
    Setting {
        name: "advertised_listeners",
        value: "NAME://HOST:PORT,...",
        heading: CLIENTS,
        help: "What clients of each listener are told to connect to; needed for a listener on all addresses",
        dev: Computed("as listeners"),
        agent: Computed("as listeners"),
    },
    Setting {
        name: "kafka_addr",
        value: "HOST:PORT",
        heading: CLIENTS,
        help: "Shorthand for listeners with one plain listener",
        dev: Nothing,
        agent: Nothing,
    },
    Setting {
        name: "advertised_addr",
        value: "HOST:PORT",
        heading: CLIENTS,
        help: "Shorthand for advertised_listeners with one listener",
        dev: Nothing,
        agent: Nothing,
    },
    Setting {
        name: "listener_security_protocol_map",
        value: "NAME:PROTOCOL,...",
        heading: CLIENTS,
        help: "Protocol of each listener that is not named after its protocol; only PLAINTEXT exists so far",
        dev: Computed("PLAINTEXT"),
        agent: Computed("PLAINTEXT"),
    },
    Setting {
        name: "listener_zones",
        value: "NAME:ZONE,...",
        heading: CLIENTS,
        help: "Availability zone of the clients that come through a listener",
        dev: Nothing,
        agent: Nothing,
    },
    Setting {
        name: "max_connections",
        value: "COUNT",
        heading: CLIENTS,
        help: "Most connections of clients at a time; a further one is closed at once",
        dev: Computed("one per 32KiB of memory_bytes, at most 20000"),
        agent: Computed("one per 32KiB of memory_bytes, at most 20000"),
    },
    Setting {
        name: "max_connections_per_ip",
        value: "COUNT",
        heading: CLIENTS,
        help: "Most connections from one address; of IPv6, from one network of 64 bits",
        dev: Computed("three quarters of max_connections"),
        agent: Computed("three quarters of max_connections"),
    },
    Setting {
        name: "metastore_url",
        value: "URL",
        heading: STORES,
        help: "Where offsets and metadata live: postgres://user:password@host/database, or sqlite:PATH for one process",
        dev: Computed("a SQLite file under data_dir"),
        agent: Required,
    },
    Setting {
        name: "metastore_url_file",
        value: "FILE",
        heading: STORES,
        help: "File that holds metastore_url, in its place; agents wait for it",
        dev: Nothing,
        agent: Nothing,
    },
    Setting {
        name: "metastore_password_file",
        value: "FILE",
        heading: STORES,
        help: "File that holds the password for metastore_url; it is read for each new connection, so that a changed password needs no restart",
        dev: Nothing,
        agent: Nothing,
    },
    Setting {
        name: "bucket_url",
        value: "URL",
        heading: STORES,
        help: "Where segments live: s3://bucket/prefix, gs://..., az://... or file:///directory; S3 takes endpoint and credentials from AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID and so on, or the platform's own identity",
        dev: Computed("a directory under data_dir"),
        agent: Required,
    },
    Setting {
        name: "data_dir",
        value: "DIRECTORY",
        heading: STORES,
        help: "Directory for the stores that have no URL",
        dev: Value("./esker-data"),
        agent: Nothing,
    },
    Setting {
        name: "node_name",
        value: "NAME",
        heading: IDENTITY,
        help: "Stable name of this agent: its node id belongs to it across restarts, and a new process with the name replaces the old one",
        dev: Value("dev"),
        agent: Computed("the first advertised HOST:PORT"),
    },
    Setting {
        name: "cluster_id",
        value: "ID",
        heading: IDENTITY,
        help: "Id of the cluster; decides the id of a new one, must match that of an existing one",
        dev: Computed("drawn once"),
        agent: Computed("drawn once"),
    },
    Setting {
        name: "zone",
        value: "ZONE",
        heading: IDENTITY,
        help: "Availability zone of this agent",
        dev: Nothing,
        agent: Nothing,
    },
    Setting {
        name: "roles",
        value: "ROLE,...",
        heading: IDENTITY,
        help: "What this agent does: serve, upkeep, or all",
        dev: Value("all"),
        agent: Value("all"),
    },
    Setting {
        name: "segment_bytes",
        value: "SIZE",
        heading: WORK,
        help: "A hot segment is sealed at this size, e.g. 8MiB",
        dev: Value("8MiB"),
        agent: Value("8MiB"),
    },
    Setting {
        name: "flush_interval_ms",
        value: "MILLISECONDS",
        heading: WORK,
        help: "Price ceiling of small flushes: on average at most one per interval, with a burst of 20; 0: as soon as something waits",
        dev: Value("0"),
        agent: Value("100"),
    },
    Setting {
        name: "archive_interval_ms",
        value: "MILLISECONDS",
        heading: WORK,
        help: "Uploaded segments older than this are rewritten by partition; sooner when much waits",
        dev: Value("300000"),
        agent: Value("300000"),
    },
    Setting {
        name: "archive_grace_ms",
        value: "MILLISECONDS",
        heading: WORK,
        help: "How long objects stay in the bucket that nothing needs any more",
        dev: Value("600000"),
        agent: Value("600000"),
    },
    Setting {
        name: "merge_interval_ms",
        value: "MILLISECONDS",
        heading: WORK,
        help: "Archived records of a partition are listed in the bucket, and not in the metastore, when the first waits so long; sooner when much waits",
        dev: Value("86400000"),
        agent: Value("86400000"),
    },
    Setting {
        name: "sweep_interval_ms",
        value: "MILLISECONDS",
        heading: WORK,
        help: "Time between two searches of the bucket for objects that nothing refers to",
        dev: Value("3600000"),
        agent: Value("3600000"),
    },
    Setting {
        name: "memory_bytes",
        value: "SIZE",
        heading: WORK,
        help: "One budget for hot segments, requests in flight and cache, at least 64MiB",
        dev: Computed("1GiB, or half of the cgroup's limit if that is less"),
        agent: Computed("1GiB, or half of the cgroup's limit if that is less"),
    },
    Setting {
        name: "auto_create_topics",
        value: "BOOL",
        heading: TOPICS,
        help: "Create a topic when a client first asks for it",
        dev: Value("true"),
        agent: Value("false"),
    },
    Setting {
        name: "num_partitions",
        value: "COUNT",
        heading: TOPICS,
        help: "Partitions of a topic that is created without saying how many",
        dev: Value("1"),
        agent: Value("1"),
    },
    Setting {
        name: "group_initial_rebalance_delay_ms",
        value: "MILLISECONDS",
        heading: GROUPS,
        help: "How long the first rebalance of a group waits for more members",
        dev: Value("0"),
        agent: Value("3000"),
    },
    Setting {
        name: "group_min_session_timeout_ms",
        value: "MILLISECONDS",
        heading: GROUPS,
        help: "Shortest session timeout that a member may ask for",
        dev: Value("6000"),
        agent: Value("6000"),
    },
    Setting {
        name: "group_max_session_timeout_ms",
        value: "MILLISECONDS",
        heading: GROUPS,
        help: "Longest session timeout that a member may ask for",
        dev: Value("1800000"),
        agent: Value("1800000"),
    },
    Setting {
        name: "group_max_size",
        value: "COUNT",
        heading: GROUPS,
        help: "Most members of a group of the classic protocol",
        dev: Value("2147483647"),
        agent: Value("2147483647"),
    },
    Setting {
        name: "group_consumer_session_timeout_ms",
        value: "MILLISECONDS",
        heading: GROUPS,
        help: "A member of the consumer protocol (KIP-848) is gone when nothing is heard of it for so long",
        dev: Value("45000"),
        agent: Value("45000"),
    },
    Setting {
        name: "group_consumer_heartbeat_interval_ms",
        value: "MILLISECONDS",
        heading: GROUPS,
        help: "How often a member of the consumer protocol is to send a heartbeat",
        dev: Value("5000"),
        agent: Value("5000"),
    },
    Setting {
        name: "group_consumer_max_size",
        value: "COUNT",
        heading: GROUPS,
        help: "Most members of a group of the consumer protocol",
        dev: Value("2147483647"),
        agent: Value("2147483647"),
    },
    Setting {
        name: "offsets_retention_minutes",
        value: "MINUTES",
        heading: GROUPS,
        help: "Committed offsets are forgotten when their group has had no members, or has not read their topic, for so long",
        dev: Value("10080"),
        agent: Value("10080"),
    },
    Setting {
        name: "offset_metadata_max_bytes",
        value: "COUNT",
        heading: GROUPS,
        help: "Most characters (UTF-16 code units) that a client may keep with a committed offset",
        dev: Value("4096"),
        agent: Value("4096"),
    },
    Setting {
        name: "admin_addr",
        value: "HOST:PORT",
        heading: OPERATION,
        help: "HTTP: /livez, /readyz, /status, /metrics and /upkeep; `none` for no HTTP",
        dev: Value("127.0.0.1:9644"),
        agent: Value("0.0.0.0:9644"),
    },
    Setting {
        name: "peer_addr",
        value: "HOST:PORT",
        heading: OPERATION,
        help: "Agent-to-agent address; optional for ever, and nothing uses it yet",
        dev: Nothing,
        agent: Nothing,
    },
    Setting {
        name: "shutdown_grace_seconds",
        value: "SECONDS",
        heading: OPERATION,
        help: "How long draining may take after SIGTERM",
        dev: Value("30"),
        agent: Value("30"),
    },
    Setting {
        name: "metrics_topics_max",
        value: "COUNT",
        heading: OPERATION,
        help: "Most topics that have metrics of their own: those that move most bytes; the others count together as topic=\"_other\"",
        dev: Value("200"),
        agent: Value("200"),
    },
    Setting {
        name: "prices_file",
        value: "FILE",
        heading: OPERATION,
        help: "Prices for the metrics of what the cluster costs, as a file that `esker cost` reads",
        dev: Computed("AWS, us-east-1"),
        agent: Computed("AWS, us-east-1"),
    },
    Setting {
        name: "otel_endpoint",
        value: "URL",
        heading: OPERATION,
        help: "Where traces and metrics are sent by OTLP over HTTP, e.g. http://collector:4318; nothing is sent without it",
        dev: Nothing,
        agent: Nothing,
    },
    Setting {
        name: "otel_traces_sample_ratio",
        value: "RATIO",
        heading: OPERATION,
        help: "Part of all requests that are traced, from 0 to 1",
        dev: Value("0.001"),
        agent: Value("0.001"),
    },
    Setting {
        name: "log_format",
        value: "text|json",
        heading: OPERATION,
        help: "Form of the log on stderr; RUST_LOG says how much of it",
        dev: Value("text"),
        agent: Value("text"),
    },
];

/// The setting of a name.
pub(crate) fn find(name: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.name == name)
}
