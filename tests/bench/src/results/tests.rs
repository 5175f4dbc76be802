use super::compare::{Verdict, verdict};
use super::stats::{Spread, digits, percentile};
use super::*;

fn metric(better: Better, esker: &[f64]) -> Metric {
    Metric {
        name: "cpu".into(),
        unit: "s".into(),
        better,
        target: Some(Target::AtMost(0.8)),
        esker: esker.to_vec(),
        kafka: vec![3.5, 4.0],
    }
}

fn report(metric: Metric) -> Report {
    let mut report = Report::new(Machine::default(), 3, false);
    report.figures.push(Figure {
        name: "produce-1mb".into(),
        title: "a <title> & \"more\"".into(),
        metrics: vec![metric],
        notes: vec!["a note".into()],
        error: None,
    });
    report
}

#[test]
fn percentiles_are_values_that_occurred() {
    let hundred: Vec<u32> = (1..=100).collect();
    assert_eq!(percentile(&hundred, 0.5), Some(50));
    assert_eq!(percentile(&hundred, 0.99), Some(99));
    assert_eq!(percentile(&hundred, 1.0), Some(100));
    assert_eq!(percentile(&hundred, 0.0), Some(1));
    assert_eq!(percentile(&[7], 0.99), Some(7));
    assert_eq!(percentile(&[1, 2], 0.5), Some(1));
    assert_eq!(percentile::<u32>(&[], 0.5), None);
    // 99 of 100 quick ones and a slow one: the slow one is beyond the 99th percentile, not in it.
    let mut one_slow = vec![1; 99];
    one_slow.push(1000);
    assert_eq!(percentile(&one_slow, 0.99), Some(1));
    assert_eq!(percentile(&one_slow, 0.991), Some(1000));
}

#[test]
fn the_median_lies_in_the_middle() {
    let spread = Spread::of(&[9.0, 1.0, 3.0]).unwrap();
    assert_eq!((spread.median, spread.min, spread.max), (3.0, 1.0, 9.0));
    assert_eq!(Spread::of(&[4.0, 2.0]).unwrap().median, 3.0);
    assert_eq!(Spread::of(&[]), None);
}

