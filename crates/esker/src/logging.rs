//! Logs: one line per event on stderr, as text or JSON. `RUST_LOG` decides how much.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::settings::{LogFormat, Mode};

/// What is logged if `RUST_LOG` says nothing: `dev` is quiet, its first lines say what matters.
fn default_filter(mode: Mode) -> &'static str {
    match mode {
        Mode::Dev => "warn",
        Mode::Agent => "info",
    }
}

/// Starts logging. A `RUST_LOG` that does not read is said and not obeyed.
pub(crate) fn start(format: LogFormat, mode: Mode) {
    let wanted = std::env::var("RUST_LOG").unwrap_or_default();
    let wanted = if wanted.is_empty() {
        default_filter(mode).to_owned()
    } else {
        wanted
    };
    let (filter, wrong) = match EnvFilter::try_new(&wanted) {
        Ok(filter) => (filter, None),
        Err(error) => (EnvFilter::new(default_filter(mode)), Some(error)),
    };
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    match format {
        LogFormat::Text => builder.init(),
        LogFormat::Json => builder.json().flatten_event(true).with_span_list(false).init(),
    }
    if let Some(error) = wrong {
        tracing::warn!(%error, "RUST_LOG does not read: logging as if it were not set");
    }
}
