//! Where a database is, and who says the password.

use std::path::PathBuf;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Error};

use super::error;
use super::session::parse_url;
use crate::{MetastoreError, Result};

/// Where a database is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// `postgres://user:password@host:port/database?options`.
    pub url: String,
    /// A file with the URL, in its place. It is read when a metastore connects, and may come late.
    pub url_file: Option<PathBuf>,
    /// A file with the password, which the URL does not have then. It is read for each new connection: a password that was
    /// changed, in the database and in the file, needs no restart.
    pub password_file: Option<PathBuf>,
}

impl From<&str> for Address {
    fn from(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            url_file: None,
            password_file: None,
        }
    }
}

impl From<&String> for Address {
    fn from(url: &String) -> Self {
        Self::from(url.as_str())
    }
}

impl From<String> for Address {
    fn from(url: String) -> Self {
        Self::from(url.as_str())
    }
}

/// An address that was read, with what sessions are set to.
#[derive(Clone)]
pub(super) struct Target {
    pub(super) options: PgConnectOptions,
    password_file: Option<PathBuf>,
}

impl Target {
    /// Reads an address. `Misconfigured` if it cannot be read, `Refused` if that is due to a file.
    pub(super) fn of(
        address: &Address,
        set: impl FnOnce(PgConnectOptions) -> PgConnectOptions,
    ) -> Result<Self> {
        Ok(Self {
            options: set(options(address)?),
            password_file: address.password_file.clone(),
        })
    }

    /// Opens a connection. `Unavailable` if the server does not take it now, `Refused` if it does not let us in, else
    /// `Misconfigured`.
    pub(super) async fn connect(&self) -> Result<PgConnection> {
        let connected: std::result::Result<PgConnection, Error> = match &self.password_file {
            None => self.options.connect().await,
            Some(file) => {
                let password = tokio::fs::read_to_string(file).await.map_err(|err| {
                    let file = file.display();
                    MetastoreError::Refused(format!(
                        "the file {file} with the metastore's password cannot be read ({err}): correct \
                         metastore_password_file"
                    ))
                })?;
                // Editors and `echo` end a file with a line break; no password does.
                let password = password.trim_end_matches(['\r', '\n']);
                self.options.clone().password(password).connect().await
            }
        };
        connected.map_err(|source| error::of_connect(&source, &self.options))
    }
}

fn options(address: &Address) -> Result<PgConnectOptions> {
    let Some(file) = &address.url_file else {
        return parse_url(&address.url);
    };
    let name = file.display();
    let url = std::fs::read_to_string(file).map_err(|err| {
        MetastoreError::Refused(format!(
            "the file {name} with the metastore's URL cannot be read ({err}): correct metastore_url_file, or put the \
             file there"
        ))
    })?;
    // Whoever writes the file can put it right.
    parse_url(url.trim()).map_err(|err| MetastoreError::Refused(format!("the file {name}: {err}")))
}
