//! Recorded answers of four versions; their README says of which machines.

use proptest::prelude::*;

use super::*;

const RECORDED: [(&str, &[u8]); 4] = [
    (
        "247",
        include_bytes!("../../../../../testdata/units/show-247.txt"),
    ),
    (
        "252",
        include_bytes!("../../../../../testdata/units/show-252.txt"),
    ),
    (
        "257",
        include_bytes!("../../../../../testdata/units/show-257.txt"),
    ),
    (
        "262",
        include_bytes!("../../../../../testdata/units/show-262.txt"),
    ),
];

/// The same of a unit in all versions.
#[track_caller]
fn check<T: PartialEq + std::fmt::Debug>(id: &str, seen: impl Fn(&Shown) -> T, expected: T) {
    for (version, text) in RECORDED {
        let units = parse_show(text);
        let shown = units.iter().find(|shown| shown.unit.id == id);
        let shown = shown.unwrap_or_else(|| panic!("{id} is not in {version}"));
        assert_eq!(seen(shown), expected, "{id} in {version}");
    }
}

fn states(shown: &Shown) -> [String; 5] {
    let unit = &shown.unit;
    [
        &unit.load,
        &unit.active,
        &unit.sub,
        &unit.service_type,
        &unit.file_state,
    ]
    .map(String::clone)
}

#[test]
fn finds_every_unit_once_and_no_other() {
    for (version, text) in RECORDED {
        let units = parse_show(text);
        let ids: Vec<&str> = units.iter().map(|shown| shown.unit.id.as_str()).collect();
        let expected = [
            "-.mount",
            "a\\x2db.service",
            "bare.service",
            "busy.service",
            "cron.service",
            "firm.service",
            "gone.service",
            "nginx.service",
            "nothing.service",
            "odd.service",
            "ssh.service",
            "user@1000.service",
            "veiled.service",
        ];
        assert_eq!(ids, expected, "{version}");
    }
    let twice = b"Id=a.service\nMainPID=1\n\nId=a.service\nMainPID=2\n\nMainPID=3\n";
    assert_eq!(parse_show(twice).len(), 1);
}

#[test]
fn reads_states() {
    check(
        "cron.service",
        states,
        ["loaded", "active", "running", "simple", "enabled"].map(str::to_owned),
    );
    check(
        "nginx.service",
        states,
        ["loaded", "active", "running", "forking", "enabled"].map(str::to_owned),
    );
    check(
        "-.mount",
        |shown| shown.unit.service_type.clone(),
        String::new(),
    );
    check(
        "busy.service",
        states,
        ["loaded", "activating", "start", "oneshot", "static"].map(str::to_owned),
    );
    check(
        "odd.service",
        states,
        ["loaded", "active", "running", "simple", "transient"].map(str::to_owned),
    );
    // 7.45, 10.12: the manager remembers that they run, and not how.
    check(
        "gone.service",
        states,
        ["not-found", "active", "running", "", ""].map(str::to_owned),
    );
    check(
        "veiled.service",
        states,
        ["masked", "active", "running", "", "masked"].map(str::to_owned),
    );
    check(
        "nothing.service",
        |shown| (shown.unit.load.clone(), shown.unit.is_up()),
        ("not-found".to_owned(), false),
    );
    check(
        "cron.service",
        |shown| shown.unit.kill_mode.clone(),
        "process".to_owned(),
    );
    check(
        "cron.service",
        |shown| shown.unit.result.clone(),
        "success".to_owned(),
    );
    check("cron.service", |shown| shown.unit.invocation.len(), 32);
}

#[test]
fn reads_flags_and_numbers() {
    let flags = |shown: &Shown| {
        let unit = &shown.unit;
        [
            unit.can_start,
            unit.can_stop,
            unit.refuse_manual_start,
            unit.refuse_manual_stop,
        ]
    };
    check("cron.service", flags, [true, true, false, false]);
    check("firm.service", flags, [true, false, false, true]);
    check("veiled.service", flags, [false, true, false, false]);
    check("busy.service", |shown| shown.unit.has_job, true);
    check("cron.service", |shown| shown.unit.has_job, false);
    check("odd.service", |shown| shown.unit.transient, true);
    check("firm.service", |shown| shown.unit.remain_after_exit, true);
    check("user@1000.service", |shown| shown.unit.delegate, true);
    check("cron.service", |shown| shown.unit.delegate, false);
    check("cron.service", |shown| shown.unit.main_pid.is_some(), true);
    check("firm.service", |shown| shown.unit.main_pid, None);
    check(
        "bare.service",
        |shown| {
            (
                shown.unit.start_limit_burst,
                shown.unit.start_limit_interval_us,
            )
        },
        (3, 60_000_000),
    );
}

#[test]
fn reads_spans_as_they_are_written() {
    let times = |shown: &Shown| {
        (
            shown.unit.timeout_start_us,
            shown.unit.timeout_stop_us,
            shown.unit.restart_us,
        )
    };
    check(
        "cron.service",
        times,
        (Some(90_000_000), Some(90_000_000), 100_000),
    );
    check("busy.service", times, (None, Some(90_000_000), 100_000));
    check(
        "odd.service",
        times,
        (Some(60_000_500), Some(1_500_000), 90_061_000_000),
    );
}

