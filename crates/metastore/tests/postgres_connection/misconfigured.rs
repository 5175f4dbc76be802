//! What will not help itself is said in one sentence, without a password.

use esker_metastore::MetastoreError;
use esker_metastore::postgres::PostgresMetastore;

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
    assert!(matches!(error, MetastoreError::Misconfigured(_)), "{error:?}");
    assert!(
        error.to_string().contains("no database \"no_such_database\""),
        "{error}"
    );
}

#[tokio::test]
async fn a_wrong_password_is_said_but_not_shown() {
    let Some(server) = server::Server::start() else {
        return;
    };
    let url = server.database();
    let mut admin = admin(&url).await;
    execute(&mut admin, "CREATE ROLE guarded LOGIN PASSWORD 'right'").await;
    let rules = server.data().join("pg_hba.conf");
    let trusting = std::fs::read_to_string(&rules).unwrap();
    let guarded = format!("host all guarded 127.0.0.1/32 scram-sha-256\n{trusting}");
    std::fs::write(&rules, guarded).unwrap();
    execute(&mut admin, "SELECT pg_reload_conf()").await;
    // The postmaster reads its files a moment later.
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    let error = refusal(&url.replace("postgres@", "guarded:wrong-secret@")).await;
    assert!(matches!(error, MetastoreError::Misconfigured(_)), "{error:?}");
    assert!(error.to_string().contains("refused user \"guarded\""), "{error}");
    assert!(!error.to_string().contains("wrong-secret"), "{error}");
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
