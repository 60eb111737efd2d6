//! Containers, their helpers and virtual machines.

use super::*;

#[test]
fn t7_17_docker() {
    let owner = "container Docker <N>";
    check("/system.slice/docker-<N>.scope", owner);
    check("/web.slice/docker-<N>.scope", owner);
    check("/docker/<N>", owner);
    // The shape is that of nerdctl with a namespace of its own, too: it is for the engines to say.
    check_contained("/PARENT/<N>", "container Unknown <N>");
    check_contained("/PARENT/deeper/<N>", "container Unknown <N>");
    check(
        "/system.slice/docker-<N>.scope/system.slice/ssh.service",
        "container Docker <N>, inside ssh.service",
    );
    check(
        "/docker/<N>/init.scope",
        "container Docker <N>, inside init.scope",
    );
    check("/docker/0123456789ab", "container Docker 0123456789ab");
    // No ids.
    check("/docker/0123456789a", "process ");
    check("/docker/0123456789AB", "process ");
    check(
        "/system.slice/docker-desktop.scope",
        "unit docker-desktop.scope",
    );
    check(
        "/system.slice/docker-0123456789a.scope",
        "unit docker-0123456789a.scope",
    );
    check(
        "/system.slice/docker-<N>.service",
        "unit docker-<N>.service",
    );
    check("/system.slice/docker-<N>0.scope", "unit docker-<N>0.scope");
}

#[test]
fn t7_18_rootless_docker() {
    check_user("/user.slice/docker-<N>.scope", "container Docker <N>");
}

#[test]
fn t7_19_daemons_and_shims() {
    let shim = "/usr/bin/containerd-shim-runc-v2";
    let containerd = "/system.slice/containerd.service";
    check(containerd, "unit containerd.service");
    check_program(
        "/system.slice/docker.service",
        "/usr/bin/docker-proxy",
        "docker-proxy -proto tcp -id <N> -namespace moby",
        "unit docker.service",
    );
    for exe in [shim, "/usr/bin/containerd-shim-runc-v2 (deleted)"] {
        check_program(
            containerd,
            exe,
            "/usr/bin/containerd-shim-runc-v2 -namespace moby -id <N> -address /run/c.sock",
            "container Docker <N>",
        );
    }
    check_program(
        "/system.slice/docker.service",
        shim,
        "containerd-shim-runc-v2 -namespace moby -id <N>",
        "container Docker <N>",
    );
    check_program(
        containerd,
        shim,
        "containerd-shim-runc-v2 --namespace=k8s.io --id=<N>",
        "container Kubernetes <N>",
    );
    check_program(
        containerd,
        shim,
        "containerd-shim-runc-v2 -namespace default -id ct1",
        "container Containerd ct1",
    );
    check_program(
        containerd,
        "/usr/bin/containerd-shim",
        "containerd-shim -namespace moby -workdir /var/lib/x/moby/<N> -debug",
        "container Docker <N>",
    );
    // Only the kernel's name of the program counts, in a unit that has shims.
    let forged = "/usr/bin/containerd-shim-runc-v2 -namespace moby -id <N>";
    check_program(
        containerd,
        "/usr/bin/perl",
        forged,
        "unit containerd.service",
    );
    check_program(
        "/system.slice/foo.service",
        shim,
        forged,
        "unit foo.service",
    );
    check_program(
        containerd,
        shim,
        "containerd-shim-runc-v2 -namespace moby -id web",
        "unit containerd.service",
    );
    check_program(
        containerd,
        shim,
        "containerd-shim-runc-v2 -namespace moby -id",
        "unit containerd.service",
    );
}

#[test]
fn t7_20_podman() {
    let owner = "container Podman <N>";
    check("/machine.slice/libpod-<N>.scope/container", owner);
    check("/machine.slice/libpod-<N>.scope", owner);
    check("/machine.slice/libpod-conmon-<N>.scope", owner);
    check(
        "/machine.slice/libpod-<N>.scope/container/system.slice/x.service",
        "container Podman <N>, inside x.service",
    );
}

#[test]
fn t7_21_rootless_podman() {
    let owner = "container Podman <N>";
    check_user("/user.slice/libpod-<N>.scope/container", owner);
    check_user("/user.slice/libpod-conmon-<N>.scope", owner);
}

#[test]
fn t7_22_podman_without_systemd() {
    check("/libpod_parent/libpod-<N>", "container Podman <N>");
    check("/own_parent/libpod-<N>", "container Podman <N>");
    let conmon = "/usr/bin/conmon";
    check_program(
        "/libpod_parent/conmon",
        conmon,
        "/usr/bin/conmon --api-version 1 -c <N> -u <N> -r /usr/bin/crun",
        "container Podman <N>",
    );
    check_program(
        "/libpod_parent/conmon",
        conmon,
        "conmon",
        "process /usr/bin/conmon",
    );
}

