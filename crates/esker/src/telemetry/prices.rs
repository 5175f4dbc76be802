//! The prices in use, so that dashboards can multiply what agents count with them.

use std::sync::atomic::AtomicU64;

use chrono::{NaiveDate, NaiveTime};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::failure::{Failure, Outcome};
use crate::prices::Prices;
use crate::settings::Telemetry;

/// Label of a price.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ItemLabels {
    item: &'static str,
}

/// Makes the prices visible that an agent was given, or the built-in ones.
pub(crate) fn register(settings: &Telemetry, registry: &mut Registry) -> Outcome {
    let prices = match &settings.prices_file {
        None => Prices::builtin(),
        Some(file) => Prices::read(file).map_err(|error| Failure::Usage(error.to_string()))?,
    };
    let dollars = Family::<ItemLabels, Gauge<f64, AtomicU64>>::default();
    for (item, price) in prices.items() {
        dollars.get_or_create(&ItemLabels { item }).set(price);
    }
    registry.register(
        "esker_price_dollars",
        "What one of an item costs, in the currency of the prices: a request, a GiB for a month, a GiB, an hour",
        dollars,
    );
    let date = Gauge::<i64>::default();
    date.set(seconds(&prices.date));
    registry.register(
        "esker_prices_timestamp_seconds",
        "The date of the prices, in seconds since 1970",
        date,
    );
    Ok(())
}

/// Midnight (UTC) of a date, in seconds since 1970.
fn seconds(date: &str) -> i64 {
    date.parse::<NaiveDate>()
        .map_or(0, |date| date.and_time(NaiveTime::MIN).and_utc().timestamp())
}

#[cfg(test)]
mod tests {
    use super::seconds;

    #[test]
    fn dates_are_midnights() {
        assert_eq!(seconds("1970-01-02"), 86_400);
        assert_eq!(seconds("2026-11-28"), 1_795_824_000);
    }
}
