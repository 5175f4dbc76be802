//! `/upkeep`: what background work has before it and who does it, as JSON.
//!
//! The one page that asks the metastore. What holds: one question at a time however many ask, its answer serves all for
//! [`FRESH`], and none waits longer than [`PATIENCE`].

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State as Shared;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use esker_model::seams::Instant;
use serde_json::Value;
use tokio::sync::Mutex;

use crate::run::{State, sentence_of};
use crate::upkeep::document;

/// How long an answer is given again.
const FRESH: Duration = Duration::from_secs(1);
/// How long whoever asks waits.
const PATIENCE: Duration = Duration::from_secs(5);

/// The last answer.
#[derive(Default)]
pub(super) struct Known(Mutex<Option<(Instant, Value)>>);

pub(super) async fn upkeep(Shared(state): Shared<Arc<State>>, known: Arc<Known>) -> Response {
    let answer = match tokio::time::timeout(PATIENCE, known.ask(&state)).await {
        Ok(answer) => answer,
        Err(_) => Err(format!(
            "the metastore did not answer within {} s: ask again",
            PATIENCE.as_secs()
        )),
    };
    match answer {
        Ok(document) => Json(document).into_response(),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")).into_response(),
    }
}

impl Known {
    async fn ask(&self, state: &State) -> Result<Value, String> {
        let mut known = self.0.lock().await;
        let now = state.seams().clock.now();
        if let Some((at, document)) = known.as_ref()
            && now - *at < FRESH
        {
            return Ok(document.clone());
        }
        let Some(metastore) = state.metastore() else {
            let why = state.waiting().unwrap_or_else(|| "starting".to_owned());
            return Err(format!("the metastore was not reached yet: {why}"));
        };
        let status = metastore.upkeep_status().await;
        let status = status.map_err(|error| sentence_of(&state.settings().metastore, &error))?;
        let document = document(&status);
        *known = Some((now, document.clone()));
        Ok(document)
    }
}
