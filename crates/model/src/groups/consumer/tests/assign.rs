use proptest::prelude::*;
use uuid::Uuid;

use super::*;

fn topic(index: usize) -> TopicUuid {
    TopicUuid(Uuid::from_u128(index as u128 + 1))
}

/// A group whose members are `m000`, `m001` and so on, each with the index of its subscription.
struct Group {
    partitions: Vec<i32>,
    subscriptions: Vec<Vec<usize>>,
    members: Vec<(String, Option<String>, usize)>,
    current: Vec<Partitions>,
}

impl Group {
    fn new(partitions: &[i32], members: usize) -> Self {
        Self {
            partitions: partitions.to_vec(),
            subscriptions: vec![(0..partitions.len()).collect()],
            members: (0..members)
                .map(|member| (format!("m{member:03}"), None, 0))
                .collect(),
            current: vec![Partitions::default(); members],
        }
    }

    fn assign(&mut self, assignor: Assignor) -> &[Partitions] {
        // Only what somebody is subscribed to is asked about.
        let mut used: Vec<usize> = self
            .members
            .iter()
            .map(|(_, _, subscription)| *subscription)
            .collect();
        used.sort_unstable();
        used.dedup();
        let mut topics: Vec<usize> = used
            .iter()
            .flat_map(|of| self.subscriptions[*of].clone())
            .collect();
        topics.sort_unstable();
        topics.dedup();
        let place = |all: &[usize], one: usize| all.binary_search(&one).unwrap();
        let members = self.members.iter().zip(&self.current);
        let task = Task {
            topics: topics
                .iter()
                .map(|index| (topic(*index), self.partitions[*index]))
                .collect(),
            subscriptions: used
                .iter()
                .map(|of| {
                    self.subscriptions[*of]
                        .iter()
                        .map(|index| place(&topics, *index))
                        .collect()
                })
                .collect(),
            members: members
                .map(|((id, instance, subscription), current)| Candidate {
                    id,
                    instance: instance.as_deref(),
                    subscription: place(&used, *subscription),
                    current,
                })
                .collect(),
        };
        let assigned = assignor.assign(&task);
        self.current = assigned;
        &self.current
    }

    /// Every partition that anybody is subscribed to has one owner, who is subscribed to it.
    fn check(&self) {
        let mut owned: Vec<(TopicUuid, i32)> = Vec::new();
        for ((_, _, subscription), partitions) in self.members.iter().zip(&self.current) {
            let subscribed = &self.subscriptions[*subscription];
            assert!(
                partitions
                    .iter()
                    .all(|(of, _)| subscribed.iter().any(|index| topic(*index) == of))
            );
            owned.extend(partitions.iter());
        }
        owned.sort_unstable();
        let subscribed = self
            .members
            .iter()
            .flat_map(|(_, _, subscription)| &self.subscriptions[*subscription]);
        let subscribed: std::collections::BTreeSet<usize> = subscribed.copied().collect();
        let all = subscribed
            .into_iter()
            .flat_map(|t| (0..self.partitions[t]).map(move |p| (topic(t), p)));
        assert_eq!(owned, all.collect::<Vec<_>>());
    }

    fn loads(&self) -> Vec<usize> {
        self.current
            .iter()
            .map(|partitions| partitions.iter().count())
            .collect()
    }

    fn moved_from(&self, before: &[Partitions]) -> usize {
        let members = self.current.iter().zip(before);
        members
            .map(|(now, before)| now.iter().filter(|(t, p)| !before.contains(*t, *p)).count())
            .sum()
    }
}

fn spread(loads: &[usize]) -> usize {
    loads.iter().max().unwrap_or(&0) - loads.iter().min().unwrap_or(&0)
}

#[test]
fn nobody_and_nothing() {
    for assignor in Assignor::ALL {
        assert!(Group::new(&[3], 0).assign(assignor).is_empty());
        assert!(
            Group::new(&[], 2)
                .assign(assignor)
                .iter()
                .all(Partitions::is_empty)
        );
        assert_eq!(Assignor::named(assignor.name()), Some(assignor));
    }
    assert_eq!(Assignor::named("Uniform"), None);
}

#[test]
fn uniform_gives_a_new_member_of_each_topic() {
    let mut group = Group::new(&[4, 4], 2);
    group.assign(Assignor::Uniform);
    let [first, second] = [0, 1].map(|member| group.current[member].to_list());
    assert_eq!(first, [(topic(0), vec![0, 2]), (topic(1), vec![0, 2])]);
    assert_eq!(second, [(topic(0), vec![1, 3]), (topic(1), vec![1, 3])]);
}

