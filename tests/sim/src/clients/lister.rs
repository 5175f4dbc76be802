//! Somebody who asks any agent for offsets: the earliest, the latest, or those of a moment.
//!
//! What holds: every answer is `Listed`, errors as well. Questions without an answer leave no trace.

use std::sync::Arc;

use esker_history::What;
use esker_history::event::Query;
use esker_model::seams::Rng;

use super::metadata::{Cluster, View};
use super::offsets;
use super::payload::{TIMESTAMP_BASE_MS, WOBBLE_MS};
use super::{ClientContext, ListerPlan, Phase, pause};

/// Partitions in one question, at most.
const PLACES_MAX: u64 = 4;
/// Questions between two looks at Metadata.
const REFRESH_EVERY: u32 = 10;

/// Asks until producers are done.
pub async fn run_lister(ctx: ClientContext, plan: ListerPlan) {
    let drain = super::until(ctx.phase.clone(), Phase::Drain);
    tokio::select! {
        biased;
        () = drain => {}
        () = ask(&ctx, &plan) => {}
    }
    ctx.record.tell(ctx.me, What::Finished);
}

async fn ask(ctx: &ClientContext, plan: &ListerPlan) {
    let cluster = Cluster::new(ctx.clone(), super::PATIENCE);
    let names: Vec<String> = plan.topics.iter().map(|(name, _)| name.clone()).collect();
    let mut view = View::default();
    let mut asked = 0;
    loop {
        if asked % REFRESH_EVERY == 0 {
            view.update(cluster.find(&names).await);
        }
        tokio::time::sleep(pause(&ctx.rng, plan.pause)).await;
        asked += 1;
        let places = offsets::choose(ctx, &plan.topics, &view, PLACES_MAX);
        if places.is_empty() {
            continue;
        }
        let query = match ctx.rng.below(5) {
            0 | 1 => Query::Latest,
            2 | 3 => Query::Earliest,
            _ => Query::Time(some_time(ctx)),
        };
        let host = cluster.any_host();
        // Without an answer, or with errors, look where the topics are.
        match offsets::list(&Arc::clone(&cluster), &host, &places, query).await {
            Ok(answers) if answers.iter().all(|(error, _)| *error == 0) => {}
            _ => asked = 0,
        }
    }
}

/// A moment in which some client may have made a record.
fn some_time(ctx: &ClientContext) -> i64 {
    // Now and then one that is still to come.
    let until_ms = ctx.record.now_us() / 1000 + 5_000;
    TIMESTAMP_BASE_MS.saturating_add_unsigned(ctx.rng.below(until_ms) + ctx.rng.below(WOBBLE_MS))
}
