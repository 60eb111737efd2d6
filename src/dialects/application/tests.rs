//! Names, types and commands.

use crate::dialects::Stale;
use crate::dialects::testing::{nothing, service};
use crate::model::{Action, Because, Bytes, Cause, Level, Owner, OwnerKind, Runtime, Scope};

const SYSTEM: Scope = Scope::System;

fn owned(kind: OwnerKind, name: &str, scope: Scope) -> Stale {
    Stale {
        owner: Owner::new(kind, name, scope),
        ..service(7, "x.service", "/usr/bin/prog", "p")
    }
}

#[track_caller]
fn check(one: Stale, expected: &str) {
    check_all(&[one], false, expected);
}

#[track_caller]
fn check_all(stale: &[Stale], reboot: bool, expected: &str) {
    let mut scene = nothing();
    scene.stale = stale.to_vec();
    if reboot {
        let cause = Cause::new("kernel.newer", Level::Reboot, "x".to_owned());
        scene.reboot.level = Some(Level::Reboot);
        scene.reboot.causes = vec![cause];
    }
    let all = super::all(&scene);
    let told: Vec<String> = all
        .iter()
        .map(|(name, one)| {
            let helper = one.helper.as_deref().unwrap_or("-");
            format!("{name} {} {helper}", one.kind.word())
        })
        .collect();
    assert_eq!(told.join("\n"), expected);
}

#[test]
fn services_are_daemons() {
    let unit = |name: &str| owned(OwnerKind::Unit, name, SYSTEM);
    check(unit("cron.service"), "cron daemon systemctl restart cron");
    check(
        unit("a@b\\x2dc.service"),
        "a@b\\x2dc daemon systemctl restart 'a@b\\x2dc'",
    );
    check(
        unit("d.mount.service"),
        "d.mount.service daemon systemctl restart d.mount.service",
    );
    check(unit("a;reboot.service"), "a;reboot daemon -");
    check(unit("a'b.service"), "a'b daemon -");
    check(unit("-a.service"), "-a daemon -");
    check(unit("a\nb.service"), "a\\x0ab daemon -");
    check(unit("run-1.scope"), "prog application -");
    let manager = owned(OwnerKind::ServiceManager, "systemd", SYSTEM);
    check(manager, "systemd-manager daemon systemctl daemon-reexec");
    let script = owned(OwnerKind::OtherService, "ssh", SYSTEM);
    check(script, "ssh daemon service ssh restart");
    for name in ["a\nb", "$(id)", "it's", "a,b", "-r"] {
        let one = owned(OwnerKind::OtherService, name, SYSTEM);
        check(one, &format!("{} daemon -", super::tame(name.as_bytes())));
    }
    let mut runit = owned(OwnerKind::OtherService, "ssh", SYSTEM);
    runit.restart = Some(vec![
        "sv".to_owned(),
        "restart".to_owned(),
        "ssh".to_owned(),
    ]);
    check(runit, "ssh daemon sv restart ssh");
}

#[test]
fn what_users_started_ends_with_their_session() {
    let log_out = "session You will have to log out & log in again";
    let mut login = owned(OwnerKind::Session, "3", SYSTEM);
    login.user = "alice".to_owned();
    check(login.clone(), &format!("ssh-alice-session {log_out}"));
    // sshd's own process for a login is root's.
    login.user = "root".to_owned();
    login.comm = Bytes::from("sshd");
    for argv in ["sshd: bob [priv]", "sshd: bob@pts/0"] {
        login.argv = vec![Bytes::from(argv)];
        check(login.clone(), &format!("ssh-bob-session {log_out}"));
    }
    login.uid = 1000;
    check(login.clone(), &format!("ssh-root-session {log_out}"));
    login.uid = 0;
    login.argv = vec![Bytes::from("sshd: ")];
    check(login, &format!("ssh-root-session {log_out}"));
    let user = Scope::User(1000);
    let agent = owned(OwnerKind::Unit, "agent.service", user);
    check(agent, &format!("agent (user 1000) {log_out}"));
    let manager = owned(OwnerKind::UserManager, "user@1000.service", user);
    check(manager, &format!("user@1000 {log_out}"));
    let mut app = owned(OwnerKind::App, "app-x.scope", user);
    app.level = Level::Session;
    check(app, &format!("prog (user 1000) {log_out}"));
}

#[test]
fn what_no_restart_renews_is_static() {
    let reboot = "static You will have to reboot your computer";
    let mut bus = owned(OwnerKind::Unit, "dbus.service", SYSTEM);
    bus.action = Action::Defer;
    bus.level = Level::Reboot;
    check(bus.clone(), &format!("dbus {reboot}"));
    bus.level = Level::Service;
    check(bus.clone(), "dbus daemon systemctl restart dbus");
    bus.because = vec![Because {
        rule: "unit.refuses".to_owned(),
        why: "x".to_owned(),
    }];
    check(bus.clone(), &format!("dbus {reboot}"));
    bus.owner.scope = Scope::User(1000);
    let log_out = "session You will have to log out & log in again";
    check(bus, &format!("dbus (user 1000) {log_out}"));
    let mut init = owned(OwnerKind::ServiceManager, "/sbin/init", SYSTEM);
    init.level = Level::Reboot;
    check(init, &format!("prog {reboot}"));
}

