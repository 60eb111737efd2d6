//! Processes of a recorded machine, and made-up ones on it. Each file `*.process` says where it comes from.

#![forbid(unsafe_code)]

use std::fs;
use std::path::{Path, PathBuf};

use unstale_plugin::instance::testing::inspect_process;
use unstale_podman::{MANIFEST, Podman};

const PWEB: &str = "0fc511ed4d1796437b781277d98c07df79c1384b5d510382fabc1d8b54f88220";
const PCG: &str = "4c8f103f26869778260ff86872d48dfeccb8dd0c2d29f3c3cbbb3d0152c51150";
const QUADLET: &str = "36103c4ad4d7155156406029ec4896d644829ba54f544ffd46a2a01110657a1f";
const PIN: &str = "3eb1a503607fd719bb0207155fe983b57d0ee7159c350fc8393bb4db683d014d";
const INFRA: &str = "eb02ab1669b4cd1f19ec05721411b9b50f16138c3a0c3eb1d1697999c25e925a";
const ROOTLESS: &str = "1edcaed06c6bcf8c4dafdc46374e4a76da164e8d73a817bd3ad2b970472296be";
const IMAGE: &str = "localhost/lab/nginx:1 (1fc0e7c4defa)";
const NEWER: &str =
    "note image localhost/lab/nginx:1 is 92a367061e47 by now: a container made anew would use it";
const NAMELESS: &str =
    "note no storage of Podman that we know has this container: its name is not known";

fn machine() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenes/machine")
}

fn filled(text: &str) -> String {
    [
        ("<PWEB>", PWEB),
        ("<PCG>", PCG),
        ("<QUADLET>", QUADLET),
        ("<PIN>", PIN),
        ("<INFRA>", INFRA),
        ("<ROOTLESS>", ROOTLESS),
        ("<IMAGE>", IMAGE),
        ("<NEWER>", NEWER),
        ("<NAMELESS>", NAMELESS),
    ]
    .iter()
    .fold(text.to_owned(), |text, (mark, value)| {
        text.replace(mark, value)
    })
}

/// A process in the tree of a machine.
#[track_caller]
fn check_in(directory: &Path, process: &str, expected: &[&str]) {
    let said = inspect_process(
        &mut Podman::default(),
        MANIFEST,
        &filled(process),
        directory,
    );
    assert_eq!(said, filled(&expected.join("\n")));
}

/// A recorded process.
#[track_caller]
fn check(name: &str, expected: &[&str]) {
    let file = machine().join(format!("{name}.process"));
    let process = fs::read_to_string(&file).expect("the scene is there");
    check_in(&machine(), &process, expected);
}

/// A made-up process.
#[track_caller]
fn check_process(process: &str, expected: &[&str]) {
    check_in(&machine(), process, expected);
}

#[test]
fn t7_20_containers_of_the_system() {
    check(
        "pweb",
        &[
            "payload pweb",
            "id <PWEB>",
            "image <IMAGE>",
            "restart system",
            "<NEWER>",
        ],
    );
    check(
        "pweb-conmon",
        &[
            "helper pweb",
            "id <PWEB>",
            "image <IMAGE>",
            "restart system",
            "<NEWER>",
        ],
    );
}

#[test]
fn t7_22_without_systemd() {
    check(
        "pcg",
        &[
            "payload pcg",
            "id <PCG>",
            "image <IMAGE>",
            "restart system",
            "<NEWER>",
        ],
    );
    check(
        "pcg-conmon",
        &[
            "helper pcg",
            "id <PCG>",
            "image <IMAGE>",
            "restart system",
            "<NEWER>",
        ],
    );
}

#[test]
fn t7_23_quadlets_are_restarted_by_their_units() {
    let kept = "note a service keeps this container: restarting the service makes it anew";
    check(
        "quadlet",
        &[
            "payload systemd-qweb",
            "id <QUADLET>",
            "image <IMAGE>",
            kept,
            "<NEWER>",
        ],
    );
    check(
        "quadlet-conmon",
        &[
            "helper systemd-qweb",
            "id <QUADLET>",
            "image <IMAGE>",
            kept,
            "<NEWER>",
        ],
    );
}

#[test]
fn t7_24_pods() {
    let pod = "pod 76bbf8ab07f0";
    check(
        "pod",
        &[
            "payload pin",
            "id <PIN>",
            "image <IMAGE>",
            pod,
            "restart system",
            "<NEWER>",
        ],
    );
    check(
        "pod-conmon",
        &[
            "helper pin",
            "id <PIN>",
            "image <IMAGE>",
            pod,
            "restart system",
            "<NEWER>",
        ],
    );
    check(
        "pod-infra",
        &[
            "payload 76bbf8ab07f0-infra",
            "id <INFRA>",
            "image localhost/podman-pause:5.4.2-1766335321 (9c44836b74b6)",
            pod,
            "note keeps the namespaces of its pod: podman pod restart",
        ],
    );
}

