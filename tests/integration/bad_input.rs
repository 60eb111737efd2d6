//! Bundles, recorded trees and package databases that are not what they should be: a clear word, and never "all fine".

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::schema::document;
use crate::support::{NOBODY, Run, findings, in_world, raw, replace, unstale};

/// No bundle of nonsense may keep anybody waiting for longer.
const PATIENCE: Duration = Duration::from_secs(20);

// Bundles.

/// The least that is a bundle, of pid 7 and one object: what is recorded of a tree.
fn least() -> Value {
    static LEAST: OnceLock<Value> = OnceLock::new();
    let recorded = LEAST.get_or_init(|| {
        let (tree, dir) = (Tree::new(), tempfile::tempdir().unwrap());
        let file = dir.path().join("bundle");
        let args = [
            "record",
            file.to_str().unwrap(),
            "--proc",
            tree.0.path().to_str().unwrap(),
        ];
        unstale(&args).expect(3);
        let mut bundle: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
        bundle["facts"]["problems"] = json!([]);
        bundle["facts"]["host"]["reader_uid"] = json!(0);
        bundle["facts"]["host"]["kernel"] = json!("6.1");
        bundle["facts"]["objects"][0]["look"]["fresh"] = json!({"Unknown": "Denied"});
        bundle
    });
    recorded.clone()
}

fn written(bytes: &[u8]) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("bundle.json");
    fs::write(&file, bytes).unwrap();
    (dir, file)
}

fn judge(bytes: &[u8]) -> Run {
    let (_dir, file) = written(bytes);
    unstale(&["check", "--bundle", file.to_str().unwrap()])
}

#[track_caller]
fn check_refused(bytes: &[u8], says: &[&str]) {
    let run = judge(bytes).expect(1);
    run.assert_tame();
    let talk = run.talk();
    assert!(
        run.stdout.is_empty() && talk.lines().count() == 1,
        "{run:?}"
    );
    for word in ["unstale: ", "bundle.json: "].iter().chain(says) {
        assert!(talk.contains(word), "{word:?} is not in {talk:?}");
    }
    assert!(run.took < PATIENCE, "{:?}", run.took);
}

/// The least bundle with one value changed.
#[track_caller]
fn check_changed(pointer: &str, value: Value, says: &[&str]) {
    let mut bundle = least();
    *bundle.pointer_mut(pointer).unwrap() = value;
    check_refused(bundle.to_string().as_bytes(), says);
}

#[test]
fn the_least_bundle_is_one() {
    // What it holds could not be judged.
    let run = judge(least().to_string().as_bytes()).expect(3);
    assert!(
        run.talk()
            .contains("cannot judge /opt/server of pid 7: permission denied"),
        "{run:?}"
    );
}

#[test]
fn truncated_at_any_place() {
    let text = least().to_string();
    for length in (0..text.len()).step_by(23) {
        check_refused(&text.as_bytes()[..length], &["line 1 column"]);
    }
    check_refused(
        &[text.as_bytes(), b"{}"].concat(),
        &["trailing characters", "line 1 column"],
    );
}

#[test]
fn the_line_and_column_are_those_of_the_fault() {
    let text = serde_json::to_string_pretty(&least()).unwrap();
    let (line, old) = text
        .lines()
        .enumerate()
        .find(|(_, line)| line.contains("\"ppid\""))
        .unwrap();
    let wrong = text.replace(old, &old.replace("1", "\"one\""));
    check_refused(
        wrong.as_bytes(),
        &[&format!("line {} column", line + 1), "invalid type"],
    );
}

#[test]
fn of_another_form() {
    check_changed(
        "/format",
        json!(2),
        &["it is of format 2, this program reads format 1"],
    );
    check_changed("/format", json!("1"), &["invalid type", "line 1 column"]);
    check_changed("/format", json!(-1), &["invalid value", "line 1 column"]);
    check_refused(b"{}", &["missing field", "line 1 column 2"]);
    check_refused(b"null", &["invalid type", "line 1 column"]);
    check_refused(b"\xff\xfe", &["line 1 column 1"]);
    check_refused(b"", &["line 1 column 0"]);
    let mut more = least();
    more["extra"] = json!(1);
    check_refused(more.to_string().as_bytes(), &["unknown field `extra`"]);
}

