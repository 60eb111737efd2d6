//! `[[rule]]`: its form, how layers change each other's rules, and which files count.

use super::*;
use crate::model::{Class, Level, Mode, PolicyRule, RuleAction, Timestamp};

const RULE: &str = "[[rule]]\nname = \"r\"\nunits = [\"a.service\", \"b.service\"]\naction = \"defer\"\nreason = \"w\"\n";

/// A rule of which all is said, with one more line.
fn with(line: &str) -> String {
    format!("{RULE}{line}\n")
}

#[track_caller]
fn rule(texts: &[&str], name: &str) -> PolicyRule {
    let policy = merged(texts).policy;
    policy.rule_named(name).unwrap().clone()
}

fn names(settings: &Settings) -> Vec<&str> {
    let rules = settings.policy.rules.iter();
    rules.map(|rule| rule.name.as_str()).collect()
}

fn written(patterns: &[crate::model::Pattern]) -> Vec<&str> {
    patterns
        .iter()
        .map(crate::model::Pattern::written)
        .collect()
}

#[test]
fn a_rule_with_everything() {
    let text = "[[rule]]\nname = \"x\"\nunits = [\"re:^a\"]\nusers = [0, 1000]\ncgroups = [\"/x/*\"]\npackages = [\"p*\"]\npaths = [\"/srv/*\"]\nprograms = [\"/opt/*\"]\n\
        containers = [\"web\"]\nolder_than = \"10m\"\nyounger_than = \"7d\"\naction = \"hide\"\nreason = \"why\"\nlevel = \"soft-reboot\"\nuntil = 2027-01-31";
    let rule = rule(&[text], "x");
    let on = &rule.selectors;
    assert_eq!(written(&on.units), ["re:^a"]);
    assert_eq!(on.users, [0, 1000]);
    assert_eq!(written(&on.cgroups), ["/x/*"]);
    assert_eq!(written(&on.packages), ["p*"]);
    assert_eq!(written(&on.paths), ["/srv/*"]);
    assert_eq!(written(&on.programs), ["/opt/*"]);
    assert_eq!(written(&on.containers), ["web"]);
    assert_eq!(on.older_than_secs, Some(600));
    assert_eq!(on.younger_than_secs, Some(604_800));
    assert_eq!(
        (rule.action, rule.level),
        (RuleAction::Hide, Level::SoftReboot)
    );
    assert_eq!(rule.reason, "why");
}

#[test]
fn when_rules_end() {
    #[track_caller]
    fn check(until: &str, secs: i64) {
        let rule = rule(&[&with(&format!("until = {until}"))], "r");
        assert_eq!(rule.until, Some(Timestamp { secs, nanos: 0 }), "{until}");
    }
    // `date -ud 2027-02-01 +%s`
    check("2027-01-31", 1_801_440_000);
    check("2027-02-01T00:00:00Z", 1_801_440_000);
    check("2027-02-01T02:30:00+02:30", 1_801_440_000);
    check("2028-02-28", 1_835_395_200);
    check_refused(&with("until = 2027-01-31T10:00:00"), 6, "write a date");
    check_refused(&with("until = 10:00:00"), 6, "write a date");
    check_refused(&with("until = 9999-12-31"), 6, "write a date");
    check_refused(&with("until = \"2027-01-31\""), 6, "invalid type");
}

#[test]
fn ages() {
    #[track_caller]
    fn check(age: &str, secs: u64) {
        let text = with(&format!("older_than = \"{age}\""));
        let on = rule(&[&text], "r").selectors;
        assert_eq!(on.older_than_secs, Some(secs), "{age}");
    }
    check("0s", 0);
    check("90s", 90);
    check("2h", 7200);
    check("4w", 2_419_200);
    for wrong in [
        "",
        "10",
        "m",
        "-1m",
        "+1m",
        "1.5h",
        "1 m",
        "1M",
        "99999999999999999999s",
        "99999999999w",
        "1é",
    ] {
        check_refused(&with(&format!("younger_than = \"{wrong}\"")), 6, "`");
    }
}

