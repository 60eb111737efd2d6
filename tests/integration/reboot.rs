//! `reboot-hint`: verdicts, levels, exit statuses and forms, on recorded trees with kernel images made by hand: a header
//! of the x86 boot protocol and its text, and nothing else. Real images of all kinds are read in the tests of `boot`.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use jsonschema::Validator;
use serde_json::{Value, json};

use crate::schema::document_of;
use crate::support::{Run, of_repository, unstale};

const RUNNING: &str = "6.1.0-50-amd64";
const BUILD: &str = "#1 SMP PREEMPT_DYNAMIC Debian 6.1.176-1 (2026-07-02)";
const NEXT: &str = "6.1.0-56-amd64";

/// A machine as two trees: its root, and its /proc.
struct Machine {
    dir: tempfile::TempDir,
}

impl Machine {
    /// It runs [`RUNNING`], and has it installed.
    fn new() -> Self {
        let machine = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        let version =
            format!("Linux version {RUNNING} (a@b) (gcc (Debian 12.2.0-14) 12.2.0) {BUILD}\n");
        machine.write("proc/version", version.as_bytes());
        machine.write("proc/cmdline", b"quiet\n");
        machine.write("proc/cpuinfo", b"processor : 0\nflags : hypervisor\n");
        machine.write("proc/sys/kernel/osrelease", RUNNING.as_bytes());
        machine.write("proc/modules", b"ext4 1000000 1 - Live 0x0\n");
        machine.write("proc/sys/kernel/random/boot_id", b"0\n");
        machine.kernel(RUNNING, BUILD);
        machine
    }

    fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    fn write(&self, path: &str, text: &[u8]) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Installs a kernel: an image, and modules.
    fn kernel(&self, release: &str, build: &str) {
        self.write(
            &format!("root/boot/vmlinuz-{release}"),
            &image(release, build),
        );
        self.write(
            &format!("root/usr/lib/modules/{release}/modules.builtin"),
            b"",
        );
    }

    fn remove(&self, release: &str) {
        fs::remove_file(self.path(&format!("root/boot/vmlinuz-{release}"))).unwrap();
        fs::remove_dir_all(self.path(&format!("root/usr/lib/modules/{release}"))).unwrap();
    }

    fn hint(&self, args: &[&str]) -> Run {
        let mut all = vec![
            "reboot-hint".into(),
            "--root".into(),
            self.path("root").into(),
        ];
        all.extend(["--proc".into(), self.path("proc").into_os_string()]);
        all.extend(args.iter().map(Into::into));
        unstale(&all)
    }

    #[track_caller]
    fn check(&self, verdict: &str, level: &str, status: i32) -> Value {
        let document = document(&self.hint(&["--json", "--exit-code"]).expect(status));
        let reboot = document["reboot"].clone();
        assert_eq!(reboot["kernel"]["verdict"], verdict, "{reboot:#}");
        assert_eq!(reboot["level"], level, "{reboot:#}");
        reboot
    }
}

/// Documentation/arch/x86/boot.rst: `HdrS` at 0x202, the offset of the version's text at 0x20e.
fn image(release: &str, build: &str) -> Vec<u8> {
    let mut image = vec![0; 70_000];
    image[0x1fe..0x200].copy_from_slice(&[0x55, 0xaa]);
    image[0x202..0x206].copy_from_slice(b"HdrS");
    image[0x206..0x208].copy_from_slice(&0x020f_u16.to_le_bytes());
    image[0x20e..0x210].copy_from_slice(&0x2000_u16.to_le_bytes());
    let text = format!("{release} (a@b) {build}\0");
    image[0x2200..0x2200 + text.len()].copy_from_slice(text.as_bytes());
    image
}

/// The schema of the hint refers to parts of that of a check: they are put beside it.
fn schema() -> Validator {
    let text = |name: &str| {
        let path = of_repository("dist/usr/share/unstale").join(name);
        fs::read_to_string(path).unwrap()
    };
    let check: Value = serde_json::from_str(&text("schema-1.json")).unwrap();
    let hint = text("reboot-schema-1.json").replace("schema-1.json#/", "#/");
    let mut hint: Value = serde_json::from_str(&hint).unwrap();
    hint["$defs"] = check["$defs"].clone();
    jsonschema::draft202012::meta::validate(&hint).unwrap_or_else(|why| panic!("{why}"));
    jsonschema::draft202012::new(&hint).unwrap()
}