#[test]
fn t7_23_quadlets() {
    check(
        "/system.slice/qweb.service/libpod-payload-<N>",
        "container Podman <N>, kept by qweb.service",
    );
    for group in ["runtime", "supervisor"] {
        let path = format!("/system.slice/qweb.service/{group}");
        check(&path, "unit qweb.service");
        check_program(
            &path,
            "/usr/bin/conmon",
            "/usr/bin/conmon --api-version 1 -c <N> -u <N>",
            "container Podman <N>, kept by qweb.service",
        );
    }
    check_user(
        "/app.slice/web.service/libpod-payload-<N>",
        "container Podman <N>, kept by web.service",
    );
    check_user("/app.slice/web.service/runtime", "unit web.service");
}

#[test]
fn t7_24_podman_pods() {
    check(
        "/machine.slice/machine-libpod_pod_<N>.slice/libpod-<N>.scope",
        "container Podman <N>, pod <N>",
    );
    check_user(
        "/user.slice/user-libpod_pod_<N>.slice/libpod-<N>.scope/container",
        "container Podman <N>, pod <N>",
    );
}

#[test]
fn t7_25_kubernetes_with_systemd() {
    let uid = "0a1b2c3d_1111_2222_3333_444455556666";
    let owner = "container Kubernetes <N>, pod 0a1b2c3d-1111-2222-3333-444455556666";
    let burstable =
        format!("/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{uid}.slice");
    for scope in [
        "cri-containerd-<N>.scope",
        "crio-<N>.scope",
        "crio-<N>.scope/container",
        "crio-conmon-<N>.scope",
        "docker-<N>.scope",
    ] {
        check(&format!("{burstable}/{scope}"), owner);
    }
    check(
        &format!("/kubepods.slice/kubepods-pod{uid}.slice/cri-containerd-<N>.scope"),
        owner,
    );
    check(
        "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod1234.slice/cri-containerd-<N>.scope",
        "container Kubernetes <N>, pod 1234",
    );
    // Nothing in a pod is a unit of the host.
    let pod = "container Kubernetes 0a1b2c3d-1111-2222-3333-444455556666, \
               pod 0a1b2c3d-1111-2222-3333-444455556666";
    check(&format!("{burstable}/ssh.service"), pod);
    check(&burstable, pod);
    check("/system.slice/kubelet.service", "unit kubelet.service");
    check("/system.slice/crio-conmon-<N>.scope", "container CriO <N>");
}

#[test]
fn t7_26_kubernetes_without_systemd() {
    let owner = "container Kubernetes <N>, pod 0a1b-2222";
    for path in [
        "/kubepods/burstable/pod0a1b-2222/<N>",
        "/kubepods/pod0a1b-2222/<N>",
        "/kubelet/kubepods/besteffort/pod0a1b-2222/<N>",
        "/kubepods/burstable/pod0a1b-2222/crio-<N>",
        "/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-burstable.slice/kubelet-kubepods-burstable-pod0a1b_2222.slice/cri-containerd-<N>.scope",
        "/system.slice/containerd.service/kubepods-burstable-pod0a1b_2222.slice:cri-containerd:<N>",
        "/kubepods-burstable-pod0a1b_2222.slice:cri-containerd:<N>",
        "/system.slice/containerd.service/kubepods/pod0a1b-2222/<N>",
    ] {
        check(path, owner);
    }
    check(
        "/kubepods/pod0a1b-2222",
        "container Kubernetes 0a1b-2222, pod 0a1b-2222",
    );
    check("/system.slice:docker:<N>", "container Docker <N>");
    check("/kubepods/burstable", "process ");
    // Invented by a service.
    check(
        "/system.slice/foo.service/kubepods-burstable-pod0a1b_2222.slice:cri-containerd:<N>",
        "unit foo.service",
    );
}

#[test]
fn t7_27_the_outermost_container_wins() {
    check(
        "/system.slice/docker-<N>.scope/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod1.slice/cri-containerd-0123456789abcdef.scope",
        "container Docker <N>, inside cri-containerd-0123456789abcdef.scope",
    );
    check(
        "/lxc.payload.c/system.slice/docker-<N>.scope",
        "container Lxc c, inside docker-<N>.scope",
    );
    check("/lxc.payload.c/docker/<N>", "container Lxc c");
    check(
        "/docker/<N>/docker/0123456789abcdef",
        "container Docker <N>",
    );
    check_contained(
        "/lab-m1/payload/system.slice/docker-<N>.scope",
        "container Unknown lab-m1, inside docker-<N>.scope",
    );
}

