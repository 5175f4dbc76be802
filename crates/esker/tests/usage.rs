//! Wrong usage and wrong configuration: one sentence, exit code 2, nothing started.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods
)]

mod support;

use support::{esker, run, run_command};

#[test]
fn wrong_flags_suggest_the_right_ones() {
    let ended = run(&["dev", "--segment-byte", "1MiB"]);
    assert_eq!(ended.code, Some(2));
    assert!(ended.err.contains("--segment-bytes"), "{}", ended.err);
    let ended = run(&["topik", "list"]);
    assert_eq!(ended.code, Some(2));
    assert!(ended.err.contains("topic"), "{}", ended.err);
}

#[test]
fn unknown_variables_and_keys_suggest_the_nearest() {
    let mut command = esker(&["dev"]);
    command.env("ESKER_MEMORY_BYTE", "1GiB");
    run_command(command, b"").says(
        2,
        "ESKER_MEMORY_BYTE in the environment does not exist; did you mean ESKER_MEMORY_BYTES?",
    );
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("esker.toml");
    std::fs::write(&file, "data_dirs = 'x'\n").unwrap();
    run(&["dev", "--config", file.to_str().unwrap()]).says(2, "does not exist; did you mean data_dir?");
    std::fs::write(&file, "data_dir = \n").unwrap();
    run(&["dev", "--config", file.to_str().unwrap()]).says(2, "is not valid TOML, line 1");
    run(&["dev", "--config", "/no/such/file"]).says(2, "cannot read the settings file /no/such/file");
}

#[test]
fn wrong_values_say_what_would_be_right() {
    run(&["dev", "--segment-bytes", "8 megs"]).says(2, "is not a size");
    run(&["dev", "--listeners", "SASL_SSL://127.0.0.1:0"])
        .says(2, "SASL_SSL of the listener SASL_SSL is not supported yet");
    run(&["dev", "--kafka-addr", "localhost"]).says(2, "write HOST:PORT");
    run(&["dev", "--kafka-addr", "0.0.0.0:0"]).says(2, "say which one clients connect to");
    run(&["dev", "--log-format", "xml"]).says(2, "write text or json");
}

#[test]
fn an_agent_names_what_is_missing() {
    run(&["agent"]).says(2, "advertised_addr is not set");
    run(&["agent", "--advertised-addr", "h:1"]).says(2, "metastore_url is not set");
    let with_metastore = [
        "agent",
        "--advertised-addr",
        "h:1",
        "--metastore-url",
        "postgres://u:hush-hush@h/d",
    ];
    run(&with_metastore).says(2, "bucket_url is not set");
    run(&["migrate"]).says(2, "metastore_url is not set");
    run(&["check", "--advertised-addr", "h:1"]).says(2, "metastore_url is not set");
}

#[test]
fn passwords_are_not_repeated() {
    for url in [
        "mysql://u:hush-hush@h/d",
        "postgres:/u:hush-hush@h/d",
        "u:hush-hush@h",
    ] {
        let ended = run(&["migrate", "--metastore-url", url]);
        ended.says(2, "this is not a metastore's URL");
        assert!(!ended.err.contains("hush"), "{}", ended.err);
    }
}

#[test]
fn help_and_version_are_fine() {
    for arguments in [
        &["--help"][..],
        &["help", "topic"],
        &["agent", "--help"],
        &["--version"],
    ] {
        let ended = run(arguments);
        assert_eq!(ended.code, Some(0), "{}", ended.err);
        assert!(ended.err.is_empty() && !ended.out.is_empty());
    }
    for shell in ["bash", "zsh", "fish"] {
        assert!(run(&["completions", shell]).ok().contains("esker"));
    }
}

#[test]
fn a_client_says_where_nobody_listens() {
    let address = format!("127.0.0.1:{}", support::free_port());
    for command in [
        &["topic", "list"][..],
        &["consume", "t"],
        &["produce", "t"],
        &["cluster", "describe"],
    ] {
        run(&[command, &["-b", &address]].concat())
            .says(1, &format!("cannot connect to {address}: connection refused"));
    }
    run(&["topic", "list", "-b", "nonsense"]).says(2, "--bootstrap-server");
}