#[test]
fn rules_that_say_too_little() {
    let check = |text: &str, why| check_refused(text, 2, why);
    check(
        "[[rule]]\nname = \"r\"\naction = \"defer\"\nreason = \"w\"",
        "selects nothing",
    );
    check(
        "[[rule]]\nname = \"r\"\nunits = [\"a\"]\nreason = \"w\"",
        "has no action",
    );
    for action in ["defer", "leave", "hide"] {
        let text = format!("[[rule]]\nname = \"r\"\nunits = [\"a\"]\naction = \"{action}\"");
        check(&text, "has no reason");
    }
    let restart = rule(
        &["[[rule]]\nname = \"r\"\nunits = [\"a\"]\naction = \"restart\""],
        "r",
    );
    assert!(!restart.reason.is_empty());
    check_refused("[[rule]]\nunits = [\"a\"]", 1, "missing field `name`");
}

#[test]
fn rules_that_say_it_wrongly() {
    check_refused(&with("action = \"kill\""), 6, "duplicate key");
    let kill = RULE.replace("defer", "kill");
    check_refused(&kill, 4, "`kill` is none of restart, defer, leave, hide");
    check_refused(&with("level = \"party\""), 6, "soft-reboot");
    check_refused(&with("unit = [\"a\"]"), 6, "unknown field `unit`");
    check_refused(&with("packages = []"), 6, "empty list");
    check_refused(&with("packages = [\"\"]"), 6, "empty pattern");
    check_refused(&with("packages = \"a\""), 6, "invalid type");
    check_refused(&with("paths = [\"re:(\"]"), 6, "unclosed");
    check_refused(&with("paths = [\"re:(?=a)\"]"), 6, "look-around");
    check_refused(
        &with("users = [\"nobody-here\"]"),
        6,
        "no user `nobody-here`",
    );
    check_refused(&with("users = [-1]"), 6, "a user is");
    check_refused(&with("users = [4294967295]"), 6, "no user's number");
    check_refused(&RULE.replace("\"w\"", "\" \""), 5, "empty reason");
    check_refused(&RULE.replace("\"w\"", "\"a\\nb\""), 5, "one line");
    check_refused(&RULE.replace("\"r\"", "\"r s\""), 2, "the name of a rule");
    check_refused(&RULE.replace("\"r\"", "\"\""), 2, "the name of a rule");
    check_refused(&format!("{RULE}{RULE}"), 7, "two rules `r`");
    check_refused(
        &with("remove_units = [\"a.service\"]"),
        6,
        "adds and removes",
    );
    let many = format!("packages = [{}]", "\"a\",".repeat(1025));
    check_refused(&with(&many), 6, "at most 1024");
    let long = format!("packages = [\"{}\"]", "a".repeat(2000));
    check_refused(&with(&long), 6, "at most 1024 bytes");
}

#[test]
fn too_many_rules() {
    let rules = |from: usize, to: usize| -> String {
        let rule = |number| RULE.replace("\"r\"", &format!("\"r{number}\""));
        (from..to).map(rule).collect()
    };
    assert!(
        parse(&rules(0, 4097))
            .unwrap_err()
            .what
            .contains("more than 4096")
    );
    let (first, second) = (rules(0, 4096), rules(4096, 4097));
    let error = try_merged(&[&first, &second]).unwrap_err();
    assert_eq!(error.file, Path::new("/1.toml"));
    assert!(error.to_string().contains("more than 4096"), "{error}");
}

#[test]
fn t10_26_order_of_rules() {
    let of = |all: &[&str]| -> String {
        all.iter()
            .map(|name| RULE.replace("\"r\"", &format!("\"{name}\"")))
            .collect()
    };
    let settings = merged(&[&of(&["a", "b"]), &of(&["c", "b", "d"]), &of(&["e"])]);
    assert_eq!(names(&settings), ["e", "c", "d", "a", "b"]);
}

#[test]
fn t10_27_a_higher_layer_changes_a_rule() {
    let changed = rule(
        &[
            RULE,
            "[[rule]]\nname = \"r\"\nunits = [\"c.service\"]\nremove_units = [\"a.service\"]\naction = \"leave\"",
            "[[rule]]\nname = \"r\"\nunits = [\"b.service\"]\nreason = \"x\"\nusers = [7]",
        ],
        "r",
    );
    assert_eq!(
        written(&changed.selectors.units),
        ["b.service", "c.service"]
    );
    assert_eq!(changed.selectors.users, [7]);
    assert_eq!(changed.action, RuleAction::Leave);
    assert_eq!(changed.reason, "x");

    let off = "[[rule]]\nname = \"r\"\nenabled = false";
    let on = "[[rule]]\nname = \"r\"\nenabled = true";
    assert_eq!(names(&merged(&[RULE, off])), [""; 0]);
    assert_eq!(names(&merged(&[RULE, off, on])), ["r"]);
}

