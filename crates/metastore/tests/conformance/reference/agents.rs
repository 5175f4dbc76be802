use async_trait::async_trait;
use esker_metastore::*;
use esker_model::{IncarnationId, NodeId};

use super::{AgentRow, EPOCH, Life, Reference};

#[async_trait]
impl Agents for Reference {
    async fn register(&self, registration: &Registration) -> Result<Registered> {
        let now_ms = self.now_ms();
        let mut state = self.state();
        state.check_epoch(registration.epoch)?;
        let index = state
            .nodes
            .iter()
            .position(|name| *name == registration.node_name)
            .unwrap_or(state.nodes.len());
        let node_id = NodeId(index as i32 + 1);
        if let Some(agent) = state.agents.get(&registration.incarnation)
            && (agent.life != Life::Live || agent.node_id != node_id)
        {
            return Err(MetastoreError::Fenced);
        }
        if index == state.nodes.len() {
            state.nodes.push(registration.node_name.clone());
        }
        let before = state.agents.get(&registration.incarnation);
        let settled_through = before.map_or(0, |agent| agent.settled_through);
        let mut fenced = Vec::new();
        for (incarnation, agent) in &mut state.agents {
            let earlier = agent.node_id == node_id && *incarnation != registration.incarnation;
            if earlier && agent.life == Life::Live {
                agent.life = Life::Fenced;
                fenced.push(*incarnation);
            }
        }
        let agent = AgentRow {
            node_id,
            life: Life::Live,
            heartbeat_ms: now_ms,
            settled_through,
            profile: registration.profile.clone(),
        };
        state.agents.insert(registration.incarnation, agent);
        Ok(Registered { node_id, fenced })
    }

    async fn heartbeat(&self, incarnation: IncarnationId, liveness_ms: i64) -> Result<Heartbeat> {
        let now_ms = self.now_ms();
        let mut state = self.state();
        state.check_fence(incarnation)?;
        state.agents.get_mut(&incarnation).unwrap().heartbeat_ms = now_ms;
        let mut agents: Vec<_> = state
            .agents
            .iter()
            .filter(|(_, agent)| agent.life == Life::Live)
            .collect();
        agents.sort_by_key(|(_, agent)| agent.node_id);
        let (live, expired): (Vec<_>, Vec<_>) = agents
            .into_iter()
            .partition(|(_, agent)| agent.heartbeat_ms >= now_ms - liveness_ms);
        let live = live.into_iter().map(|(incarnation, agent)| Agent {
            node_id: agent.node_id,
            node_name: state.nodes[agent.node_id.0 as usize - 1].clone(),
            incarnation: *incarnation,
            profile: agent.profile.clone(),
        });
        Ok(Heartbeat {
            live: live.collect(),
            expired: expired.into_iter().map(|(incarnation, _)| *incarnation).collect(),
            catalog_version: state.catalog_version,
            epoch: EPOCH,
            now_ms,
        })
    }

    async fn fence_expired(
        &self,
        incarnations: &[IncarnationId],
        liveness_ms: i64,
    ) -> Result<Vec<IncarnationId>> {
        let oldest_ms = self.now_ms() - liveness_ms;
        let mut state = self.state();
        let mut fenced = Vec::new();
        for incarnation in incarnations {
            let Some(agent) = state.agents.get_mut(incarnation) else {
                continue;
            };
            if agent.life == Life::Live && agent.heartbeat_ms < oldest_ms {
                agent.life = Life::Fenced;
            }
            if agent.life != Life::Live {
                fenced.push(*incarnation);
            }
        }
        Ok(fenced)
    }

    async fn announce_leave(&self, incarnation: IncarnationId) -> Result<()> {
        if let Some(agent) = self.state().agents.get_mut(&incarnation)
            && agent.life == Life::Live
        {
            agent.profile.roles.clear();
        }
        Ok(())
    }

    async fn leave(&self, incarnation: IncarnationId) -> Result<()> {
        if let Some(agent) = self.state().agents.get_mut(&incarnation)
            && agent.life == Life::Live
        {
            agent.life = Life::Left;
        }
        Ok(())
    }
}
