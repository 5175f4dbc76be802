//! How large the database is.

use crate::system::Sql;

/// What is counted: its name in metrics, and the tables.
pub(super) const COUNTED: [(&str, &[&str]); 5] = [
    ("extent-rows", &["extent"]),
    ("archive-extent-rows", &["archive_extent"]),
    ("segment-rows", &["segment", "archive_segment"]),
    ("manifest-rows", &["manifest"]),
    // The rest: those that follow partitions, agents, topics and groups.
    ("other-rows", &OTHERS),
];

const OTHERS: [&str; 15] = [
    "log_head",
    "unneeded_object",
    "producer_partition",
    "epoch_start",
    "topic",
    "agent",
    "node",
    "cluster",
    "job",
    "coordinator_shard",
    "consumer_group",
    "group_member",
    "group_offset",
    "group_config",
    "group_config_emptied",
];

/// Rows of each, in the order of [`COUNTED`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Rows(pub(super) [f64; 5]);

impl Rows {
    pub(super) fn count(sql: &mut Sql) -> Result<Self, String> {
        let mut rows = Self::default();
        for (count, (_, tables)) in rows.0.iter_mut().zip(COUNTED) {
            for table in tables {
                *count += sql.number(&format!("SELECT count(*) FROM {table}"))?;
            }
        }
        Ok(rows)
    }

    /// The larger one of each.
    pub(super) fn most(self, other: Self) -> Self {
        let mut most = self;
        for (mine, theirs) in most.0.iter_mut().zip(other.0) {
            *mine = mine.max(theirs);
        }
        most
    }

    pub(super) fn all(self) -> f64 {
        self.0.iter().sum()
    }
}

/// Whether the next merging has something to do. All partitions are written to alike, so one stands for all.
pub(super) fn is_merge_due(sql: &mut Sql) -> Result<bool, String> {
    let rows = sql.number(
        "SELECT count(*) FROM archive_extent
         WHERE topic_id = (SELECT min(topic_id) FROM topic) AND partition = 0",
    )?;
    Ok(rows >= super::merge::EXTENTS as f64)
}

/// Bytes of all tables with their indexes.
pub(super) fn bytes(sql: &mut Sql) -> Result<f64, String> {
    sql.number(
        "SELECT sum(pg_total_relation_size(oid)) FROM pg_class
         WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace",
    )
}

/// What autovacuum would have done since the last time: it looks every minute by its own clock, which is not the one
/// that is set by hand.
pub(super) fn vacuum(sql: &mut Sql) -> Result<(), String> {
    let tables = [
        "log_head",
        "segment",
        "archive_segment",
        "archive_extent",
        "manifest",
        "unneeded_object",
    ];
    sql.run(&format!("VACUUM {}", tables.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_each_the_larger_one_counts() {
        let (a, b) = (Rows([1.0, 5.0, 0.0, 2.0, 0.0]), Rows([3.0, 4.0, 0.0, 2.0, 1.0]));
        assert_eq!(a.most(b), Rows([3.0, 5.0, 0.0, 2.0, 1.0]));
        assert_eq!(a.all(), 8.0);
    }
}