#[test]
fn indices_out_of_range() {
    let (process, object) = ("/facts/processes/0", "/facts/objects/0");
    for value in [1, 4_294_967_295_u32] {
        check_changed(
            &format!("{process}/view"),
            json!(value),
            &["pid 7 refers to"],
        );
        check_changed(
            &format!("{process}/uses/0/object"),
            json!(value),
            &["pid 7 refers to"],
        );
        check_changed(
            &format!("{object}/view"),
            json!(value),
            &["refers to a view"],
        );
    }
    check_changed(
        &format!("{process}/view"),
        json!(4_294_967_296_u64),
        &["line 1 column"],
    );
    check_changed(&format!("{process}/view"), json!(-1), &["line 1 column"]);
    check_changed("/facts/objects", json!([]), &["pid 7 refers to"]);
    check_changed("/facts/views", json!([]), &["refers to"]);
}

#[test]
fn values_of_other_types() {
    let mut count = 0;
    for pointer in every_pointer(&least()) {
        for value in [json!({"a": []}), json!(["x", -1, null]), json!(1.5e300)] {
            let mut bundle = least();
            *bundle.pointer_mut(&pointer).unwrap() = value;
            let run = judge(bundle.to_string().as_bytes());
            // A few are of the form by chance; a panic is 101, and a signal is no status at all.
            let refused = run.code == Some(1) && run.talk().contains("line 1 column");
            assert!(refused || run.code == Some(3), "{pointer}: {run:?}");
            count += 1;
        }
    }
    assert!(count > 100, "{count}");
}

fn every_pointer(value: &Value) -> Vec<String> {
    let mut all = vec![String::new()];
    let inner: Vec<(String, &Value)> = match value {
        Value::Object(map) => map.iter().map(|(name, one)| (name.clone(), one)).collect(),
        Value::Array(list) => list
            .iter()
            .enumerate()
            .map(|(at, one)| (at.to_string(), one))
            .collect(),
        _ => Vec::new(),
    };
    for (name, one) in inner {
        all.extend(
            every_pointer(one)
                .iter()
                .map(|rest| format!("/{name}{rest}")),
        );
    }
    all
}

/// Numbers at the ends of their range are no errors, and no arithmetic on them may fail.
#[test]
fn extreme_numbers() {
    let numbers = [
        ("/facts/host/clock/boot_realtime_ns", json!(i64::MAX)),
        ("/facts/host/clock/boot_realtime_ns", json!(i64::MIN)),
        ("/facts/host/clock/ticks_per_second", json!(0)),
        ("/facts/host/clock/ticks_per_second", json!(u64::MAX)),
        ("/facts/processes/0/key/started", json!(u64::MAX)),
        ("/facts/processes/0/key/pid", json!(u32::MAX)),
        ("/facts/processes/0/ppid", json!(7)),
        ("/facts/objects/0/inode", json!(u64::MAX)),
    ];
    let time = |secs: i64, nanos: u32| json!({"secs": secs, "nanos": nanos});
    for (pointer, value) in numbers {
        for (secs, nanos) in [(i64::MAX, u32::MAX), (i64::MIN, 0), (0, 0)] {
            let mut bundle = least();
            *bundle.pointer_mut(pointer).unwrap() = value.clone();
            let stat = |inode: u64| {
                json!({"device": {"major": u32::MAX, "minor": 0}, "inode": inode, "kind": "Regular", "size": u64::MAX,
                    "links": 0, "uid": u32::MAX, "mode": u16::MAX, "mtime": time(secs, nanos), "ctime": time(secs, nanos),
                    "btime": time(secs, nanos), "mount": u64::MAX})
            };
            let look = &mut bundle["facts"]["objects"][0]["look"];
            look["mapped"] = json!({"Ok": stat(1)});
            look["fresh"] = json!({"Found": stat(2)});
            look["content"] = json!("Different");
            bundle["facts"]["processes"][0]["details"] = json!({"argv": [], "uid": 0, "tty": null, "cgroup": "0::/\n",
                "namespaces": {"pid": null, "mnt": null, "user": null}, "cwd": null});
            let (_dir, file) = written(bundle.to_string().as_bytes());
            let file = file.to_str().unwrap();
            let pid = bundle["facts"]["processes"][0]["key"]["pid"].to_string();
            for args in [
                &["check", "-v"][..],
                &["check", "--by", "package"],
                &["explain", "-v", &pid],
            ] {
                let run = unstale(&[args, &["--bundle", file]].concat());
                assert_eq!(run.code, Some(0), "{pointer} {secs}: {run:?}");
            }
            let run = unstale(&["--json", "--bundle", file]).expect(0);
            assert_eq!(findings(&document(&run)).len(), 1, "{run:?}");
        }
    }
}

