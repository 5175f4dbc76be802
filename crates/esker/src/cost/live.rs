//! A live cluster: what its agents counted, as rates, and the month that follows if they stay.
//!
//! What holds: a rate is of all agents that were named, over the same time. An agent that cannot be asked, or that was
//! started anew meanwhile, ends the command: a sum without it would be wrong and look right.

use std::time::Duration;

use esker_model::seams::Seams;
use futures::future::try_join_all;

use super::bill::Bill;
use super::esker::{crossing, crossing_more, kept, requests};
use super::scrape::{self, Sample};
use super::units::COMMIT;
use super::workload::Workload;
use crate::failure::{Failure, Outcome};
use crate::prices::{GIB, Prices};
use crate::settings::address::Address;

/// What was measured.
#[derive(Clone, Debug)]
pub(super) struct Measured {
    pub(super) agents: f64,
    /// For so long, in seconds: the mean of the agents.
    pub(super) seconds: f64,
    /// Each second, all agents together; `stored` is a quantity.
    pub(super) rates: Sample,
}

/// Asks all agents twice, or once and when they were started.
pub(super) async fn measure(urls: &[String], interval: Duration, since_start: bool) -> Outcome<Measured> {
    let mut addresses = urls
        .iter()
        .map(|url| scrape::address(url).map_err(|why| Failure::Usage(format!("--from-metrics: {why}"))))
        .collect::<Outcome<Vec<Address>>>()?;
    addresses.sort_by_key(ToString::to_string);
    if addresses.windows(2).any(|pair| pair.first() == pair.last()) {
        return Err(Failure::Usage("--from-metrics names an agent twice".to_owned()));
    }
    let seams = Seams::real();
    let each = match since_start {
        true => try_join_all(addresses.iter().map(|address| of_its_life(&seams, address))).await,
        false => {
            try_join_all(
                addresses
                    .iter()
                    .map(|address| of_interval(&seams, address, interval)),
            )
            .await
        }
    };
    let each = each.map_err(Failure::Failed)?;
    let agents = each.len() as f64;
    let seconds = each.iter().map(|(seconds, _)| seconds).sum::<f64>() / agents;
    let rates = each
        .iter()
        .map(|(seconds, sample)| each_second(sample, *seconds))
        .fold(Sample::default(), |sum, sample| sum.and(&sample));
    Ok(Measured {
        agents,
        seconds,
        rates,
    })
}

async fn of_interval(seams: &Seams, address: &Address, interval: Duration) -> Result<(f64, Sample), String> {
    let before = scrape::sample(address).await?;
    let from = seams.clock.now();
    tokio::time::sleep(interval).await;
    let after = scrape::sample(address).await?;
    let seconds = seams.clock.now().since(from).as_secs_f64();
    let sample = after
        .since(&before)
        .ok_or_else(|| format!("{address} was started anew meanwhile: measure again"))?;
    Ok((seconds, sample))
}

async fn of_its_life(seams: &Seams, address: &Address) -> Result<(f64, Sample), String> {
    let started = scrape::started_ms(address).await?;
    let sample = scrape::sample(address).await?;
    let seconds = (seams.clock.wall_ms() - started) as f64 / 1_000.0;
    if seconds < 1.0 {
        return Err(format!(
            "{address} was started a moment ago, or its clock is ahead of this machine's: leave out --since-start"
        ));
    }
    Ok((seconds, sample))
}

fn each_second(sample: &Sample, seconds: f64) -> Sample {
    Sample {
        produced: sample.produced / seconds,
        fetched: sample.fetched / seconds,
        from_store: sample.from_store / seconds,
        puts: sample.puts / seconds,
        gets: sample.gets / seconds,
        lists: sample.lists / seconds,
        deletes: sample.deletes / seconds,
        statements: sample.statements / seconds,
        stored: sample.stored,
        ..sample.clone()
    }
}

/// The workload as it was measured; what metrics do not say stays as it was asked for.
pub(super) fn workload(asked: &Workload, measured: &Measured) -> Workload {
    let rates = &measured.rates;
    let batch = asked.write / asked.batches;
    let (fan_out, history) = match rates.produced > 0.0 {
        true => (rates.fetched / rates.produced, 0.0),
        false => (0.0, rates.fetched),
    };
    Workload {
        write: rates.produced,
        batches: rates.produced / batch,
        fan_out,
        history,
        kept: (rates.stored > 0.0).then_some(rates.stored),
        agents: Some(measured.agents),
        ..asked.clone()
    }
}

/// A month of what was measured.
pub(super) fn bill(load: &Workload, measured: &Measured, prices: &Prices) -> Bill {
    let rates = &measured.rates;
    let mut lines = vec![
        requests("put", "PUT, measured", rates.puts, "put", prices),
        requests("get", "GET and HEAD, measured", rates.gets, "get", prices),
        requests("list", "LIST, measured", rates.lists, "list", prices),
    ];
    lines.extend(kept(
        load.kept() / GIB,
        rates.statements * COMMIT,
        measured.agents,
        prices,
    ));
    Bill {
        system: "esker",
        title: "Esker, as measured".to_owned(),
        lines,
        cross_zone: crossing(0.0, prices),
        cross_zone_more: crossing_more((rates.produced + rates.fetched) * load.crossing(), prices),
    }
}
