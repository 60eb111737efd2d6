use super::*;
use crate::model::WhyNot;
use crate::problem::Problem;

#[track_caller]
fn check(words: &[&str], preset: Option<&str>, wanted: Option<(&str, Option<&str>, &[&str])>) {
    let words: Vec<OsString> = words.iter().map(OsString::from).collect();
    let found = called(&words, preset.map(OsStr::new)).unwrap();
    let found = found.map(|(dialect, call)| (dialect.name, call));
    let wanted = wanted.map(|(name, variant, args)| {
        let args = args.iter().map(OsString::from).collect();
        let variant = variant.map(str::to_owned);
        (name, Call { variant, args })
    });
    assert_eq!(found, wanted, "{words:?}");
}

#[test]
fn chosen_by_option_or_by_name() {
    check(&["unstale"], None, None);
    check(&["unstale", "check", "--as", "needrestart"], None, None);
    check(
        &["/usr/sbin/needrestart", "-b"],
        None,
        Some(("needrestart", None, &["-b"])),
    );
    check(
        &["unstale", "--as", "needrestart", "-b"],
        None,
        Some(("needrestart", None, &["-b"])),
    );
    check(
        &["x", "--as=needrestart=3.6"],
        None,
        Some(("needrestart", Some("3.6"), &[])),
    );
    check(&["x", "--dialect", "salt"], None, Some(("salt", None, &[])));
    check(&["x", "--assume"], None, None);
    // A program of that name never was.
    check(&["salt"], None, None);
    // The option counts more than the name.
    check(
        &["checkrestart", "--as=katello"],
        None,
        Some(("katello", None, &[])),
    );
}

#[test]
fn the_environment_says_the_generation_alone() {
    let preset = Some("needs-restarting=yum");
    check(
        &["needs-restarting", "-r"],
        preset,
        Some(("needs-restarting", Some("yum"), &["-r"])),
    );
    check(
        &["x", "--as=needs-restarting=dnf5"],
        preset,
        Some(("needs-restarting", Some("dnf5"), &[])),
    );
    check(&["unstale"], preset, None);
    check(&["checkrestart"], preset, Some(("checkrestart", None, &[])));
}

#[test]
fn what_is_not_spoken_is_refused() {
    #[track_caller]
    fn check(words: &[&str], preset: Option<&str>, wanted: &str) {
        let words: Vec<OsString> = words.iter().map(OsString::from).collect();
        let error = called(&words, preset.map(OsStr::new)).unwrap_err();
        assert!(error.to_string().contains(wanted), "{error}");
    }
    check(&["x", "--as"], None, "needrestart, checkrestart");
    check(&["x", "--as="], None, "takes the name");
    check(&["x", "--as", "apt"], None, "no dialect called apt");
    check(&["x", "--as=needrestart=4"], None, "3.6, 3.11");
    check(&["needrestart"], Some("needrestart=4"), "3.6, 3.11");
}

#[test]
fn names_are_tame() {
    #[track_caller]
    fn check(name: &[u8], wanted: &str) {
        assert_eq!(tame(name), wanted);
    }
    check(b"cron.service", "cron.service");
    check(b"dev-disk\\x2dby.swap", "dev-disk\\x2dby.swap");
    check(b"a\nb\x1b[1m", "a\\x0ab\\x1b[1m");
    check(b"caf\xc3\xa9 \xff", "caf\u{e9} \\xff");
    check("\u{202e}x".as_bytes(), "\\xe2\\x80\\xaex");
}

#[test]
fn one_line_for_each_cause() {
    #[track_caller]
    fn check(problems: Vec<Problem>, not_seen: usize, lines: &[&str]) {
        let mut scene = testing::nothing();
        scene.problems = problems;
        assert_eq!(scene.not_seen(), not_seen);
        let mut err = Vec::new();
        Voice {
            name: "peer",
            out: &mut io::sink(),
            err: &mut err,
        }
        .problems(&scene);
        let said = String::from_utf8(err).unwrap();
        let said: Vec<&str> = said.lines().collect();
        assert_eq!(said, lines);
    }
    let problem = |object: &str, pid, why: &WhyNot| Problem {
        operation: "read".to_owned(),
        object: Bytes::from(object),
        pid,
        why: why.clone(),
    };
    let (denied, late) = (WhyNot::Denied, WhyNot::TimedOut);
    check(Vec::new(), 0, &[]);
    let of_one = vec![
        problem("maps", Some(7), &denied),
        problem("maps", Some(7), &denied),
        problem("/boot", None, &denied),
    ];
    let lines = [
        "peer: cannot read maps of pid 7: permission denied",
        "peer: cannot read /boot: permission denied",
    ];
    check(of_one, 1, &lines);
    let mut many: Vec<Problem> = (1..=300)
        .map(|pid| problem("maps", Some(pid), &denied))
        .collect();
    many.push(problem("maps", Some(5), &late));
    many.push(problem("maps", Some(301), &late));
    let lines = [
        "peer: cannot read maps of 300 processes: permission denied",
        "peer: cannot read maps of 2 processes: no answer in time",
    ];
    check(many, 301, &lines);
    let causes = (1..=10).map(|at| problem(&format!("/{at}"), None, &denied));
    let mut lines: Vec<String> = (1..=8)
        .map(|at| format!("peer: cannot read /{at}: permission denied"))
        .collect();
    lines.push("peer: and 2 more like these".to_owned());
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    check(causes.collect(), 0, &lines);
}