/// What `record` writes is sorted by pid; what somebody edited may not be.
#[test]
fn processes_out_of_order() {
    let mut bundle = least();
    let process = bundle["facts"]["processes"][0].clone();
    let mut processes = Vec::new();
    for pid in [9, 3, 7, 1] {
        let mut one = process.clone();
        one["key"]["pid"] = json!(pid);
        one["details"] = json!({"argv": [], "uid": 0, "tty": null, "cgroup": "0::/\n",
            "namespaces": {"pid": null, "mnt": null, "user": null}, "cwd": null});
        processes.push(one);
    }
    bundle["facts"]["processes"] = json!(processes);
    bundle["facts"]["objects"][0]["look"]["fresh"] = json!("Missing");
    let (_dir, file) = written(bundle.to_string().as_bytes());
    let run = unstale(&["--json", "--bundle", file.to_str().unwrap()]);
    // Refused, or told whole.
    if run.code != Some(1) {
        assert_eq!(findings(&document(&run)).len(), 4, "{run:?}");
    }
}

#[test]
fn deep_nesting() {
    let deep = "[".repeat(200_000);
    check_refused(deep.as_bytes(), &["line 1 column"]);
    let text = least()
        .to_string()
        .replace("\"problems\":[]", &format!("\"problems\":{deep}"));
    check_refused(text.as_bytes(), &["line 1 column"]);
    let objects = "{\"a\":".repeat(200_000);
    check_refused(objects.as_bytes(), &["line 1 column"]);
}

#[test]
fn a_hundred_megabytes_of_garbage() {
    for (byte, says) in [
        (b'a', "line 1 column 1"),
        (0, "line 1 column 1"),
        (b' ', "line 1 column 104857600"),
    ] {
        check_refused(&vec![byte; 100 << 20], &[says]);
    }
    // One string of that length where a name is expected.
    let text = least()
        .to_string()
        .replace("\"6.1\"", &format!("\"{}", "x".repeat(100 << 20)));
    check_refused(text.as_bytes(), &["line 1 column 10"]);
}

