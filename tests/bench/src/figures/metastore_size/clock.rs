//! A database whose clock is set by hand, so that hours of upkeep take minutes.
//!
//! The product's migrations and functions are as they are: they say `clock_timestamp()`, and this database finds a
//! function of that name in its own schema before Postgres' own.

use crate::system::Sql;

/// When time begins: seconds since 1970 at which a new round of buckets begins.
const BEGINS_S: i64 = 900 * 8 * 250_000;

/// A sequence is read without a transaction and written in place: setting the clock leaves nothing behind.
const CLOCK: &str = "
    CREATE SEQUENCE bench_clock;
    CREATE FUNCTION public.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE AS $$
        SELECT pg_catalog.to_timestamp(
            pg_catalog.pg_sequence_last_value('public.bench_clock'::pg_catalog.regclass)::float8)
    $$;
    DO $$ BEGIN
        EXECUTE format('ALTER DATABASE %I SET search_path = public, pg_catalog', current_database());
    END $$;
";

/// Gives an empty database the clock. Sessions that begin from now on use it.
pub(super) fn install(sql: &mut Sql) -> Result<(), String> {
    sql.run(CLOCK)?;
    set(sql, 0)
}

/// So many seconds have passed.
pub(super) fn set(sql: &mut Sql, second: i64) -> Result<(), String> {
    sql.run(&format!("SELECT setval('bench_clock', {})", BEGINS_S + second))
}
