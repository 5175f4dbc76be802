//! Slow and hostile peers: each costs little, and there are many.

use std::io::Write;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use ::bytes::Bytes;
use esker_protocol::messages::{ApiVersionsRequest, MetadataRequest};

use crate::bystander::{create_topic, fetch_request, fill};
use crate::frames::{self, METADATA, PRODUCE};
use crate::stand::{Others, Stand};
use esker_e2e::wire::{Fate, Wire, encode};

/// Files that this program needs beside its connections.
const FILES_SPARE: usize = 500;

/// So many connections, or as many as this process may have files.
fn allowed(wanted: usize) -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find(|line| line.starts_with("Max open files"));
    let files = line.and_then(|line| line.split_whitespace().nth(3)?.parse::<usize>().ok());
    let allowed = wanted.min(files.map_or(wanted, |files| files.saturating_sub(FILES_SPARE)));
    println!("{allowed} of {wanted} connections");
    allowed
}

/// Whether somebody at another address can connect and is answered.
fn another_address_is_served(at: SocketAddr) -> bool {
    let Ok(mut wire) = Wire::connect_from(at, 2, 1 << 16) else {
        return false;
    };
    wire.call(3, &ApiVersionsRequest::default()).is_ok()
}

/// Connections that send nothing, or the first bytes of a frame; more than one address may have.
fn half_open(stand: &Stand, count: usize, refused: bool) {
    let mut open = Vec::new();
    for at in 0..count {
        let Ok(mut wire) = Wire::connect(stand.at) else {
            break;
        };
        if at % 2 == 0 {
            let _ = wire.stream.write_all(&[0, 0, 0]);
        }
        open.push(wire);
    }
    assert!(another_address_is_served(stand.at));
    let closed = stand.agent.metric("esker_connections_refused_total", "per_ip");
    println!(
        "{} connections, of which {closed} were closed at once; {} MiB resident",
        open.len(),
        stand.resident_mib().0
    );
    assert_eq!(closed > 0.0, refused);
    std::thread::sleep(Duration::from_secs(2));
}

#[test]
fn half_open_connections_beyond_the_limit() {
    let stand = Stand::new("attack-half-open", &[]);
    stand.suffer("half-open", Others::Unaffected, |stand| {
        half_open(stand, allowed(2_500), true);
    });
}

#[test]
#[ignore = "the long form"]
fn ten_thousand_half_open_connections() {
    let settings = ["--max-connections", "20000", "--max-connections-per-ip", "15000"];
    let Some(stand) = Stand::on_network("attack-half-open-long", &settings) else {
        return;
    };
    stand.suffer("10,000 half-open", Others::Unaffected, |stand| {
        half_open(stand, allowed(10_000), false);
        // Silent ones are closed.
        std::thread::sleep(Duration::from_secs(32));
        half_open(stand, allowed(10_000), false);
    });
}

/// Large frames, sent one byte at a time.
fn drip(stand: &Stand, connections: usize, lasts: Duration) {
    let mut senders = Vec::new();
    let began = Instant::now();
    let mut closed = 0;
    while began.elapsed() < lasts {
        while senders.len() < connections {
            let Ok(mut wire) = Wire::connect(stand.at) else {
                break;
            };
            let (key, size, first) = match senders.len() % 4 {
                0 => (PRODUCE, 8 << 20, 60_000),
                1 => (PRODUCE, 1 << 20, 0),
                2 => (METADATA, 1 << 20, 60_000),
                _ => (METADATA, 60_000, 4_096),
            };
            let mut bytes = frames::announcement(key, size);
            bytes.resize(bytes.len() + first, 0);
            let _ = wire.push(&bytes);
            senders.push(wire);
        }
        std::thread::sleep(Duration::from_secs(1));
        let before = senders.len();
        senders.retain_mut(|wire| wire.push(&[0]).is_ok());
        closed += before - senders.len();
    }
    println!("{connections} senders of one byte per second: {closed} were closed");
}

