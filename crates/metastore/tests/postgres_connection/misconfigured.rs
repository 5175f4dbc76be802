//! What will not help itself is said in one sentence, without a password.

use esker_metastore::postgres::{self, PostgresConfig, PostgresMetastore};
use esker_metastore::{Clusters, MetastoreError};
use sqlx::PgConnection;

use crate::{admin, config, execute, server};

async fn refusal(url: &str) -> MetastoreError {
    match PostgresMetastore::connect(config(url)).await {
        Ok(_) => panic!("{url} was accepted"),
        Err(error) => error,
    }
}

#[tokio::test]
async fn a_database_that_is_not_there_is_named() {
    let Some(server) = server::shared() else { return };
    let error = refusal(&server.url("no_such_database")).await;
    assert!(matches!(error, MetastoreError::Refused(_)), "{error:?}");
    assert!(
        error.to_string().contains("no database \"no_such_database\""),
        "{error}"
    );
}

/// A server that asks the role `guarded` for its password, which is `right`.
async fn guarded() -> Option<(server::Server, PgConnection, String)> {
    let server = server::Server::start()?;
    let url = server.database();
    let mut admin = admin(&url).await;
    execute(&mut admin, "CREATE ROLE guarded LOGIN SUPERUSER PASSWORD 'right'").await;
    let rules = server.data().join("pg_hba.conf");
    let trusting = std::fs::read_to_string(&rules).unwrap();
    let guarded = format!("host all guarded 127.0.0.1/32 scram-sha-256\n{trusting}");
    std::fs::write(&rules, guarded).unwrap();
    execute(&mut admin, "SELECT pg_reload_conf()").await;
    // The postmaster reads its files a moment later.
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    Some((server, admin, url))
}

#[tokio::test]
async fn a_wrong_password_is_said_but_not_shown() {
    let Some((_server, _admin, url)) = guarded().await else {
        return;
    };
    let error = refusal(&url.replace("postgres@", "guarded:wrong-secret@")).await;
    assert!(matches!(error, MetastoreError::Refused(_)), "{error:?}");
    assert!(error.to_string().contains("refused user \"guarded\""), "{error}");
    assert!(!error.to_string().contains("wrong-secret"), "{error}");
}

#[tokio::test]
async fn a_password_in_a_file_is_read_for_each_connection() {
    let Some((_server, mut admin, url)) = guarded().await else {
        return;
    };
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "right\n").unwrap();
    let address = postgres::Address {
        url: url.replace("postgres@", "guarded@"),
        url_file: None,
        password_file: Some(file.path().to_owned()),
    };
    postgres::migrate(address.clone()).await.unwrap();
    let store = PostgresMetastore::connect(PostgresConfig::new(address.clone()))
        .await
        .unwrap();
    assert!(store.cluster().await.is_ok());

    // Connections that are open stay; a new one needs the new password.
    execute(&mut admin, "ALTER ROLE guarded PASSWORD 'rotated'").await;
    assert!(store.cluster().await.is_ok());
    store.close().await;
    let refused = store.cluster().await.err();
    assert!(matches!(refused, Some(MetastoreError::Refused(_))), "{refused:?}");
    std::fs::write(file.path(), "rotated").unwrap();
    assert!(store.cluster().await.is_ok());

    store.close().await;
    std::fs::remove_file(file.path()).unwrap();
    match store.cluster().await {
        Err(MetastoreError::Refused(sentence)) => {
            assert!(sentence.contains("metastore_password_file"), "{sentence}");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_may_come() {
    let error = refusal("postgres://user:secret@127.0.0.1:1/esker").await;
    assert!(matches!(error, MetastoreError::Unavailable(_)), "{error:?}");
    assert!(!error.to_string().contains("secret"), "{error}");
}

#[tokio::test]
async fn another_kind_of_server_is_recognised() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let http = async {
        use tokio::io::AsyncWriteExt;
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            let _ = socket.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    };
    let url = format!("postgres://user:secret@127.0.0.1:{port}/esker?sslmode=disable");
    let error = tokio::select! {
        error = refusal(&url) => error,
        () = http => unreachable!(),
    };
    assert!(
        matches!(
            error,
            MetastoreError::Misconfigured(_) | MetastoreError::Unavailable(_)
        ),
        "{error:?}"
    );
    assert!(!error.to_string().contains("secret"), "{error}");
}