/// The document that a run printed, after it was found to be of the schema.
#[track_caller]
fn document(run: &Run) -> Value {
    document_of(&schema(), run)
}

#[test]
fn the_kernel_that_would_boot_runs() {
    let machine = Machine::new();
    let reboot = machine.check("current", "none", 0);
    assert_eq!(reboot["causes"], json!([]));
    let text = machine.hint(&[]).expect(0).text();
    assert!(
        text.starts_with("No reboot is needed: kernel 6.1.0-50-amd64 is"),
        "{text}"
    );
}

#[test]
fn a_newer_kernel_is_installed() {
    let machine = Machine::new();
    machine.kernel(NEXT, "#1 next");
    let reboot = machine.check("newer", "reboot", 12);
    assert_eq!(reboot["kernel"]["next"]["release"], NEXT);
    assert!(reboot["since"].is_string(), "{reboot:#}");
    let text = machine.hint(&[]).expect(0).text();
    assert!(text.starts_with("A reboot is needed, since 20"), "{text}");
    assert!(
        text.contains("kernel 6.1.0-50-amd64 runs, 6.1.0-56-amd64 is installed"),
        "{text}"
    );
}

#[test]
fn t9_05_the_same_release_was_built_again() {
    let machine = Machine::new();
    machine.kernel(
        RUNNING,
        "#1 SMP PREEMPT_DYNAMIC Debian 6.1.177-1 (2026-07-09)",
    );
    let reboot = machine.check("rebuilt", "reboot", 12);
    let why = reboot["causes"][0]["why"].as_str().unwrap();
    assert!(
        why.contains("6.1.176-1") && why.contains("6.1.177-1"),
        "{why}"
    );
}

#[test]
fn t9_10_the_running_kernel_was_removed() {
    let machine = Machine::new();
    machine.kernel(NEXT, "#1 next");
    machine.remove(RUNNING);
    let reboot = machine.check("removed", "reboot", 12);
    assert_eq!(reboot["kernel"]["modules_gone"], true);
    assert_eq!(reboot["since"], Value::Null, "when it went, nobody tells");
}

#[test]
fn t9_11_no_image_hides_nothing_and_asks_for_nothing() {
    let machine = Machine::new();
    machine.remove(RUNNING);
    machine.write("proc/modules", b"");
    let reboot = machine.check("unknown", "none", 0);
    assert_eq!(reboot["notes"][0]["rule"], "kernel.unknown");
    machine.write(
        "root/run/reboot-required",
        b"*** System restart required ***\n",
    );
    machine.check("unknown", "reboot", 12);
}

#[test]
fn t9_10_modules_without_the_image_are_a_gap() {
    let machine = Machine::new();
    machine.kernel(NEXT, "#1 next");
    // /boot is not mounted.
    fs::remove_dir_all(machine.path("root/boot")).unwrap();
    machine.check("unknown", "unknown", 3);
    machine.hint(&["--kured"]).expect(2);
}

#[test]
fn t9_16_flag_files() {
    let machine = Machine::new();
    machine.write("root/run/reboot-needed", b"soft-reboot\n");
    let reboot = machine.check("current", "soft-reboot", 12);
    assert_eq!(reboot["causes"][0]["rule"], "flag");
    machine.write("root/run/reboot-required", b"");
    machine.write("root/run/reboot-required.pkgs", b"libc6\ndbus\nlibc6\n");
    let reboot = machine.check("current", "reboot", 12);
    let names: Vec<&str> = reboot["causes"][0]["packages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|package| package["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["libc6", "dbus"]);
}

