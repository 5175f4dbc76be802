//! The text of a file of prices: each name known, each number a number, nothing missing.

use std::collections::BTreeMap;

use toml::{Table, Value};

use super::{Machine, Prices};
use crate::settings::nearest;

/// Every price there is.
pub(super) const PRICES: [&str; 15] = [
    "put",
    "get",
    "list",
    "stored_gib_month",
    "cross_zone_gib",
    "agent_hour",
    "metastore_hour",
    "metastore_storage_gib_month",
    "kafka_broker_hour",
    "ebs_gib_month",
    "ebs_mib_per_s_month",
    "ebs_iops_month",
    "msk_broker_hour",
    "msk_storage_gib_month",
    "msk_tiered_gib_month",
];
const TOP: [&str; 7] = [
    "name",
    "currency",
    "date",
    "prices",
    "stored_above",
    "machines",
    "sources",
];
const MACHINES: [&str; 4] = ["agent", "metastore", "kafka", "msk"];
const OF_MACHINE: [&str; 5] = [
    "name",
    "vcpus",
    "network_mib_per_s",
    "disk_mib_per_s",
    "disk_gib_max",
];
const OF_TIER: [&str; 2] = ["gib", "stored_gib_month"];

type Read<T> = Result<T, String>;

/// Reads the text. The error goes on where `the prices file … cannot be used:` stops.
pub(super) fn parse(text: &str) -> Read<Prices> {
    let table: Table = text.parse().map_err(|error: toml::de::Error| {
        let line = error.span().map_or(1, |span| {
            1 + text
                .get(..span.start)
                .map_or(0, |before| before.matches('\n').count())
        });
        format!("it is not valid TOML, line {line}: {}", error.message().trim())
    })?;
    only(&table, &TOP, "")?;
    let prices = prices(&table)?;
    if let Some(sources) = table.get("sources") {
        let sources = as_table(sources, "sources")?;
        only(sources, &PRICES, "sources.")?;
        for name in sources.keys() {
            words(sources, name, "sources.")?;
        }
    }
    let machines = as_table(needed(&table, "machines", "")?, "machines")?;
    only(machines, &MACHINES, "machines.")?;
    Ok(Prices {
        name: words(&table, "name", "")?,
        currency: words(&table, "currency", "")?,
        date: date(&table)?,
        prices,
        stored_above: tiers(&table)?,
        agent: machine(machines, "agent")?,
        metastore: machine(machines, "metastore")?,
        kafka: machine(machines, "kafka")?,
        msk: machine(machines, "msk")?,
    })
}

fn prices(table: &Table) -> Read<BTreeMap<&'static str, f64>> {
    let given = as_table(needed(table, "prices", "")?, "prices")?;
    only(given, &PRICES, "prices.")?;
    PRICES
        .into_iter()
        .map(|name| Ok((name, number(given, name, "prices.")?)))
        .collect()
}

fn tiers(table: &Table) -> Read<Vec<(f64, f64)>> {
    let Some(given) = table.get("stored_above") else {
        return Ok(Vec::new());
    };
    let given = given
        .as_array()
        .ok_or("stored_above is not a list: write [[stored_above]] above each of its entries")?;
    let mut tiers = Vec::with_capacity(given.len());
    let mut before = 0.0;
    for tier in given {
        let tier = as_table(tier, "stored_above")?;
        only(tier, &OF_TIER, "stored_above.")?;
        let gib = number(tier, "gib", "stored_above.")?;
        if gib <= before {
            return Err(
                "the quantities of stored_above do not rise: write the smallest one first".to_owned(),
            );
        }
        before = gib;
        tiers.push((gib, number(tier, "stored_gib_month", "stored_above.")?));
    }
    Ok(tiers)
}

fn machine(machines: &Table, which: &str) -> Read<Machine> {
    let place = format!("machines.{which}");
    let given = as_table(needed(machines, which, "machines.")?, &place)?;
    let place = format!("{place}.");
    only(given, &OF_MACHINE, &place)?;
    let limit = |name| match given.get(name) {
        None => Ok(f64::INFINITY),
        Some(_) => above_zero(given, name, &place),
    };
    Ok(Machine {
        name: words(given, "name", &place)?,
        vcpus: above_zero(given, "vcpus", &place)?,
        network_mib_per_s: limit("network_mib_per_s")?,
        disk_mib_per_s: limit("disk_mib_per_s")?,
        disk_gib_max: limit("disk_gib_max")?,
    })
}

/// No other names than these.
fn only(table: &Table, known: &[&str], place: &str) -> Read<()> {
    for name in table.keys() {
        if !known.contains(&name.as_str()) {
            let hint = match nearest(name, known.iter().copied()) {
                Some(near) => format!("did you mean {place}{near}?"),
                None => format!("there are {}", known.join(", ")),
            };
            return Err(format!("{place}{name} does not exist; {hint}"));
        }
    }
    Ok(())
}

fn needed<'a>(table: &'a Table, name: &str, place: &str) -> Read<&'a Value> {
    table.get(name).ok_or_else(|| match place {
        "prices." => format!("prices.{name} is missing: write 0 for a price that does not apply to you"),
        _ => format!("{place}{name} is missing"),
    })
}

fn as_table<'a>(value: &'a Value, place: &str) -> Read<&'a Table> {
    value.as_table().ok_or_else(|| format!("{place} is not a table"))
}

fn words(table: &Table, name: &str, place: &str) -> Read<String> {
    match needed(table, name, place)? {
        Value::String(text) if !text.trim().is_empty() => Ok(text.trim().to_owned()),
        _ => Err(format!("{place}{name} is not a text in quotes")),
    }
}

/// A finite number that is not negative.
fn number(table: &Table, name: &str, place: &str) -> Read<f64> {
    let value = match needed(table, name, place)? {
        Value::Float(number) => *number,
        Value::Integer(number) => *number as f64,
        other => return Err(format!("{place}{name} is {other}, which is not a number")),
    };
    if !value.is_finite() || value < 0.0 {
        return Err(format!("{place}{name} is {value}: a number from 0 up is needed"));
    }
    Ok(value)
}

fn above_zero(table: &Table, name: &str, place: &str) -> Read<f64> {
    match number(table, name, place)? {
        0.0 => Err(format!(
            "{place}{name} is 0: a machine has more than nothing of it"
        )),
        value => Ok(value),
    }
}

/// `YYYY-MM-DD`, in quotes or as TOML's own date.
fn date(table: &Table) -> Read<String> {
    let text = match needed(table, "date", "")? {
        Value::String(text) => text.clone(),
        Value::Datetime(date) => date.to_string(),
        other => return Err(format!("date is {other}: write \"YYYY-MM-DD\"")),
    };
    match chrono::NaiveDate::parse_from_str(&text, "%Y-%m-%d") {
        Ok(_) => Ok(text),
        Err(_) => Err(format!("date is {text:?}: write \"YYYY-MM-DD\"")),
    }
}
