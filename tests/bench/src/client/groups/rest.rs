//! Whether groups have come to rest: all members of a group are in the same generation (or have the same epoch), and
//! every partition has one of them.

/// What a member was told last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Standing {
    /// The generation of a classic group, the member's epoch of another one; 0 for none.
    pub epoch: i32,
    /// The partitions of the topic that it may read.
    pub partitions: Vec<i32>,
}

/// Groups with as many members each.
pub(super) struct Rest {
    groups: Vec<Group>,
    partitions: usize,
    settled: usize,
}

struct Group {
    members: Vec<Standing>,
    settled: bool,
}

impl Rest {
    pub(super) fn new(groups: usize, members: usize, partitions: usize) -> Self {
        let group = || Group {
            members: vec![Standing::default(); members],
            settled: false,
        };
        Self {
            groups: (0..groups).map(|_| group()).collect(),
            partitions,
            settled: 0,
        }
    }

    /// A member was told something; whether all groups have come to rest with it.
    pub(super) fn stands(&mut self, group: usize, member: usize, standing: Standing) -> bool {
        if let Some(group) = self.groups.get_mut(group) {
            if let Some(place) = group.members.get_mut(member) {
                *place = standing;
            }
            let settled = group.has_settled(self.partitions);
            self.settled = self.settled + usize::from(settled) - usize::from(group.settled);
            group.settled = settled;
        }
        self.settled == self.groups.len()
    }

    /// How many groups have come to rest.
    pub(super) fn settled(&self) -> usize {
        self.settled
    }
}

impl Group {
    fn has_settled(&self, partitions: usize) -> bool {
        let Some(first) = self.members.first() else {
            return true;
        };
        if first.epoch == 0 || self.members.iter().any(|member| member.epoch != first.epoch) {
            return false;
        }
        let mut read = vec![false; partitions];
        let all = self.members.iter().flat_map(|member| &member.partitions);
        let mut count = 0;
        for partition in all {
            let place = usize::try_from(*partition)
                .ok()
                .and_then(|partition| read.get_mut(partition));
            match place {
                Some(place) if !*place => *place = true,
                _ => return false,
            }
            count += 1;
        }
        count == partitions
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(epoch: i32, partitions: &[i32]) -> Standing {
        Standing {
            epoch,
            partitions: partitions.to_vec(),
        }
    }

    #[test]
    fn a_group_rests_in_one_epoch_with_every_partition_once() {
        let mut rest = Rest::new(1, 2, 3);
        assert!(!rest.stands(0, 0, standing(1, &[0, 1, 2])), "one is missing");
        assert!(!rest.stands(0, 1, standing(2, &[])), "another epoch");
        assert!(!rest.stands(0, 0, standing(2, &[0, 1])), "one has no reader");
        assert!(!rest.stands(0, 1, standing(2, &[1, 2])), "one has two");
        assert!(
            !rest.stands(0, 1, standing(2, &[3])),
            "there is no such partition"
        );
        assert!(rest.stands(0, 1, standing(2, &[2])));
        assert!(!rest.stands(0, 1, standing(3, &[2])), "it moves again");
        assert_eq!(rest.settled(), 0);
    }

    #[test]
    fn all_groups_have_to_rest() {
        let mut rest = Rest::new(2, 1, 1);
        assert!(!rest.stands(0, 0, standing(1, &[0])));
        assert!(!rest.stands(0, 0, standing(1, &[0])), "told twice");
        assert_eq!(rest.settled(), 1);
        assert!(rest.stands(1, 0, standing(7, &[0])));
    }
}
