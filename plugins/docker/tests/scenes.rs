//! Recorded and made-up containers. Each scene's file `process` says where it comes from.

#![forbid(unsafe_code)]

use std::path::Path;

use unstale_docker::{Docker, MANIFEST};
use unstale_plugin::instance::testing::{inspect, inspect_at, inspect_process};
use unstale_plugin::testing::Scene;

const WEB: &str = "25690707d4abe595fa115a0322a2afd78a806b91d53db65558dc79e892c9db2a";
const SHOP: &str = "62124cf2e2b7a2b584282b501c946ba8238cbcd07b0a654e1033c83d17282e3f";
const IMAGE: &str = "lab/nginx:1 (sha256:48c1218e0b44)";

#[track_caller]
fn check(scene: &str, expected: &[&str]) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/scenes")
        .join(scene);
    let said = inspect_at(&mut Docker::default(), MANIFEST, &directory);
    assert_eq!(
        said,
        expected
            .join("\n")
            .replace("<WEB>", WEB)
            .replace("<SHOP>", SHOP)
            .replace("<IMAGE>", IMAGE)
    );
}

/// A process in the tree of another scene.
#[track_caller]
fn check_process(scene: &str, process: &str, expected: &[&str]) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/scenes")
        .join(scene);
    let process = process.replace("<WEB>", WEB);
    let said = inspect_process(&mut Docker::default(), MANIFEST, &process, &directory);
    assert_eq!(
        said,
        expected
            .join("\n")
            .replace("<WEB>", WEB)
            .replace("<IMAGE>", IMAGE)
    );
}

#[test]
fn t7_17_by_the_files_of_the_daemon() {
    let web = ["payload web", "id <WEB>", "image <IMAGE>", "restart system"];
    check("web", &web);
    check("v1", &web);
    check("own-parent", &web);
    check(
        "snap",
        &["payload web", "id <WEB>", "image <IMAGE>", "restart snap"],
    );
}

#[test]
fn t7_19_the_shim_is_the_hosts_code() {
    check(
        "web-shim",
        &["helper web", "id <WEB>", "image <IMAGE>", "restart system"],
    );
    check_process(
        "web",
        "exe /usr/bin/containerd-shim\nargv containerd-shim\nargv -workdir\nargv /x/moby/<WEB>\n\
         cgroup 0::/system.slice/docker.service\ncontainer docker <WEB>\n",
        &["helper web", "id <WEB>", "image <IMAGE>", "restart system"],
    );
    // What runs inside may be called as it likes.
    check_process(
        "web",
        "exe /usr/bin/containerd-shim-runc-v2\ncgroup 0::/system.slice/docker-<WEB>.scope\ncontainer docker <WEB>\n",
        &["payload web", "id <WEB>", "image <IMAGE>", "restart system"],
    );
}

#[test]
fn compose_projects() {
    check(
        "compose",
        &[
            "payload shop-web-1",
            "id <SHOP>",
            "image <IMAGE>",
            "project shop",
            "restart system",
            "note service web of the compose project shop",
            "note image lab/nginx:1 is sha256:f0682c77987b by now: \
             a container made anew would use it",
        ],
    );
}

#[test]
fn t7_18_rootless() {
    let found = [
        "payload web",
        "id <WEB>",
        "image <IMAGE>",
        "note rootless: uid 1000 restarts it with docker restart",
    ];
    check("rootless", &found);
    // t11_14: a group of a user that is called after a container of the system.
    check_process(
        "web",
        "exe /usr/bin/evil\ncgroup 0::/user.slice/user-1000.slice/user@1000.service/user.slice/docker-<WEB>.scope\n\
         container docker <WEB>\ncontainer-user 1000\n",
        &[
            "payload 25690707d4ab",
            "id <WEB>",
            "note no known data root of Docker has this container: its name is not known",
        ],
    );
    // Nor one of another user's.
    check_process(
        "rootless",
        "exe /usr/bin/evil\ncgroup 0::/user.slice/user-1001.slice/user@1001.service/user.slice/docker-<WEB>.scope\n\
         container docker <WEB>\ncontainer-user 1001\n",
        &[
            "payload 25690707d4ab",
            "id <WEB>",
            "note no known data root of Docker has this container: its name is not known",
        ],
    );
}

#[test]
fn what_others_keep_is_not_restarted_here() {
    check(
        "swarm",
        &[
            "payload shop_web.1.vg6o5uho3sa5zs5wdpzbqgvq3",
            "id <WEB>",
            "image <IMAGE>",
            "note a task of a swarm: docker service update --force shop_web makes it anew",
        ],
    );
    check(
        "kubernetes",
        &[
            "payload k8s_web_shop-7c9_prod_0a1b_0",
            "id <WEB>",
            "image <IMAGE>",
            "pod prod/shop-7c9",
            "note Kubernetes keeps pod prod/shop-7c9: kubectl rollout restart of what owns it",
        ],
    );
}

#[test]
fn t11_01_names_that_are_no_names() {
    check(
        "odd-name",
        &[
            "payload --all\\n\\x1b[2J",
            "id <WEB>",
            "note its name is not one to hand to a command",
        ],
    );
}

#[test]
fn what_is_not_dockers() {
    // Another engine's, for which the group was not enough.
    let other =
        "exe /bin/x\ncgroup 0::/PARENT/0123456789abcdef\ncontainer unknown 0123456789abcdef\n";
    check_process("web", other, &[]);
    check_process("web", "exe /bin/x\ncontainer docker ../../web\n", &[]);
    check_process("web", "exe /bin/x\n", &[]);
}

#[test]
fn a_container_without_files() {
    check_process(
        "web",
        "exe /bin/x\ncgroup 0::/system.slice/docker-0123456789abcdef.scope\ncontainer docker 0123456789abcdef\n",
        &[
            "payload 0123456789ab",
            "id 0123456789abcdef",
            "note no known data root of Docker has this container: its name is not known",
        ],
    );
}

#[test]
fn t11_02_files_that_are_none() {
    let made = tempfile::tempdir().unwrap();
    let directory = made.path().join("host/var/lib/docker/containers").join(WEB);
    std::fs::create_dir_all(&directory).unwrap();
    let file = directory.join("config.v2.json");
    let process = format!("exe /bin/x\ncgroup 0::/docker/{WEB}\ncontainer docker {WEB}\n");
    let scene = Scene::of(&process, made.path()).unwrap();
    let said = || inspect(&mut Docker::default(), MANIFEST, &scene);
    let nameless = |note: &str| {
        format!(
            "payload 25690707d4ab\nid {WEB}\nnote cannot read /var/lib/docker/containers/{WEB}/config.v2.json of the host: \
             {note}\nnote no known data root of Docker has this container: its name is not known"
        )
    };
    std::fs::write(&file, b"{\"Name\":\"/web\"").unwrap();
    assert_eq!(said(), nameless("not of the kind that it should be"));
    std::fs::write(&file, vec![b' '; 1024 * 1024 + 1]).unwrap();
    assert_eq!(said(), nameless("too large"));
    std::fs::remove_file(&file).unwrap();
    std::fs::create_dir(&file).unwrap();
    assert_eq!(said(), nameless("not of the kind that it should be"));
}

#[test]
fn a_container_is_looked_up_once() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenes/web");
    let scene = Scene::open(&directory).unwrap();
    let mut docker = Docker::default();
    let first = inspect(&mut docker, MANIFEST, &scene);
    let questions = scene.questions();
    assert_eq!(inspect(&mut docker, MANIFEST, &scene), first);
    assert_eq!(scene.questions(), questions);
}
