use super::*;
use esker_model::TopicUuid;
use esker_model::groups::classic::{ClassicGroup, StoredClassic, StoredClassicMember};
use esker_model::groups::consumer::{MemberState, StoredConsumerGroup, StoredConsumerMember};
use std::time::Duration;
use uuid::Uuid;

const NOW: Instant = Instant(Duration::from_secs(7));

/// What is kept of a group, and what comes back of it.
fn again(group: &Group, members: &[&str]) -> (StoredGroup, Group) {
    let StateChange::Put { state, .. } = state(group) else {
        panic!("nothing is kept");
    };
    let members = members.iter().map(|id| member(group, Arc::from(*id)));
    let kept = StoredGroup {
        id: Arc::from("g"),
        state,
        members: members.map(|(id, text)| (id, text.unwrap())).collect(),
    };
    let found = super::group(&kept, NOW).unwrap();
    (kept, found)
}

#[test]
fn a_classic_group_comes_back_as_it_was() {
    let stored = StoredClassic {
        generation: 4,
        given_up_to: 9,
        protocol_type: Some("consumer".into()),
        protocol: Some("range".into()),
        leader: Some("a-1".into()),
        stable: true,
        members: vec![StoredClassicMember {
            member_id: "a-1".into(),
            instance_id: Some("one".into()),
            client_id: "a".into(),
            client_host: "/127.0.0.1".into(),
            session_timeout: Duration::from_millis(10_001),
            rebalance_timeout: Duration::from_secs(60),
            protocols: vec![("range".into(), Bytes::from_static(&[0, 255, 1]))],
            assignment: Bytes::from_static(b"\x00all of it\xff"),
        }],
    };
    let group = Group::Classic(ClassicGroup::restore(stored.clone(), NOW));
    let (kept, found) = again(&group, &[]);
    let Group::Classic(found) = found else {
        panic!("of the other kind");
    };
    assert_eq!(found.stored(), stored);
    let text = std::str::from_utf8(&kept.state).unwrap();
    assert!(
        text.starts_with(r#"{"kind":"classic","generation":4,"given_up_to":9,"#),
        "{text}"
    );
}

#[test]
fn a_consumer_group_comes_back_as_it_was() {
    let topic = TopicUuid(Uuid::from_u128(77));
    let header = StoredConsumerGroup {
        group_epoch: 3,
        assignment_epoch: 2,
        metadata_hash: -5,
    };
    let one = StoredConsumerMember {
        member_id: "m".into(),
        instance_id: None,
        rack: Some("r".into()),
        client_id: "c".into(),
        client_host: "/h".into(),
        rebalance_timeout: Duration::from_secs(5),
        subscribed_names: vec!["t".into()],
        subscribed_regex: None,
        assignor: Some("uniform".into()),
        member_epoch: 2,
        previous_epoch: 1,
        state: MemberState::Revoking,
        assigned: vec![(topic, vec![0])],
        revoking: vec![(topic, vec![1, 2])],
        target: vec![(topic, vec![0])],
    };
    let group = esker_model::groups::consumer::ConsumerGroup::restore(header, vec![one.clone()], NOW);
    let (_, found) = again(&Group::Consumer(group), &["m"]);
    let Group::Consumer(found) = found else {
        panic!("of the other kind");
    };
    assert_eq!((found.stored(), found.stored_member("m")), (header, Some(one)));
    assert_eq!(member(&Group::Consumer(found), Arc::from("gone")).1, None);
}

#[test]
fn what_an_earlier_release_kept_is_read() {
    let kept = |state: &'static str| StoredGroup {
        id: Arc::from("g"),
        state: Bytes::from_static(state.as_bytes()),
        members: Vec::new(),
    };
    let group = super::group(&kept(r#"{"kind":"classic","generation":1,"given_up_to":1}"#), NOW).unwrap();
    assert!(group.is_empty());
    assert!(super::group(&kept(r#"{"kind":"strange"}"#), NOW).is_err());
    assert!(super::group(&kept("{"), NOW).is_err());
}
