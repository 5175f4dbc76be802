//! The quiet time after the faults: agents live on, little is written, and upkeep comes to its end. Then bucket and
//! metastore are looked at from outside, agents begin anew, and what their predecessors left behind has to be swept.

use std::sync::Arc;

use esker_model::seams::Rng;
use tokio::time::Instant;

use super::cast::Cast;
use super::phases::{all_open, nothing_is_left, probe_everything};
use crate::audit::{self, Quiet};
use crate::setup::Setup;
use crate::world::World;
use crate::world::agent::Agent;

/// Records are written so often while it is quiet, so that upkeep has something to do.
const PROBES: u32 = 6;

/// Lets upkeep come to its end, and looks at what it leaves.
pub(super) async fn quiet(
    world: &Arc<World>,
    cast: &Cast<'_>,
    agents: &[Arc<Agent>],
    setup: &Setup,
) -> Result<(), String> {
    let living: Vec<_> = agents.iter().filter_map(|agent| agent.incarnation()).collect();
    audit::unsettled(world, &living).await?;
    let Some(plan) = setup.upkeep() else {
        return audit::audit(world, None, Quiet::None).await;
    };
    let settled = plan.settled_within();
    let end = Instant::now() + settled;
    while Instant::now() < end {
        tokio::time::sleep(settled / PROBES).await;
        probe_everything(world, cast, agents, setup).await;
    }
    audit::audit(world, Some(plan), Quiet::Settled).await?;
    nothing_is_left(agents).await;
    for agent in agents {
        // Somewhere in its work, or in good order.
        match world.rng.below(3) {
            0 => agent.drain(),
            _ => agent.kill_after(world.rng.below(40) as u32),
        }
    }
    tokio::time::sleep(plan.swept_within() / 4).await;
    for agent in agents {
        agent.spare();
        if agent.incarnation().is_some_and(|id| living.contains(&id)) {
            agent.kill();
        }
        agent.start();
    }
    all_open(world, agents).await;
    tokio::time::sleep(plan.swept_within() * 2).await;
    audit::audit(world, Some(plan), Quiet::Swept).await
}
