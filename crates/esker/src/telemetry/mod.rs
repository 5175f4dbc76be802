//! What an agent tells of itself: metrics for whoever asks (`/metrics`), and, where a collector is named, metrics and traces
//! by OTLP.
//!
//! What holds: the same registry is behind both, so names and numbers are the same. Nothing here waits on the way of a
//! request; what a collector does not take is dropped and counted.

mod agent;
pub(crate) mod otlp;
pub(crate) mod prices;
mod process;

pub(crate) use agent::AgentMetrics;
pub(crate) use process::ProcessMetrics;