#[test]
fn what_is_no_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    rustix::fs::mknodat(
        rustix::fs::CWD,
        path("fifo"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .unwrap();
    fs::create_dir(path("directory")).unwrap();
    symlink(path("loop"), path("loop")).unwrap();
    symlink(path("nothing"), path("dangling")).unwrap();
    for (name, says) in [
        ("fifo", "fifo: it is no regular file"),
        ("directory", "directory: it is no regular file"),
        ("missing", "missing: No such file"),
        ("dangling", "dangling: No such file"),
        ("loop", "loop: Too many levels"),
    ] {
        let file = path(name);
        for args in [&["check"][..], &["explain", "1"]] {
            let run = unstale(&[args, &["--bundle", file.to_str().unwrap()]].concat()).expect(1);
            assert!(run.talk().contains(says), "{run:?}");
            assert!(run.took < PATIENCE && run.stdout.is_empty(), "{run:?}");
        }
    }
    let run = unstale(&["--bundle", "/dev/zero"]).expect(1);
    assert!(run.talk().contains("no regular file"), "{run:?}");
}

// Recorded trees.

/// A recorded /proc with one process that is in order but for what a test does to it.
struct Tree(TempDir);

impl Tree {
    fn new() -> Self {
        let tree = Self(tempfile::tempdir().unwrap());
        fs::set_permissions(tree.0.path(), fs::Permissions::from_mode(0o755)).unwrap();
        tree.add(7, b"server");
        tree
    }

    fn add(&self, pid: u32, comm: &[u8]) {
        fs::create_dir_all(self.path(&format!("{pid}/ns"))).unwrap();
        let tail = b" S 1 7 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 4711 1 2 3 4 5\n";
        let stat = [format!("{pid} (").as_bytes(), comm, b")", tail].concat();
        fs::write(self.path(&format!("{pid}/stat")), stat).unwrap();
        fs::write(
            self.path(&format!("{pid}/status")),
            "Name:\tx\nUid:\t0\t0\t0\t0\n",
        )
        .unwrap();
        fs::write(
            self.path(&format!("{pid}/cgroup")),
            "0::/system.slice/x.service\n",
        )
        .unwrap();
        fs::write(self.path(&format!("{pid}/cmdline")), "server\0").unwrap();
        let maps = "00401000-0047a000 r-xp 00000000 fe:00 1234    /opt/server\n";
        fs::write(self.path(&format!("{pid}/maps")), maps).unwrap();
        for (link, to) in [
            ("exe", "/opt/server"),
            ("root", "/"),
            ("cwd", "/"),
            ("ns/mnt", "mnt:[4026531841]"),
        ] {
            symlink(to, self.path(&format!("{pid}/{link}"))).unwrap();
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn replace_by(&self, name: &str, make: impl FnOnce(&Path)) {
        fs::remove_file(self.path(name)).unwrap();
        make(&self.path(name));
    }

    fn check(&self) -> Run {
        unstale(&["--json", "--proc", self.0.path().to_str().unwrap()])
    }

    /// Incomplete, with a problem that names the pid, what was read and why it did not work.
    #[track_caller]
    fn expect(&self, operation: &str, why: &str) {
        let run = self.check().expect(3);
        let document = document(&run);
        let problems = document["problems"].as_array().unwrap();
        let named = problems.iter().any(|problem| {
            problem["pid"] == 7
                && problem["operation"] == operation
                && problem["why"].as_str().unwrap().contains(why)
        });
        assert!(named, "{operation}: {why}: {problems:#?}");
        let text = unstale(&["-v", "--proc", self.0.path().to_str().unwrap()]).expect(3);
        text.assert_tame();
        assert!(text.talk().contains("pid 7"), "{text:?}");
        assert!(text.text().contains("INCOMPLETE"), "{text:?}");
    }
}

const NO_FORM: &str = "not of the form";

#[test]
fn a_tree_in_order_has_names_but_no_objects() {
    Tree::new().expect("judge", "a recorded tree holds no objects");
}

#[test]
fn a_fifo_where_text_should_be() {
    for (name, operation) in [("7/maps", "read maps"), ("7/stat", "look at")] {
        let tree = Tree::new();
        tree.replace_by(name, |path| {
            let mode = rustix::fs::Mode::RUSR;
            rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, mode, 0)
                .unwrap();
        });
        tree.expect(operation, NO_FORM);
    }
}

#[test]
fn links_and_directories_where_text_should_be() {
    let tree = Tree::new();
    tree.replace_by("7/maps", |path| symlink("/etc/passwd", path).unwrap());
    tree.expect("read maps", "");
    let tree = Tree::new();
    tree.replace_by("7/stat", |path| fs::create_dir(path).unwrap());
    tree.expect("look at", "");
}

#[test]
fn text_where_links_should_be() {
    for (name, operation) in [
        ("7/exe", "read exe"),
        ("7/ns/mnt", "read mount namespace"),
        ("7/root", "read root"),
    ] {
        let tree = Tree::new();
        tree.replace_by(name, |path| fs::write(path, "x").unwrap());
        tree.expect(operation, NO_FORM);
    }
    let tree = Tree::new();
    tree.replace_by("7/ns/mnt", |path| symlink("mnt:[nonsense]", path).unwrap());
    tree.expect("read mount namespace", NO_FORM);
}

#[test]
fn a_stat_that_is_cut_off_or_too_long() {
    let whole = fs::read(Tree::new().path("7/stat")).unwrap();
    for length in [0, 1, 3, 9, 20, 40] {
        let tree = Tree::new();
        fs::write(tree.path("7/stat"), &whole[..length]).unwrap();
        tree.expect("look at", NO_FORM);
    }
    let tree = Tree::new();
    fs::write(tree.path("7/stat"), vec![b'x'; 1 << 20]).unwrap();
    tree.expect("look at", "longer than it can sensibly be");
}

#[test]
fn maps_that_are_none() {
    for text in [
        &b"nonsense\n"[..],
        b"00401000-0047a000 r-xp 00000000 fe:00",
        b"\0\0\0\0",
        b"\xff\xff r-xp\n",
    ] {
        let tree = Tree::new();
        fs::write(tree.path("7/maps"), text).unwrap();
        tree.expect("read maps", NO_FORM);
    }
    let tree = Tree::new();
    let line = [
        b"00401000-0047a000 r-xp 00000000 fe:00 1234    /".as_slice(),
        &vec![b'x'; 10 << 20],
    ]
    .concat();
    fs::write(tree.path("7/maps"), line).unwrap();
    tree.expect("read maps", "longer than it can sensibly be");
}

#[test]
fn a_name_that_is_no_text_hides_no_process() {
    let tree = Tree::new();
    tree.add(8, b"\xff) R 1 (\n\x1b[2J");
    let run = tree.check().expect(3);
    assert_eq!(document(&run)["processes_looked_at"], 2, "{run:?}");
    let told = unstale(&["explain", "--proc", tree.0.path().to_str().unwrap(), "8"]).expect(3);
    told.assert_tame();
    assert!(
        told.text().contains("\\xff) R 1 (\\n\\u{1b}[2J"),
        "{told:?}"
    );
}

#[test]
fn a_file_that_cannot_be_read() {
    in_world(|world| {
        let tree = Tree::new();
        for name in ["7/stat", "7/maps"] {
            let path = tree.path(name);
            let mode = fs::metadata(&path).unwrap().permissions();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
            let dir = tree.0.path().to_str().unwrap();
            let run = world
                .run_through(&NOBODY, &["--json", "--proc", dir])
                .expect(3);
            let why = document(&run)["problems"][0]["why"].clone();
            assert!(
                run.text().contains("permission denied"),
                "{name}: {why}: {run:?}"
            );
            fs::set_permissions(&path, mode).unwrap();
        }
    });
}

/// In a live /proc a process that has no stat has ended. A recorded one does not end.
#[test]
fn files_that_are_missing() {
    for name in ["7/stat", "7/maps", "7/exe"] {
        let tree = Tree::new();
        tree.replace_by(name, |_| ());
        let run = tree.check();
        assert_eq!(run.code, Some(3), "{name}: {run:?}");
    }
}

#[test]
fn a_tree_without_processes() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("self")).unwrap();
    fs::write(dir.path().join("12"), "no directory").unwrap();
    let run = unstale(&["--proc", dir.path().to_str().unwrap()]);
    assert!(matches!(run.code, Some(1 | 3)), "{run:?}");
}

