//! What a process says when it is ready.

use std::time::Duration;

use super::state::State;
use crate::settings::{Mode, Settings};

/// `dev` tells a person on standard output, in four lines; an agent tells its log.
pub(super) fn ready(settings: &Settings, state: &State, took: Duration) {
    if settings.peer_addr.is_some() {
        tracing::warn!("peer_addr is set, but nothing uses it yet");
    }
    let addresses: Vec<_> = state
        .listeners()
        .iter()
        .map(|(_, bound)| bound.to_string())
        .collect();
    let clients = addresses.join(", ");
    if settings.mode == Mode::Agent {
        let http = state
            .admin()
            .map_or_else(|| "none".to_owned(), |admin| admin.to_string());
        tracing::info!(%clients, %http, "listening");
        return;
    }
    let stores = match &settings.data_dir {
        Some(directory) if super::stores::are_under(settings, directory) => directory.display().to_string(),
        _ => format!("{} and {}", settings.metastore, settings.bucket),
    };
    let first = addresses.first().map_or("", String::as_str);
    let bootstrap = if first == "127.0.0.1:9092" {
        String::new()
    } else {
        format!(" -b {first}")
    };
    let mut lines = vec![
        format!(
            "esker is ready after {} ms: Kafka clients connect to {clients}",
            took.as_millis()
        ),
        format!("data  {stores}"),
    ];
    if let Some(admin) = state.admin() {
        lines.push(format!("http  http://{admin}/status, /metrics, /readyz"));
    }
    lines.push(format!("try   echo hello | esker produce greetings{bootstrap} && esker consume greetings{bootstrap} --until-end"));
    // Nobody reads it: then nobody needs it.
    let _ = crate::cli::print_lines(&lines);
}
