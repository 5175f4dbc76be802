//! Watches the process itself: a tick that shows progress, and since when the stores answer.

use std::sync::Arc;
use std::time::Duration;

use super::state::State;

/// Between two looks.
pub(super) const TICK: Duration = Duration::from_secs(1);

/// Starts looking.
pub(super) fn start(state: &Arc<State>) {
    let watched = Arc::clone(state);
    state.seams().spawner.spawn(
        "health",
        Box::pin(async move {
            loop {
                watched.tick();
                tokio::time::sleep(TICK).await;
            }
        }),
    );
}