#[test]
fn range_cuts_topics_of_one_size_alike() {
    let mut group = Group::new(&[5, 5, 2], 3);
    group.members[2].1 = Some("instance".into());
    group.assign(Assignor::Range);
    // The static member is the first.
    assert_eq!(
        group.current[2].to_list(),
        [
            (topic(0), vec![0, 1]),
            (topic(1), vec![0, 1]),
            (topic(2), vec![0])
        ]
    );
    assert_eq!(
        group.current[0].to_list(),
        [
            (topic(0), vec![2, 3]),
            (topic(1), vec![2, 3]),
            (topic(2), vec![1])
        ]
    );
    assert_eq!(
        group.current[1].to_list(),
        [(topic(0), vec![4]), (topic(1), vec![4])]
    );
}

#[test]
fn mixed_subscriptions_are_balanced_by_moves() {
    // One member alone has both topics; then one comes for each of them.
    let mut group = Group::new(&[6, 6], 1);
    group.assign(Assignor::Uniform);
    for only in [0, 1] {
        group.subscriptions.push(vec![only]);
        group.members.push((format!("m10{only}"), None, only + 1));
        group.current.push(Partitions::default());
    }
    group.assign(Assignor::Uniform);
    group.check();
    assert_eq!(group.loads().iter().sum::<usize>(), 12);
    assert!(spread(&group.loads()) <= 2, "{:?}", group.loads());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn uniform_is_even_and_moves_only_what_it_must(
        partitions in prop::collection::vec(0..12i32, 1..6),
        members in 1..12usize,
        changes in prop::collection::vec((0..4u8, any::<prop::sample::Index>()), 1..8),
    ) {
        let mut group = Group::new(&partitions, members);
        group.assign(Assignor::Uniform);
        let mut named = members;
        for (change, index) in changes {
            match change {
                0 => {
                    group.members.push((format!("m{named:03}"), None, 0));
                    group.current.push(Partitions::default());
                    named += 1;
                }
                1 if group.members.len() > 1 => {
                    let member = index.index(group.members.len());
                    group.members.remove(member);
                    group.current.remove(member);
                }
                2 => *index.get_mut(&mut group.partitions) += 3,
                _ => *index.get_mut(&mut group.partitions) = 0,
            }
            // What has to move: what nobody has, and what is beyond the quota of who has it.
            let partitions = &group.partitions;
            let kept: Vec<Partitions> = group.current.iter().map(|current| {
                current.split(|of, p| (0..partitions.len()).any(|t| topic(t) == of && p < partitions[t])).0
            }).collect();
            let held: Vec<usize> = kept.iter().map(|partitions| partitions.iter().count()).collect();
            let total = partitions.iter().sum::<i32>() as usize;
            let (each, more) = (total / held.len(), total % held.len());
            let with_more = held.iter().filter(|held| **held > each).count().min(more);
            let keepable: usize = held.iter().map(|held| (*held).min(each)).sum::<usize>() + with_more;
            group.assign(Assignor::Uniform);
            group.check();
            prop_assert!(spread(&group.loads()) <= 1);
            prop_assert_eq!(group.moved_from(&kept), total - keepable);
            let settled = group.current.clone();
            group.assign(Assignor::Uniform);
            prop_assert_eq!(&group.current, &settled);
        }
    }

    #[test]
    fn everything_is_assigned_once_whatever_the_subscriptions(
        partitions in prop::collection::vec(0..9i32, 1..6),
        subscriptions in prop::collection::vec(prop::collection::btree_set(0..5usize, 0..5), 1..5),
        rounds in prop::collection::vec(prop::collection::vec(any::<prop::sample::Index>(), 1..9), 1..4),
        range in any::<bool>(),
    ) {
        let mut group = Group::new(&partitions, 0);
        let topics = partitions.len();
        group.subscriptions = subscriptions
            .into_iter()
            .map(|topics_of| topics_of.into_iter().filter(|topic| *topic < topics).collect())
            .collect();
        let assignor = if range { Assignor::Range } else { Assignor::Uniform };
        for round in rounds {
            group.current.resize(round.len(), Partitions::default());
            group.members = round.iter().enumerate().map(|(member, subscription)| {
                (format!("m{member:03}"), None, subscription.index(group.subscriptions.len()))
            }).collect();
            group.assign(assignor);
            group.check();
            let settled = group.current.clone();
            group.assign(assignor);
            prop_assert_eq!(&group.current, &settled);
            if range {
                continue;
            }
            // Nobody could take anything from somebody with two more.
            let loads = group.loads();
            for (rich, partitions) in group.current.iter().enumerate() {
                for (of, _) in partitions.iter() {
                    for (poor, (_, _, subscription)) in group.members.iter().enumerate() {
                        let could = group.subscriptions[*subscription].iter().any(|t| topic(*t) == of);
                        prop_assert!(!could || loads[poor] + 1 >= loads[rich], "{:?}", loads);
                    }
                }
            }
        }
    }
}
