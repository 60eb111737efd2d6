//! What holds whatever a user or a service calls its groups.

use proptest::prelude::*;

use super::*;

/// Words that mean something somewhere, and some that do not.
fn part() -> impl Strategy<Value = Vec<u8>> {
    let words = [
        "",
        ".",
        "..",
        "init.scope",
        "system.slice",
        "user.slice",
        "user-1000.slice",
        "user-0.slice",
        "user@1000.service",
        "user@0.service",
        "session-3.scope",
        "machine.slice",
        "qemu.slice",
        "100.scope",
        "ssh.service",
        "docker.service",
        "containerd.service",
        "foo.socket",
        "x",
        "docker",
        "lxc",
        "lxc.payload",
        "lxc.payload.web",
        "lxc.monitor.web",
        "default",
        "k8s.io",
        "ecs",
        "buildkit",
        "machine",
        "q.libvirt-qemu",
        "libpod_parent",
        "conmon",
        "payload",
        "supervisor",
        "runtime",
        "container",
        "ns",
        "kubepods",
        "kubelet",
        "burstable",
        "pod1-2",
        "kubepods.slice",
        "kubepods-pod1_2.slice",
        "machine-web.scope",
        "machine-.scope",
        "machine-qemu\\x2d1\\x2dvm.scope",
        "machine-lxc\\x2d1\\x2dc.scope",
        "systemd-nspawn@web.service",
        "openrc.sshd",
        "docker-<N>.scope",
        "libpod-<N>.scope",
        "libpod-conmon-<N>.scope",
        "<N>",
        "libpod-payload-<N>",
        "cri-containerd-<N>.scope",
        "crio-<N>.scope",
        "crun-x.scope",
        "machine-libpod_pod_<N>.slice",
        "kubepods-pod1.slice:cri-containerd:<N>",
        "_memory.service",
        "app-x@autostart.service",
        "lxc.payload.a.service",
        "foo.service (deleted)",
    ];
    prop_oneof![
        6 => prop::sample::select(words.to_vec()).prop_map(|word| word.replace("<N>", ID).into_bytes()),
        1 => prop::collection::vec(any::<u8>().prop_filter("no line end in a name", |&b| b != b'\n'), 0..12),
    ]
}

fn path_below(root: &'static str) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(part(), 0..8).prop_map(move |parts| {
        let mut path = format!("0::{root}").into_bytes();
        for part in parts {
            path.push(b'/');
            path.extend(part);
        }
        path
    })
}

/// Programs whose arguments are heard, as any process may call itself.
fn with_hints(text: &[u8], case: u16) -> Owner {
    let bit = |n: u16| case >> n & 1 == 1;
    let programs = [
        "/usr/bin/conmon",
        "/usr/bin/containerd-shim-runc-v2",
        "/usr/bin/qemu-system-x86_64",
        "/usr/sbin/sshd",
    ];
    let exe = Bytes::from(programs[usize::from(case >> 8 & 3)]);
    let argv = words("x -namespace moby -id <N> -c <N> -name vm1");
    let runsv = Bytes::from("runsv");
    let service = words("runsv sshd");
    let hints = Hints {
        pid: 812,
        uid: 1000,
        unified: bit(0),
        other_pid_ns: bit(1),
        other_mnt_ns: bit(2),
        exe: bit(3).then_some(&exe),
        argv: if bit(4) { &argv } else { &[] },
        parent: bit(5).then_some(Parent {
            exe: Some(&runsv),
            comm: &runsv,
            argv: &service,
            uid: if bit(6) { 0 } else { 1000 },
        }),
    };
    owner_of(text, &hints)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2048, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_have_an_owner(text in prop::collection::vec(any::<u8>(), 0..300), case: u16) {
        let owner = with_hints(&text, case);
        let _ = (owner.unit_suffix(), unescape_unit(&text));
    }

    #[test]
    fn any_path_has_an_owner(text in path_below(""), case: u16) {
        let owner = with_hints(&text, case);
        prop_assert!(owner.kind != OwnerKind::Unit || owner.unit_suffix().is_some());
        prop_assert!(owner.name.as_slice().len() <= text.len().max(64));
    }

    #[test]
    fn a_users_subtree_is_the_users(
        text in path_below("/user.slice/user-1000.slice/user@1000.service"),
        case: u16,
    ) {
        prop_assert_eq!(with_hints(&text, case).scope, Scope::User(1000));
    }

    #[test]
    fn a_session_is_the_users(
        text in path_below("/user.slice/user-1000.slice/session-3.scope"),
        case: u16,
    ) {
        prop_assert_eq!(with_hints(&text, case).scope, Scope::User(1000));
    }

    #[test]
    fn a_services_subtree_is_the_services(text in path_below("/system.slice/foo.service"), case: u16) {
        let owner = with_hints(&text, case);
        let unit = Some(Bytes::from("foo.service"));
        let is_unit = owner.kind == OwnerKind::Unit && Some(&owner.name) == unit.as_ref();
        prop_assert!(is_unit || owner.host_unit == unit, "{}", shown(&owner));
    }
}
