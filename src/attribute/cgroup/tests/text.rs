//! Lines, escapes, and names that were made to deceive.

use super::*;

#[test]
fn escapes_of_the_kernels_names_are_undone() {
    check("/system.slice/_memory.service", "unit memory.service");
    check("/_cpu.slice/_io.service", "unit io.service");
    check("/system.slice/_cgroup.x.service", "unit cgroup.x.service");
    check("/system.slice/__x.service", "unit _x.service");
    check_user("/app.slice/_memory.service", "unit memory.service");
}

#[test]
fn the_line_is_chosen() {
    let v1 = Hints {
        unified: false,
        ..PLAIN
    };
    let both = "1:name=systemd:/system.slice/a.service\n0::/system.slice/b.service\n";
    check_lines(both, &v1, "unit a.service");
    check_lines(both, &PLAIN, "unit b.service");
    let root = "1:name=systemd:/system.slice/a.service\n0::/\n";
    check_lines(root, &PLAIN, "unit a.service");
    check_lines(root, &v1, "unit a.service");
    let root = "1:name=systemd:/\n0::/system.slice/b.service\n";
    check_lines(root, &PLAIN, "unit b.service");
    check_lines(root, &v1, "unit b.service");
    check_lines("0::/system.slice/b.service", &v1, "unit b.service");
    // From the lab: cgroup v1, docker without systemd; a service; podman.
    check_lines(
        "13:misc:/\n9:memory:/docker/<N>\n1:name=systemd:/docker/<N>\n0::/docker/<N>\n",
        &v1,
        "container Docker <N>",
    );
    check_lines(
        "9:memory:/system.slice/cron.service\n8:freezer:/\n1:name=systemd:/system.slice/cron.service\n0::/system.slice/cron.service\n",
        &v1,
        "unit cron.service",
    );
    check_lines(
        "9:memory:/machine.slice/libpod-<N>.scope/container\n1:name=systemd:/machine.slice/libpod-<N>.scope\n",
        &v1,
        "container Podman <N>",
    );
    // A controller's line never counts.
    check_lines("9:memory:/docker/<N>\n", &v1, "process ");
    check_lines("9:pids:/system.slice/cron.service\n", &v1, "process ");
}

#[test]
fn outside_the_readers_cgroup_namespace_nothing_is_a_unit() {
    check("/../system.slice/cron.service", "process ");
    check("/../../init.scope", "process ");
    check("/..", "process ");
    check_contained("/../<N>", "container Unknown <N>");
    check_contained("/../system.slice/cron.service", "process ");
    check(&format!("/..{USER}/init.scope"), "process ");
}

#[test]
fn t2_06_only_the_first_two_colons_part_a_line() {
    check(r"/system.slice/a:b\x2dc.service", r"unit a:b\x2dc.service");
    check("/system.slice/foo.service/a:b c\\d", "unit foo.service");
    for text in [
        "", "\n", "0", "0:", "0::", "0::x", ":", "::", "0:/a", "x:y:z",
    ] {
        check_lines(text, &PLAIN, "process ");
    }
}

#[test]
fn t2_07_groups_removed_under_a_zombie() {
    check("/system.slice/foo.service (deleted)", "unit foo.service");
    check(
        "/system.slice/docker-<N>.scope (deleted)",
        "container Docker <N>",
    );
    check("/system.slice/foo.service (deleted) (deleted)", "process ");
    check_program(
        "/system.slice/foo.service (deleted)",
        "/bin/x",
        "x",
        "process /bin/x",
    );
}

#[test]
fn t11_13_names_chosen_by_users_and_services() {
    check_user("/system.slice/ssh.service", "unit ssh.service");
    check_user("/app.slice/session-3.scope", "app session-3.scope");
    check_user(
        "/user.slice/user-0.slice/session-3.scope",
        "app session-3.scope",
    );
    check_user("/user@0.service/init.scope", "unit user@0.service");
    check_user("/app.slice/init.scope", "app init.scope");
    check_user(
        "/machine.slice/machine-web.scope/payload",
        "container Machine web",
    );
    check_user(
        "/kubepods.slice/kubepods-pod1.slice/cri-containerd-<N>.scope",
        "container Kubernetes <N>, pod 1",
    );
    check_user("/qemu.slice/100.scope", "vm Qemu 100");
    check_user("/x/system.slice/ssh.service", "process ");
    check_user("/init.scope/../../ssh.service", "manager user@1000.service");
    for below in [
        "docker-<N>.scope",
        "docker/<N>",
        "lxc.payload.web",
        "machine-web.scope/payload",
        "user@0.service/init.scope",
        "session-3.scope",
        "kubepods/pod1/<N>",
        "init.scope",
    ] {
        check(
            &format!("/system.slice/foo.service/{below}"),
            "unit foo.service",
        );
        check(
            &format!("/user.slice/user-1000.slice/session-3.scope/app/{below}"),
            "user 1000: session 3",
        );
    }
}

#[test]
fn t11_14_containers_by_users_are_theirs() {
    check_user("/libpod-<N>.scope", "container Podman <N>");
    check_user("/app.slice/docker-<N>.scope", "container Docker <N>");
    check_user("/docker/<N>", "container Docker <N>");
    check_user(
        "/app.slice/docker.service/docker/<N>",
        "container Docker <N>",
    );
}

#[test]
fn deep_and_long_paths_end() {
    let deep = "/a".repeat(10_000);
    check(&deep, "process ");
    check(
        &format!("/system.slice/foo.service{deep}"),
        "unit foo.service",
    );
    check(&"/a.slice".repeat(10_000), "process ");
    check(
        &format!("{USER}{}", "/user@1000.service".repeat(10_000)),
        "user 1000: unit user@1000.service",
    );
    let owner = owner_of(format!("0::{deep}").as_bytes(), &CONTAINED);
    assert_eq!(owner.name.as_slice().len(), deep.len() - 1);
}
