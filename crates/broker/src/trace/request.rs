//! The trace of one request.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use esker_model::seams::{Instant, Seams};
use parking_lot::Mutex;

use super::TraceSink;

/// Most spans of a trace below that of the request. A request may hold tens of thousands of batches; the stages of the
/// first are told.
pub const SPANS_MAX: usize = 64;

/// Id of a trace, as W3C's Trace Context writes it: 32 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceId(pub u128);

/// Id of a span in its trace: 16 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpanId(pub u64);

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Something said of a span.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// Words.
    Text(Cow<'static, str>),
    /// A number.
    Number(i64),
}

/// A part of what was done for a request, with times since 1970.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// Its id.
    pub id: SpanId,
    /// What was done: an API, or a stage.
    pub name: &'static str,
    /// When it began.
    pub began: Duration,
    /// When it ended.
    pub ended: Duration,
    /// What is known of it, by OpenTelemetry's names where it has them.
    pub notes: Vec<(&'static str, Note)>,
}

/// The trace of a request that was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    /// Its id.
    pub id: TraceId,
    /// The request.
    pub request: Span,
    /// The name of the request's first error.
    pub error: Option<&'static str>,
    /// Its stages, each directly below the request.
    pub spans: Vec<Span>,
    /// Spans that were left out, being more than [`SPANS_MAX`].
    pub left_out: u64,
}

/// The trace of a request that is being worked on.
pub struct Trace {
    id: TraceId,
    seams: Seams,
    /// What to add to an instant for the time since 1970.
    epoch: Duration,
    inner: Mutex<Inner>,
    sink: Arc<dyn TraceSink>,
}

struct Inner {
    request: Span,
    error: Option<&'static str>,
    spans: Vec<Span>,
    left_out: u64,
}

impl Trace {
    pub(super) fn new(seams: &Seams, began: Instant, now: Instant, sink: Arc<dyn TraceSink>) -> Self {
        let wall = Duration::from_millis(u64::try_from(seams.clock.wall_ms()).unwrap_or(0));
        let epoch = wall.saturating_sub(now.0);
        let began = epoch + began.0;
        let request = Span {
            id: span_id(seams),
            name: "request",
            began,
            ended: began,
            notes: Vec::new(),
        };
        Self {
            // W3C: an id of zeros is none.
            id: TraceId(seams.rng.uuid().as_u128() | 1),
            seams: seams.clone(),
            epoch,
            inner: Mutex::new(Inner {
                request,
                error: None,
                spans: Vec::new(),
                left_out: 0,
            }),
            sink,
        }
    }

    /// Its id.
    pub fn id(&self) -> TraceId {
        self.id
    }

    /// Says what the request is.
    pub(crate) fn name(&self, name: &'static str, notes: Vec<(&'static str, Note)>) {
        let mut inner = self.inner.lock();
        inner.request.name = name;
        inner.request.notes = notes;
    }

    /// Adds a stage.
    pub(crate) fn span(
        &self,
        name: &'static str,
        began: Instant,
        ended: Instant,
        notes: Vec<(&'static str, Note)>,
    ) {
        let mut inner = self.inner.lock();
        if inner.spans.len() >= SPANS_MAX {
            inner.left_out += 1;
            return;
        }
        let span = Span {
            id: span_id(&self.seams),
            name,
            began: self.epoch + began.0,
            ended: self.epoch + ended.0.max(began.0),
            notes,
        };
        inner.spans.push(span);
    }

    /// The request was answered, with this first error if any.
    pub(crate) fn answered(&self, error: Option<&'static str>) {
        let mut inner = self.inner.lock();
        inner.error = error;
        inner.request.ended = self.epoch + self.seams.clock.now().0;
    }
}

impl Drop for Trace {
    /// Whoever still had to add to it is done: the trace is whole.
    fn drop(&mut self) {
        let inner = self.inner.get_mut();
        let mut request = inner.request.clone();
        let last = inner.spans.iter().map(|span| span.ended).max();
        if request.ended == request.began {
            // It was never answered: the connection ended before.
            request.ended = last.unwrap_or(request.began);
        }
        self.sink.take(Finished {
            id: self.id,
            request,
            error: inner.error,
            spans: std::mem::take(&mut inner.spans),
            left_out: inner.left_out,
        });
    }
}

fn span_id(seams: &Seams) -> SpanId {
    SpanId(seams.rng.next_u64() | 1)
}
