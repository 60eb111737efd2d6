//! Which words are said to which program.

use super::*;

#[track_caller]
fn check(manager: &impl Scripts, action: Action, tool: Tool, words: &str) {
    let (found, said) = manager.command(action, "cron", Duration::from_secs(30));
    assert_eq!((found, said.join(" ").as_str()), (tool, words));
}

#[test]
fn says_what_each_program_understands() {
    check(
        &OpenRc,
        Action::Restart,
        Tool::RcService,
        "--ifstarted cron restart",
    );
    check(&OpenRc, Action::Clear, Tool::RcService, "cron zap");
    check(&Runit, Action::Restart, Tool::Sv, "-w 29 try-restart cron");
    check(&SysV, Action::Status, Tool::Service, "cron status");
    match Tool::InvokeRcd.is_installed() {
        true => check(
            &SysV,
            Action::Restart,
            Tool::InvokeRcd,
            "--disclose-deny cron restart",
        ),
        false => check(&SysV, Action::Restart, Tool::Service, "cron restart"),
    }
}

#[test]
fn t11_01_takes_no_name_that_is_more_than_a_name() {
    for name in ["cron", "php8.2-fpm", "a@b", "x_y+z"] {
        assert!(is_tame(name), "{name}");
    }
    for name in [
        "",
        "-s",
        "../cron",
        "a b",
        "a;b",
        "$(x)",
        "é",
        &"a".repeat(65),
    ] {
        assert!(!is_tame(name), "{name}");
    }
}

#[test]
fn does_nothing_to_what_is_not_there() {
    let mut managers: [Box<dyn ServiceManager>; 3] =
        [Box::new(OpenRc), Box::new(Runit), Box::new(SysV)];
    for manager in &mut managers {
        let name = "no-such-service";
        let restart = manager.try_restart(Scope::System, name, Duration::from_secs(5));
        assert_eq!(restart.unwrap_err(), "there is no such service");
        assert!(manager.describe(Scope::User(0)).is_err());
        assert_eq!(
            manager.describe(Scope::System).unwrap(),
            ManagerState::default()
        );
        let unit = manager.unit(Scope::System, name).unwrap();
        assert_eq!(
            (unit.load.as_str(), unit.active.as_str()),
            ("not-found", "inactive")
        );
    }
}

#[test]
fn t7_40_runit_waits_no_longer_than_services_take_to_start() {
    #[track_caller]
    fn check(secs: u64, waits: &str) {
        let limit = Duration::from_secs(secs);
        let (_, said) = Runit.command(Action::Restart, "cron", limit);
        assert_eq!(said[1], waits);
    }
    check(0, "1");
    check(30, "29");
    check(600, "60");
}
