//! What happened in groups, in words.

use crate::event::{Life, Partition};
use crate::group::{InGroup, Kind, Member};
use crate::{History, names};

/// An event of a group in words.
pub(super) fn what(history: &History, what: &InGroup) -> String {
    let by = |life: &Option<Life>| {
        life.map_or_else(String::new, |life| format!(" by {}", names::life(history, life)))
    };
    let one = |partition: &Partition| names::partition(history, *partition);
    match what {
        InGroup::Joined {
            member,
            asked_us,
            by: life,
        } => format!(
            "joins as {}{}, asked at {}",
            who(member),
            by(life),
            names::seconds(*asked_us)
        ),
        InGroup::Owns {
            member,
            partitions,
            asked_us,
            by: life,
        } => format!(
            "is told that {} owns {}{}, asked at {}",
            who(member),
            all(history, partitions),
            by(life),
            names::seconds(*asked_us)
        ),
        InGroup::Keeps { member, partitions } => {
            format!(
                "reads {} as {}, nothing else",
                all(history, partitions),
                who(member)
            )
        }
        InGroup::Heard {
            member,
            asked_us,
            by: life,
        } => format!(
            "is heard as {}{}, asked at {}",
            who(member),
            by(life),
            names::seconds(*asked_us)
        ),
        InGroup::Committing {
            member,
            partition,
            offset,
            to,
        } => {
            let to = to.map_or_else(String::new, |life| format!(" to {}", names::life(history, life)));
            format!("commits {offset} for {}{to} as {}", one(partition), who(member))
        }
        InGroup::Committed {
            member,
            partition,
            asked_us,
            by: life,
            error,
        } => {
            let ended = match error {
                None => "gets no answer".to_owned(),
                Some(0) => "is acknowledged".to_owned(),
                Some(error) => format!("is refused with error {error}"),
            };
            format!(
                "the commit for {} of {} as {} {ended}{}",
                one(partition),
                names::seconds(*asked_us),
                who(member),
                by(life)
            )
        }
        InGroup::Told {
            group,
            partition,
            asked_us,
            by: life,
            offset,
        } => format!(
            "is told that group {group} goes on at {offset} in {}{}, asked at {}",
            one(partition),
            by(life),
            names::seconds(*asked_us)
        ),
    }
}

/// A member in words.
pub(crate) fn who(member: &Member) -> String {
    let number = match member.kind {
        Kind::Classic => "generation",
        Kind::Consumer => "epoch",
    };
    format!(
        "{} of group {}, {number} {}",
        member.id, member.group, member.generation
    )
}

fn all(history: &History, partitions: &[Partition]) -> String {
    let names: Vec<_> = partitions
        .iter()
        .map(|partition| names::partition(history, *partition))
        .collect();
    match names.is_empty() {
        true => "nothing".to_owned(),
        false => names.join(", "),
    }
}