#[test]
fn senders_of_one_byte_per_second() {
    let stand = Stand::new("attack-drip", &[]);
    stand.suffer("one byte per second", Others::Unaffected, |stand| {
        drip(stand, 600, Duration::from_secs(6));
    });
}

#[test]
#[ignore = "the long form"]
fn senders_of_one_byte_per_second_for_long() {
    let Some(stand) = Stand::on_network("attack-drip-long", &[]) else {
        return;
    };
    stand.suffer("one byte per second", Others::Unaffected, |stand| {
        drip(stand, 1_400, Duration::from_secs(90));
    });
}

/// Clients that ask for much and take nothing.
fn never_read(stand: Stand, connections: usize, lasts: Duration) {
    fill(stand.at, "much", 30);
    create_topic(stand.at, "wide", 2_000);
    stand.suffer("never read", Others::Unaffected, |stand| {
        take_nothing(stand, connections, lasts);
    });
}

fn take_nothing(stand: &Stand, connections: usize, lasts: Duration) {
    let requests: Vec<Bytes> = vec![
        encode(1, 12, &fetch_request("much", 0, 0, i32::MAX)),
        encode(2, 3, &ApiVersionsRequest::default()),
        encode(3, 8, &MetadataRequest::default().with_topics(None)),
    ];
    let mut readers: Vec<Wire> = Vec::new();
    let began = Instant::now();
    let mut closed = 0;
    while began.elapsed() < lasts {
        while readers.len() < connections {
            let Ok(mut wire) = Wire::connect_from(stand.at, 1, 4096) else {
                break;
            };
            let many = requests[readers.len() % requests.len()].repeat(1_000);
            let _ = wire.push(&many);
            readers.push(wire);
        }
        std::thread::sleep(Duration::from_millis(500));
        let before = readers.len();
        readers.retain_mut(|wire| wire.push(&requests[1]).is_ok());
        closed += before - readers.len();
    }
    println!("{connections} clients that never read: {closed} were closed");
}

#[test]
fn readers_that_never_read() {
    never_read(Stand::new("attack-never-read", &[]), 200, Duration::from_secs(7));
}

#[test]
#[ignore = "the long form"]
fn many_readers_that_never_read() {
    let Some(stand) = Stand::on_network("attack-never-read-long", &[]) else {
        return;
    };
    never_read(stand, 1_400, Duration::from_secs(90));
}

/// Opens connections at that rate, half of which ask something, and closes them.
fn storm(stand: &Stand, per_second: u32, lasts: Duration) {
    let began = Instant::now();
    let (mut opened, mut answered) = (0, 0);
    while began.elapsed() < lasts {
        if f64::from(opened) > began.elapsed().as_secs_f64() * f64::from(per_second) {
            std::thread::sleep(Duration::from_millis(1));
            continue;
        }
        opened += 1;
        let Ok(mut wire) = Wire::connect(stand.at) else {
            continue;
        };
        if opened % 10 == 0 {
            let _ = wire.send(3, &ApiVersionsRequest::default());
            answered += u32::from(matches!(wire.fate(Duration::from_secs(5)), Fate::Answered(_)));
        }
    }
    let rate = f64::from(opened) / began.elapsed().as_secs_f64();
    println!("{opened} connections, {rate:.0} per second; {answered} asked and were answered");
    assert!(answered > 0);
}

#[test]
fn a_storm_of_connections() {
    let stand = Stand::new("attack-storm", &[]);
    stand.suffer("storm", Others::Unaffected, |stand| {
        storm(stand, 1_000, Duration::from_secs(4))
    });
}

#[test]
#[ignore = "the long form"]
fn a_long_storm_of_connections() {
    let Some(stand) = Stand::on_network("attack-storm-long", &[]) else {
        return;
    };
    stand.suffer("storm", Others::Unaffected, |stand| {
        storm(stand, 1_000, Duration::from_secs(60))
    });
}
