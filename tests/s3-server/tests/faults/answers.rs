//! Answers that are late, wrong, or do not come.

use std::time::{Duration, Instant};

use esker_s3_server::{Kind, Op};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::{create, only, start, stored, until};

#[tokio::test]
async fn latency_comes_before_the_answer() {
    let (server, target) = start();
    only(
        &server,
        Op::Put,
        Kind::Latency {
            ms: 150,
            p99_ms: None,
        },
    );
    let begun = Instant::now();
    assert_eq!(create(&target, "late", b"x").await.unwrap().status, 200);
    assert!(begun.elapsed() >= Duration::from_millis(150));
    let begun = Instant::now();
    assert_eq!(target.get("late").await, b"x");
    assert!(begun.elapsed() < Duration::from_millis(150), "a GET is no PUT");
}

#[tokio::test]
async fn errors_say_what_they_should_and_do_nothing() {
    let (server, target) = start();
    for (kind, status, code) in [
        (Kind::slow_down(), 503, "SlowDown"),
        (Kind::internal_error(), 500, "InternalError"),
        (Kind::conflict(), 409, "ConditionalRequestConflict"),
        (Kind::error(403, "AccessDenied"), 403, "AccessDenied"),
    ] {
        let name = kind.name();
        only(&server, Op::Put, kind);
        // Larger than what sockets buffer: the body is read before it is refused.
        let body = vec![7; 8 << 20];
        create(&target, "refused", &body)
            .await
            .unwrap()
            .is_error(status, code);
        assert_eq!(stored(&server, "refused"), None);
        let counts = server.reset_counts();
        assert_eq!(counts.answers("put", &status.to_string()), 1);
        assert_eq!((counts.faults_of(name), counts.bytes_in), (1, 8 << 20));
    }
    let Kind::Error(name, mut answer) = Kind::slow_down() else {
        panic!("an error");
    };
    answer.retry_after_s = Some(3);
    only(&server, Op::Put, Kind::Error(name, answer));
    let refused = create(&target, "refused", b"x").await.unwrap();
    assert_eq!(refused.header("retry-after"), Some("3"));
}

#[tokio::test]
async fn an_error_may_come_after_the_effect() {
    let (server, target) = start();
    only(&server, Op::Put, Kind::internal_error().after_effect());
    create(&target, "done", b"x")
        .await
        .unwrap()
        .is_error(500, "InternalError");
    assert_eq!(stored(&server, "done"), Some(1));
    server.faults().clear();
    create(&target, "done", b"x")
        .await
        .unwrap()
        .is_error(412, "PreconditionFailed");
}

#[tokio::test]
async fn a_hang_ends_in_silence() {
    let (server, target) = start();
    for after_effect in [false, true] {
        let key = format!("hung/{after_effect}");
        let hang = Kind::Hang {
            ms: Some(100),
            after_effect,
        };
        only(&server, Op::Put, hang);
        let begun = Instant::now();
        assert_eq!(create(&target, &key, b"x").await, None);
        assert!(begun.elapsed() >= Duration::from_millis(100));
        assert_eq!(stored(&server, &key).is_some(), after_effect);
    }
    assert_eq!(server.counts().answers("put", "none"), 2);

    only(
        &server,
        Op::Get,
        Kind::Hang {
            ms: None,
            after_effect: false,
        },
    );
    let get = target.request("GET", "hung/true").exchange();
    assert!(
        tokio::time::timeout(Duration::from_millis(200), get)
            .await
            .is_err()
    );
    until("who went away is forgotten", || {
        server.counts().requests_open == 0
    })
    .await;
    assert_eq!(server.counts().answers("get", "none"), 1);
}

#[tokio::test]
async fn a_client_that_goes_away_in_its_body_is_forgotten() {
    let (server, target) = start();
    let hang = Kind::Hang {
        ms: None,
        after_effect: false,
    };
    only(&server, Op::Put, hang);
    let request = target.request("PUT", "half").body(&vec![1; 8 << 20]).bytes();
    let address = target.endpoint.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(&request[..4 << 20]).await.unwrap();
    until("it is there", || server.counts().requests_open == 1).await;
    drop(stream);
    until("it is forgotten", || server.counts().requests_open == 0).await;
}

#[tokio::test]
async fn a_client_that_goes_away_early_has_no_effect() {
    let (server, target) = start();
    only(
        &server,
        Op::Put,
        Kind::Latency {
            ms: 300,
            p99_ms: None,
        },
    );
    let put = create(&target, "gone", b"x");
    assert!(
        tokio::time::timeout(Duration::from_millis(100), put)
            .await
            .is_err()
    );
    until("it is noticed", || server.counts().requests_open == 0).await;
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(stored(&server, "gone"), None);
}
