//! What agents log, on stderr, for one run that is looked at.

use tracing_subscriber::EnvFilter;

/// Prints what is logged on this thread until the guard is dropped. `RUST_LOG` says how much.
pub fn to_stderr() -> tracing::subscriber::DefaultGuard {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_timer(Simulated)
        .finish();
    tracing::subscriber::set_default(subscriber)
}

/// The time of the run.
struct Simulated;

thread_local! {
    static BEGUN: std::cell::Cell<Option<tokio::time::Instant>> = const { std::cell::Cell::new(None) };
}

impl tracing_subscriber::fmt::time::FormatTime for Simulated {
    fn format_time(&self, out: &mut tracing_subscriber::fmt::format::Writer<'_>) -> std::fmt::Result {
        let now = tokio::time::Instant::now();
        let begun = BEGUN.get().unwrap_or(now);
        BEGUN.set(Some(begun));
        write!(out, "{:10.3}", (now - begun).as_secs_f64())
    }
}
