//! Bills for people and for programs.

use serde_json::{Value, json};

use super::bill::{Bill, Line};
use super::live::Measured;
use super::units::{DISK_USED, MIB, USABLE};
use super::workload::Workload;
use crate::cli::counted;
use crate::prices::{GIB, Prices};

/// Widths of a line's columns.
const WHAT: usize = 46;
const QUANTITY: usize = 24;
const COST: usize = 14;

/// What is printed.
pub(super) struct Report<'a> {
    pub(super) load: &'a Workload,
    pub(super) measured: Option<&'a Measured>,
    pub(super) prices: &'a Prices,
    pub(super) bills: &'a [Bill],
}

impl Report<'_> {
    /// Lines for people.
    pub(super) fn text(&self) -> Vec<String> {
        let mut text = vec![self.workload(), self.priced()];
        for bill in self.bills {
            text.push(String::new());
            text.push(bill.title.clone());
            text.extend(bill.lines.iter().chain([&bill.cross_zone]).map(written));
            text.push(sum("total", bill.total()));
            if bill.cross_zone_more.cost > 0.0 {
                text.push(written(&bill.cross_zone_more));
                text.push(sum("total with such clients", bill.total_other_clients()));
            }
        }
        text.push(String::new());
        text.push("What this rests on (docs/cost.md has the formulas):".to_owned());
        text.extend(self.assumptions().into_iter().map(|line| format!("- {line}")));
        text
    }

    /// One document for programs.
    pub(super) fn json(&self) -> Value {
        let load = self.load;
        let of = |line: &Line| {
            json!({
                "item": line.item,
                "quantity": line.quantity,
                "unit": line.unit,
                "cost": line.cost,
            })
        };
        let systems: Vec<_> = self
            .bills
            .iter()
            .map(|bill| {
                json!({
                    "system": bill.system,
                    "lines": bill.lines.iter().chain([&bill.cross_zone]).map(of).collect::<Vec<_>>(),
                    "total": bill.total(),
                    "other_clients": of(&bill.cross_zone_more),
                    "total_other_clients": bill.total_other_clients(),
                })
            })
            .collect();
        json!({
            "prices": { "name": self.prices.name, "currency": self.prices.currency, "date": self.prices.date },
            "workload": {
                "write_bytes_per_s": load.write,
                "batches_per_s": load.batches,
                "fan_out": load.fan_out,
                "history_bytes_per_s": load.history,
                "kept_bytes": load.kept(),
                "partitions": load.partitions,
                "zones": load.zones,
            },
            "measured": self.measured.map(|measured| json!({
                "agents": measured.agents,
                "seconds": measured.seconds,
                "stored": measured.rates.stored > 0.0,
            })),
            "systems": systems,
            "assumptions": self.assumptions(),
        })
    }

    fn workload(&self) -> String {
        let load = self.load;
        let history = match load.history > 0.0 {
            true => format!(", {}/s of history read", bytes(load.history)),
            false => String::new(),
        };
        let kept = match load.kept {
            Some(kept) => format!("{} stored", bytes(kept)),
            None => format!("{} kept", bytes(load.kept())),
        };
        let said = format!(
            "{}/s written, each byte read {}{history}, {kept}; {}, {}",
            bytes(load.write),
            times(load.fan_out),
            counted(load.partitions as u64, "partition"),
            counted(load.zones as u64, "zone")
        );
        match self.measured {
            Some(measured) => format!(
                "measured on {} for {} s: {said}",
                counted(measured.agents as u64, "agent"),
                rounded(measured.seconds, 0)
            ),
            None => said,
        }
    }

    fn priced(&self) -> String {
        format!(
            "prices: {}, of {}; a month of 730 hours, in {}",
            self.prices.name, self.prices.date, self.prices.currency
        )
    }

    fn assumptions(&self) -> Vec<String> {
        let mut said = Vec::new();
        match self.measured {
            None => {
                said.push(
                    "requests of Esker are the most that the settings allow; what is in memory needs fewer"
                        .to_owned(),
                );
                said.push(format!(
                    "machines of both are at most {} % busy, sized by CPU per GiB from docs/performance.md, and by what \
                     they may send, receive and write",
                    rounded(USABLE * 100.0, 0)
                ));
            }
            Some(measured) => {
                said.push(
                    "requests, rates and agents of Esker were measured, and the month goes on like that; the metastore \
                     is guessed from its statements"
                        .to_owned(),
                );
                said.push(match measured.rates.stored > 0.0 {
                    true => "what is stored was measured".to_owned(),
                    false => "no agent said what is stored: it follows from --retention".to_owned(),
                });
            }
        }
        said.push(
            "writes, partitions and clients are spread evenly over partitions, machines and zones; consumers keep up"
                .to_owned(),
        );
        said.push(
            "agents reach the bucket through a gateway endpoint, which is free, and never send records to each other"
                .to_owned(),
        );
        said.push(format!(
            "Kafka's disks are {} % full; consumers that know their zone read from a replica in it (KIP-392); its \
             controllers are not counted, and a follower's append is taken for half of a leader's",
            rounded(DISK_USED * 100.0, 0)
        ));
        if self.load.kafka_local >= self.load.retention {
            said.push(
                "Kafka keeps all records on its disks: --kafka-local-retention 1d moves the rest to tiered storage"
                    .to_owned(),
            );
        }
        said.push(
            "not counted: discounts, load balancers, traffic out of the region or to the metastore, encryption keys, \
             monitoring, backups, people"
                .to_owned(),
        );
        said
    }
}