#[test]
fn styles_of_exit_statuses() {
    #[track_caller]
    fn check(machine: &Machine, args: &[&str], status: i32) {
        machine.hint(args).expect(status);
    }
    let machine = Machine::new();
    let styles = ["kured", "rpm", "zypper", "tracer", "native"];
    for (style, status) in styles.into_iter().zip([1, 0, 0, 0, 0]) {
        check(&machine, &["--exit-style", style], status);
    }
    machine.kernel(NEXT, "#1 next");
    for (style, status) in styles.into_iter().zip([0, 1, 102, 104, 0]) {
        check(&machine, &["--exit-style", style], status);
    }
    check(&machine, &["--kured"], 0);
    assert_eq!(machine.hint(&["--level"]).expect(0).text(), "reboot\n");
    // What was found is found, whatever else could not be looked at: but only kured's number says it.
    machine.write("root/boot/vmlinuz-6.1.0-57-amd64", b"damaged");
    for (style, status) in styles.into_iter().zip([0, 3, 4, 1, 3]) {
        check(&machine, &["--exit-style", style], status);
    }
    assert_eq!(machine.hint(&["--level"]).expect(3).text(), "reboot\n");
    machine.remove(NEXT);
    for (style, status) in styles.into_iter().zip([2, 3, 4, 1, 3]) {
        check(&machine, &["--exit-style", style], status);
    }
    assert_eq!(machine.hint(&["--level"]).expect(3).text(), "unknown\n");
    // Usage is usage in every style, and never the number of a reboot.
    check(&machine, &["--kured", "--exit-code"], 2);
}

/// Makes a file that is no image.
type Make<'a> = &'a dyn Fn(&Path);

#[test]
fn damaged_images_are_named_and_never_current() {
    let big = |path: &Path| {
        let file = fs::File::create(path).unwrap();
        file.set_len(4 << 30).unwrap();
    };
    let fifo = |path: &Path| {
        let path = std::ffi::CString::new(path.as_os_str().as_bytes()).unwrap();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            path,
            rustix::fs::FileType::Fifo,
            0o600.into(),
            0,
        )
        .unwrap();
    };
    let short = |path: &Path| fs::write(path, &image("6.1.0-57-amd64", "#1")[..0x210]).unwrap();
    let empty = |path: &Path| fs::write(path, b"").unwrap();
    let cases: [(&str, Make<'_>); 4] = [
        ("sparse", &big),
        ("FIFO", &fifo),
        ("truncated", &short),
        ("empty", &empty),
    ];
    for (what, make) in cases {
        let machine = Machine::new();
        make(&machine.path("root/boot/vmlinuz-6.1.0-57-amd64"));
        let run = machine.hint(&["--json"]).expect(3);
        let document = document(&run);
        let named = document["problems"].as_array().unwrap().iter();
        let named = named.filter(|problem| problem["object"] == "/boot/vmlinuz-6.1.0-57-amd64");
        assert_eq!(named.count(), 1, "{what}: {document:#}");
        assert_eq!(document["reboot"]["kernel"]["verdict"], "unknown", "{what}");
    }
}

#[test]
fn names_that_steer_a_terminal_are_printed_tame() {
    let machine = Machine::new();
    machine.write("root/boot/vmlinuz-\u{1b}[31m", b"x");
    machine.kernel("6.1.0-99-\u{1b}[2J\u{202e}", "#1 \u{1b}]0;x\u{7}");
    machine.write("root/run/reboot-required", b"");
    machine.write("root/run/reboot-required.pkgs", b"\x1b[31mred\nbad\xff\n");
    for args in [&[][..], &["-v"], &["--json"]] {
        machine.hint(args).expect(3).assert_tame();
    }
}

#[test]
fn a_bundle_says_the_same_elsewhere() {
    let machine = Machine::new();
    machine.kernel(NEXT, "#1 next");
    let file = machine.path("bundle.json");
    let args = [
        "record".into(),
        file.clone().into_os_string(),
        "--root".into(),
        machine.path("root").into(),
        "--proc".into(),
        machine.path("proc").into_os_string(),
    ];
    unstale(&args).expect(0);
    let here = document(&machine.hint(&["--json"]));
    let there = unstale(&[
        "reboot-hint".as_ref(),
        "--json".as_ref(),
        "--bundle".as_ref(),
        file.as_os_str(),
    ]);
    assert_eq!(document(&there)["reboot"], here["reboot"]);
}

#[test]
fn a_check_says_it_too() {
    let machine = Machine::new();
    machine.kernel(NEXT, "#1 next");
    let trees = [
        "--root".into(),
        machine.path("root").into_os_string(),
        "--proc".into(),
        machine.path("proc").into(),
    ];
    let run = unstale(&trees).expect(0);
    assert!(run.text().contains("A reboot is needed"), "{}", run.text());
    let mut args = trees.to_vec();
    args.push("--exit-code".into());
    unstale(&args).expect(12);
    args.push("--json".into());
    let document = crate::schema::document(&unstale(&args).expect(12));
    assert_eq!(document["reboot"]["level"], "reboot");
}