#[test]
fn a_tree_of_odd_names() {
    let tree = Tree::new();
    for name in [
        &b"99999999999999999999"[..],
        b"-1",
        b"\xff",
        b"0x7",
        b"self",
        b"1 2",
    ] {
        fs::create_dir(tree.0.path().join(raw(name))).unwrap();
    }
    let run = tree.check().expect(3);
    assert_eq!(document(&run)["processes_looked_at"], 1, "{run:?}");
}

// Package databases.

/// A program that was replaced below a root directory whose dpkg is damaged: the verdict stays, its package is unknown.
#[test]
fn a_truncated_dpkg_status_below_a_root() {
    in_world(|world| {
        let program = world.install("root/opt/sleep");
        let root = world.path("root");
        world.sh(
            "cd $D/root; mkdir -p usr proc var/lib/dpkg/info; mount --bind /usr usr
            for link in bin lib lib64; do ln -s usr/$link $link; done
            printf '/.\\n/opt\\n/opt/sleep\\n' >var/lib/dpkg/info/server.list
            printf 'Package: server\\nStatus: install ok installed\\nArchitecture: amd64\\nVersion: 2' >var/lib/dpkg/status",
        );
        let root = root.to_str().unwrap();
        let running = world.start_through::<&str>(&["chroot", root], Path::new("/opt/sleep"), &[]);
        replace(&program);
        let run = world.run(&["--root", root, "--json"]).expect(3);
        let document = document(&run);
        let expected = (running.pid, "replaced".to_owned(), "/opt/sleep".to_owned());
        assert_eq!(findings(&document), [expected], "{document:#}");
        let finding = &document["items"][0]["processes"][0]["findings"][0];
        assert_eq!(
            (&finding["package"], &finding["package_known"]),
            (&Value::Null, &json!(false))
        );
        let problems = document["problems"].to_string();
        assert!(problems.contains("/var/lib/dpkg/status"), "{problems}");
        let text = world.run(&["--root", root]).expect(3);
        assert!(text.text().contains("/opt/sleep was replaced"), "{text:?}");
        assert!(text.talk().contains("/var/lib/dpkg/status"), "{text:?}");
        // Whole, it tells.
        world.sh("cd $D/root/var/lib/dpkg; printf '.0-1\\nMaintainer: A <a@example.org>\\nDescription: x\\n\\n' >>status");
        let run = world.run(&["--root", root, "--json"]).expect(0);
        assert!(
            run.text().contains("\"installed_version\":\"2.0-1\""),
            "{run:?}"
        );
    });
}
