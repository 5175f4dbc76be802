//! What the traced requests of a segment are told of its way: the same for all of them but when they came.
//!
//! A segment that nobody traces keeps four instants and an empty list.

use std::sync::Arc;

use esker_model::seams::{BoxFuture, Instant};

use super::hot_segment::Appended;
use super::seal::SealedSegment;
use crate::trace::{Note, Trace};

/// The stages that a segment has behind it, and who wants to know.
pub(super) struct Traced {
    sealed: Instant,
    uploaded: Option<Instant>,
    /// The last call to the metastore, from when to when.
    committed: Option<(Instant, Instant)>,
    /// Traces, and when the first batch of each arrived.
    requests: Vec<(Arc<Trace>, Instant)>,
}

impl Traced {
    /// Of a segment that is being sealed, from batches in order of arrival.
    pub(super) fn sealed(at: Instant, batches: &[Appended]) -> Self {
        let mut requests: Vec<(Arc<Trace>, Instant)> = Vec::new();
        for appended in batches {
            let Some(trace) = &appended.trace else { continue };
            // The batches of one request arrive together.
            if requests.last().is_none_or(|(last, _)| !Arc::ptr_eq(last, trace)) {
                requests.push((Arc::clone(trace), appended.at));
            }
        }
        Self {
            sealed: at,
            uploaded: None,
            committed: None,
            requests,
        }
    }

    /// Its upload ended.
    pub(super) fn uploaded(&mut self, at: Instant) {
        self.uploaded = Some(at);
    }

    /// A call to the metastore ended.
    pub(super) fn committed(&mut self, began: Instant, ended: Instant) {
        self.committed = Some((began, ended));
    }

    /// The trace whose id is in the log lines about the segment.
    pub(super) fn first(&self) -> Option<Arc<Trace>> {
        self.requests.first().map(|(trace, _)| Arc::clone(trace))
    }

    /// `work` on the segment, with log lines that carry the id of its first trace.
    pub(super) fn within(&self, work: BoxFuture<'static, ()>) -> BoxFuture<'static, ()> {
        match self.first() {
            None => work,
            Some(trace) => Box::pin(async move { trace.within(work).await }),
        }
    }

    /// Writes the stages into all traces: at `now` the fate of the batches is known.
    pub(super) fn tell(&self, now: Instant, segment: &SealedSegment) {
        for (trace, appended) in &self.requests {
            self.tell_one(trace, *appended, now, segment);
        }
    }

    fn tell_one(&self, trace: &Trace, appended: Instant, now: Instant, segment: &SealedSegment) {
        let name = || ("esker.segment", Note::Text(segment.id.to_string().into()));
        let bytes = i64::try_from(segment.object_bytes).unwrap_or(i64::MAX);
        trace.span("hot segment", appended, self.sealed, Vec::new());
        let uploaded = self.uploaded.unwrap_or(now);
        let object = vec![name(), ("esker.object_bytes", Note::Number(bytes))];
        trace.span("upload", self.sealed, uploaded, object);
        let Some((began, ended)) = self.committed else {
            return;
        };
        trace.span("wait for commit", uploaded, began, Vec::new());
        trace.span("commit", began, ended, vec![name()]);
        trace.span("acknowledge", ended, now, Vec::new());
    }
}
