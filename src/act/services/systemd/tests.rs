//! What needs no manager; and with one, `--ignored` on a machine of one's own.

use super::*;

#[track_caller]
fn check(name: &str, expected: bool) {
    assert_eq!(checked(name).is_ok(), expected, "{name:?}");
}

/// Before all that this boot has a log of.
const BOOT: Timestamp = Timestamp { secs: 0, nanos: 0 };

#[test]
fn t11_01_names_one_unit_and_nothing_else() {
    check("nginx.service", true);
    check("getty@tty1.service", true);
    check("dev-disk-by\\x2duuid.swap", true);
    for name in [
        "nginx",
        "*.service",
        "--force.service",
        "-.mount",
        "/etc/x.service",
        "a b.service",
        "",
        "a\n.service",
    ] {
        check(name, false);
    }
}

#[test]
fn refuses_a_name_before_it_asks_anybody() {
    let mut systemd = Systemd;
    let error = systemd
        .try_restart(Scope::System, "*.service", Duration::ZERO)
        .unwrap_err();
    assert_eq!(error, "not a name of a unit");
    assert!(
        systemd
            .log(Scope::System, "--file=/etc/shadow", BOOT)
            .is_empty()
    );
}

#[test]
fn asks_the_journal_for_what_the_unit_and_its_manager_said() {
    let since = Timestamp {
        secs: 1_790_000_000,
        nanos: 999_999_999,
    };
    let words = |scope| log_words(scope, "a.service", since)[3..].join(" ");
    assert_eq!(
        words(Scope::System),
        "--since=@1790000000 _SYSTEMD_UNIT=a.service + UNIT=a.service _PID=1"
    );
    assert_eq!(
        words(Scope::User(7)),
        "--since=@1790000000 _SYSTEMD_USER_UNIT=a.service _UID=7 + USER_UNIT=a.service _UID=7"
    );
}

#[test]
fn t12_13_says_which_manager_is_not_there() {
    // Nobody has this uid: it means "no change", chown(2).
    let error = Systemd.describe(Scope::User(u32::MAX - 1)).unwrap_err();
    assert_eq!(error, "its manager cannot be reached");
}

#[test]
fn tells_how_to_look_further() {
    let look = |scope, name| Systemd.look_command(scope, name);
    assert_eq!(
        look(Scope::System, "a.service"),
        "systemctl status a.service"
    );
    assert_eq!(
        look(Scope::System, "a\\x2d.service"),
        "systemctl status 'a\\x2d.service'"
    );
    let other = 65_432;
    assert_eq!(
        look(Scope::User(other), "a.service"),
        "systemctl --user --machine=65432@ status a.service"
    );
}

/// All of it, against a real one: restarts cron, and a unit that cannot start.
#[test]
#[ignore = "restarts services of this machine"]
fn with_a_real_systemd() {
    let mut systemd = super::super::find(std::path::Path::new("/"))
        .unwrap()
        .unwrap();
    assert_eq!(systemd.name(), "systemd");
    let begun = Instant::now();
    let mut state = systemd.describe(Scope::System).unwrap();
    eprintln!(
        "{} units, {}, in {:?}",
        state.units.len(),
        state.state,
        begun.elapsed()
    );
    let before = state.unit("cron.service").unwrap().clone();
    assert!(before.is_up() && before.missing.is_empty(), "{before:?}");
    assert_eq!(systemd.unit(Scope::System, "cron.service").unwrap(), before);
    let unknown = systemd.unit(Scope::System, "no-such.service").unwrap();
    assert_eq!(
        (unknown.load.as_str(), unknown.active.as_str()),
        ("not-found", "inactive")
    );

    systemd.reload(Scope::System).unwrap();
    systemd.reexec(Scope::System).unwrap();
    systemd
        .try_restart(Scope::System, "cron.service", Duration::from_secs(20))
        .unwrap();
    let after = systemd.unit(Scope::System, "cron.service").unwrap();
    assert_ne!(after.invocation, before.invocation);
    let begun = Instant::now();
    systemd.recent_starts(Scope::System, &mut state);
    let starts = state
        .unit("cron.service")
        .unwrap()
        .recent_starts_us
        .as_ref();
    eprintln!("starts of cron: {starts:?} in {:?}", begun.elapsed());
    assert!(!starts.unwrap().is_empty());
    for unit in state.units.iter().filter(|unit| !unit.missing.is_empty()) {
        eprintln!("{} misses {:?}", unit.id, unit.missing);
    }
    eprintln!("{:?}", systemd.log(Scope::System, "cron.service", BOOT));
    if let Ok(bare) = systemd.unit(Scope::System, "bare.service") {
        let error = systemd.try_restart(Scope::System, "bare.service", Duration::from_secs(20));
        eprintln!("{error:?}");
        let failed = systemd.unit(Scope::System, "bare.service").unwrap();
        eprintln!("{failed:?}\nwas {bare:?}");
        eprintln!("{:#?}", systemd.log(Scope::System, "bare.service", BOOT));
        eprintln!(
            "{:?}",
            systemd.start_cleared(Scope::System, "bare.service", Duration::from_secs(5))
        );
    }
    let begun = Instant::now();
    let user = Scope::User(1000);
    let state = systemd.describe(user);
    eprintln!(
        "user: {:?} in {:?}",
        state.map(|state| (state.state, state.units.len())),
        begun.elapsed()
    );
    eprintln!("{:?} {:?}", systemd.reload(user), systemd.reexec(user));
    eprintln!(
        "{:?}",
        systemd.try_restart(user, "dbus.service", Duration::from_secs(5))
    );
    eprintln!("{:?}", systemd.log(user, "dbus.service", BOOT));
}
