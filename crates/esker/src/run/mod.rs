//! `esker dev` and `esker agent`: one process, from its settings to its end.
//!
//! `settings → stores → listeners → incarnation → accept`. The process waits for stores that do not answer
//! and ends with one sentence on what waiting cannot mend. Its listeners outlive an incarnation: a fenced
//! one closes its connections and another begins in the same process. SIGTERM or SIGINT drains and ends
//! with 0; a second one ends at once.

mod accept;
mod announce;
mod bind;
mod connections;
mod health;
mod life;
mod look;
mod signals;
mod state;
mod stores;

use std::sync::Arc;

use esker_model::seams::{Clock, Seams, SystemClock};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::failure::{Failure, Outcome};
use crate::logging;
use crate::settings::{self, Layers, Settings};

pub(crate) use bind::bind;
pub(crate) use look::Looked;
pub(crate) use state::{State, StoreHealth};
pub(crate) use stores::{open_bucket, open_bucket_to_read, open_sqlite, postgres_config, sentence_of};

/// Fewest threads of the runtime: one that is busy must not stop the heartbeat.
const THREADS_MIN: usize = 2;

/// Runs an agent until it is told to stop, or cannot go on.
pub(crate) fn start(layers: &Layers) -> Outcome {
    let settings = Settings::resolve(layers)?;
    logging::start(settings::log_format(layers)?, settings.mode);
    connections::raise_open_files();
    let cores = std::thread::available_parallelism().map_or(THREADS_MIN, usize::from);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(cores.max(THREADS_MIN))
        .thread_name("esker")
        .enable_all()
        .build()
        .map_err(|error| Failure::Failed(format!("cannot start: {error}")))?;
    let outcome = runtime.block_on(run(settings));
    // What still runs serves nobody any more.
    runtime.shutdown_background();
    outcome
}

async fn run(settings: Settings) -> Outcome {
    let seams = Seams::real();
    let began = SystemClock::new();
    let signals = signals::listen(&seams)?;
    let state = Arc::new(State::new(&settings, seams.clone())?);
    // A directory belongs to one process: that is said before the ports, which the other process has too.
    let opened = stores::open_at_once(&settings, &state)?;
    let bound = bind::all(&settings, &state).await?;
    health::start(&state);
    let announce = |state: &State| announce::ready(&settings, state, began.now().0);
    let telemetry = tell(&state);
    let outcome = life::run(&settings, &state, opened, bound, signals, announce).await;
    telemetry.end().await;
    outcome
}

/// What is sent to a collector while the process lives.
struct Telling {
    ended: CancellationToken,
    done: Option<oneshot::Receiver<()>>,
}

fn tell(state: &Arc<State>) -> Telling {
    let ended = CancellationToken::new();
    let done = state.otlp().map(|otlp| {
        let (told, done) = oneshot::channel();
        let (state, ended) = (Arc::clone(state), ended.clone());
        let spawner = Arc::clone(&state.seams().spawner);
        let telling = async move {
            otlp.run(state, ended).await;
            let _ = told.send(());
        };
        spawner.spawn("otlp", Box::pin(telling));
        done
    });
    Telling { ended, done }
}

impl Telling {
    /// Sends what is left; bounded by how long the last requests may take.
    async fn end(self) {
        self.ended.cancel();
        if let Some(done) = self.done {
            let _ = done.await;
        }
    }
}
