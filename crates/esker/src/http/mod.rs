//! HTTP for people and machines that look after agents: `/livez`, `/readyz`, `/status`, `/metrics`, `/upkeep`.
//!
//! What holds: no answer but that of `/upkeep` waits for a store, and none holds a password. A bounded number of connections is
//! served; more wait in the system's queue.

mod limited;
mod status;
mod upkeep;

use std::sync::Arc;

use axum::Router;
use axum::extract::State as Shared;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;

use crate::run::State;
use limited::Limited;

/// What prometheus-client writes.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Starts serving.
pub(crate) fn start(listener: TcpListener, state: Arc<State>) {
    let seams = state.seams().clone();
    let serving = async move {
        if let Err(error) = axum::serve(Limited::new(listener), router(state)).await {
            tracing::error!(%error, "the HTTP server ended");
        }
    };
    seams.spawner.spawn("http", Box::pin(serving));
}

fn router(state: Arc<State>) -> Router {
    let known = Arc::new(upkeep::Known::default());
    Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/status", get(status::status))
        .route("/metrics", get(metrics))
        .route("/upkeep", get(move |state| upkeep::upkeep(state, known)))
        .with_state(state)
}

async fn livez(Shared(state): Shared<Arc<State>>) -> Response {
    match state.is_alive() {
        true => "alive\n".into_response(),
        false => (StatusCode::SERVICE_UNAVAILABLE, "no progress\n").into_response(),
    }
}

async fn readyz(Shared(state): Shared<Arc<State>>) -> Response {
    match state.readiness() {
        Ok(()) => "ready\n".into_response(),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")).into_response(),
    }
}

async fn metrics(Shared(state): Shared<Arc<State>>) -> Response {
    match state.metrics() {
        Ok(text) => ([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}
