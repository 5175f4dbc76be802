//! What is said to be wrong with an object, and that whole ones are called whole.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use bytes::Bytes;
use esker_model::ObjectId;
use esker_storage::inspect::{Class, Fault, Known, describe};
use esker_storage::keys::{key_of, object_key};
use esker_storage::manifest::Manifest;
use esker_storage::segment::archive::ArchiveFooter;
use esker_storage::segment::{Footer, TAIL_BYTES, Tail};
use support::golden::golden;
use support::segments::segment_id;

const CLUSTER: &[u8] = br#"{"format_version": 1, "cluster_id": "c", "epoch": 1}"#;

fn read(name: &str) -> Bytes {
    Bytes::from(std::fs::read(golden(&format!("{name}.segment"))).unwrap())
}

/// One object of each kind with its key.
fn all() -> Vec<(String, Bytes, Class)> {
    let ingest = read("v1-every-kind");
    let (archive, merged) = (read("v1-archive"), read("v1-merged"));
    let manifest = read("v1-manifest");
    let of_archive = |object: &Bytes| object_key(&ArchiveFooter::read(object).unwrap().id);
    vec![
        (
            object_key(&Footer::read(&ingest).unwrap().id),
            ingest,
            Class::Segment,
        ),
        (of_archive(&archive), archive, Class::Segment),
        (of_archive(&merged), merged, Class::Segment),
        (
            key_of(&ObjectId::Manifest(Manifest::decode(&manifest).unwrap().id)),
            manifest,
            Class::Manifest,
        ),
    ]
}

fn fault(key: &str, class: Option<Class>, object: &Bytes) -> Option<Fault> {
    let name = "copy";
    let described = Known { name, key, class }.describe(object);
    assert!(described.text.starts_with("copy: "), "{}", described.text);
    described.fault
}

fn changed(object: &Bytes, change: impl FnOnce(&mut Vec<u8>)) -> Bytes {
    let mut bytes = object.to_vec();
    change(&mut bytes);
    Bytes::from(bytes)
}

#[test]
fn whole_objects_have_no_fault() {
    for (key, object, class) in all() {
        for known in [&key, "", "backup.bin", &format!("file:///backup/{key}")] {
            for class in [None, Some(class)] {
                assert_eq!(fault(known, class, &object), None, "{known}");
            }
        }
    }
    let cluster = Bytes::from_static(CLUSTER);
    assert_eq!(describe("cluster.json", &cluster).fault, None);
    assert_eq!(describe("/backup/cluster.json", &cluster).fault, None);
}

#[test]
fn a_changed_byte_is_damage() {
    for (key, object, _) in all() {
        let tail = object.len() - TAIL_BYTES;
        for at in (0..tail).step_by(31).chain(tail..object.len()) {
            let damaged = changed(&object, |bytes| bytes[at] ^= 0x10);
            let fault = fault(&key, None, &damaged);
            assert!(matches!(fault, Some(Fault::Damaged(_))), "{key} {at}: {fault:?}");
        }
    }
    let archive = &all()[1];
    let damaged = changed(&archive.1, |bytes| bytes[70] ^= 1);
    let fault = describe(&archive.0, &damaged).fault.unwrap();
    assert_eq!(fault.to_string(), "is damaged: the checksum of chunk 0 is wrong");
}

#[test]
fn what_is_cut_off_or_longer_is_damaged_if_something_says_what_it_should_be() {
    for (key, object, class) in all() {
        let appended = changed(&object, |bytes| bytes.push(0));
        let twice = changed(&object, |bytes| bytes.extend_from_within(..));
        let short = object.slice(..object.len() - 1);
        for damaged in [appended, short, object.slice(..9), Bytes::new()] {
            for (key, class) in [(&key[..], None), ("copy", Some(class))] {
                let fault = fault(key, class, &damaged);
                assert!(matches!(fault, Some(Fault::Damaged(_))), "{key}: {fault:?}");
            }
            // Nothing tells: then it is not whole either.
            let fault = fault("copy", None, &damaged);
            assert!(matches!(fault, Some(Fault::Unknown(_))), "{fault:?}");
        }
        // It ends as a segment ends.
        assert!(matches!(fault("copy", None, &twice), Some(Fault::Damaged(_))));
    }
    let fault = describe("notes.txt", &Bytes::from_static(b"milk, bread")).fault;
    assert_eq!(
        fault.unwrap().to_string(),
        "is not an object that this release of Esker writes: 11 bytes are too few for a segment"
    );
}

#[test]
fn what_lies_elsewhere_or_is_something_else_is_said() {
    for (key, object, class) in all() {
        let other = object_key(&segment_id(77));
        let misplaced = fault(&other, None, &object).unwrap();
        assert_eq!(
            misplaced.to_string(),
            format!("is misplaced: its own key is {key}")
        );
        let not = match class {
            Class::Segment => Class::Manifest,
            Class::Manifest => Class::Segment,
        };
        let said = fault(&key, Some(not), &object).unwrap().to_string();
        assert!(said.ends_with(&format!(", not a {not}")), "{said}");
    }
    let manifest = &all()[3].1;
    let said = fault("copy", Some(Class::Segment), manifest).unwrap();
    assert_eq!(said.to_string(), "is a manifest, not a segment");
    let said = fault("cluster.json", Some(Class::Segment), &Bytes::from_static(CLUSTER));
    assert_eq!(said.unwrap().to_string(), "is a cluster's file, not a segment");
}

#[test]
fn what_a_later_release_wrote_is_not_called_damaged() {
    for (key, object, _) in all() {
        let later = changed(&object, |bytes| {
            let tail = bytes.len() - TAIL_BYTES;
            let version = u16::from_be_bytes([bytes[tail + 20], bytes[tail + 21]]) + 1;
            bytes[tail + 20..tail + 22].copy_from_slice(&version.to_be_bytes());
            let crc = crc32c::crc32c(&bytes[tail..tail + 24]);
            bytes[tail + 24..tail + 28].copy_from_slice(&crc.to_be_bytes());
        });
        assert!(Tail::of_object(&later).is_err());
        let fault = describe(&key, &later).fault;
        assert!(matches!(fault, Some(Fault::Unknown(_))), "{fault:?}");
    }
    let later = Bytes::from_static(br#"{"format_version": 9}"#);
    assert!(matches!(
        describe("cluster.json", &later).fault,
        Some(Fault::Unknown(_))
    ));
    let broken = Bytes::from_static(b"{");
    assert!(matches!(
        describe("cluster.json", &broken).fault,
        Some(Fault::Damaged(_))
    ));
}
