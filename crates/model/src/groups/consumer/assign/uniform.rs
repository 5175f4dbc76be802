//! `uniform` where all are subscribed to the same topics: exact balance with the fewest moves.
//!
//! Each member has a quota: the partitions divided by the members, and one more for as many as there are left over. One
//! more goes first to those who have it already. Beyond its quota a member gives up, below it is filled up; so exactly
//! those partitions move that have to.

use std::collections::VecDeque;

use super::{Plan, Task};

pub(super) fn plan(task: &Task<'_>) -> Plan {
    let mut plan = Plan::kept(task);
    if task.members.is_empty() {
        return plan;
    }
    let partitions: usize = plan.0.iter().map(Vec::len).sum();
    let mut quotas = quotas(&plan.loads(task), partitions);
    for owner in plan.0.iter_mut().flatten() {
        if let Some(member) = *owner {
            match quotas[member] {
                0 => *owner = None,
                _ => quotas[member] -= 1,
            }
        }
    }
    // Dealt one by one: a new member has of each topic, not one topic whole.
    let members = quotas.into_iter().enumerate();
    let mut open: VecDeque<(usize, usize)> = members.filter(|(_, quota)| *quota > 0).collect();
    for owner in plan.0.iter_mut().flatten().filter(|owner| owner.is_none()) {
        if let Some((member, quota)) = open.pop_front() {
            *owner = Some(member);
            if quota > 1 {
                open.push_back((member, quota - 1));
            }
        }
    }
    plan
}

/// How many partitions each member is to have; their sum is `partitions`.
fn quotas(loads: &[usize], partitions: usize) -> Vec<usize> {
    let each = partitions / loads.len();
    let mut more = partitions % loads.len();
    let mut quotas = vec![each; loads.len()];
    for has_more in [true, false] {
        for (quota, load) in quotas.iter_mut().zip(loads) {
            if more > 0 && (*load > each) == has_more {
                *quota += 1;
                more -= 1;
            }
        }
    }
    quotas
}
