//! Somebody who alters what topics have to keep (IncrementalAlterConfigs), and sets them right after the faults.
//!
//! What is set in the end comes after all that may still be under way then: nothing takes effect behind it.
//!
//! What holds: every attempt is one `Altering`, followed by one `Altered` unless no answer came; both configs are
//! set together, so that what a topic has to keep follows from one of them. A request that only validates changes
//! nothing and leaves no trace.

use std::sync::Arc;
use std::time::Duration;

use esker_history::What;
use esker_history::event::Retention;
use esker_model::seams::Rng;
use esker_protocol::StrBytes;
use esker_protocol::messages::IncrementalAlterConfigsRequest;
use esker_protocol::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};

use super::metadata::{Cluster, Found, RETRY_BACKOFF, View};
use super::{AltererPlan, ClientContext, Phase, configs, pause};
use crate::setup::retention;

const VERSION: i16 = 1;
const TOPIC: i8 = 2;
const SET: i8 = 0;
/// One request in so many only validates.
const VALIDATES: u64 = 6;
/// How often a request is sent whose outcome is unknown, while things break.
const ATTEMPTS_MAX: u64 = 3;

/// So long after the last fault nothing is under way any more that was asked for before.
const QUIET: Duration = Duration::from_secs(30);

/// The wait before what has to be is tried again.
const AGAIN: Duration = Duration::from_secs(1);

/// Alters until the run is healed; then every topic is set to what it has to keep in the end.
pub async fn run_alterer(ctx: ClientContext, plan: AltererPlan) {
    let cluster = Cluster::new(ctx.clone(), super::PATIENCE);
    let flush = super::until(ctx.phase.clone(), Phase::Flush);
    tokio::select! {
        biased;
        () = flush => {}
        () = work(&ctx, &cluster, &plan) => {}
    }
    tokio::time::sleep(QUIET).await;
    let names: Vec<String> = plan.topics.iter().map(|(name, _)| name.clone()).collect();
    let view = cluster.find(&names).await;
    for (name, retention) in &plan.topics {
        while !alter(&cluster, &view, name, *retention).await {
            tokio::time::sleep(AGAIN).await;
        }
    }
    ctx.record.tell(ctx.me, What::Finished);
}

async fn work(ctx: &ClientContext, cluster: &Arc<Cluster>, plan: &AltererPlan) {
    let names: Vec<String> = plan.topics.iter().map(|(name, _)| name.clone()).collect();
    let view = cluster.find(&names).await;
    loop {
        tokio::time::sleep(pause(&ctx.rng, plan.pause)).await;
        let at = ctx.rng.below(names.len() as u64) as usize;
        let Some(name) = names.get(at) else { continue };
        let retention = retention::some(&*ctx.rng);
        for _ in 0..1 + ctx.rng.below(ATTEMPTS_MAX) {
            if alter(cluster, &view, name, retention).await {
                break;
            }
            tokio::time::sleep(ctx.rng.jitter(5 * RETRY_BACKOFF)).await;
        }
    }
}

/// Sends one request through any agent; whether it was surely done.
async fn alter(cluster: &Arc<Cluster>, view: &View, name: &str, retention: Retention) -> bool {
    let ctx = &cluster.ctx;
    let host = cluster.any_host();
    let (Some(Found::Here(topic)), Ok(link)) = (view.topics.get(name), cluster.link(&host).await) else {
        return false;
    };
    let topic = topic.topic;
    if ctx.rng.below(VALIDATES) == 0 {
        // What it would keep, nobody is told of.
        let nothing = Retention {
            ms: Some(0),
            bytes: Some(0),
        };
        let request = request(name, nothing).with_validate_only(true);
        let _ = link.send(VERSION, &request, cluster.patience).await;
    }
    let asked_us = ctx.record.now_us();
    let to = Some(link.life());
    ctx.record.tell(ctx.me, What::Altering { topic, retention, to });
    let answer = link.send(VERSION, &request(name, retention), cluster.patience);
    let Ok(answer) = answer.await else {
        return false;
    };
    let Some(answer) = answer.responses.first() else {
        return false;
    };
    let error = answer.error_code;
    ctx.record.tell(
        ctx.me,
        What::Altered {
            topic,
            retention,
            asked_us,
            by: to,
            error,
        },
    );
    error == 0
}

fn request(name: &str, retention: Retention) -> IncrementalAlterConfigsRequest {
    let configs = configs(retention).map(|(name, value)| {
        AlterableConfig::default()
            .with_name(StrBytes::from_static_str(name))
            .with_config_operation(SET)
            .with_value(Some(StrBytes::from_string(value)))
    });
    let resource = AlterConfigsResource::default()
        .with_resource_type(TOPIC)
        .with_resource_name(StrBytes::from_string(name.to_owned()))
        .with_configs(configs.into());
    IncrementalAlterConfigsRequest::default().with_resources(vec![resource])
}