#[test]
fn what_is_taken_away_too_often() {
    let remove = |what: &str| format!("[[rule]]\nname = \"r\"\nremove_units = [{what}]");
    // Without units, a rule with users would be about all that they run.
    let all = remove("\"a.service\", \"b.service\"");
    check_merge_refused(
        &[&with("users = [7]"), &all],
        "/1.toml",
        2,
        "nothing left in units",
    );
    check_merge_refused(&[RULE, &all], "/1.toml", 2, "nothing left in units");
    // What is not there any more may be so because of an upgrade.
    let (settings, notes) = try_merged(&[RULE, &remove("\"z.service\"")]).unwrap();
    assert_eq!(names(&settings), ["r"]);
    assert!(
        notes[0].what.what.contains("has no `z.service` to remove"),
        "{notes:?}"
    );
    assert_eq!(notes[0].what.line, Some((2, 8)));
    for text in [&remove("\"z\""), "[[rule]]\nname = \"r\"\nenabled = false"] {
        let (settings, notes) = try_merged(&[text]).unwrap();
        assert_eq!(names(&settings), [""; 0]);
        assert!(notes[0].what.what.contains("no rule `r`"), "{notes:?}");
    }
}

#[test]
fn users_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let passwd = dir.path().join("passwd");
    fs::write(
        &passwd,
        "root:x:0:0::/:/bin/sh\nann:x:1001:100::/:\nann:x:1:1::/:\n",
    )
    .unwrap();
    let users = Users::of(&passwd);
    let text = with("users = [\"ann\", 7, \"root\"]");
    let layer = Layer::parse(Origin::Shipped, &text, &users).unwrap();
    let settings = Settings::merged(&[layer]).unwrap().0;
    assert_eq!(settings.policy.rules[0].selectors.users, [1001, 7, 0]);
    let error = Layer::parse(Origin::Shipped, &text, &nobody()).unwrap_err();
    assert!(error.lines()[0].contains("no user `ann`"), "{error}");
    assert_eq!(error.lines()[2].trim(), "|          ^^^^^", "{error}");
}

#[test]
fn modes_notices_and_hooks() {
    let settings = merged(&[]);
    assert_eq!(settings.restart.mode, None);
    assert_eq!(settings.restart.most(Class::Service), Mode::Auto);
    assert_eq!(settings.restart.most(Class::Container), Mode::List);
    assert!(!settings.policy.only_listed && settings.notify.terminal && !settings.notify.mail);
    assert_eq!(settings.hook.mode, Mode::List);

    let settings = merged(&[
        "[restart]\nmode = \"auto\"\nonly_listed = true\n[restart.modes]\ncontainer = \"ask\"\nuser-service = \"list\"",
        "[restart]\nmode = \"ask\"\n[notify]\nmail = true\nterminal = false\n[hook]\nmode = \"auto\"\nquiet_secs = 9\nlimit_secs = 10",
    ]);
    assert_eq!(settings.restart.mode, Some(Mode::Ask));
    assert_eq!(settings.restart.most(Class::Container), Mode::Ask);
    assert_eq!(settings.restart.most(Class::UserService), Mode::List);
    assert!(settings.policy.only_listed && settings.notify.mail && !settings.notify.terminal);
    assert!(settings.notify.desktop);
    assert_eq!(settings.hook.mode, Mode::Auto);
    assert_eq!(settings.hook.quiet, Duration::from_secs(9));
    assert_eq!(settings.hook.limit, Duration::from_secs(10));

    check_refused(
        "[restart]\nmode = \"yes\"",
        2,
        "`yes` is none of list, ask, auto",
    );
    check_refused("[restart.modes]\ncontainers = \"ask\"", 2, "unknown field");
    check_refused("[hook]\nquiet_secs = 601", 2, "between 0 and 600");
    check_refused("[hook]\nlimit_secs = 0", 2, "between 1 and 86400");
    check_refused("[notify]\nmail = \"root\"", 2, "invalid type");
    check_refused("[restart]\nonly_listed = 1", 2, "invalid type");
}

