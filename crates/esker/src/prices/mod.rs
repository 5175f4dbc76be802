//! What things cost: a file of prices, read strictly, or the built-in one.
//!
//! What holds: every price is there, finite and not negative, and so are the machines that the hours buy. A name that
//! does not exist is an error that suggests the nearest one: a price with a typo would else be a price of zero.

mod file;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::Path;

use crate::failure::io_reason;

/// The built-in prices.
const BUILTIN: &str = include_str!("aws-us-east-1.toml");

/// Hours of a month, as cloud providers count them.
pub(crate) const MONTH_HOURS: f64 = 730.0;
/// Seconds of a month.
pub(crate) const MONTH_SECONDS: f64 = MONTH_HOURS * 3_600.0;
/// Bytes of a GiB.
pub(crate) const GIB: f64 = (1_u64 << 30) as f64;

/// What an agent exports as `esker_price_dollars{item}`: what dashboards multiply its counters with.
const METRIC_ITEMS: [&str; 7] = [
    "put",
    "get",
    "list",
    "stored_gib_month",
    "cross_zone_gib",
    "agent_hour",
    "metastore_hour",
];

/// Why a file of prices cannot be used: one sentence that names the file.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct PricesError(String);

/// Prices in one currency, with their date.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Prices {
    /// Whose prices these are.
    pub(crate) name: String,
    /// For people: `USD`.
    pub(crate) currency: String,
    /// When they were looked up, `YYYY-MM-DD`.
    pub(crate) date: String,
    /// By name: exactly those of [`file::PRICES`].
    prices: BTreeMap<&'static str, f64>,
    /// From so many GiB on, what a further one costs in a month; ascending.
    stored_above: Vec<(f64, f64)>,
    /// What `agent_hour` buys.
    pub(crate) agent: Machine,
    /// What `metastore_hour` buys.
    pub(crate) metastore: Machine,
    /// What `kafka_broker_hour` buys.
    pub(crate) kafka: Machine,
    /// What `msk_broker_hour` buys.
    pub(crate) msk: Machine,
}

/// What an hour buys. Limits that the machine does not have, or that nobody asks for, are infinite.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Machine {
    /// The seller's name of it.
    pub(crate) name: String,
    /// Virtual processors.
    pub(crate) vcpus: f64,
    /// What it may send all the time.
    pub(crate) network_mib_per_s: f64,
    /// What its disks may be written with all the time.
    pub(crate) disk_mib_per_s: f64,
    /// The most that its disks hold.
    pub(crate) disk_gib_max: f64,
}

impl Prices {
    /// The prices that are built in.
    pub(crate) fn builtin() -> Self {
        // A test reads the same text; were it wrong, everything would cost nothing and say so in its name.
        file::parse(BUILTIN).unwrap_or_else(|why| Self::nothing(&why))
    }

    /// Reads a file of prices.
    pub(crate) fn read(path: &Path) -> Result<Self, PricesError> {
        let name = path.display();
        let text = std::fs::read_to_string(path).map_err(|error| {
            PricesError(format!(
                "cannot read the prices file {name}: {}",
                io_reason(&error)
            ))
        })?;
        file::parse(&text).map_err(|why| PricesError(format!("the prices file {name} cannot be used: {why}")))
    }

    /// The price of an item; 0 if no file could have it.
    pub(crate) fn of(&self, item: &str) -> f64 {
        self.prices.get(item).copied().unwrap_or_default()
    }

    /// What an agent exports, by item.
    pub(crate) fn items(&self) -> impl Iterator<Item = (&'static str, f64)> + '_ {
        METRIC_ITEMS.into_iter().map(|item| (item, self.of(item)))
    }

    /// What the bucket asks in a month for so many GiB, the cheaper ones beyond a quantity included.
    pub(crate) fn stored(&self, gib: f64) -> f64 {
        let mut cost = 0.0;
        let mut from = 0.0;
        let mut price = self.of("stored_gib_month");
        for (above, next) in &self.stored_above {
            cost += (gib.min(*above) - from).max(0.0) * price;
            (from, price) = (*above, *next);
        }
        cost + (gib - from).max(0.0) * price
    }

    fn nothing(why: &str) -> Self {
        let machine = Machine {
            name: String::new(),
            vcpus: 1.0,
            network_mib_per_s: f64::INFINITY,
            disk_mib_per_s: f64::INFINITY,
            disk_gib_max: f64::INFINITY,
        };
        Self {
            name: format!("no prices: {why}"),
            currency: String::new(),
            date: String::new(),
            prices: BTreeMap::new(),
            stored_above: Vec::new(),
            agent: machine.clone(),
            metastore: machine.clone(),
            kafka: machine.clone(),
            msk: machine,
        }
    }
}
