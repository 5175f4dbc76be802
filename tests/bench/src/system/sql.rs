//! A connection of our own to a database, for what only SQL tells: what waits, how many rows there are.

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Row};
use tokio::runtime::Runtime;

/// One connection. Calls block.
pub(crate) struct Sql {
    runtime: Runtime,
    connection: PgConnection,
}

impl Sql {
    pub(crate) fn connect(url: &str) -> Result<Self, String> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|err| format!("no runtime: {err}"))?;
        let options: PgConnectOptions = url.parse().map_err(failed)?;
        let connection = runtime.block_on(options.connect()).map_err(failed)?;
        Ok(Self { runtime, connection })
    }

    /// Runs statements of this program's own.
    pub(crate) fn run(&mut self, sql: &str) -> Result<(), String> {
        let statements = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut self.connection);
        let done = self.runtime.block_on(statements);
        done.map(|_| ()).map_err(|err| format!("{sql}: {err}"))
    }

    /// The one number that an expression gives; 0 for none.
    pub(crate) fn number(&mut self, expression: &str) -> Result<f64, String> {
        let sql = format!("SELECT coalesce(({expression})::float8, 0)");
        let row = sqlx::query(AssertSqlSafe(sql)).fetch_one(&mut self.connection);
        let row = self.runtime.block_on(row);
        row.and_then(|row| row.try_get(0))
            .map_err(|err| format!("{expression}: {err}"))
    }
}

fn failed(error: sqlx::Error) -> String {
    format!("the database: {error}")
}