#[test]
fn t7_28_containerd_and_its_kin() {
    check(
        "/system.slice/nerdctl-<N>.scope",
        "container Containerd <N>",
    );
    check("/default/<N>", "container Containerd <N>");
    check_contained("/default/ct1", "container Containerd ct1");
    check("/default/ct1", "process ");
    check("/k8s.io/<N>", "container Containerd <N>");
    check(
        "/ecs/0123456789abcdef0123456789abcdef/<N>",
        "container Ecs <N>",
    );
    check(
        "/buildkit/o3k2xw8mvb7ze4n9q1y5tl6ra",
        "container BuildKit o3k2xw8mvb7ze4n9q1y5tl6ra",
    );
    check(
        "/docker/buildkit/o3k2xw8mvb7ze4n9q1y5tl6ra",
        "container BuildKit o3k2xw8mvb7ze4n9q1y5tl6ra",
    );
}

#[test]
fn t7_29_lxc() {
    for path in [
        "/lxc.payload.web1",
        "/lxc.monitor.web1",
        "/lxc/web1",
        "/lxc.payload/web1",
        "/lxc.monitor/web1",
    ] {
        check(path, "container Lxc web1");
    }
    check(
        "/lxc.payload.web1/init.scope",
        "container Lxc web1, inside init.scope",
    );
    check(
        "/lxc.payload.web1/system.slice/x.service",
        "container Lxc web1, inside x.service",
    );
    check(
        "/lxc/101/ns/system.slice/ssh.service",
        "container Lxc 101, inside ssh.service",
    );
    check(
        "/lxc/101/ns/init.scope",
        "container Lxc 101, inside init.scope",
    );
    check("/system.slice/incus.service", "unit incus.service");
    // A container may be called like a unit.
    check("/lxc.payload.web.service", "container Lxc web.service");
    check("/lxc.payload.", "process ");
    check("/lxc", "process ");
}

#[test]
fn t7_29_second_try_or_a_name_with_a_number() {
    let title = Bytes::from("[lxc monitor] /var/lib/incus/containers web1");
    let exe = Bytes::from("/opt/incus/bin/incusd");
    let argv = [title];
    let hints = Hints {
        exe: Some(&exe),
        argv: &argv,
        ..PLAIN
    };
    check_lines("0::/lxc.monitor.web1-1\n", &hints, "container Lxc web1");
    check_lines("0::/lxc.monitor.web1\n", &hints, "container Lxc web1");
    check_lines("0::/lxc.monitor.web2\n", &hints, "container Lxc web2");
    check_lines("0::/lxc.monitor.web1-x\n", &hints, "container Lxc web1-x");
    // A process inside says what it likes.
    check_lines("0::/lxc.payload.web1-1\n", &hints, "container Lxc web1-1");
}

#[test]
fn t7_30_projects_of_lxd() {
    let owner = owner_of(b"0::/lxc.payload.user-1000_c1", &PLAIN);
    assert_eq!(shown(&owner), "container Lxc user-1000_c1");
}

#[test]
fn t7_31_unprivileged_lxc() {
    for path in [
        "/user.slice/user-1000.slice/session-1.scope/lxc.payload.c1",
        "/user.slice/user-1000.slice/user@1000.service/app.slice/run-x.scope/lxc.payload.c1",
    ] {
        check(path, "user 1000: container Lxc c1");
        check(
            &format!("{path}/system.slice/ssh.service"),
            "user 1000: container Lxc c1, inside ssh.service",
        );
    }
    check_user("/lxc.payload.c1", "container Lxc c1");
}

#[test]
fn t7_32_nspawn() {
    check(
        "/machine.slice/systemd-nspawn@web.service/payload",
        "container Machine web, kept by systemd-nspawn@web.service",
    );
    check(
        "/machine.slice/systemd-nspawn@web.service/payload/init.scope",
        "container Machine web, kept by systemd-nspawn@web.service, inside init.scope",
    );
    check(
        "/machine.slice/systemd-nspawn@web.service/supervisor",
        "unit systemd-nspawn@web.service",
    );
    check(
        "/machine.slice/machine-m1.scope/payload",
        "container Machine m1",
    );
    check(
        "/machine.slice/machine-m1.scope/supervisor",
        "container Machine m1",
    );
    check(
        r"/machine.slice/machine-web\x2d1.scope/payload/init.scope",
        "container Machine web-1, inside init.scope",
    );
    check("/machine.slice/machine-m1.scope", "container Machine m1");
    // By hand, with --keep-unit.
    check_contained(
        "/system.slice/web.service/payload/system.slice/ssh.service",
        "container Unknown web.service, kept by web.service, inside ssh.service",
    );
    check_contained(
        "/user.slice/user-0.slice/session-4.scope/payload",
        "user 0: container Unknown session-4.scope",
    );
    check_contained(
        "/machine.slice/systemd-nspawn@web.service",
        "container Machine web, kept by systemd-nspawn@web.service",
    );
}