#[test]
fn t10_09_reads_what_goes_down_together() {
    let lists = |shown: &Shown| {
        (
            shown.unit.pulled.clone(),
            shown.unit.pulled_by.contains(&"gone.service".to_owned()),
        )
    };
    check(
        "gone.service",
        lists,
        (vec!["bare.service".to_owned()], false),
    );
    check("bare.service", lists, (Vec::new(), true));
    check(
        "a\\x2db.service",
        |shown| shown.unit.names.clone(),
        vec!["a\\x2db.service".to_owned()],
    );
    check(
        "ssh.service",
        |shown| shown.unit.names.contains(&"sshd.service".to_owned()),
        true,
    );
    check(
        "ssh.service",
        |shown| shown.unit.after.contains(&"sysinit.target".to_owned()),
        true,
    );
}

#[test]
fn t10_14_knows_what_a_unit_needs_to_start() {
    let needs = |shown: &Shown| {
        let text = |paths: &[Vec<u8>]| String::from_utf8(paths.join(&b' ')).unwrap();
        (text(&shown.programs), text(&shown.files), shown.other_root)
    };
    let needed =
        |programs: &str, files: &str, other| (programs.to_owned(), files.to_owned(), other);
    // What may be missing (`-`) is not among them.
    check(
        "bare.service",
        needs,
        needed("/usr/lib/bare/prog", "/etc/default/bare", false),
    );
    check(
        "nginx.service",
        needs,
        needed("/usr/sbin/nginx /usr/sbin/nginx", "", false),
    );
    check(
        "ssh.service",
        needs,
        needed("/usr/sbin/sshd /usr/sbin/sshd", "", false),
    );
    check("firm.service", |shown| shown.other_root, true);
}

#[test]
fn t11_13_takes_no_command_line_for_properties() {
    // Its command line has the lines `Id=evil.service`, an empty one, and `MainPID=1`.
    check("odd.service", |shown| shown.unit.main_pid == Some(1), false);
    check("odd.service", |shown| shown.programs.len(), 1);
    let unclosed = b"Id=a.service\nExecStart={ path=/x ; argv[]=/x y\nMainPID=7\n\nId=b.service\n";
    let units = parse_show(unclosed);
    assert_eq!(units.len(), 2);
    assert_eq!(units[0].unit.main_pid, Some(7));
}

/// A user's manager may say so four million times.
#[test]
fn t11_13_looks_once_for_an_end_that_is_not_there() {
    let begun = std::time::Instant::now();
    parse_show(&b"ExecStart={ path=\n".repeat(100_000));
    assert!(begun.elapsed() < std::time::Duration::from_secs(5));
    let mut text = b"Id=a.service\nExecStart={ path=\n".to_vec();
    text.extend(b"x\n".repeat(COMMAND_LINES_CAP));
    text.extend(
        b"\nId=b.service\nExecStart={ path=/b ; argv[]=b\nc ; ignore_errors=no ; status=0/0 }\n",
    );
    let shown = parse_show(&text);
    assert_eq!(shown.len(), 2);
    assert_eq!(shown[1].programs, [b"/b".to_vec()]);
}

#[test]
fn takes_no_word_and_no_name_that_is_none() {
    let text = b"Id=../x.service\nActiveState=active\n\nId=a.service\nActiveState=\x1b[2Jactive\nAfter=-x y.service \"a\\\\x2d.service\" *.service \"\n";
    let units = parse_show(text);
    assert_eq!(units.len(), 1);
    assert_eq!(units[0].unit.active, "");
    assert_eq!(units[0].unit.after, ["y.service", "a\\x2d.service"]);
}

#[test]
fn reads_the_state_of_a_manager() {
    let recorded = include_bytes!("../../../../../testdata/units/state-247.txt");
    assert_eq!(parse_word_of(recorded, b"SystemState").unwrap(), "degraded");
    let recorded = include_bytes!("../../../../../testdata/units/state-262.txt");
    assert_eq!(parse_word_of(recorded, b"SystemState").unwrap(), "running");
    assert_eq!(parse_word_of(b"SystemState=\n", b"SystemState"), None);
    assert_eq!(parse_word_of(b"Version=1\n", b"SystemState"), None);
}

proptest! {
    /// The manager of a user is a program of the user's.
    #[test]
    fn t11_01_any_answer_gives_units_with_names_of_units(
        lines in proptest::collection::vec(
            ("(Id|Names|After|ExecStart|RestartUSec|EnvironmentFiles|MainPID|)=?(\\{ path=)?", proptest::collection::vec(any::<u8>(), 0..40)),
            0..60,
        )
    ) {
        let mut text = Vec::new();
        for (name, value) in lines {
            text.extend(name.into_bytes());
            text.extend(value);
            text.push(b'\n');
        }
        let units = parse_show(&text);
        for shown in &units {
            let names = std::iter::once(&shown.unit.id).chain(&shown.unit.names).chain(&shown.unit.after);
            for name in names {
                prop_assert!(unit_name(name.as_bytes()).is_some());
            }
        }
        prop_assert!(units.is_sorted_by(|a, b| a.unit.id < b.unit.id));
    }
}

#[test]
fn how_a_service_ends() {
    let of = |text: &[u8]| parse_show(text).remove(0).unit.exit_type;
    assert_eq!(of(b"Id=a.service\nExitType=cgroup\n"), "cgroup");
    assert_eq!(of(b"Id=a.service\nType=simple\n"), "");
    assert!(PROPERTIES.contains(",ExitType,"));
}
