//! Golden files: bytes that a release wrote and every later one reads.

use std::path::PathBuf;

pub fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name)
}

/// Compares with a golden file. `ESKER_GOLDEN=write` writes files that are missing; none is ever replaced.
pub fn matches_golden(name: &str, bytes: &[u8]) {
    let path = golden(name);
    if !path.exists() && std::env::var("ESKER_GOLDEN").as_deref() == Ok("write") {
        std::fs::write(&path, bytes).unwrap();
    }
    let expected = std::fs::read(&path).unwrap();
    assert!(
        bytes == expected,
        "{name}: today's writer makes other bytes than the released one"
    );
}
