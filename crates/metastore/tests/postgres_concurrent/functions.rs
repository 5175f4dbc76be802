//! Variants of the functions: with pauses, and with planted mistakes.
//!
//! The sources mark the places between statements with comments `-- pause: NAME`. A variant calls
//! `test_pause(NAME)` there, which waits while a test holds that name, and in a storm sleeps a little.

use sqlx::PgConnection;

macro_rules! source {
    ($name:literal) => {
        (
            $name,
            include_str!(concat!(
                "../../../../migrations/postgres/functions/",
                $name,
                ".sql"
            )),
        )
    };
}

const WITH_PAUSES: &[(&str, &str)] = &[
    source!("commit_v1"),
    source!("settle_v1"),
    source!("register_v1"),
    source!("fence_expired_v1"),
    source!("create_topics_v2"),
    source!("delete_topics_v3"),
    source!("alter_configs_v2"),
    source!("forget_idle_producers_v1"),
    source!("archive_v1"),
    source!("empty_bucket_v1"),
    source!("advance_log_start_v1"),
    source!("release_archived_v1"),
    source!("drop_archived_v2"),
    source!("merge_v1"),
    source!("move_archived_v2"),
    source!("swept_v2"),
    source!("claim_shards_v1"),
    source!("release_shards_v1"),
    source!("write_groups_v1"),
    source!("expire_offsets_v2"),
    source!("forget_offsets_v1"),
];

/// Differences from the functions as they are: here buckets are emptied while commits write into them, and the lock
/// is waited for.
const IN_TESTS: &[(&str, &str, &str)] = &[
    (
        "empty_bucket_v1",
        "IF p_bucket IN (c_now % 8, (c_now + 7) % 8) THEN",
        "IF false THEN",
    ),
    ("empty_bucket_v1", "'200ms'", "'20s'"),
];

/// A planted mistake: in a function, text that is replaced. Each piece of text must be there.
pub(crate) struct Mistake {
    pub(crate) function: &'static str,
    pub(crate) replace: &'static [(&'static str, &'static str)],
}

/// Installs the functions with pauses, and with a mistake if one is given. Up to `sleep_ms` are slept at
/// each pause.
pub(crate) async fn install(connection: &mut PgConnection, sleep_ms: u32, mistake: Option<&Mistake>) {
    let pause = format!(
        "CREATE OR REPLACE FUNCTION test_pause(p_name text) RETURNS void LANGUAGE plpgsql AS $$
         BEGIN
             PERFORM pg_advisory_lock_shared(1, abs(hashtext(p_name)));
             PERFORM pg_advisory_unlock_shared(1, abs(hashtext(p_name)));
             IF {sleep_ms} > 0 AND random() < 0.5 THEN
                 PERFORM pg_sleep(random() * {sleep_ms} / 1000.0);
             END IF;
         END $$"
    );
    run(connection, pause).await;
    for (name, source) in WITH_PAUSES {
        let mut source = (*source).to_owned();
        for (_, text, instead) in IN_TESTS.iter().filter(|(function, ..)| function == name) {
            assert!(source.contains(text), "{name} does not contain {text:?}");
            source = source.replace(text, instead);
        }
        let planted = mistake.filter(|mistake| mistake.function == *name);
        for (text, instead) in planted.map_or(&[][..], |mistake| mistake.replace) {
            assert!(source.contains(text), "{name} does not contain {text:?}");
            source = source.replace(text, instead);
        }
        run(connection, with_pauses(&source)).await;
    }
}

fn with_pauses(source: &str) -> String {
    let lines = source
        .lines()
        .map(|line| match line.trim().strip_prefix("-- pause: ") {
            Some(name) => format!("PERFORM test_pause('{name}');\n"),
            None => format!("{line}\n"),
        });
    lines.collect()
}

async fn run(connection: &mut PgConnection, sql: String) {
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql))
        .execute(connection)
        .await
        .unwrap();
}
