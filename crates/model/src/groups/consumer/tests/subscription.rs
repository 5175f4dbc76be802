use super::*;
use crate::groups::consumer::tests::{Topics, at};

fn of(names: &[&str], regex: Option<&str>) -> Subscription {
    let names = names.iter().map(|name| (*name).to_owned()).collect();
    Subscription::default().changed(Some(names), regex.map(str::to_owned))
}

#[test]
fn members_that_subscribe_alike_share_it() {
    let mut subscriptions = Subscriptions::default();
    let first = subscriptions.add(of(&["b", "a", "b"], None));
    let second = subscriptions.add(of(&["a", "b"], None));
    assert!(Arc::ptr_eq(&first, &second));
    assert_eq!(first.names.len(), 2);
    subscriptions.remove(&first);
    assert!(subscriptions.include("a"));
    subscriptions.remove(&second);
    assert!(!subscriptions.include("a"));
}

#[test]
fn topics_are_looked_at_when_something_changed() {
    let mut topics = Topics::of(&[("a", 1)]);
    let mut subscriptions = Subscriptions::default();
    let a = subscriptions.add(of(&["a"], None));
    let hash = subscriptions.look(at(0), &topics);
    assert!(hash.is_some());
    assert_eq!(subscriptions.look(at(0), &topics), None);
    topics.set("b", 1);
    assert_eq!(subscriptions.look(at(0), &topics), hash);
    topics.set("a", 2);
    assert_ne!(subscriptions.look(at(0), &topics), hash);
    // One more member with the same subscription is nothing new, one with another is.
    subscriptions.add(of(&["a"], None));
    assert_eq!(subscriptions.look(at(0), &topics), None);
    subscriptions.remove(&a);
    assert_eq!(subscriptions.look(at(0), &topics), None);
    subscriptions.add(of(&[], Some("b")));
    assert!(subscriptions.look(at(0), &topics).is_some());
}

#[test]
fn an_empty_expression_takes_it_away() {
    let with = of(&["a"], Some("b"));
    assert_eq!(with.changed(None, Some(String::new())), of(&["a"], None));
    assert_eq!(with.changed(Some(Vec::new()), None), of(&[], Some("b")));
    assert_eq!(with.changed(None, None), with);
}