#[test]
fn t7_33_units_inside_a_machine() {
    check(
        "/machine.slice/systemd-nspawn@m2.service/payload/system.slice/ssh.service",
        "container Machine m2, kept by systemd-nspawn@m2.service, inside ssh.service",
    );
    check_contained(
        "/lab-m1/payload/system.slice/ssh.service",
        "container Unknown lab-m1, inside ssh.service",
    );
}

#[test]
fn t7_34_libvirt() {
    for below in ["/libvirt/emulator", "/emulator", "/vcpu0", ""] {
        check(
            &format!(r"/machine.slice/machine-qemu\x2d3\x2dmyvm.scope{below}"),
            "vm Libvirt myvm",
        );
    }
    check(
        r"/machine.slice/machine-qemu\x2d3\x2dmy\x2dvm.scope",
        "vm Libvirt my-vm",
    );
    check(
        r"/machine.slice/machine-qemu\x2dmyvm.scope",
        "vm Libvirt myvm",
    );
    check(
        "/machine/qemu-3-myvm.libvirt-qemu/emulator",
        "vm Libvirt myvm",
    );
    check(
        r"/machine.slice/machine-qemu\x2d3\x2dweb.scope/payload",
        "container Machine qemu-3-web",
    );
}

#[test]
fn t7_35_other_virtual_machines() {
    let qemu = "/usr/bin/qemu-system-x86_64";
    check("/qemu.slice/100.scope", "vm Qemu 100");
    check("/system.slice/100.scope", "unit 100.scope");
    check(
        r"/machine.slice/machine-lxc\x2d812\x2dweb.scope",
        "container Libvirt web",
    );
    for unit in ["incus.service", "snap.lxd.daemon.service"] {
        check_program(
            &format!("/system.slice/{unit}"),
            qemu,
            "qemu-system-x86_64 -S -name vm1 -uuid 1",
            "vm Lxc vm1",
        );
    }
    check_program(
        "/system.slice/my-vm.service",
        qemu,
        "qemu-system-x86_64 -name vm1",
        "unit my-vm.service",
    );
    check_program(
        &format!("{USER}/app.slice/app-virt\\x2dmanager-7.scope"),
        qemu,
        "qemu-system-x86_64 -name guest=win11,debug-threads=on -S",
        "user 1000: vm Libvirt win11",
    );
    check_program(
        "/user.slice/user-1000.slice/session-3.scope",
        qemu,
        "qemu-system-x86_64 -name test",
        "user 1000: vm Qemu test",
    );
    check_program(
        "/user.slice/user-1000.slice/session-3.scope",
        qemu,
        "qemu-system-x86_64 -m 2G",
        "user 1000: session 3",
    );
}

#[test]
fn t7_42_containers_by_namespaces_alone() {
    check_contained("/process/abc", "container Unknown process/abc");
    check_contained("/actions_job", "container Unknown actions_job");
    check_contained("/actions_job/<N>", "container Unknown <N>");
    check_contained("/a/b/<N>/c", "container Unknown <N>");
    check_contained("/rc1", "container Unknown rc1");
    check_contained(
        "/system.slice/crun-cc1.scope/container",
        "container Unknown cc1",
    );
    check(
        "/system.slice/crun-cc1.scope/container",
        "unit crun-cc1.scope",
    );
    for hints in [
        Hints {
            other_mnt_ns: false,
            ..CONTAINED
        },
        Hints {
            other_pid_ns: false,
            ..CONTAINED
        },
    ] {
        check_lines("0::/process/abc\n", &hints, "process ");
        check_lines("0::/a/<N>\n", &hints, "process ");
    }
    check("/process/abc", "process ");
    check("/actions_job", "process ");
    check("/a/b/<N>/c", "process ");
    check_contained("/", "process ");
    // PrivatePIDs= and PrivateTmp= make no container.
    check_contained("/system.slice/foo.service", "unit foo.service");
    check_contained(&format!("{USER}/x"), "user 1000: container Unknown x");
}
