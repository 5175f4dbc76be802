//! Precedence, defaults and the sentences about what is wrong.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use super::names::{PREFIX, SETTINGS};
use super::*;

/// Settings from flags and environment; `file` is TOML.
fn layers(
    mode: Mode,
    flags: &[(&'static str, &str)],
    env: &[(&str, &str)],
    file: Option<&str>,
) -> Result<Layers, String> {
    let flags: BTreeMap<_, _> = flags
        .iter()
        .map(|(name, value)| (*name, (*value).to_owned()))
        .collect();
    let env = env
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("esker.toml");
    if let Some(text) = file {
        std::fs::write(&path, text).unwrap();
    }
    let path: Option<&Path> = file.map(|_| path.as_path());
    Layers::merge(mode, &flags, env, path)
        .map_err(|error| error.to_string().replace(dir.path().to_str().unwrap(), ""))
}

fn resolve(mode: Mode, flags: &[(&'static str, &str)]) -> Result<Settings, String> {
    let layers = layers(mode, flags, &[], None)?;
    Settings::resolve(&layers).map_err(|error| error.to_string())
}

const AGENT: [(&str, &str); 3] = [
    ("metastore_url", "postgres://u:hush-hush@db/esker"),
    ("bucket_url", "s3://bucket/prefix"),
    ("advertised_addr", "kafka-1:9092"),
];

fn agent(more: &[(&'static str, &str)]) -> Result<Settings, String> {
    resolve(Mode::Agent, &[&AGENT, more].concat())
}

#[test]
fn dev_needs_nothing() {
    let dev = resolve(Mode::Dev, &[]).unwrap();
    assert_eq!(dev.listeners.len(), 1);
    assert_eq!(dev.listeners[0].name, "PLAINTEXT");
    assert_eq!(dev.listeners[0].bind.to_string(), "127.0.0.1:9092");
    assert_eq!(dev.listeners[0].advertised, None);
    assert_eq!(dev.admin_addr.unwrap().to_string(), "127.0.0.1:9644");
    assert_eq!(dev.node_name.as_deref(), Some("dev"));
    assert_eq!(dev.segment_bytes, 8 << 20);
    assert_eq!(dev.flush_interval, Duration::ZERO);
    assert!(dev.auto_create_topics);
    assert_eq!(dev.shutdown_grace, Duration::from_secs(30));
    assert_eq!(dev.roles, ["serve", "upkeep"]);
    let data = std::path::absolute("./esker-data").unwrap();
    assert_eq!(dev.metastore, MetastoreUrl::Sqlite(data.join("metastore.sqlite")));
    assert_eq!(dev.bucket.expose(), format!("file://{}/bucket", data.display()));
}

#[test]
fn agent_has_other_defaults_and_needs_its_stores() {
    let agent = agent(&[]).unwrap();
    assert_eq!(agent.listeners[0].bind.to_string(), "0.0.0.0:9092");
    assert_eq!(
        agent.listeners[0].advertised.as_ref().unwrap().to_string(),
        "kafka-1:9092"
    );
    assert_eq!(agent.flush_interval, Duration::from_millis(100));
    assert!(!agent.auto_create_topics);
    assert_eq!(agent.node_name, None);
    assert!(!format!("{agent:?}").contains("hush"));
    for missing in 0..AGENT.len() {
        let mut flags = AGENT.to_vec();
        let (name, _) = flags.remove(missing);
        let error = resolve(Mode::Agent, &flags).unwrap_err();
        assert!(error.starts_with(&format!("{name} is not set")), "{error}");
    }
}

#[test]
fn flag_beats_environment_beats_file_beats_default() {
    let file = Some("segment_bytes = \"1MiB\"\nflush_interval_ms = 7\nzone = \"f\"\n");
    let env = [
        ("ESKER_SEGMENT_BYTES", "2MiB"),
        ("ESKER_FLUSH_INTERVAL_MS", "8"),
        ("ESKER_NODE_NAME", ""),
    ];
    let flags = [("segment_bytes", "3MiB")];
    let layers = layers(Mode::Dev, &flags, &env, file).unwrap();
    let settings = Settings::resolve(&layers).unwrap();
    assert_eq!(settings.segment_bytes, 3 << 20);
    assert_eq!(settings.flush_interval, Duration::from_millis(8));
    assert_eq!(settings.zone.as_deref(), Some("f"));
    assert_eq!(settings.num_partitions, 1);
    // An empty variable is one that was not given.
    assert_eq!(settings.node_name.as_deref(), Some("dev"));
}

#[test]
fn unknown_names_suggest_the_nearest() {
    let error = layers(Mode::Dev, &[], &[("ESKER_SEGMENT_BYTE", "1")], None).unwrap_err();
    assert_eq!(
        error,
        "the setting ESKER_SEGMENT_BYTE in the environment does not exist; did you mean ESKER_SEGMENT_BYTES?"
    );
    let error = layers(Mode::Dev, &[], &[], Some("listner = \"x\"")).unwrap_err();
    assert_eq!(
        error,
        "the setting listner in /esker.toml does not exist; did you mean listeners?"
    );
    let error = layers(Mode::Dev, &[], &[], Some("xyzzy = 1")).unwrap_err();
    assert_eq!(error, "the setting xyzzy in /esker.toml does not exist");
}

#[test]
fn variables_of_others_are_left_alone() {
    let others = [
        ("ESKER_TEST_REQUIRE_ALL", "1"),
        ("ESKER_CACHE_DIR", "/x"),
        ("ESKER_BOOTSTRAP_SERVER", "h:1"),
        ("ESKER_CONFIG", "x"),
        ("ESKER_SERVICE_HOST", "10.0.0.1"),
        ("ESKER_SERVICE_PORT", "9092"),
        ("ESKER_SERVICE_PORT_KAFKA", "9092"),
        ("ESKER_PORT", "tcp://10.0.0.1:9092"),
        ("ESKER_PORT_9092_TCP", "tcp://10.0.0.1:9092"),
        ("ESKER_PORT_9092_TCP_ADDR", "10.0.0.1"),
        ("ESKER_HEADLESS_PORT_9644_TCP_PROTO", "tcp"),
        ("ESKER_BIN", "/usr/bin/esker"),
        ("ESKER_CARGO_DENY", "/x"),
        ("ESKER_ROOT", "/x"),
        ("ESKER_PYTHON", "/x"),
        ("ESKER_SHELLCHECK", "/x"),
        ("ESKER_ALLOW_SKIPS", "1"),
        ("ESKER_STORES_POSTGRES_PORT", "5432"),
        ("OTHER", "x"),
    ];
    assert!(layers(Mode::Dev, &[], &others, None).is_ok());
    for wrong in ["ESKER_KAFKA_PORT", "ESKER_kafka_addr", "ESKER_SEGMENT_SIZE"] {
        assert!(
            layers(Mode::Dev, &[], &[(wrong, "9092")], None).is_err(),
            "{wrong}"
        );
    }
}

#[test]
fn files_that_do_not_read() {
    let error = layers(
        Mode::Dev,
        &[],
        &[],
        Some("zone = 'a'\nmetastore_url = \"postgres://u:hush-hush@h"),
    )
    .unwrap_err();
    assert!(
        error.starts_with("the settings file /esker.toml is not valid TOML, line 2: "),
        "{error}"
    );
    assert!(!error.contains("hush"));
    let error = layers(Mode::Dev, &[], &[], Some("zone = 2026-01-01")).unwrap_err();
    assert!(
        error.starts_with("zone (in /esker.toml): a datetime does not fit here"),
        "{error}"
    );
    let missing = Layers::merge(
        Mode::Dev,
        &BTreeMap::new(),
        std::iter::empty(),
        Some(Path::new("/no/such.toml")),
    );
    assert_eq!(
        missing.unwrap_err().to_string(),
        "cannot read the settings file /no/such.toml: no such file or directory"
    );
}

#[test]
fn lists_and_tables_of_the_file() {
    let file = "
        listeners = [\"INTERNAL://127.0.0.1:0\", \"external://127.0.0.1:9093\"]
        advertised_listeners = [\"EXTERNAL://kafka.example.com:443\"]
        listener_zones = { internal = \"eu-1a\" }
        roles = [\"serve\"]
        memory_bytes = 134217728
        auto_create_topics = false
    ";
    let settings = Settings::resolve(&layers(Mode::Dev, &[], &[], Some(file)).unwrap()).unwrap();
    assert_eq!(settings.listeners.len(), 2);
    assert_eq!(settings.listeners[0].zone.as_deref(), Some("eu-1a"));
    assert_eq!(settings.listeners[0].advertised, None);
    assert_eq!(settings.listeners[1].name, "EXTERNAL");
    assert_eq!(
        settings.listeners[1].advertised.as_ref().unwrap().to_string(),
        "kafka.example.com:443"
    );
    assert_eq!(settings.roles, ["serve"]);
    assert_eq!(settings.memory_bytes, 128 << 20);
    assert_eq!(
        (settings.connections_max, settings.connections_per_ip_max),
        (4096, 3072)
    );
    assert!(!settings.auto_create_topics);
}

#[test]
fn the_shorthand_and_the_list() {
    let one = resolve(
        Mode::Dev,
        &[("kafka_addr", "127.0.0.1:0"), ("advertised_addr", "x:1")],
    )
    .unwrap();
    assert_eq!(one.listeners[0].bind.port, 0);
    assert_eq!(one.listeners[0].advertised.as_ref().unwrap().to_string(), "x:1");
    let both = resolve(
        Mode::Dev,
        &[("kafka_addr", "h:1"), ("listeners", "PLAINTEXT://h:1")],
    )
    .unwrap_err();
    assert!(both.contains("listeners and kafka_addr are both given"), "{both}");
    // The stronger origin wins without a quarrel.
    let layers = layers(
        Mode::Dev,
        &[("kafka_addr", "h:1")],
        &[("ESKER_LISTENERS", "A://g:2")],
        None,
    )
    .unwrap();
    assert_eq!(
        Settings::resolve(&layers).unwrap().listeners[0].bind.to_string(),
        "h:1"
    );
}

#[test]
fn wrong_values_say_what_would_be_right() {
    let dev = |name, value| resolve(Mode::Dev, &[(name, value)]).unwrap_err();
    for (name, value, said) in [
        ("listeners", "127.0.0.1:9092", "write NAME://HOST:PORT"),
        ("listeners", "", "at least one listener"),
        ("listeners", "A://h:1,a://h:2", "named twice"),
        ("listeners", "A://h:1,B://h:1", "the same address"),
        (
            "listeners",
            "SSL://h:1",
            "the protocol SSL of the listener SSL is not supported yet; only PLAINTEXT is",
        ),
        ("listeners", "A B://h:1", "not a listener's name"),
        ("listeners", "A://h:x", "is not an address"),
        ("listeners", "A://0.0.0.0:9092", "advertised_addr is not set"),
        (
            "listener_security_protocol_map",
            "PLAINTEXT:SASL_SSL",
            "not supported yet",
        ),
        (
            "listener_security_protocol_map",
            "PLAINTEXT:FTP",
            "not a security protocol",
        ),
        (
            "listener_security_protocol_map",
            "OTHER:PLAINTEXT",
            "there is no listener OTHER",
        ),
        (
            "advertised_listeners",
            "OTHER://h:1",
            "there is no listener OTHER; the listeners are PLAINTEXT",
        ),
        (
            "advertised_addr",
            "0.0.0.0:1",
            "clients cannot connect to 0.0.0.0:1",
        ),
        ("listener_zones", "PLAINTEXT", "does not read"),
        ("admin_addr", "9644", "is not an address"),
        (
            "metastore_url",
            "mysql://u:hush-hush@h/d",
            "it starts with postgres:// or sqlite:",
        ),
        ("metastore_url", "sqlite:", "the path after sqlite: is missing"),
        ("bucket_url", "bucket", "it starts with s3://"),
        ("bucket_url", "s3://", "the bucket is missing"),
        ("bucket_url", "file://data", "three slashes"),
        ("data_dir", "", "the path is empty"),
        ("node_name", "a b", "spaces"),
        ("roles", "read", "not a role"),
        ("segment_bytes", "8 megs", "is not a size"),
        ("segment_bytes", "1KiB", "between 64 KiB and 64 MiB"),
        ("memory_bytes", "1MiB", "at least 64 MiB"),
        ("max_connections", "0", "between 1 and 1000000"),
        ("max_connections_per_ip", "many", "between 1 and 1000000"),
        ("flush_interval_ms", "-1", "between 0 and 60000"),
        ("archive_interval_ms", "0", "between 1 and 86400000"),
        ("archive_grace_ms", "-1", "between 0 and 86400000"),
        ("merge_interval_ms", "0", "between 1 and 604800000"),
        ("sweep_interval_ms", "never", "between 1 and 604800000"),
        ("auto_create_topics", "yes", "neither true nor false"),
        ("num_partitions", "0", "between 1 and 10000"),
        ("shutdown_grace_seconds", "soon", "between 0 and 3600"),
        ("group_initial_rebalance_delay_ms", "-1", "between 0 and 86400000"),
        ("group_min_session_timeout_ms", "0", "between 1 and 86400000"),
        (
            "group_min_session_timeout_ms",
            "2000000",
            "longer than group_max_session_timeout_ms",
        ),
        ("group_max_size", "0", "between 1 and 2147483647"),
        (
            "group_consumer_heartbeat_interval_ms",
            "45000",
            "not shorter than group_consumer_session",
        ),
        ("offsets_retention_minutes", "0", "between 1 and 2147483647"),
        ("offset_metadata_max_bytes", "2000000", "between 1 and 1048576"),
    ] {
        let error = dev(name, value);
        assert!(error.contains(said), "{name}={value}: {error}");
        assert!(!error.contains("hush") && !error.contains('\n'), "{error}");
    }
    let error = dev("segment_bytes", "1KiB");
    assert!(
        error.starts_with("segment_bytes (from --segment-bytes): "),
        "{error}"
    );
}

#[test]
fn every_default_of_dev_and_agent_parses() {
    assert!(resolve(Mode::Dev, &[]).is_ok());
    assert!(agent(&[]).is_ok());
    for setting in SETTINGS {
        assert!(setting.variable().starts_with(PREFIX));
        assert!(!setting.flag().contains('_'));
    }
}

#[test]
fn a_data_dir_serves_an_agent_as_well() {
    let settings = resolve(Mode::Agent, &[("data_dir", "/d"), ("kafka_addr", "127.0.0.1:0")]).unwrap();
    assert_eq!(settings.metastore.to_string(), "sqlite:/d/metastore.sqlite");
    assert_eq!(settings.bucket.to_string(), "file:///d/bucket");
}