#[test]
fn what_is_shipped_can_be_used() {
    let shipped = shipped();
    assert!(shipped.rules.len() > 10 && !shipped.only_listed);
    assert_eq!(shipped.rules[0].name, "message-bus");
    assert_eq!(Settings::default().policy, shipped);
    let layer = Layer::shipped().unwrap();
    assert_eq!(
        Settings::merged(&[layer.clone(), layer]).unwrap().0.policy,
        shipped
    );
}

/// Both directories.
struct Both {
    vendor: Etc,
    etc: Etc,
}

impl Both {
    fn new() -> Self {
        Self {
            vendor: Etc::new(),
            etc: Etc::new(),
        }
    }

    fn sources(&self) -> Sources {
        Sources {
            vendor: self.vendor.path(""),
            ..sources(&self.etc.path(""))
        }
    }

    #[track_caller]
    fn check(&self, has: &[&str], has_not: &[&str]) {
        let settings = read(&self.sources()).unwrap();
        let names = names(&settings);
        assert!(has.iter().all(|name| names.contains(name)), "{names:?}");
        assert!(
            !has_not.iter().any(|name| names.contains(name)),
            "{names:?}"
        );
    }
}

#[test]
fn t10_27_masked_files() {
    let both = Both::new();
    let of = |name: &str| RULE.replace("\"r\"", &format!("\"{name}\""));
    both.check(&["message-bus"], &[]);
    both.vendor.file("conf.d/60-db.toml", &of("vendor-db"));
    both.check(&["message-bus", "vendor-db"], &[]);
    // The file of a newer or older version counts, not what the program holds.
    both.vendor
        .file("conf.d/50-defaults.toml", &of("installed"));
    both.check(&["installed", "vendor-db"], &["message-bus"]);
    both.etc.file("conf.d/60-db.toml", &of("own-db"));
    both.check(&["installed", "own-db"], &["vendor-db"]);
    both.etc.file("conf.d/50-defaults.toml", "");
    both.check(&["own-db"], &["installed", "message-bus"]);
    fs::remove_file(both.etc.path("conf.d/50-defaults.toml")).unwrap();
    symlink("/dev/null", both.etc.path("conf.d/50-defaults.toml")).unwrap();
    both.check(&["own-db"], &["installed", "message-bus"]);
    fs::remove_file(both.vendor.path("conf.d/50-defaults.toml")).unwrap();
    both.check(&["own-db"], &["message-bus"]);
    // A masked file is not even read.
    both.vendor.file("conf.d/60-db.toml", "not toml");
    both.check(&["own-db"], &[]);
    fs::remove_file(both.etc.path("conf.d/60-db.toml")).unwrap();
    assert!(read(&both.sources()).is_err());
    // Nor is what only looks like a mask.
    symlink("/dev/zero", both.etc.path("conf.d/60-db.toml")).unwrap();
    let error = read(&both.sources()).unwrap_err();
    assert!(error.to_string().contains("a symbolic link"), "{error}");
}

#[test]
fn t10_27_doubtful_layers_are_refused() {
    let both = Both::new();
    both.vendor.file("conf.d/60-db.toml", RULE);
    chmod(&both.vendor.path("conf.d/60-db.toml"), 0o664);
    let error = read(&both.sources()).unwrap_err();
    assert!(error.to_string().contains("writable by others"), "{error}");
}

#[test]
fn the_order_of_layers() {
    let both = Both::new();
    let mode = |mode: &str| format!("[restart]\nmode = \"{mode}\"");
    let check = |environment: Option<&str>, wanted| {
        let sources = Sources {
            mode: environment.map(OsString::from),
            ..both.sources()
        };
        assert_eq!(read(&sources).unwrap().restart.mode, wanted);
    };
    check(None, None);
    both.vendor.file("conf.d/99.toml", &mode("auto"));
    check(None, Some(Mode::Auto));
    both.etc.file("unstale.toml", &mode("ask"));
    check(None, Some(Mode::Ask));
    both.etc.file("conf.d/00.toml", &mode("list"));
    check(None, Some(Mode::List));
    check(Some("auto"), Some(Mode::Auto));

    let sources = Sources {
        mode: Some(OsString::from("loud")),
        ..both.sources()
    };
    let error = read(&sources).unwrap_err().to_string();
    assert_eq!(error, "UNSTALE_MODE: `loud` is none of list, ask, auto");
}
