//! Processes of a node; its file `README` says where its files come from.

#![forbid(unsafe_code)]

use std::path::Path;

use unstale_containerd::{Containerd, MANIFEST};
use unstale_plugin::instance::testing::inspect_process;

const IDS: [(&str, &str); 8] = [
    (
        "<CRIO-POD>",
        "0adb2fd8e91a6172839405162728d3e4f56f708192a3b4c5d6e7f8a9b0c1d2e3",
    ),
    (
        "<POD>",
        "a4f1c9d2e3b405162738495a6b7c8d9e0f1a2b3c4d5e6f708192a3b4c5d6e7f8",
    ),
    (
        "<WEB>",
        "b5e2dae3f4c516273849506b7c8d9eaf102b3c4d5e6f708192a3b4c5d6e7f8a9",
    ),
    (
        "<NERD>",
        "c6f3ebf4a5d62738495061728d9eafb0213c4d5e6f708192a3b4c5d6e7f8a9b0",
    ),
    (
        "<MOBY>",
        "25690707d4abe595fa115a0322a2afd78a806b91d53db65558dc79e892c9db2a",
    ),
    (
        "<DOCKER>",
        "d7a4fca5b6e738495061728394afb0c1324d5e6f708192a3b4c5d6e7f8a9b0c1",
    ),
    (
        "<CRIO>",
        "e8b50db6c7f849506172839405b0c1d2435e6f708192a3b4c5d6e7f8a9b0c1d2",
    ),
    (
        "<LIBPOD>",
        "f9c61ec7d80950617283940516c1d2e3546f708192a3b4c5d6e7f8a9b0c1d2e3",
    ),
];
const SHIM: &str =
    "exe /usr/bin/containerd-shim-runc-v2\ncgroup 0::/system.slice/containerd.service\n";
const KEPT: &str =
    "note Kubernetes keeps pod shop-7c9fd: kubectl -n prod rollout restart of what owns it";

fn filled(text: &str) -> String {
    let fill = |text: String, (mark, id): &(&str, &str)| text.replace(mark, id);
    IDS.iter().fold(text.to_owned(), fill)
}

#[track_caller]
fn check(group: &str, container: &str, expected: &[&str]) {
    check_process(
        &format!("exe /bin/x\ncgroup 0::{group}\ncontainer {container}\n"),
        expected,
    );
}

#[track_caller]
fn check_process(process: &str, expected: &[&str]) {
    let node = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenes/node");
    let said = inspect_process(
        &mut Containerd::default(),
        MANIFEST,
        &filled(process),
        &node,
    );
    assert_eq!(said, filled(&expected.join("\n")));
}

#[test]
fn t7_25_pods() {
    let web = [
        "payload web",
        "id <WEB>",
        "image registry.example/shop:1.2",
        "pod prod/shop-7c9fd",
        "project k8s.io",
        KEPT,
    ];
    let slice = "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod0a1b.slice";
    check(
        &format!("{slice}/cri-containerd-<WEB>.scope"),
        "kubernetes <WEB>",
        &web,
    );
    // t7_26
    check(
        "/kubepods/burstable/pod0a1b/<WEB>",
        "kubernetes <WEB>",
        &web,
    );
    let mismatch =
        "/system.slice/containerd.service/kubepods-burstable-pod0a1b.slice:cri-containerd:<WEB>";
    check(mismatch, "kubernetes <WEB>", &web);
    check(
        &format!("{slice}/cri-containerd-<POD>.scope"),
        "kubernetes <POD>",
        &[
            "payload shop-7c9fd",
            "id <POD>",
            "pod prod/shop-7c9fd",
            "project k8s.io",
            KEPT,
        ],
    );
}

#[test]
fn t7_25_cri_o() {
    let rest = [
        "id <CRIO>",
        "image registry.example/db:9",
        "pod prod/db-0",
        "note Kubernetes keeps pod db-0: kubectl -n prod rollout restart of what owns it",
    ];
    let slice = "/kubepods.slice/kubepods-pod0a1b.slice";
    let payload = [&["payload db"], &rest[..]].concat();
    check(
        &format!("{slice}/crio-<CRIO>.scope/container"),
        "kubernetes <CRIO>",
        &payload,
    );
    let helper = [&["helper db"], &rest[..]].concat();
    check(
        &format!("{slice}/crio-conmon-<CRIO>.scope"),
        "kubernetes <CRIO>",
        &helper,
    );
    check(
        "/system.slice/crio-conmon-<CRIO>.scope",
        "cri-o <CRIO>",
        &helper,
    );
    check(
        &format!("{slice}/crio-<CRIO-POD>.scope"),
        "kubernetes <CRIO-POD>",
        &["payload db-0", "id <CRIO-POD>", rest[2], rest[3]],
    );
}

#[test]
fn t7_19_shims() {
    check_process(
        &format!("{SHIM}container kubernetes <POD>\n"),
        &[
            "helper shop-7c9fd",
            "id <POD>",
            "pod prod/shop-7c9fd",
            "project k8s.io",
            KEPT,
        ],
    );
    // Captured: containerd 1.7.24, Debian 13.
    check_process(
        &format!(
            "{SHIM}argv /usr/bin/containerd-shim-runc-v2\nargv -namespace\nargv default\nargv -id\nargv ct1\n\
             argv -address\nargv /run/containerd/containerd.sock\ncontainer containerd ct1\n"
        ),
        &["helper ct1", "id ct1", "project default"],
    );
}

#[test]
fn t7_28_containerd_alone() {
    check(
        "/default/ct1",
        "containerd ct1",
        &["payload ct1", "id ct1", "project default"],
    );
    let web = [
        "payload web",
        "id <NERD>",
        "project shop",
        "note made by nerdctl: nerdctl --namespace shop restart web",
    ];
    check(
        "/system.slice/nerdctl-<NERD>.scope",
        "containerd <NERD>",
        &web,
    );
    // t7_42: below a parent of one's own.
    check("/PARENT/<NERD>", "unknown <NERD>", &web);
}

#[test]
fn what_others_name_better() {
    check("/PARENT/<MOBY>", "unknown <MOBY>", &[]);
    check("/kubepods/pod0a1b/<DOCKER>", "kubernetes <DOCKER>", &[]);
    check("/PARENT/<LIBPOD>", "unknown <LIBPOD>", &[]);
    check("/PARENT/0123456789abcdef", "unknown 0123456789abcdef", &[]);
    check("/PARENT/x", "unknown ../../x", &[]);
    check("/kubepods/pod0a1b-2222", "kubernetes 0a1b-2222", &[]);
    check_process("exe /bin/x\n", &[]);
    // t11_14: a user's scope that is called after a pod's container.
    let scope = "0::/user.slice/user-1000.slice/user@1000.service/nerdctl-<WEB>.scope";
    let process =
        format!("exe /bin/x\ncgroup {scope}\ncontainer containerd <WEB>\ncontainer-user 1000\n");
    check_process(&process, &[]);
}

#[test]
fn a_container_without_bundle() {
    check(
        "/kubepods/pod0a1b/cri-containerd-0123456789abcdef.scope",
        "kubernetes 0123456789abcdef",
        &[
            "payload 0123456789ab",
            "id 0123456789abcdef",
            "note no bundle that we know of has this container: its name is not known",
        ],
    );
}
