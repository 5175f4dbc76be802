//! Traces: what became of one request, stage by stage.
//!
//! A request is chosen when its frame has been read ([`Tracer::begin`]); one that is not costs a random number. Nothing
//! else happens on the way: the stages keep a few instants, which they need anyway or share by segment, and the spans of a
//! chosen request are written down when it is answered. So a segment that a hundred requests share is part of the trace of
//! each that was chosen, and the upload of one never waits for anybody's trace.
//!
//! What holds: a trace has at most [`SPANS_MAX`] spans, further ones are counted; it is handed over once, after its
//! request was answered or its connection ended, to a [`TraceSink`] that must not wait. Log lines that are written while a
//! chosen request, or a segment with one, is worked on carry its trace id.

mod request;

use std::future::Future;
use std::sync::Arc;

use esker_model::seams::{Instant, Seams};
use tracing::Instrument;

pub use request::{Finished, Note, SPANS_MAX, Span, SpanId, Trace, TraceId};

/// Where traces go when their requests were answered.
pub trait TraceSink: Send + Sync {
    /// Takes a trace; it must neither wait nor fail.
    fn take(&self, trace: Finished);
}

/// Chooses the requests that are traced. Cheap to clone.
#[derive(Clone, Default)]
pub struct Tracer(Option<Arc<Chooser>>);

struct Chooser {
    /// A request is chosen if its random number is not above it.
    threshold: u64,
    seams: Seams,
    sink: Arc<dyn TraceSink>,
}

impl Tracer {
    /// Chooses nothing.
    pub fn off() -> Self {
        Self(None)
    }

    /// Chooses this share of all requests, from 0 to 1, at random.
    pub fn new(ratio: f64, seams: Seams, sink: Arc<dyn TraceSink>) -> Self {
        if ratio <= 0.0 {
            return Self::off();
        }
        // The cast saturates: 1 chooses everything.
        let threshold = (ratio * u64::MAX as f64) as u64;
        Self(Some(Arc::new(Chooser {
            threshold,
            seams,
            sink,
        })))
    }

    /// The trace of a request, if it is chosen.
    pub(crate) fn begin(&self, at: Instant) -> Option<Arc<Trace>> {
        let chooser = self.0.as_ref()?;
        let seams = &chooser.seams;
        if seams.rng.next_u64() > chooser.threshold {
            return None;
        }
        let now = seams.clock.now();
        Some(Arc::new(Trace::new(seams, at, now, Arc::clone(&chooser.sink))))
    }
}

impl Trace {
    /// Runs `work` so that its log lines carry the id of the trace.
    pub(crate) async fn within<T>(&self, work: impl Future<Output = T>) -> T {
        // Of the highest level, so that whatever is logged has it.
        let span = tracing::error_span!("request", trace_id = %self.id());
        work.instrument(span).await
    }
}
