//! Producers: one task per plan that makes batches, sends them and notes what it is told.
//!
//! What holds: every attempt is one `Sent` followed by exactly one `Acked`, `Refused` or `Unanswered`, unless
//! the run ends first; a batch that was sent and is not acknowledged ends in one `GivenUp`. What is sent when,
//! and what follows from an answer, is the [`policy`] of the kind; the engine connects, finds leaders, waits
//! and writes the history.
//!
//! A process that dies takes what it holds with it: the next one begins with a new producer id, which no
//! partition knows yet.
//!
//! A topic that Metadata says is gone, several times in a row, loses its batches. When it is there again
//! under another id, a producer that names topics by id goes on with new batches; one that names them by name
//! does not notice, like the real ones, and sends its old batches to the new topic.

mod answers;
mod engine;
mod java;
mod lane;

mod librdkafka;
mod load;
mod metadata;
mod policy;
mod wire;

use std::time::Duration;

use esker_history::What;

use super::{ClientContext, Phase, ProducerKind, ProducerPlan};
use engine::Engine;
use policy::Policy;

/// Runs one producer until it is done or the run is over.
pub async fn run_producer(ctx: ClientContext, plan: ProducerPlan) {
    let over = super::until(ctx.phase.clone(), Phase::Over);
    tokio::select! {
        biased;
        () = over => {}
        () = work(ctx, plan) => {}
    }
}

/// One process after the other: each is a client of its own, with a producer id of its own.
async fn work(mut ctx: ClientContext, plan: ProducerPlan) {
    let what = ctx
        .record
        .with(|history| history.clients.get(ctx.me.0 as usize).cloned());
    let what = what.unwrap_or_default();
    loop {
        let mut engine = Engine::new(ctx.clone(), plan.clone(), policy(&plan));
        let dies = die_some_day(&ctx, plan.lives_for);
        let finished = tokio::select! {
            biased;
            () = engine.run() => true,
            () = dies => false,
        };
        if !finished {
            engine.die();
        }
        ctx.record.tell(ctx.me, What::Finished);
        if finished {
            return;
        }
        ctx.me = ctx.record.client(&what);
    }
}

/// Ends after the time that a process lives, if there is still load then.
async fn die_some_day(ctx: &ClientContext, lives_for: Option<Duration>) {
    if let Some(mean) = lives_for {
        tokio::time::sleep(super::pause(&ctx.rng, mean)).await;
        if *ctx.phase.borrow() == Phase::Load {
            return;
        }
    }
    std::future::pending().await
}

fn policy(plan: &ProducerPlan) -> Box<dyn Policy> {
    let lanes = plan.topics.iter().map(|(_, partitions)| partitions.len()).sum();
    let delivery_timeout = plan.delivery_timeout;
    match plan.kind {
        ProducerKind::Librdkafka => Box::new(librdkafka::Librdkafka::new(lanes, delivery_timeout)),
        ProducerKind::Java => Box::new(java::Java::new(lanes, delivery_timeout)),
        ProducerKind::Plain | ProducerKind::Careless => Box::new(policy::Plain {
            careless: plan.kind == ProducerKind::Careless,
            delivery_timeout,
        }),
    }
}
