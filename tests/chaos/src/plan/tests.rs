use std::collections::BTreeMap;

use super::*;

const ALL: Needs = Needs { store_rules: true };
const TWENTY_MINUTES: Duration = Duration::from_secs(1200);

#[test]
fn the_seed_decides() {
    let plan = draw(7, TWENTY_MINUTES, 3, ALL);
    assert_eq!(draw(7, TWENTY_MINUTES, 3, ALL), plan);
    assert_ne!(draw(8, TWENTY_MINUTES, 3, ALL), plan);
}

#[test]
fn twenty_minutes_hold_every_kind_and_far_more_than_a_thousand_faults() {
    let plan = draw(1, TWENTY_MINUTES, 3, ALL);
    assert!(plan.len() > 1_800, "{}", plan.len());
    let mut kinds: BTreeMap<Kind, u32> = BTreeMap::new();
    for planned in &plan {
        *kinds.entry(planned.fault.kind).or_default() += 1;
    }
    assert_eq!(kinds.len(), Kind::ALL.len());
    assert!(kinds[&Kind::PostgresCrashed] > 10, "{kinds:?}");
}

#[test]
fn faults_come_one_after_the_other_with_breaths_and_end_in_time() {
    let plan = draw(3, TWENTY_MINUTES, 3, ALL);
    let mut longest = Duration::ZERO;
    for pair in plan.windows(2) {
        let pause = pair[1].at - pair[0].at;
        assert!(pause >= Duration::from_millis(PAUSE_MS.start), "{pair:?}");
        longest = longest.max(pause);
    }
    assert!(longest >= Duration::from_secs(BREATH_S - 1), "{longest:?}");
    assert!(plan.iter().all(|planned| planned.at < TWENTY_MINUTES));
    let breathing = |at: Duration| at.as_secs() % (FAULTS_S + BREATH_S) >= FAULTS_S;
    assert!(!plan.iter().any(|planned| breathing(planned.at)));
}

#[test]
fn times_agents_and_strengths_stay_within_bounds() {
    let plan = draw(5, TWENTY_MINUTES, 3, ALL);
    for Planned { fault, .. } in &plan {
        let (shortest, longest) = fault.kind.lasts_s();
        assert!(fault.lasts.as_secs_f64() >= shortest * 0.999, "{fault:?}");
        assert!(fault.lasts.as_secs_f64() <= longest * 1.001, "{fault:?}");
        assert!(fault.agent < 3);
        assert!((0.0..1.0).contains(&fault.strength));
    }
    let paused = |longer: f64| {
        plan.iter()
            .filter(|planned| planned.fault.kind == Kind::AgentPaused)
            .any(|planned| planned.fault.lasts.as_secs_f64() > longer)
    };
    assert!(
        paused(10.0),
        "no agent is paused for longer than its peers believe in it"
    );
}

#[test]
fn without_rules_the_store_is_only_paused() {
    let plan = draw(2, TWENTY_MINUTES, 3, Needs::default());
    assert!(plan.iter().all(|planned| !planned.fault.kind.needs().store_rules));
    assert!(plan.iter().any(|planned| planned.fault.kind == Kind::StorePaused));
}
