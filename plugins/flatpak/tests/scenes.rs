//! Processes of an app; each tree's file `README` says where it comes from.

#![forbid(unsafe_code)]

use std::path::Path;

use unstale_flatpak::{Flatpak, MANIFEST};
use unstale_plugin::instance::testing::inspect_process;

const SCOPE: &str = r"cgroup 1:cpu:/
cgroup 0::/user.slice/user-1000.slice/user@1000.service/app.slice/app-flatpak-org.lab.Hello\\x2dWorld-3845324898.scope
";
const APP: [&str; 3] = [
    "payload org.lab.Hello-World",
    "id 1766842120",
    "image org.lab.Hello-World/x86_64/master dcd4c4da3d5d",
];
const COMMITS: [(&str, &str); 2] = [
    (
        "app/org.lab.Hello-World/x86_64/master",
        "dcd4c4da3d5dd1f455acdc546aebb63fc1f11f41ae3e94775126970f18952a75",
    ),
    (
        "runtime/org.lab.Platform/x86_64/1",
        "b5801324b79cddbd184c3efe1d622f76e1a6380e71378af66e36329f53074311",
    ),
];

#[track_caller]
fn check(scene: &str, process: &str, expected: &str) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/scenes")
        .join(scene);
    let said = inspect_process(&mut Flatpak::default(), MANIFEST, process, &directory);
    assert_eq!(said, expected);
}

fn app_of(installation: &str) -> String {
    let links = COMMITS.map(|(below, commit)| {
        let directory = format!("{installation}/{below}");
        format!("uses loaded revision host:{directory}/active was {directory}/{commit}")
    });
    [APP.join("\n"), links.join("\n")].join("\n")
}

#[test]
fn t4_22_the_links_that_an_update_moves() {
    let hello = format!("exe /app/bin/hello\nargv hello\n{SCOPE}");
    check("sandbox", &hello, &app_of("/var/lib/flatpak"));
    check(
        "user",
        &hello,
        &app_of("/home/labuser/.local/share/flatpak"),
    );
    // Without systemd there is no scope of its own.
    let alone = "exe /app/bin/hello\ncgroup 0::/lab-exec\ncontainer unknown lab-exec\n";
    check("sandbox", alone, &app_of("/var/lib/flatpak"));
    // Nor are these of the host.
    check("user", alone, "");
    // A program of the runtime.
    check(
        "sandbox",
        &format!("exe /usr/bin/bash\n{SCOPE}"),
        &app_of("/var/lib/flatpak"),
    );
}

#[test]
fn helpers_run_the_hosts_code() {
    let named = APP.join("\n").replace("payload", "helper");
    check(
        "sandbox",
        &format!("exe /usr/bin/xdg-dbus-proxy\n{SCOPE}"),
        &named,
    );
    check("sandbox", &format!("exe /usr/bin/bwrap\n{SCOPE}"), &named);
    check(
        "outside",
        &format!("exe /usr/bin/bwrap\n{SCOPE}"),
        "helper org.lab.Hello-World",
    );
}

#[test]
fn what_is_no_app() {
    check(
        "outside",
        "exe /app/bin/x\ncgroup 0::/system.slice/x.service\n",
        "",
    );
    // t7_38
    let portal = "exe /usr/libexec/flatpak-portal\n\
                  cgroup 0::/user.slice/user-1000.slice/user@1000.service/session.slice/flatpak-portal.service\n";
    check("outside", portal, "");
    check("sandbox", "exe /app/bin/hello\ncontainer lxc c1\n", "");
}

#[test]
fn t11_15_a_file_that_cannot_be_read() {
    let made = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(made.path().join("root/.flatpak-info")).unwrap();
    let said = inspect_process(
        &mut Flatpak::default(),
        MANIFEST,
        "exe /app/bin/x\n",
        made.path(),
    );
    assert_eq!(said, "unknown cannot read /.flatpak-info: WrongKind");
}
