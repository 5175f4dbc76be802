use std::io;

use super::*;
use crate::postgres::session::parse_url;

#[test]
fn a_lost_connection_leaves_a_write_unknown_and_a_read_unavailable() {
    let lost = || Error::Io(io::Error::from(io::ErrorKind::ConnectionReset));
    assert!(matches!(
        of_statement(&lost(), Effect::Writes),
        MetastoreError::UnknownOutcome(_)
    ));
    assert!(matches!(
        of_statement(&lost(), Effect::Reads),
        MetastoreError::Unavailable(_)
    ));
    assert!(!leaves_connection_usable(&lost()));
}

#[test]
fn a_bad_url_is_explained_without_its_password() {
    for url in [
        "mysql://user:secret@host/db",
        "postgres://user:secret@host:port/db",
        "user:secret",
    ] {
        let Err(MetastoreError::Misconfigured(text)) = parse_url(url) else {
            panic!("{url} was accepted");
        };
        assert!(!text.contains("secret"), "{text}");
        assert!(text.contains("postgres://"), "{text}");
    }
}
