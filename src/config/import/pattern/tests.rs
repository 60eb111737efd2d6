use super::*;

#[track_caller]
fn check(body: &str, flags: &str, ours: &str) {
    assert_eq!(translate(body, flags).as_deref(), Ok(ours), "{body}");
}

#[track_caller]
fn check_refused(body: &str, why: &str) {
    let error = translate(body, "").unwrap_err();
    assert!(error.contains(why), "{body}: {error}");
}

#[test]
fn globs() {
    check("^name", "", "name*");
    check(r"^name\.service$", "", "name.service");
    check("name", "", "*name*");
    check("", "", "*");
    check("^a.*b.+c.$", "", "a*b?*c?");
    check("^.*$", "", "*");
    check("^a.*?b", "", "a*b*");
    check("^ssh@", "", "ssh@*");
}

#[test]
fn expressions() {
    check("^(a|b)c", "", "re:^(a|b)c");
    check("^ab?", "", "re:^ab?");
    check("^nginx", "i", "re:(?i)^nginx");
    check("^n", "n", "re:^n");
    check(r"^redis-\d+", "", "re:^redis-[0-9]+");
    check(r"^[\w.-]+\Z", "", r"re:^[0-9A-Za-z_.-]+\z");
    check(r"^a{2}b{,3}{x}", "", r"re:^a{2}b\{,3\}\{x\}");
    check("^[]a]", "", r"re:^[\]a]");
    check("^[[a&&b]", "", r"re:^[\[a\&\&b]");
    check("^[^[:alpha:]]", "", "re:^[^[:alpha:]]");
    check(r"\<a\>", "", "*<a>*");
    check(r"a\*", "", r"re:a\*");
    check("(?^i:a)", "", "re:(?i-ms:a)");
    check("^re:x", "", "re:^re:x");
    check("a b # c", "x", "re:(?x)a b # c");
}

#[test]
fn what_has_no_counterpart() {
    for (body, why) in [
        ("(?=a)", "look-ahead"),
        ("(?!a)", "look-ahead"),
        ("(?<=a)", "look-behind"),
        ("(?<!a)", "look-behind"),
        ("(?>a)", "atomic"),
        ("a++", "possessive"),
        ("a*+", "possessive"),
        ("a{2}+", "possessive"),
        (r"(a)\1", "back-reference"),
        (r"\k<a>", "back-reference"),
        ("(?P=a)", "back-reference"),
        ("(?R)", "recursion"),
        ("(?1)", "recursion"),
        ("(?{x})", "code"),
        ("(??{x})", "code"),
        ("(?(1)a)", "conditions"),
        ("(*FAIL)", "verbs"),
        (r"\Qa", "`\\Q`"),
        (r"\p{L}", "`\\p`"),
        ("(a", "unclosed"),
        ("a)", "unopened"),
        ("[a", "no `]`"),
        ("x(a\\", "backslash"),
        ("(?'a'b)", "flags"),
        ("(a{1000}){1000}", "size"),
    ] {
        check_refused(body, why);
    }
}

#[test]
fn how_names_begin() {
    #[track_caller]
    fn check(body: &str, expected: &[&str]) {
        assert_eq!(beginnings(body), expected, "{body}");
    }
    check("^dbus", &["dbus"]);
    check("^(open|free)swan", &["open", "free"]);
    check("dbus", &[]);
    check("^a|b", &[]);
    check(r"^getty@.+\.service", &["getty@"]);
    check("^ab*", &["a"]);
    check("^[ab]", &[]);
    check("^(a|b)?c", &[""]);
}