fn written(line: &Line) -> String {
    let quantity = match line.unit {
        "requests" if line.quantity >= 1e6 => {
            format!("{} million requests", grouped(line.quantity / 1e6, 1))
        }
        unit => format!("{} {unit}", grouped(line.quantity, 0)),
    };
    format!(
        "  {:WHAT$}{quantity:>QUANTITY$}{:>COST$}",
        line.what,
        grouped(line.cost, 2)
    )
}

fn sum(what: &str, cost: f64) -> String {
    format!("  {what:WHAT$}{:QUANTITY$}{:>COST$}", "", grouped(cost, 2))
}

/// Bytes in a unit in which they are a number below 1,024.
fn bytes(bytes: f64) -> String {
    for (unit, size) in [
        ("TiB", 1_024.0 * GIB),
        ("GiB", GIB),
        ("MiB", MIB),
        ("KiB", 1_024.0),
    ] {
        if bytes >= size {
            return format!("{} {unit}", rounded(bytes / size, 1));
        }
    }
    format!("{} B", rounded(bytes, 0))
}

/// How often, in words.
fn times(count: f64) -> String {
    match rounded(count, 2).as_str() {
        "0" => "never".to_owned(),
        "1" => "once".to_owned(),
        "2" => "twice".to_owned(),
        count => format!("{count} times"),
    }
}

/// Without zeros that say nothing.
fn rounded(number: f64, decimals: usize) -> String {
    let text = format!("{number:.decimals$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

/// With a comma after thousands.
fn grouped(number: f64, decimals: usize) -> String {
    let text = format!("{number:.decimals$}");
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let mut out = String::new();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::{bytes, grouped, rounded, times};

    #[test]
    fn numbers_for_people() {
        assert_eq!(grouped(1_234_567.891, 2), "1,234,567.89");
        assert_eq!(grouped(999.0, 0), "999");
        assert_eq!(grouped(0.0, 2), "0.00");
        assert_eq!(rounded(3.0, 2), "3");
        assert_eq!(rounded(100.0, 0), "100");
        assert_eq!(rounded(1.504, 2), "1.5");
        assert_eq!(bytes(52_428_800.0), "50 MiB");
        assert_eq!(bytes(1.5 * 1_099_511_627_776.0), "1.5 TiB");
        assert_eq!(bytes(12.0), "12 B");
        assert_eq!(
            [times(0.0), times(1.0), times(2.5)],
            ["never", "once", "2.5 times"]
        );
    }
}
