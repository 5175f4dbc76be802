//! The system's signals: the first asks for an end in good order, the second ends at once.

use esker_model::seams::Seams;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::failure::{Failure, Outcome};

/// Exit code of a second signal.
const AT_ONCE: i32 = 1;

/// Starts listening; the token is cancelled by the first signal.
pub(super) fn listen(seams: &Seams) -> Outcome<CancellationToken> {
    let catch =
        |kind| signal(kind).map_err(|error| Failure::Failed(format!("cannot catch signals: {error}")));
    let (mut terminate, mut interrupt) = (catch(SignalKind::terminate())?, catch(SignalKind::interrupt())?);
    let stop = CancellationToken::new();
    let first = stop.clone();
    seams.spawner.spawn(
        "signals",
        Box::pin(async move {
            loop {
                let name = tokio::select! {
                    biased;
                    _ = terminate.recv() => "SIGTERM",
                    _ = interrupt.recv() => "SIGINT",
                };
                if first.is_cancelled() {
                    warn!("{name} again: ending at once");
                    std::process::exit(AT_ONCE);
                }
                info!("{name}: ending in good order; once more ends at once");
                first.cancel();
            }
        }),
    );
    Ok(stop)
}