#[test]
fn a_report_comes_back_as_it_went() {
    let dir = std::env::temp_dir().join(format!("esker-bench-test-{}", std::process::id()));
    let path = dir.join("report.json");
    let mut report = report(metric(Better::Lower, &[0.7, 0.123_456_789, 1e9]));
    report.machine.load_average = 2.5;
    report.write(&path).unwrap();
    assert_eq!(Report::read(&path).unwrap(), report);
    report.format += 1;
    report.write(&path).unwrap();
    assert!(Report::read(&path).unwrap_err().contains("format"));
    std::fs::write(&path, "{}").unwrap();
    assert!(Report::read(&path).unwrap_err().contains("no report"));
    std::fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn what_moved_beyond_both_spreads_is_told_from_noise() {
    let judge = |better, a: &[f64], b: &[f64]| verdict(&metric(better, a), &metric(better, b));
    let (slow, noisy, fast) = ([1.0, 1.1, 1.2], [0.9, 1.0, 1.4], [0.7, 0.8, 0.9]);
    assert_eq!(judge(Better::Lower, &slow, &noisy), Some(Verdict::Same));
    assert_eq!(judge(Better::Lower, &slow, &fast), Some(Verdict::Better));
    assert_eq!(judge(Better::Lower, &fast, &slow), Some(Verdict::Worse));
    assert_eq!(judge(Better::Higher, &slow, &fast), Some(Verdict::Worse));
    assert_eq!(judge(Better::Higher, &fast, &slow), Some(Verdict::Better));
    assert_eq!(judge(Better::Neither, &fast, &slow), Some(Verdict::Moved));
    assert_eq!(
        judge(Better::Lower, &noisy, &fast),
        Some(Verdict::Same),
        "they touch"
    );
    assert_eq!(judge(Better::Lower, &[], &fast), None);
}

#[test]
fn the_table_says_what_was_missed_and_what_is_not_known() {
    let text = table::render(&report(metric(Better::Lower, &[1.6, 1.6, 1.6])));
    let row = text
        .lines()
        .find(|line| line.contains("produce-1mb cpu"))
        .unwrap();
    let cells: Vec<&str> = row.split('|').map(str::trim).collect();
    assert_eq!(
        cells[2..8],
        [
            "0.427",
            "2.00 !",
            "1.60 (1.60-1.60)",
            "3.75 (3.50-4.00)",
            "<= 0.800",
            "s"
        ]
    );
    assert!(text.contains("produce-1mb: a note"));
    assert!(text.contains("produce-1mb: targets missed cpu\n"), "{text}");
    let met = table::render(&report(metric(Better::Lower, &[0.4])));
    assert!(met.contains("| 0.500 ") && !met.contains('!'), "{met}");
    assert!(met.contains("produce-1mb: targets reached cpu\n"), "{met}");
    let nothing = Metric {
        kafka: Vec::new(),
        ..metric(Better::Lower, &[])
    };
    let nothing = table::render(&report(nothing));
    assert!(!nothing.contains("produce-1mb cpu") && !nothing.contains("targets"));
}

#[test]
fn comparisons_survive_figures_that_only_one_run_has() {
    let a = report(metric(Better::Lower, &[1.0, 1.1]));
    let mut b = report(metric(Better::Lower, &[2.0, 2.2]));
    b.figures.push(Figure {
        name: "new-one".into(),
        ..b.figures[0].clone()
    });
    let text = compare::render(&a, &b);
    assert!(
        text.contains("| 2.00 | WORSE   | 1.05 (1.00-1.10) | 2.10 (2.00-2.20) |"),
        "{text}"
    );
    assert!(text.contains("Only in B: new-one cpu"), "{text}");
}

#[test]
fn drawings_are_well_formed_and_within_their_frame() {
    for samples in [vec![0.0], vec![0.4, 0.5, 0.9], vec![1e9], vec![-1.0]] {
        let figure = report(metric(Better::Lower, &samples)).figures.remove(0);
        let svg = plot::draw(&figure).unwrap();
        well_formed(&svg);
        assert!(svg.contains("a &lt;title&gt; &amp; &quot;more&quot;"));
        assert!(svg.contains("Esker") && svg.contains("Kafka") && svg.contains("&lt;= 0.800"));
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        for attribute in ["x", "width"] {
            for value in values(&svg, attribute) {
                assert!((0.0..=720.0).contains(&value), "{attribute}={value} in {svg}");
            }
        }
    }
    let mut empty = report(metric(Better::Lower, &[])).figures.remove(0);
    assert_eq!(plot::draw(&empty), None);
    empty.metrics.clear();
    assert_eq!(plot::draw(&empty), None);
}

fn values(svg: &str, attribute: &str) -> Vec<f64> {
    let begin = format!(" {attribute}=\"");
    svg.split(&begin)
        .skip(1)
        .map(|piece| piece.split('"').next().unwrap().parse().unwrap())
        .collect()
}

/// Every element that is opened is closed, in order, and attributes are quoted.
fn well_formed(svg: &str) {
    let mut open = Vec::new();
    for piece in svg.split('<').skip(1) {
        let (tag, _) = piece.split_once('>').expect("an end of the tag");
        assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
        match (tag.strip_prefix('/'), tag.ends_with('/')) {
            (Some(name), _) => assert_eq!(open.pop(), Some(name.to_owned())),
            (None, true) => {}
            (None, false) => open.push(tag.split(' ').next().unwrap().to_owned()),
        }
    }
    assert!(open.is_empty(), "{open:?}");
}

#[test]
fn numbers_are_short() {
    let texts = [0.0, 0.1234, 1.234, 12.34, 123.4, 1234.5, 1_234_567.0, -1234.0].map(digits);
    assert_eq!(
        texts,
        [
            "0",
            "0.123",
            "1.23",
            "12.3",
            "123",
            "1,234",
            "1,234,567",
            "-1,234"
        ]
    );
}
