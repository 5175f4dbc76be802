//! `/status`: what an agent is and how it is, as JSON.

use std::sync::Arc;

use axum::Json;
use axum::extract::State as Shared;
use chrono::{DateTime, SecondsFormat};
use serde_json::{Value, json};

use crate::run::{State, StoreHealth};

pub(super) async fn status(Shared(state): Shared<Arc<State>>) -> Json<Value> {
    Json(document(&state))
}

fn document(state: &State) -> Value {
    let settings = state.settings();
    let broker = state.broker();
    let member = broker.as_ref().map(|broker| broker.membership());
    let (metastore, bucket) = state.stores();
    let listeners: Vec<_> = state
        .listeners()
        .iter()
        .map(|(listener, bound)| {
            json!({
                "name": listener.name,
                "protocol": listener.security_protocol,
                "address": bound.to_string(),
                "advertised": format!("{}:{}", listener.advertised_host, listener.advertised_port),
                "zone": listener.zone,
            })
        })
        .collect();
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "state": phase(state),
        "waiting_for": state.waiting(),
        "started": time(state.started_ms()),
        "node": {
            "name": state.node_name(),
            "id": member.map(|member| member.node_id().0),
            "incarnation": member.map(|member| member.incarnation().to_string()),
            "zone": settings.zone,
            "roles": settings.roles,
        },
        "cluster": {
            "id": member.map(|member| member.cluster_id().to_string()),
            "epoch": member.map(|member| member.epoch().0),
            "agents": member.map(|member| member.live().len()),
        },
        "listeners": listeners,
        "dependencies": {
            "metastore": dependency(&settings.metastore.to_string(), metastore),
            "bucket": dependency(&settings.bucket.to_string(), bucket),
        },
        "limits": {
            "connections": {
                "used": state.connections(),
                "max": state.limits().max(),
                "max_per_ip": state.limits().per_address_max(),
            },
            "memory_bytes": memory(state),
            "segment_bytes": settings.segment_bytes,
            "flush_interval_ms": u64::try_from(settings.flush_interval.as_millis()).unwrap_or(u64::MAX),
        },
    })
}

fn phase(state: &State) -> &'static str {
    if state.is_draining() {
        "draining"
    } else if state.readiness().is_ok() {
        "ready"
    } else if state.waiting().is_some() {
        "waiting"
    } else {
        "starting"
    }
}

fn dependency(url: &str, health: Option<StoreHealth>) -> Value {
    let state = match health {
        None => "not reached yet",
        Some(StoreHealth { answers: true, .. }) => "answers",
        Some(StoreHealth { answers: false, .. }) => "does not answer",
    };
    json!({ "url": url, "state": state, "since": health.map(|health| time(health.since_ms)) })
}

fn memory(state: &State) -> Value {
    let mut shares = serde_json::Map::new();
    for memory in state.broker().iter().flat_map(|broker| broker.memory()) {
        shares.insert(
            memory.r#use.to_owned(),
            json!({ "used": memory.used, "max": memory.max }),
        );
    }
    json!({ "max": state.settings().memory_bytes, "uses": shares })
}

fn time(wall_ms: i64) -> Option<String> {
    DateTime::from_timestamp_millis(wall_ms).map(|time| time.to_rfc3339_opts(SecondsFormat::Millis, true))
}
