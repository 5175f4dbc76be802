//! A seat: one process after the other.

use std::sync::Arc;
use std::time::Duration;

use esker_history::What;
use esker_model::seams::Rng;
use tokio::time::Instant;

use super::GroupPlan;
use super::board::Seat;
use super::life::{Ended, Fate, Working};
use crate::clients::{ClientContext, Phase, pause, until};

/// How long a seat is empty at most.
const EMPTY_MS_MAX: u64 = 8_000;

/// The longest pause of a process, in sessions.
const PAUSE_SESSIONS_MAX: u64 = 3;

/// Fills one seat until the members are let go or the run is over.
pub async fn run_member(ctx: ClientContext, plan: Arc<GroupPlan>, seat: Seat) {
    let over = until(ctx.phase.clone(), Phase::Over);
    tokio::select! {
        biased;
        () = over => {}
        () = fill(&ctx, &plan, &seat) => ctx.record.tell(ctx.me, What::Finished),
    }
}

async fn fill(ctx: &ClientContext, plan: &Arc<GroupPlan>, seat: &Seat) {
    let is_static = plan.members.get(seat.number()).copied().unwrap_or_default();
    rest(ctx).await;
    loop {
        let (fate, crash) = draw(ctx, plan);
        let mut working = Working::new(ctx, plan, seat, is_static);
        let ended = tokio::select! {
            biased;
            () = dies(ctx, crash) => None,
            ended = working.work(fate) => Some(ended),
        };
        drop(working);
        seat.vacate(ctx);
        if ended == Some(Ended::Dismissed) {
            return;
        }
        rest(ctx).await;
    }
}

/// What happens to the next process, and when it dies.
fn draw(ctx: &ClientContext, plan: &GroupPlan) -> (Fate, Option<Instant>) {
    let Some(mean) = plan.lives_for else {
        return (Fate::default(), None);
    };
    let at = Instant::now() + pause(&ctx.rng, mean);
    let mut fate = Fate::default();
    match ctx.rng.below(10) {
        0..=3 => return (fate, Some(at)),
        4..=6 => fate.leaves = Some(at),
        _ => {
            let longest_ms = plan.session.as_millis() as u64 * PAUSE_SESSIONS_MAX;
            let time = Duration::from_millis(200 + ctx.rng.below(longest_ms));
            fate.pauses = Some((at, time));
            // And something later.
            let later = at + time + pause(&ctx.rng, mean);
            if ctx.rng.below(2) == 0 {
                return (fate, Some(later));
            }
            fate.leaves = Some(later);
        }
    }
    (fate, None)
}

/// Returns when the process dies: never, once there is no load any more.
async fn dies(ctx: &ClientContext, crash: Option<Instant>) {
    if let Some(crash) = crash {
        tokio::time::sleep_until(crash).await;
        if *ctx.phase.borrow() == Phase::Load {
            return;
        }
    }
    std::future::pending().await
}

/// Nobody sits there for a while.
async fn rest(ctx: &ClientContext) {
    let time = Duration::from_millis(100 + ctx.rng.below(EMPTY_MS_MAX));
    ctx.stand_still(time).await;
}
