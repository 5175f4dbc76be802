//! The stages of a Fetch in its trace.

use esker_model::seams::Instant;

use crate::Broker;
use crate::context::RequestContext;
use crate::trace::Trace;

/// The stage under way of a request that is traced; nothing if it is not.
pub(super) struct Stage<'a>(Option<Traced<'a>>);

struct Traced<'a> {
    broker: &'a Broker,
    trace: &'a Trace,
    began: Instant,
}

impl<'a> Stage<'a> {
    /// The first one begins.
    pub(super) fn begin(broker: &'a Broker, context: &'a RequestContext) -> Self {
        Self(context.trace.as_deref().map(|trace| Traced {
            broker,
            trace,
            began: broker.seams.clock.now(),
        }))
    }

    /// It ends, and the next one begins.
    pub(super) fn ends(&mut self, name: &'static str) {
        if let Some(traced) = &mut self.0 {
            let now = traced.broker.seams.clock.now();
            traced.trace.span(name, traced.began, now, Vec::new());
            traced.began = now;
        }
    }
}
