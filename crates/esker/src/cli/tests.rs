//! What can be typed.

use clap::{CommandFactory, Parser};

use super::{Cli, GROUPS};

fn parse(line: &str) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(line.split_whitespace())
}

#[test]
fn the_definition_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn the_groups_of_the_help_are_the_commands() {
    let mut listed: Vec<_> = GROUPS
        .lines()
        .filter(|line| line.starts_with("  "))
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    let command = Cli::command();
    let mut real: Vec<_> = command
        .get_subcommands()
        .filter(|command| !command.is_hide_set())
        .map(clap::Command::get_name)
        .chain(["help"])
        .collect();
    listed.sort_unstable();
    real.sort_unstable();
    assert_eq!(listed, real);
}

#[test]
fn every_command_shows_an_example() {
    fn visit(command: &clap::Command, path: &str) {
        for command in command.get_subcommands() {
            let path = format!("{path} {}", command.get_name());
            let after = command
                .get_after_help()
                .map(ToString::to_string)
                .unwrap_or_default();
            assert!(
                after.starts_with("Example:\n  ") && after.contains("esker "),
                "{path}: {after}"
            );
            // The example itself must parse, but for pipes and redirections.
            let typed = after.lines().skip(1).take_while(|line| !line.is_empty());
            let typed: Vec<_> = typed.map(|line| line.trim().trim_end_matches('\\')).collect();
            let typed = typed.join(" ");
            let typed = typed
                .rsplit('|')
                .next()
                .unwrap()
                .split(" > ")
                .next()
                .unwrap()
                .trim();
            assert!(
                super::Cli::try_parse_from(typed.split_whitespace()).is_ok(),
                "{path}: {typed}"
            );
            visit(command, &path);
        }
    }
    visit(&Cli::command(), "esker");
}

#[test]
fn settings_are_flags() {
    assert!(parse("esker dev --kafka-addr 127.0.0.1:0 --segment-bytes 8MiB --auto-create-topics").is_ok());
    assert!(parse("esker dev --auto-create-topics false --data-dir x").is_ok());
    assert!(parse("esker dev --auto-create-topics --data-dir x").is_ok());
    assert!(parse("esker agent --metastore-url postgres://h/d --bucket-url s3://b").is_ok());
    let wrong = parse("esker dev --segment-byte 1").unwrap_err();
    assert_eq!(wrong.exit_code(), 2);
    assert!(wrong.to_string().contains("--segment-bytes"), "{wrong}");
}

#[test]
fn wrong_usage_is_exit_code_2() {
    for line in [
        "esker",
        "esker dev extra",
        "esker topic create",
        "esker topic create t --partitions 0",
        "esker topic create t --config novalue",
        "esker topic alter t",
        "esker produce t --compression brotli",
        "esker produce t --header novalue",
        "esker consume t --from yesterday",
        "esker consume t --count 0",
        "esker config describe user g",
        "esker config list user",
        "esker consume t --group g --partition 0",
        "esker consume t --instance-id i",
        "esker consume",
        "esker group list --state Sleeping",
        "esker group describe",
        "esker group reset-offsets g --topic t",
        "esker group reset-offsets g --topic t --to latest --to-current",
        "esker group reset-offsets g --topic t --to yesterday",
        "esker group reset-offsets g --topic t --to -3",
        "esker group reset-offsets g --topic t --by-duration -PT1H",
        "esker group reset-offsets g --topic t:x --to 5",
        "esker group reset-offsets g --all-topics --by-duration 1d",
        "esker group reset-offsets g --topic t --all-topics --to 5",
        "esker group delete-offsets g",
        "esker group remove-member g",
        "esker group remove-member g --all --instance-id i",
        "esker cluster",
        "esker completions tcl",
        "esker inspect",
        "esker --no-such-flag",
    ] {
        match parse(line) {
            Err(error) => assert_eq!(error.exit_code(), 2, "{line}"),
            Ok(_) => panic!("{line} was taken"),
        }
    }
}

#[test]
fn common_flags_go_anywhere() {
    assert!(parse("esker topic list --json -b h:1").is_ok());
    assert!(parse("esker consume t -p 0 -p 1 -o @5 -c 3 -e --format json --delimiter \\0").is_ok());
    assert!(parse("esker produce t -K : -z zstd -H a=b -H c=d --null NULL -q").is_ok());
    assert!(parse("esker group list --state stable,Empty --type CLASSIC --json").is_ok());
    assert!(parse("esker group reset-offsets g --topic t:0,1 --topic u --shift-by -5 --execute").is_ok());
    assert!(parse("esker consume t u --group g --instance-id i -b h:1").is_ok());
    assert!(parse("esker config list --json").is_ok());
    assert!(parse("esker config list group -b h:1").is_ok());
    assert!(parse("esker config alter broker 1 --set a=b=c --delete d").is_ok());
}

/// What is wrong about a value is said by whoever knows, not by a tip about hyphens that does not help.
#[test]
fn values_with_a_hyphen_are_judged_as_values() {
    for (line, part) in [
        (
            "esker group reset-offsets g --topic t --to -3",
            "--shift-by goes back",
        ),
        (
            "esker group reset-offsets g --topic t --by-duration -PT1H",
            "it always goes back: write PT1H",
        ),
        ("esker consume t -o -x", "write beginning, end"),
    ] {
        let said = parse(line).unwrap_err().to_string();
        assert!(said.contains(part) && !said.contains("tip:"), "{line}: {said}");
    }
    assert!(parse("esker consume t -o -5 -e").is_ok());
}

#[test]
fn codecs_are_completed() {
    let mut script = Vec::new();
    clap_complete::generate(
        clap_complete::Shell::Bash,
        &mut Cli::command(),
        "esker",
        &mut script,
    );
    assert!(
        String::from_utf8(script)
            .unwrap()
            .contains("none gzip snappy lz4 zstd")
    );
}