#[test]
fn t7_21_rootless() {
    let image = "image localhost/lab:1 (dde970386284)";
    let by = "note rootless: uid 1000 restarts it with podman restart";
    check("rootless", &["payload r1", "id <ROOTLESS>", image, by]);
    check(
        "rootless-conmon",
        &["helper r1", "id <ROOTLESS>", image, by],
    );
}

#[test]
fn t11_14_scopes_that_are_called_like_others() {
    // A container of the system, claimed by a user.
    check_process(
        "exe /usr/bin/evil\ncontainer podman <PWEB>\ncontainer-user 1000\n\
         cgroup 0::/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-<PWEB>.scope\n",
        &["payload 0fc511ed4d17", "id <PWEB>", "<NAMELESS>"],
    );
    // A user's, by another user, who has no home to be found.
    check_process(
        "exe /usr/bin/evil\ncontainer podman <ROOTLESS>\ncontainer-user 1001\n\
         cgroup 0::/user.slice/user-1001.slice/user@1001.service/user.slice/libpod-<ROOTLESS>.scope\n",
        &["payload 1edcaed06c6b", "id <ROOTLESS>", "<NAMELESS>"],
    );
    check_process("exe /bin/x\ncontainer podman ../x\n", &[]);
    check_process("exe /bin/x\n", &[]);
}

fn made(files: &[(&str, &str)]) -> tempfile::TempDir {
    let made = tempfile::tempdir().expect("a directory for the test");
    for (path, text) in files {
        let path = made.path().join("host").join(path);
        fs::create_dir_all(path.parent().expect("below host")).expect("made");
        fs::write(path, text).expect("written");
    }
    made
}

const LIST: &str = "var/lib/containers/storage/overlay-containers/containers.json";
const PAYLOAD: &str =
    "exe /bin/x\ncgroup 0::/machine.slice/libpod-<PWEB>.scope\ncontainer podman <PWEB>\n";

#[test]
fn generated_units_keep_their_containers() {
    let list = filled(r#"[{"id":"<PWEB>","names":["web"]}]"#);
    let unit = "etc/systemd/system/container-web.service";
    let plain = made(&[(LIST, &list)]);
    check_in(
        plain.path(),
        PAYLOAD,
        &["payload web", "id <PWEB>", "restart system"],
    );
    let kept = made(&[(LIST, &list), (unit, "")]);
    let note = "note container-web.service keeps this container: restart that";
    check_in(kept.path(), PAYLOAD, &["payload web", "id <PWEB>", note]);
}

#[test]
fn other_storage_drivers() {
    let list = filled(r#"[{"id":"<PWEB>","names":["web"]}]"#);
    let vfs = made(&[(
        "var/lib/containers/storage/vfs-containers/containers.json",
        &list,
    )]);
    check_in(
        vfs.path(),
        PAYLOAD,
        &["payload web", "id <PWEB>", "restart system"],
    );
    let transient = made(&[(
        "run/containers/storage/overlay-containers/volatile-containers.json",
        &list,
    )]);
    check_in(
        transient.path(),
        PAYLOAD,
        &["payload web", "id <PWEB>", "restart system"],
    );
}

#[test]
fn t11_01_names_that_are_no_names() {
    let list = filled(r#"[{"id":"<PWEB>","names":["--all\n"]}]"#);
    let odd = made(&[(LIST, &list)]);
    let note = "note its name is not one to hand to a command";
    check_in(
        odd.path(),
        PAYLOAD,
        &["payload --all\\n", "id <PWEB>", note],
    );
    let long = filled(&format!(
        r#"[{{"id":"<PWEB>","names":["{}"]}}]"#,
        "x".repeat(256)
    ));
    let long = made(&[(LIST, &long)]);
    check_in(
        long.path(),
        PAYLOAD,
        &["payload 0fc511ed4d17", "id <PWEB>", "restart system"],
    );
}

#[test]
fn t11_02_lists_that_are_none() {
    let large = made(&[(LIST, &" ".repeat(1024 * 1024 + 1))]);
    let path = "/var/lib/containers/storage/overlay-containers/containers.json";
    let note = format!("note cannot read {path} of the host: too large");
    check_in(
        large.path(),
        PAYLOAD,
        &["payload 0fc511ed4d17", "id <PWEB>", &note, "<NAMELESS>"],
    );
    let cut = made(&[(LIST, "[{")]);
    let note = format!("note cannot read {path} of the host: not of the kind that it should be");
    check_in(
        cut.path(),
        PAYLOAD,
        &["payload 0fc511ed4d17", "id <PWEB>", &note, "<NAMELESS>"],
    );
}