#[test]
fn containers_are_restarted_by_their_unit_or_by_name() {
    let mut web = owned(OwnerKind::Container(Runtime::Podman), "web", SYSTEM);
    check(web.clone(), "web application -");
    let words = ["podman", "restart", "web"].map(str::to_owned);
    web.restart = Some(words.to_vec());
    check(web.clone(), "web application podman restart web");
    web.owner.host_unit = Some(Bytes::from("web.service"));
    check(web, "web daemon systemctl restart web");
}

#[test]
fn what_passes_is_left_out_but_not_by_its_own_word() {
    for comm in ["sudo", "su", "(sd-pam)", "dnf", "dnf5", "yum"] {
        let mut one = owned(OwnerKind::Session, "3", SYSTEM);
        one.comm = Bytes::from(comm);
        check(one.clone(), "");
        one.owner = Owner::new(OwnerKind::Unit, "liar.service", SYSTEM);
        check(one, "liar daemon systemctl restart liar");
    }
}

#[test]
fn no_name_of_a_service_is_a_users() {
    let user = Scope::User(1000);
    let of_user = |kind, name: &str, scope| Stale {
        uid: 1000,
        user: "alice".to_owned(),
        program: Some(Bytes::from("/home/alice/ssh")),
        ..owned(kind, name, scope)
    };
    let log_out = "session You will have to log out & log in again";
    let service = "ssh daemon systemctl restart ssh";
    let ssh = owned(OwnerKind::Unit, "ssh.service", SYSTEM);
    let mut contained = of_user(OwnerKind::Container(Runtime::Podman), "x", user);
    contained.owner.host_unit = Some(Bytes::from("ssh.service"));
    let users = [
        of_user(OwnerKind::Unit, "ssh.service", user),
        of_user(OwnerKind::OtherService, "ssh", user),
        of_user(OwnerKind::Container(Runtime::Podman), "ssh", user),
        of_user(OwnerKind::App, "app-x.scope", user),
        of_user(OwnerKind::Process, "/home/alice/ssh", user),
    ];
    for one in users {
        let both = format!("{service}\nssh (user 1000) {log_out}");
        check_all(&[ssh.clone(), one.clone()], false, &both);
        check_all(&[one.clone(), ssh.clone()], false, &both);
        // A name does not change with what else is stale.
        check(one, &format!("ssh (user 1000) {log_out}"));
    }
    let both = format!("{service}\nx (user 1000) {log_out}");
    check_all(&[ssh.clone(), contained], false, &both);
    // Of a scope of the system, or of none.
    let bare = of_user(OwnerKind::Process, "/home/alice/ssh", SYSTEM);
    let both = format!("{service}\nssh (user 1000) application -");
    check_all(&[bare, ssh.clone()], false, &both);
    let machine = owned(OwnerKind::Container(Runtime::Podman), "ssh", SYSTEM);
    let both = format!("{service}\nssh (container) application -");
    check_all(&[machine, ssh], false, &both);
}

#[test]
fn nothing_else_is_the_kernel() {
    let kernel = "kernel static You will have to reboot your computer";
    let named = |program: &str, kind, name: &str| Stale {
        program: Some(Bytes::from(program)),
        ..owned(kind, name, SYSTEM)
    };
    let bare = named("/x/kernel", OwnerKind::Process, "/x/kernel");
    let unit = named("/x/y", OwnerKind::Unit, "kernel.service");
    let script = named("/x/y", OwnerKind::OtherService, "kernel");
    let process = "kernel (user 0) application -";
    check(bare.clone(), process);
    check_all(
        std::slice::from_ref(&bare),
        true,
        &format!("{kernel}\n{process}"),
    );
    let daemon = "kernel.service daemon systemctl restart kernel";
    check_all(&[unit], true, &format!("{kernel}\n{daemon}"));
    let daemon = "kernel.service daemon service kernel restart";
    check_all(&[script], true, &format!("{kernel}\n{daemon}"));
}

#[test]
fn of_two_services_with_one_name_the_one_that_takes_more_counts() {
    let mut scene = nothing();
    let cron = owned(OwnerKind::Unit, "cron.service", SYSTEM);
    let mut held = cron.clone();
    held.pid = 8;
    held.level = Level::Reboot;
    scene.stale = vec![cron.clone(), held, cron];
    let all = super::all(&scene);
    assert_eq!(all.len(), 1);
    let one = &all["cron"];
    assert_eq!((one.kind, one.processes.len()), (super::Type::Static, 3));
    assert_eq!(one.helper.as_deref(), Some(super::REBOOT));
}

#[test]
fn the_kernel_stands_for_what_else_asks_for_a_reboot() {
    let check = |rule, level, sure, kernel, untold| {
        let mut scene = nothing();
        let mut cause = Cause::new(rule, level, "x".to_owned());
        cause.sure = sure;
        scene.reboot.level = Some(level);
        scene.reboot.causes = vec![cause];
        let named: Vec<String> = super::all(&scene).into_keys().collect();
        assert_eq!(named == ["kernel"], kernel, "{rule} {level:?}");
        assert_eq!(scene.reboot_is_untold(), untold, "{rule}");
    };
    check("kernel.newer", Level::Reboot, true, true, false);
    check("flag", Level::SoftReboot, true, true, false);
    check("process", Level::Reboot, true, false, false);
    check("process", Level::Session, true, false, false);
    check("kernel.newer", Level::Reboot, false, false, true);
}
