//! The built-in prices are whole; what is wrong with a file is said in a sentence.

use super::file::{PRICES, parse};
use super::{BUILTIN, METRIC_ITEMS, Prices};

#[test]
fn the_built_in_prices_are_whole() {
    let prices = parse(BUILTIN).unwrap();
    assert_eq!(prices, Prices::builtin());
    assert_eq!(prices.currency, "USD");
    for name in PRICES {
        assert!(prices.of(name) > 0.0, "{name}");
        let source = BUILTIN.split("[sources]").nth(1).unwrap();
        assert!(source.contains(&format!("\n{name} = ")), "{name} has no source");
    }
    let exported: Vec<_> = prices.items().map(|(item, _)| item).collect();
    assert_eq!(exported, METRIC_ITEMS);
    assert!(prices.items().all(|(_, price)| price > 0.0));
}

#[test]
fn what_is_stored_beyond_a_quantity_is_cheaper() {
    let prices = Prices::builtin();
    let near = |gib: f64, cost: f64| {
        let stored = prices.stored(gib);
        assert!((stored - cost).abs() < 1e-6, "{gib} GiB: {stored}");
    };
    near(0.0, 0.0);
    near(1_000.0, 23.0);
    near(51_200.0, 1_177.6);
    near(51_201.0, 1_177.622);
    near(600_000.0, 1_177.6 + 460_800.0 * 0.022 + 88_000.0 * 0.021);
}

#[test]
fn a_wrong_file_is_refused_with_a_sentence() {
    for (from, to, why) in [
        (
            "put = 0.000005 ",
            "putt = 0.000005 ",
            "prices.putt does not exist; did you mean prices.put?",
        ),
        (
            "get = 0.0000004 ",
            "",
            "prices.get is missing: write 0 for a price",
        ),
        (
            "put = 0.000005 ",
            "put = -1 ",
            "prices.put is -1: a number from 0 up",
        ),
        (
            "put = 0.000005 ",
            "put = nan ",
            "prices.put is NaN: a number from 0 up",
        ),
        (
            "put = 0.000005 ",
            "put = inf ",
            "prices.put is inf: a number from 0 up",
        ),
        (
            "put = 0.000005 ",
            "put = \"5\" ",
            "prices.put is \"5\", which is not a number",
        ),
        ("put = 0.000005 ", "put = ", "it is not valid TOML, line 13"),
        (
            "date = \"2026-11-28\"",
            "date = \"28.11.2026\"",
            "write \"YYYY-MM-DD\"",
        ),
        ("currency = \"USD\"", "", "currency is missing"),
        (
            "currency = \"USD\"",
            "curency = \"USD\"",
            "curency does not exist; did you mean currency?",
        ),
        (
            "gib = 51200 ",
            "gib = 600000 ",
            "the quantities of stored_above do not rise",
        ),
        (
            "metastore = { name",
            "database = { name",
            "machines.database does not exist",
        ),
        (
            "\"c7g.xlarge\", vcpus = 4",
            "\"c7g.xlarge\", vcpus = 0",
            "machines.agent.vcpus is 0",
        ),
    ] {
        let text = BUILTIN.replacen(from, to, 1);
        assert_ne!(text, BUILTIN, "{from}");
        let said = parse(&text).unwrap_err();
        assert!(said.contains(why), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
}

#[test]
fn files_are_read_and_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("prices.toml");
    let said = Prices::read(&path).unwrap_err().to_string();
    assert!(
        said.starts_with("cannot read the prices file ") && said.contains("prices.toml"),
        "{said}"
    );
    std::fs::write(&path, BUILTIN.replacen("put = 0.000005 ", "put = 0.1 ", 1)).unwrap();
    assert!((Prices::read(&path).unwrap().of("put") - 0.1).abs() < 1e-12);
    std::fs::write(&path, "name = 'x'").unwrap();
    let said = Prices::read(&path).unwrap_err().to_string();
    assert!(
        said.contains("prices.toml cannot be used: prices is missing"),
        "{said}"
    );
}
