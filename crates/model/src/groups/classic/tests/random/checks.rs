//! What is checked at every answer.

use super::*;

/// What does not change when a static member gets another id.
fn name_of(member_id: &str, instance_id: Option<&str>) -> String {
    instance_id.unwrap_or(member_id).to_owned()
}

/// What a group counts is what there is.
pub(super) fn consistent(group: &ClassicGroup) {
    let roster = &group.roster;
    let members: Vec<_> = roster.iter().collect();
    let joining = members
        .iter()
        .filter(|member| member.join_call().is_some())
        .count();
    assert_eq!(roster.joining(), joining);
    assert_eq!(
        roster.bytes(),
        members.iter().map(|member| member.bytes()).sum::<usize>()
    );
    for member in &members {
        let owner = member
            .instance_id
            .as_deref()
            .and_then(|id| roster.of_instance(id));
        assert_eq!(owner.is_some(), member.instance_id.is_some());
        assert!(owner.is_none_or(|owner| *owner == member.id));
        assert!(!group.pending.contains(&member.id));
        let waits = member.join_call().is_some() || member.sync_call.is_some();
        assert_eq!(
            group.sessions.has(&member.id),
            member.is_new || !waits,
            "{member:?}"
        );
    }
    assert!(group.pending.iter().all(|id| group.sessions.has(id)));
    assert_eq!(
        group.sessions.len(),
        group.pending.len()
            + members
                .iter()
                .filter(|member| group.sessions.has(&member.id))
                .count()
    );
    assert!(group.unsynced.iter().all(|id| roster.get(id).is_some()));
    assert_eq!(group.sync_until.is_some(), !group.unsynced.is_empty());
    let leader = group.leader.as_deref().map(|id| roster.get(id).is_some());
    let syncing = members.iter().any(|member| member.sync_call.is_some());
    match group.phase {
        Phase::Empty => assert!(members.is_empty() && leader.is_none()),
        Phase::Preparing { .. } => assert!(leader != Some(false) && !syncing && group.unsynced.is_empty()),
        Phase::Completing | Phase::Stable => {
            assert!(leader == Some(true) && joining == 0);
            assert!(members.iter().all(|member| !member.is_new));
            assert!(
                group
                    .protocol
                    .as_deref()
                    .is_some_and(|protocol| roster.all_support(protocol))
            );
            assert!(group.phase == Phase::Completing || !syncing);
        }
    }
}

impl World {
    pub(super) fn check(&mut self, answer: &Answer) {
        let Answer::Join(Ok(joined)) = answer else {
            return;
        };
        let generation = joined.generation;
        let kept = self
            .kept
            .as_ref()
            .expect("a generation is told of a group that was kept");
        assert!(generation <= kept.given_up_to);
        let (found, told_before) = self.found;
        assert!(
            generation == found || generation > told_before,
            "generation {generation} is given twice"
        );
        self.told = self.told.max(generation);
        let protocol = self
            .protocols
            .entry(generation)
            .or_insert(joined.protocol.clone());
        assert_eq!(*protocol, joined.protocol);
        if joined.leader == joined.member_id {
            let list = joined
                .members
                .iter()
                .map(|member| name_of(&member.member_id, member.instance_id.as_deref()))
                .collect();
            let told = self
                .lists
                .entry(generation)
                .or_insert_with(|| BTreeSet::clone(&list));
            assert_eq!(*told, list, "two groups of members in generation {generation}");
        }
    }

    pub(super) fn check_group(&self) {
        consistent(&self.group);
        let described = self.group.describe();
        match self.group.state() {
            ClassicState::Empty => assert!(described.members.is_empty()),
            ClassicState::PreparingRebalance => {}
            _ => assert!(!described.members.is_empty()),
        }
        if self.group.state() == ClassicState::Stable {
            assert_eq!(self.kept, Some(self.group.stored()), "a Stable group is kept");
        }
        let stored = self.group.stored();
        let instances: BTreeSet<&String> = stored
            .members
            .iter()
            .filter_map(|member| member.instance_id.as_ref())
            .collect();
        let statics = stored
            .members
            .iter()
            .filter(|member| member.instance_id.is_some())
            .count();
        assert_eq!(instances.len(), statics, "an instance id is there twice");
    }
}
