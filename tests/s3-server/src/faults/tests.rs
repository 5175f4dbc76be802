use super::*;
use crate::action::{Op, Target};

fn fates(faults: &Faults, requests: usize) -> Vec<Fate> {
    (0..requests)
        .map(|number| faults.decide(Action::PutObject, &[&format!("a/{number}")]))
        .collect()
}

#[test]
fn the_seed_decides() {
    let rules = || {
        [
            Rule::on(
                Op::Put,
                Kind::Latency {
                    ms: 20,
                    p99_ms: Some(200),
                },
            ),
            Rule::on(Op::Put, Kind::DropAfter).probability(0.3),
            Rule::on(Op::Put, Kind::slow_down()).probability(0.3),
        ]
    };
    let faults = Faults::new(7);
    faults.replace(rules());
    let first = fates(&faults, 200);
    faults.reseed(7);
    assert_eq!(fates(&faults, 200), first);
    faults.replace(rules());
    assert_eq!(fates(&faults, 200), first, "ids do not matter");
    faults.reseed(8);
    assert_ne!(fates(&faults, 200), first);
}

#[test]
fn counts_skips_and_prefixes() {
    let faults = Faults::new(1);
    let id = faults.add(
        Rule::on(Op::Put, Kind::DropBefore)
            .key_prefix("a/")
            .skip(2)
            .count(3),
    );
    for _ in 0..5 {
        assert_eq!(faults.decide(Action::PutObject, &["b/1"]).outcome, None);
        assert_eq!(faults.decide(Action::GetObject, &["a/1"]).outcome, None);
    }
    let acted: Vec<bool> = fates(&faults, 7)
        .iter()
        .map(|fate| fate.outcome.is_some())
        .collect();
    assert_eq!(acted, [false, false, true, true, true, false, false]);
    let status = &faults.list()[0];
    assert_eq!((status.id, status.matched, status.done), (id, 7, 3));
    assert!(faults.remove(id));
    assert!(!faults.remove(id));
    assert_eq!(faults.clear(), 0);
}

#[test]
fn shapes_add_up_and_the_first_outcome_decides() {
    let faults = Faults::new(1);
    faults.add(Rule::new(Target::Any, Kind::DropAfter));
    faults.add(Rule::new(Target::Any, Kind::Latency { ms: 5, p99_ms: None }));
    faults.add(Rule::new(Target::Any, Kind::DropBefore));
    faults.add(Rule::new(Target::Any, Kind::Latency { ms: 7, p99_ms: None }));
    let fate = faults.decide(Action::GetObject, &["k"]);
    assert_eq!(fate.outcome, Some(Kind::DropAfter));
    assert_eq!(fate.delay, Duration::from_millis(12));
    assert_eq!(fate.kinds, ["drop_after", "latency", "latency"]);
}

#[test]
fn the_spread_has_its_median_and_its_tail() {
    let mut random = generator(3, 0);
    let mut samples: Vec<f64> = (0..20_000)
        .map(|_| entry_delay(&mut random, 20, Some(300)).as_secs_f64() * 1000.0)
        .collect();
    samples.sort_by(f64::total_cmp);
    let (median, p99) = (samples[10_000], samples[19_800]);
    assert!((19.0..21.0).contains(&median), "{median}");
    assert!((260.0..340.0).contains(&p99), "{p99}");
}

#[test]
fn rules_survive_json_and_wrong_ones_are_explained() {
    for text in [
        r#"{"op":"put","key_prefix":"x/","probability":0.5,"count":3,"skip":1,"kind":"latency","ms":5,"p99_ms":50}"#,
        r#"{"kind":"slow_down","retry_after_s":2,"after_effect":true}"#,
        r#"{"kind":"error","status":403,"code":"AccessDenied"}"#,
        r#"{"op":"upload_part","kind":"hang"}"#,
        r#"{"kind":"late_effect","ms":100}"#,
        r#"{"kind":"truncated_body","bytes":10}"#,
        r#"{"kind":"bit_flip"}"#,
    ] {
        let json: RuleJson = serde_json::from_str(text).unwrap();
        let rule = json.rule().unwrap();
        assert_eq!(RuleJson::from(&rule), json, "{text}");
    }
    for (text, why) in [
        (r#"{"kind":"explode"}"#, "none of latency"),
        (r#"{"kind":"latency"}"#, "needs the field ms"),
        (r#"{"kind":"drop_before","ms":3}"#, "has no field ms"),
        (r#"{"kind":"latency","ms":30,"p99_ms":3}"#, "less than ms"),
        (r#"{"kind":"bit_flip","probability":2}"#, "not within 0 and 1"),
        (r#"{"kind":"bit_flip","op":"post"}"#, "none of any, put"),
        (
            r#"{"kind":"error","status":200,"code":"OK"}"#,
            "not within 400 and 599",
        ),
        (
            r#"{"kind":"slow_body","bytes_per_s":0}"#,
            "needs the field bytes_per_s",
        ),
    ] {
        let json: RuleJson = serde_json::from_str(text).unwrap();
        let err = json.rule().unwrap_err();
        assert!(err.contains(why), "{text}: {err}");
    }
}
