//! How the leader of a classic group assigns.
//!
//! - eager: ranges of all partitions in order;
//! - cooperative: everybody keeps what it owns up to its share; what somebody has to give up is nobody's until it joins
//!   again without it. Of two that say they own a partition, the one has it that was given it in the later generation.

use std::collections::{BTreeMap, BTreeSet};

/// Topic name and index.
pub(super) type Place = (String, i32);

/// What a member says that it owns, and since which generation.
pub(super) type Claims = BTreeMap<String, (i32, BTreeSet<Place>)>;

/// Each member's part of `places`, which are in order.
pub(super) fn ranges(members: &BTreeSet<String>, places: &[Place]) -> BTreeMap<String, BTreeSet<Place>> {
    let mut rest = places;
    let mut parts = BTreeMap::new();
    for (at, member) in members.iter().enumerate() {
        let (part, more) = rest.split_at(rest.len().div_ceil(members.len() - at));
        parts.insert(member.clone(), part.iter().cloned().collect());
        rest = more;
    }
    parts
}

/// Each member's part of `places`, as little as possible different from what it claims.
pub(super) fn sticky(claims: &Claims, places: &[Place]) -> BTreeMap<String, BTreeSet<Place>> {
    let mut owner: BTreeMap<&Place, &str> = BTreeMap::new();
    let mut by_generation: Vec<_> = claims.iter().collect();
    by_generation.sort_by_key(|(member, (generation, _))| (std::cmp::Reverse(*generation), *member));
    for (member, (_, claimed)) in by_generation {
        for place in claimed {
            owner.entry(place).or_insert(member);
        }
    }
    let (share, mut more) = (
        places.len() / claims.len().max(1),
        places.len() % claims.len().max(1),
    );
    let mut parts: BTreeMap<String, BTreeSet<Place>> = BTreeMap::new();
    let mut rest: Vec<&Place> = Vec::new();
    for member in claims.keys() {
        let mut owned = places
            .iter()
            .filter(|place| owner.get(place) == Some(&member.as_str()));
        let mut part: BTreeSet<Place> = owned.by_ref().take(share).cloned().collect();
        if more > 0
            && part.len() == share
            && let Some(place) = owned.next()
        {
            more -= 1;
            part.insert(place.clone());
        }
        rest.extend(owned);
        parts.insert(member.clone(), part);
    }
    rest.extend(places.iter().filter(|place| !owner.contains_key(place)));
    let mut rest = rest.into_iter();
    for part in parts.values_mut() {
        let room = match part.len() {
            len if len > share => 0,
            len if more > 0 => {
                more -= 1;
                share + 1 - len
            }
            len => share - len,
        };
        // What somebody has to give up first is counted, but given to nobody yet.
        let given = rest.by_ref().take(room);
        part.extend(given.filter(|place| !owner.contains_key(place)).cloned());
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(count: i32) -> Vec<Place> {
        (0..count).map(|index| ("t".to_owned(), index)).collect()
    }

    fn sizes(parts: &BTreeMap<String, BTreeSet<Place>>) -> Vec<usize> {
        parts.values().map(BTreeSet::len).collect()
    }

    #[test]
    fn ranges_are_even() {
        let members = ["a", "b", "c"].map(str::to_owned).into();
        assert_eq!(sizes(&ranges(&members, &places(7))), [3, 2, 2]);
        assert_eq!(sizes(&ranges(&members, &places(2))), [1, 1, 0]);
    }

    #[test]
    fn a_cooperative_group_moves_in_two_steps_and_never_gives_what_is_owned() {
        let all = places(5);
        let mut claims = Claims::from([
            ("a".to_owned(), (3, all.iter().cloned().collect())),
            ("b".to_owned(), (-1, BTreeSet::new())),
        ]);
        let first = sticky(&claims, &all);
        assert_eq!(sizes(&first), [3, 0]);
        for (member, part) in first {
            claims.insert(member, (4, part));
        }
        let second = sticky(&claims, &all);
        assert_eq!(sizes(&second), [3, 2]);
        for (member, part) in second.clone() {
            claims.insert(member, (5, part));
        }
        assert_eq!(sticky(&claims, &all), second);
        // One is gone: the others keep what they have and get the rest.
        let b = claims["b"].clone();
        let alone = sticky(&Claims::from([("b".to_owned(), b)]), &all);
        assert_eq!(sizes(&alone), [5]);
    }
}
