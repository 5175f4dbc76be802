use super::*;

fn matches(expression: &str, name: &str) -> bool {
    Pattern::new(expression).unwrap().matches(name)
}

#[test]
fn the_whole_name_matches_or_nothing_does() {
    for (expression, yes, no) in [
        ("a", "a", "ab"),
        ("a|ab", "ab", "abc"),
        ("a*?", "aaa", "aab"),
        ("b", "b", "ab"),
        ("^a.*$", "abc", "bac"),
        ("", "", "a"),
        ("(?i)orders", "ORDERS", "order"),
        (r"\w+-\d{2}", "x_1-07", "x_1-7"),
        ("(?:)|x", "x", "y"),
        (r"a\.b", "a.b", "axb"),
        (r"\bfoo\b.*", "foo-1", "foo1"),
        ("[[:alpha:]]+", "abc", "a1"),
        ("[^t].*", "u", "t"),
        ("(?x) a b # and a comment", "ab", "a b"),
        ("(?P<first>a+)(?:b)?", "aab", "b"),
    ] {
        assert!(matches(expression, yes), "{expression} {yes}");
        assert!(!matches(expression, no), "{expression} {no}");
    }
}

#[test]
fn what_is_quoted_means_itself() {
    for (expression, yes, no) in [
        (r"\Qa.b\E", "a.b", "axb"),
        (r"\Qa.b\E.*", "a.bcd", "axb"),
        (r"x\Q(\E|\Q[", "x(", "x"),
        (r"x\Q(\E|\Q[", "[", "x["),
        (r"\\Q", r"\Q", "Q"),
        (r"\Q\\E", r"\", "E"),
    ] {
        assert!(matches(expression, yes), "{expression} {yes}");
        assert!(!matches(expression, no), "{expression} {no}");
    }
}

#[test]
fn what_cannot_be_read_or_is_too_large_is_refused() {
    let nested = "(".repeat(1000) + &")".repeat(1000);
    let long = "a".repeat(REGEX_BYTES_MAX + 1);
    for expression in [
        "(",
        "a)|(b",
        "*",
        "[",
        r"a\",
        r"(a)\1",
        "(?=a)",
        r"\p{L}",
        "a{2,1}",
        "(?x) a ) #",
        "a{1000}{1000}",
        "(a|b)*a(a|b){20}",
        "(?:.{1,200}x){1,200}",
        &nested,
        &long,
    ] {
        let refused = Pattern::new(expression).err();
        assert_eq!(
            refused,
            Some(GroupError::InvalidRegularExpression),
            "{expression}"
        );
    }
}

#[test]
fn usual_expressions_are_small_enough() {
    let many: Vec<String> = (0..200).map(|topic| format!("topic-{topic}")).collect();
    for expression in [
        &many.join("|"),
        ".*",
        r"^metrics\.(eu|us)-[0-9]+\..*$",
        r"[a-z]{1,100}",
        ".*foo.*bar.*",
    ] {
        Pattern::new(expression).unwrap();
    }
}
