use std::hint::black_box;
use std::process::{Command, Stdio};

use super::COUNTED_FROM;

const MIB: usize = 1 << 20;

/// This program has the library's functions in it: run again with the variable, it counts its own copies.
fn counted_in(test: &str) -> (u64, u64) {
    let file = std::env::temp_dir().join(format!("esker-copies-{test}-{}", std::process::id()));
    let ran = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("tests::{test}")])
        .env("ESKER_BENCH_COPIES", &file)
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(ran.success());
    let counts = std::fs::read(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    let number = |at: usize| u64::from_ne_bytes(counts[at..at + 8].try_into().unwrap());
    (number(0), number(8))
}

#[test]
fn large_copies_are_counted_and_small_ones_are_not() {
    let (bytes, calls) = counted_in("ten_large_copies");
    let expected = 10 * MIB as u64;
    assert!(
        (expected..expected + MIB as u64).contains(&bytes),
        "{bytes} bytes"
    );
    assert!((10..60).contains(&calls), "{calls} calls");
    let (bytes, _) = counted_in("ten_thousand_small_copies");
    assert!(bytes < MIB as u64, "{bytes} bytes");
}

#[test]
fn what_is_copied_arrives_even_where_it_overlaps() {
    let mut bytes: Vec<u8> = (0..10_000).map(|at| (at % 251) as u8).collect();
    let (before, length) = (bytes.clone(), black_box(9_000));
    bytes.copy_within(0..length, 500);
    assert_eq!(bytes[500..500 + length], before[..length]);
    bytes.copy_within(500..500 + length, 0);
    assert_eq!(bytes[..length], before[..length]);
    let copy = black_box(&before).clone();
    assert_eq!(copy, before);
}

/// Run again by another test, which counts.
#[test]
fn ten_large_copies() {
    let (from, mut to) = (vec![7u8; MIB], vec![0u8; MIB]);
    for _ in 0..10 {
        to.copy_from_slice(black_box(&from));
        black_box(&mut to);
    }
}

/// Run again by another test, which counts.
#[test]
fn ten_thousand_small_copies() {
    let length = black_box(COUNTED_FROM - 1);
    let (from, mut to) = (vec![7u8; length], vec![0u8; length]);
    for _ in 0..10_000 {
        to.copy_from_slice(black_box(&from));
        black_box(&mut to);
    }
}
