//! The generated pages of the documentation are what this build prints.
//!
//! `make docs-reference` (or ESKER_DOCS_WRITE=1 before `cargo test -p esker --test docs`) writes them anew.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods
)]

mod support;

use std::path::Path;

use support::run;

const PAGES: &[&str] = &["configuration", "configs", "protocol", "commands"];

#[test]
fn the_reference_is_what_the_code_says() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference");
    let mut stale = Vec::new();
    for page in PAGES {
        let file = directory.join(format!("{page}.md"));
        let printed = run(&["docs", page]).ok();
        if std::env::var_os("ESKER_DOCS_WRITE").is_some() {
            std::fs::write(&file, &printed).unwrap();
        }
        if std::fs::read_to_string(&file).unwrap_or_default() != printed {
            stale.push(*page);
        }
    }
    assert!(stale.is_empty(), "`make docs-reference` writes anew: {stale:?}");
}

#[test]
fn an_unknown_page_is_wrong_usage() {
    assert_eq!(run(&["docs", "everything"]).code, Some(2));
}
