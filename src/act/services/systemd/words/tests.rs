//! As systemd writes them (`format_timespan`), and as it does not.

use super::*;

#[track_caller]
fn check(text: &str, expected: Option<Span>) {
    assert_eq!(parse_span(text.as_bytes()), expected, "{text}");
}

#[test]
fn reads_spans() {
    check("0", Some(Span::Micros(0)));
    check("infinity", Some(Span::Infinite));
    check("100ms", Some(Span::Micros(100_000)));
    check("1min 30s", Some(Span::Micros(90_000_000)));
    check("1.500000s", Some(Span::Micros(1_500_000)));
    check("2.5min", Some(Span::Micros(150_000_000)));
    check("1min 500us", Some(Span::Micros(60_000_500)));
    check("1d 1h 1min 1s", Some(Span::Micros(90_061_000_000)));
    // 400 days, as recorded.
    check(
        "1y 1month 4d 7h 30min",
        Some(Span::Micros(
            34_560_000_000_000 - 30_000_000 * 60 + 1_800_000_000,
        )),
    );
    check("99999999999999999999s", None);
    check("18446744073709551615y 1y", Some(Span::Micros(u64::MAX)));
    for nothing in [
        "", " ", "5", "s", "-1s", "1.s", "1.5.5s", "1 s", "1parsec", "n/a", "１s",
    ] {
        check(nothing, None);
    }
}

#[test]
fn names_that_a_manager_may_have_in_memory() {
    for name in [
        "a.service",
        "getty@tty1.service",
        "-.mount",
        "a.b.scope",
        "foo@a@b.service",
    ] {
        assert!(is_loadable(name), "{name}");
    }
    for name in [
        "foo@.service",
        "a.conf",
        "a",
        "@x.service",
        ".service",
        "a b.service",
        "a.Service",
    ] {
        assert!(!is_loadable(name), "{name}");
    }
}

#[test]
fn reads_lists() {
    let names = |list: &str| parse_names(list.as_bytes());
    assert_eq!(names(" a.service  b.mount "), ["a.service", "b.mount"]);
    assert_eq!(
        names(r#""a\\x2db.service" c.slice"#),
        [r"a\x2db.service", "c.slice"]
    );
    assert_eq!(names("-.mount -.slice"), ["-.mount", "-.slice"]);
    let none: [&str; 0] = [];
    assert_eq!(names(r#""open.serv"#), ["open.serv"]);
    assert_eq!(
        names(r#"" *.service a/b.service nodot .hidden @.service é.service"#),
        none
    );
    assert_eq!(names(&format!("{}.service", "a".repeat(250))), none);
}
