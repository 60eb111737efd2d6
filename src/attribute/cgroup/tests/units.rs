//! Units, sessions, apps and services of other managers.

use super::*;

#[test]
fn t7_01_units_of_the_system() {
    check("/system.slice/cron.service", "unit cron.service");
}

#[test]
fn t7_02_templates() {
    check(
        "/system.slice/system-getty.slice/getty@tty1.service",
        "unit getty@tty1.service",
    );
}

#[test]
fn t7_03_escapes_stay_in_the_name() {
    let name = r"openvpn-client@site\x2da.service";
    check(
        &format!(r"/system.slice/system-openvpn\x2dclient.slice/{name}"),
        &format!("unit {name}"),
    );
    check_display(name.as_bytes(), b"openvpn-client@site-a.service");
    check_display(br"\x", br"\x");
    check_display(br"\x2", br"\x2");
    check_display(br"\x+1\xzz\\x2d\", br"\x+1\xzz\-\");
    check_display(br"\xc3\xa4\x00\xFF", b"\xc3\xa4\x00\xff");
    check_display(b"\xff\\x2d", b"\xff-");
}

#[track_caller]
fn check_display(name: &[u8], shown: &[u8]) {
    assert_eq!(Bytes::from(unescape_unit(name)), Bytes::from(shown));
}

#[test]
fn t7_04_slices_of_the_administrator() {
    check(
        "/web.slice/web-php.slice/php8.2-fpm.service",
        "unit php8.2-fpm.service",
    );
}

#[test]
fn t7_05_delegated_subgroups() {
    check(
        "/system.slice/systemd-udevd.service/udev",
        "unit systemd-udevd.service",
    );
    check("/system.slice/foo.service/supervisor", "unit foo.service");
    check("/system.slice/foo.service/payload", "unit foo.service");
}

#[test]
fn t7_06_no_unit_below_a_unit() {
    check("/system.slice/foo.service/a/b.service", "unit foo.service");
    check("/system.slice/foo.service/ssh.service", "unit foo.service");
    check(
        "/system.slice/foo.service/system.slice/ssh.service",
        "unit foo.service",
    );
}

#[test]
fn t7_06_no_search_for_something_like_a_unit() {
    check("/foo/ssh.service", "process ");
    check("/foo/system.slice/ssh.service", "process ");
    check("/system.slice/foo/ssh.service", "process ");
    check("/system.slice", "process ");
    check("/system.slice/.service", "process ");
    check("/system.slice/foo@.service", "process ");
    check("/system.slice/a b.service", "process ");
    check("/system.slice/ssh.services", "process ");
    check("/system.slice/x.slice", "process ");
    let long = format!("{}.service", "a".repeat(248));
    check(&format!("/system.slice/{long}"), "process ");
}

#[test]
fn t7_07_sockets_and_mounts() {
    check("/system.slice/foo.socket", "unit foo.socket");
    check("/system.slice/mnt-x.mount", "unit mnt-x.mount");
    check("/system.slice/swapfile.swap", "unit swapfile.swap");
    let owner = owner_of(b"0::/system.slice/foo.socket", &PLAIN);
    assert_eq!(owner.unit_suffix(), Some(&b"socket"[..]));
}

#[test]
fn t7_08_service_manager() {
    check("/init.scope", "service manager init.scope");
    check_contained("/init.scope", "process ");
    check("/system.slice/init.scope", "process ");
    let exe = Bytes::from("/sbin/init");
    let first = Hints {
        pid: 1,
        exe: Some(&exe),
        ..PLAIN
    };
    check_lines("0::/\n", &first, "service manager /sbin/init");
    check_lines("", &first, "service manager /sbin/init");
    check_lines(
        "1:name=systemd:/init.scope\n0::/\n",
        &first,
        "service manager init.scope",
    );
    let elsewhere = Hints {
        other_pid_ns: true,
        ..first
    };
    check_lines("0::/\n", &elsewhere, "process /sbin/init");
}

#[test]
fn t7_09_transient_units() {
    check(
        "/system.slice/run-r0a1bdeadbeef.service",
        "unit run-r0a1bdeadbeef.service",
    );
    check("/system.slice/run-u12.service", "unit run-u12.service");
    check("/system.slice/run-u13.scope", "unit run-u13.scope");
}

#[test]
fn t7_10_sessions() {
    check(
        "/user.slice/user-1000.slice/session-3.scope",
        "user 1000: session 3",
    );
    check(
        "/user.slice/user-1000.slice/session-c1.scope",
        "user 1000: session c1",
    );
    check(
        "/user.slice/user-0.slice/session-1.scope",
        "user 0: session 1",
    );
    // Not made by logind.
    check("/system.slice/session-3.scope", "unit session-3.scope");
    check(
        "/user.slice/user-1000.slice/session-3-4.scope",
        "unit session-3-4.scope",
    );
    check(
        "/user.slice/user-01000.slice/session-3.scope",
        "unit session-3.scope",
    );
    check(
        "/user.slice/user-4294967295.slice/session-3.scope",
        "unit session-3.scope",
    );
    check(
        "/user.slice/user-runtime-dir@1000.service",
        "unit user-runtime-dir@1000.service",
    );
}

#[test]
fn t7_11_user_manager() {
    check_user("/init.scope", "manager user@1000.service");
    check_user("", "manager user@1000.service");
    check(
        "/user.slice/user-1000.slice/user@x.service/init.scope",
        "unit user@x.service",
    );
}

#[test]
fn t7_12_user_units() {
    check_user("/app.slice/pipewire.service", "unit pipewire.service");
    check_user("/session.slice/dbus.service", "unit dbus.service");
    check_user("/background.slice/x.service", "unit x.service");
    check_user("/dbus.service", "unit dbus.service");
    check_user("/app.slice/dbus.socket", "unit dbus.socket");
}

#[test]
fn t7_13_apps() {
    for name in [
        "app-gnome-org.gnome.Nautilus-4321.scope",
        "app-org.kde.konsole-77.scope",
        "app-x@autostart.service",
        r"app-gnome-user\x2ddirs\x2dupdate\x2dgtk@autostart.service",
    ] {
        check_user(&format!("/app.slice/{name}"), &format!("app {name}"));
    }
}

#[test]
fn t7_14_scopes_of_terminals() {
    let name = "tmux-spawn-0b2c9d6e-9a54-4f6e-8a9b-6d1f3c0e7a11.scope";
    check_user(&format!("/{name}"), &format!("app {name}"));
}

#[test]
fn t7_15_root_shells_in_a_session() {
    check_program(
        "/user.slice/user-0.slice/session-9.scope",
        "/usr/bin/tmux",
        "tmux new",
        "user 0: session 9",
    );
    check_program(
        "/user.slice/user-1000.slice/session-9.scope",
        "/usr/bin/sudo",
        "sudo -i",
        "user 1000: session 9",
    );
}

#[test]
fn t7_36_snap_services() {
    check(
        "/system.slice/snap.lxd.daemon.service",
        "unit snap.lxd.daemon.service",
    );
    check(
        "/system.slice/snap.nextcloud.apache.service",
        "unit snap.nextcloud.apache.service",
    );
}

#[test]
fn t7_37_snap_apps() {
    let uuid = "0b2c9d6e-9a54-4f6e-8a9b-6d1f3c0e7a11";
    for name in [
        format!("snap.firefox.firefox-{uuid}.scope"),
        format!("snap.firefox.firefox.{uuid}.scope"),
    ] {
        check_user(&format!("/app.slice/{name}"), &format!("app {name}"));
        check_user(&format!("/{name}"), &format!("app {name}"));
    }
}

#[test]
fn t7_38_flatpak_apps() {
    for name in [
        "app-flatpak-org.gimp.GIMP-9182.scope",
        r"app-flatpak-org.x.some\x2dapp-9182.scope",
    ] {
        check_user(&format!("/app.slice/{name}"), &format!("app {name}"));
    }
    check_user(
        "/session.slice/flatpak-portal.service",
        "unit flatpak-portal.service",
    );
}

#[test]
fn t7_39_openrc_and_elogind() {
    let v1 = Hints {
        unified: false,
        ..PLAIN
    };
    check_lines("1:name=openrc:/sshd\n", &v1, "other service sshd");
    check_lines("1:name=openrc:/sshd\n0::/\n", &v1, "other service sshd");
    check("/openrc.sshd", "other service sshd");
    check("/openrc.sshd/below", "other service sshd");
    check_lines("7:elogind:/c2\n", &v1, "user 1000: session c2");
    check_lines("7:name=elogind:/c2\n0::/\n", &v1, "user 1000: session c2");
    check_lines(
        "7:elogind:/c2\n1:name=openrc:/sshd\n",
        &v1,
        "user 1000: session c2",
    );
    check_lines(
        "7:elogind:/c2\n0::/docker/<N>\n",
        &PLAIN,
        "container Docker <N>",
    );
    check_lines(
        "7:elogind:/\n1:name=openrc:/sshd\n",
        &v1,
        "other service sshd",
    );
    check_lines("1:name=openrc:/\n", &v1, "process ");
    check("/openrc.", "process ");
    check_user("/openrc.sshd", "process ");
    // Docker's containers stay in the group of its service.
    let contained = Hints {
        unified: false,
        ..CONTAINED
    };
    check_lines(
        "4:memory:/docker/<N>\n1:name=openrc:/docker\n",
        &contained,
        "container Unknown docker",
    );
}

#[test]
fn t7_40_supervisors() {
    let runit = |argv, uid, owner| {
        check_child("0::/\n", "/usr/bin/runsv", "runsv", argv, uid, owner);
    };
    runit("runsv sshd", 0, "other service sshd");
    runit("runsv /etc/sv/sshd/", 0, "other service sshd");
    runit("runsv ./sshd", 0, "other service sshd");
    runit("runsv sshd", 1000, "user 1000: other service sshd");
    runit("runsv .", 0, "process /usr/sbin/sshd");
    runit("runsv ../x", 0, "process /usr/sbin/sshd");
    runit("runsv", 0, "process /usr/sbin/sshd");
    for (exe, comm, argv) in [
        ("/bin/s6-supervise", "s6-supervise", "s6-supervise sshd"),
        ("/usr/bin/supervise", "supervise", "supervise sshd"),
        (
            "/sbin/supervise-daemon (deleted)",
            "supervise-daemo",
            "supervise-daemon sshd --start /usr/sbin/sshd",
        ),
        ("/bin/busybox", "runsv", "runsv sshd"),
    ] {
        check_child("", exe, comm, argv, 0, "other service sshd");
    }
    // `ln -s /usr/bin/sudo runsv`.
    check_child(
        "",
        "/usr/bin/sudo",
        "runsv",
        "runsv sshd",
        0,
        "process /usr/sbin/sshd",
    );
    check_child(
        "",
        "/bin/busybox",
        "sh",
        "sh sshd",
        0,
        "process /usr/sbin/sshd",
    );
    check_program("/", "/usr/sbin/sshd", "sshd", "process /usr/sbin/sshd");
    // A restart renews this supervisor, and no other.
    let itself = |exe, argv, owner| {
        let (exe, argv) = (Bytes::from(exe), words(argv));
        let hints = Hints {
            uid: 0,
            exe: Some(&exe),
            argv: &argv,
            ..PLAIN
        };
        check_lines("0::/\n", &hints, owner);
    };
    itself(
        "/usr/sbin/supervise-daemon (deleted)",
        "supervise-daemon cron --start --pidfile /run/c.pid /usr/sbin/cron -- -f",
        "other service cron",
    );
    itself(
        "/usr/sbin/supervise-daemon",
        "supervise-daemon --start",
        "process /usr/sbin/supervise-daemon",
    );
    itself(
        "/usr/bin/sudo",
        "supervise-daemon cron",
        "process /usr/bin/sudo",
    );
    itself("/usr/bin/runsv", "runsv ssh", "process /usr/bin/runsv");
    // The pid namespace of a container has supervisors of its own.
    let runsv = Bytes::from("/usr/bin/runsv");
    let argv = words("runsv sshd");
    let inside = Hints {
        other_pid_ns: true,
        parent: Some(Parent {
            exe: Some(&runsv),
            comm: &runsv,
            argv: &argv,
            uid: 0,
        }),
        ..PLAIN
    };
    check_lines("0::/\n", &inside, "process ");
}

#[test]
fn t7_41_supervisors_inside_a_unit() {
    check_child(
        "0::/system.slice/supervisor.service\n",
        "/usr/bin/runsv",
        "runsv",
        "runsv web",
        0,
        "unit supervisor.service",
    );
}

#[test]
fn t7_47_instances_are_apart() {
    check(
        r"/system.slice/system-postgresql.slice/postgresql@15-main.service",
        "unit postgresql@15-main.service",
    );
    check(
        r"/system.slice/system-postgresql.slice/postgresql@16-main.service",
        "unit postgresql@16-main.service",
    );
}
