//! Processes of snaps; each tree's file `README` says where it comes from.

#![forbid(unsafe_code)]

use std::path::Path;

use unstale_plugin::instance::testing::inspect_process;
use unstale_snap::{MANIFEST, Snap};

const SCOPE: &str = "cgroup 0::/user.slice/user-1000.slice/user@1000.service/app.slice/\
                     snap.firefox.firefox-0a1b2c3d-1111-2222-3333-444455556666.scope\n";

#[track_caller]
fn check(scene: &str, process: &str, expected: &[&str]) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/scenes")
        .join(scene);
    let said = inspect_process(&mut Snap, MANIFEST, process, &directory);
    assert_eq!(said, expected.join("\n"));
}

#[test]
fn t4_21_the_link_that_a_refresh_moves() {
    let firefox = format!("exe /snap/firefox/123/usr/lib/firefox/firefox\n{SCOPE}");
    let found = ["payload firefox.firefox", "image firefox 123"];
    let link = "uses loaded revision host:/snap/firefox/current was /snap/firefox/123";
    check("ubuntu", &firefox, &[&found[..], &[link]].concat());
    let link = "uses loaded revision host:/var/lib/snapd/snap/firefox/current was /var/lib/snapd/snap/firefox/123";
    check("fedora", &firefox, &[&found[..], &[link]].concat());
    // As the host names it there.
    let firefox = format!("exe /var/lib/snapd/snap/firefox/123/usr/lib/firefox/firefox\n{SCOPE}");
    check("fedora", &firefox, &[&found[..], &[link]].concat());
}

#[test]
fn t7_36_services() {
    // An interpreter of the base, whose path names no snap.
    let apache = "exe /usr/bin/python3.10\nenv SNAP=/snap/nextcloud/8\ncontainer snap nextcloud\n\
                  cgroup 0::/system.slice/snap.nextcloud.apache.service\n";
    let found = [
        "payload nextcloud.apache",
        "image nextcloud 8",
        "uses loaded revision host:/snap/nextcloud/current was /snap/nextcloud/8",
    ];
    check("ubuntu", apache, &found);
    // The environment is believed only where the group agrees.
    let elsewhere =
        "exe /usr/bin/python3.10\nenv SNAP=/snap/nextcloud/8\ncgroup 0::/system.slice/x.service\n";
    check("ubuntu", elsewhere, &[]);
}

#[test]
fn code_of_several_snaps() {
    let classic = "exe /snap/classic/x1/bin/tool\ncode 1000 /snap/core20/2000/lib/x86_64-linux-gnu/libc.so.6\n\
                   code 2000 /snap/core20/2000/lib/x86_64-linux-gnu/libm.so.6\ncode 3000 /snap/classic/x1/lib/a.so\n\
                   cgroup 0::/user.slice/user-1000.slice/session-1.scope\n";
    check(
        "ubuntu",
        classic,
        &[
            "payload classic",
            "image classic x1",
            "uses loaded revision host:/snap/classic/current was /snap/classic/x1",
            "uses loaded revision host:/snap/core20/current was /snap/core20/2000",
        ],
    );
    // A program of the base: the snap is that of the environment, the base counts, too.
    let base = format!("exe /snap/core22/1100/usr/bin/bash\nenv SNAP=/snap/firefox/123\n{SCOPE}");
    check(
        "ubuntu",
        &base,
        &[
            "payload firefox.firefox",
            "image firefox 123",
            "uses loaded revision host:/snap/firefox/current was /snap/firefox/123",
            "uses loaded revision host:/snap/core22/current was /snap/core22/1100",
        ],
    );
    let many: String = (0..1000)
        .map(|number| format!("code {number:x} /snap/a{number}/1/x\n"))
        .collect();
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenes/ubuntu");
    let said = inspect_process(&mut Snap, MANIFEST, &many, &directory);
    assert_eq!(said.lines().count(), 16);
}

#[test]
fn a_removed_snap() {
    check(
        "ubuntu",
        "exe /snap/gone/7/bin/x\ncgroup 0::/system.slice/snap.gone.x.service\n",
        &[
            "payload gone.x",
            "image gone 7",
            "uses loaded revision host:/snap/gone/current was /snap/gone/7",
        ],
    );
}

#[test]
fn snaps_in_containers_are_not_the_hosts() {
    check(
        "ubuntu",
        "exe /snap/inner/4/bin/x\ncgroup 0::/lxc.payload.c1/system.slice/snap.inner.x.service\ncontainer lxc c1\n",
        &["uses loaded revision process:/snap/inner/current was /snap/inner/4"],
    );
    // The monitor belongs to the container, its code to a snap.
    check(
        "ubuntu",
        "exe /snap/lxd/299/bin/lxd\nargv [lxc monitor] /var/snap/lxd/common/lxd/containers c1\n\
         cgroup 0::/lxc.monitor.c1\ncontainer lxc c1\n",
        &["uses loaded revision process:/snap/lxd/current was /snap/lxd/299"],
    );
}

#[test]
fn what_is_no_snap() {
    check(
        "ubuntu",
        "exe /usr/bin/x\nenv SNAP=/snap/firefox/123\n",
        &[],
    );
    check("ubuntu", "exe /snap/bin/x\n", &[]);
    check("ubuntu", "exe /snap/../../etc/1/x\n", &[]);
}
