//! `range`: each topic is cut into as many ranges as it has subscribers.
//!
//! The members stand in one order for all topics, static ones first: so topics with the same subscribers and as many
//! partitions are cut alike, and a static member has its ranges again when it returns with another member id.

use super::{Plan, Task};

pub(super) fn plan(task: &Task<'_>) -> Plan {
    let mut order: Vec<usize> = (0..task.members.len()).collect();
    order.sort_by_key(|member| {
        let member = &task.members[*member];
        (member.instance.is_none(), member.instance.unwrap_or(member.id))
    });
    let subscribers = task.subscribers(&order);
    let mut plan = Plan::empty(task);
    for (topic, owners) in plan.0.iter_mut().enumerate() {
        let subscribers = subscribers.of(topic);
        if subscribers.is_empty() {
            continue;
        }
        let each = owners.len() / subscribers.len();
        let more = owners.len() % subscribers.len();
        let mut rest = owners.as_mut_slice();
        for (place, member) in subscribers.iter().enumerate() {
            if rest.is_empty() {
                break;
            }
            let (range, after) = rest.split_at_mut(each + usize::from(place < more));
            range.fill(Some(*member));
            rest = after;
        }
    }
    plan
}
