use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use tempfile::TempDir;

use super::Scene;
use crate::{
    Container, Detector, FileView, Handle, Held, Kind, Mapped, Process, Refused, Report, Root,
};

/// A process with this tree: files by their content, links by `-> TARGET`, directories by a final slash.
fn scene(text: &str, tree: &[(&str, &str)]) -> (Scene, TempDir) {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("root")).unwrap();
    for (path, content) in tree {
        let place = directory.path().join(path);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        match content.strip_prefix("-> ") {
            Some(target) => symlink(target, place).unwrap(),
            None if path.ends_with('/') => fs::create_dir_all(place).unwrap(),
            None => fs::write(place, content).unwrap(),
        }
    }
    (Scene::of(text, directory.path()).unwrap(), directory)
}

const EVERYTHING: &str = "# a comment
pid 12
uid 33
view 4
exe /usr/bin/python3.11
  execfn ./x
argv python3
argv
argv a b\\x0a\\\\
env A=b=c
env E=
cwd /srv
cgroup 1:name=systemd:/x
cgroup 0::/a
code 7f12 /lib/a b.so
held fd 4 /srv/a
held map 7f13 /srv/b
container podman 0123
container-user 1000
option depth 3 4
";

#[test]
fn each_key_of_a_record() {
    let scene = Scene::of(EVERYTHING, Path::new("/nonexistent")).unwrap();
    let bytes = |text: &str| text.as_bytes().to_vec();
    let expected = Process {
        pid: 12,
        uid: 33,
        view: 4,
        exe: bytes("/usr/bin/python3.11"),
        execfn: Some(bytes("./x")),
        argv: vec![bytes("python3"), bytes(""), bytes("a b\n\\")],
        environ: Some(vec![(bytes("A"), bytes("b=c")), (bytes("E"), bytes(""))]),
        cwd: Some(bytes("/srv")),
        cgroup: bytes("1:name=systemd:/x\n0::/a\n"),
        code: vec![Mapped {
            path: bytes("/lib/a b.so"),
            start: 0x7f12,
        }],
        held: vec![
            Held {
                path: bytes("/srv/a"),
                by: Handle::Descriptor(4),
            },
            Held {
                path: bytes("/srv/b"),
                by: Handle::Mapping(0x7f13),
            },
        ],
        container: Some(Container {
            runtime: "podman".to_owned(),
            id: bytes("0123"),
            user: Some(1000),
        }),
        options: vec![("depth".to_owned(), "3 4".to_owned())],
    };
    assert_eq!(scene.process, expected);
}

#[test]
fn an_environment_may_be_unreadable() {
    let scene = Scene::of("environ unreadable\n", Path::new("/")).unwrap();
    assert_eq!(scene.process.environ, None);
    let scene = Scene::of("", Path::new("/")).unwrap();
    assert_eq!(scene.process.environ, Some(Vec::new()));
}

#[track_caller]
fn wrong(text: &str, message: &str) {
    assert_eq!(
        Scene::of(text, Path::new("/")).unwrap_err(),
        message,
        "{text}"
    );
}

#[test]
fn what_is_wrong_is_told_with_its_line() {
    wrong("pid 1\nfoo x\n", "2: `foo` is no key");
    wrong("pid x", "1: `x` is no number");
    wrong("uid 4294967296", "1: a number that is too large");
    wrong("env A", "1: `env` takes NAME=VALUE");
    wrong("code 12", "1: `code` takes two words");
    wrong("held fd 1", "1: `held` takes three words");
    wrong("held by 1 /x", "1: `held` takes fd or map");
    wrong(
        "container-user 3",
        "1: `container-user` goes after `container`",
    );
    wrong("argv \\n", "1: a backslash stands before `\\` or `xHH`");
    wrong("argv \\xg0", "1: `\\xg0` is no byte");
    wrong("argv \\x+1", "1: `\\x+1` is no byte");
    wrong("refuse never /x", "1: `refuse` takes a reason and a path");
    wrong("environ maybe", "1: `environ` takes unreadable");
}

#[test]
fn a_scene_is_read_from_its_directory() {
    let directory = tempfile::tempdir().unwrap();
    assert!(Scene::open(directory.path()).is_err());
    fs::write(directory.path().join("process"), "exe /x\n").unwrap();
    assert_eq!(Scene::open(directory.path()).unwrap().process.exe, b"/x");
    fs::write(directory.path().join("process"), "\nno\n").unwrap();
    let error = Scene::open(directory.path()).unwrap_err();
    assert!(error.ends_with("process:2: `no` is no key"), "{error}");
}

const TREE: [(&str, &str); 8] = [
    ("root/a/f", "content"),
    ("root/a/up", "-> ../../../../a/f"),
    ("root/a/to", "-> f"),
    ("root/abs", "-> /a"),
    ("root/loop", "-> loop"),
    ("root/dangling", "-> /nowhere"),
    ("host/etc/h", "host"),
    ("secret", "outside"),
];

#[track_caller]
fn reads(scene: &Scene, root: Root, path: &str, result: Result<&str, Refused>) {
    let result = result.map(|text| text.as_bytes().to_vec());
    assert_eq!(scene.read(root, path.as_bytes()), result, "{path}");
}

#[test]
fn links_stay_inside_their_root() {
    let (scene, _directory) = scene("", &TREE);
    let (process, host) = (Root::Process, Root::Host);
    reads(&scene, process, "/a/f", Ok("content"));
    reads(&scene, process, "/a/../a/./f", Ok("content"));
    reads(&scene, process, "/a/up", Ok("content"));
    reads(&scene, process, "/abs/to", Ok("content"));
    reads(&scene, process, "/loop", Err(Refused::Failed));
    reads(&scene, process, "/dangling", Err(Refused::Missing));
    reads(&scene, process, "/../secret", Err(Refused::Missing));
    reads(&scene, process, "/a", Err(Refused::WrongKind));
    reads(&scene, process, "/a/f/x", Err(Refused::Missing));
    reads(&scene, process, "a/f", Err(Refused::Denied));
    reads(&scene, process, "/etc/h", Err(Refused::Missing));
    reads(&scene, host, "/etc/h", Ok("host"));
    let stat = scene.stat(process, b"/abs/up").unwrap();
    assert_eq!((stat.kind, stat.size), (Kind::File, 7));
    assert_eq!(stat.real_path, b"/a/f");
    assert_eq!(scene.stat(process, b"/").unwrap().kind, Kind::Directory);
    assert_eq!(scene.read_link(process, b"/abs/to"), Ok(b"f".to_vec()));
    let no_link = scene.read_link(process, b"/a/f");
    assert_eq!(no_link, Err(Refused::WrongKind));
    let none = scene.read_link(process, b"/a/none");
    assert_eq!(none, Err(Refused::Missing));
}

#[test]
fn a_directory_is_listed_without_following() {
    let (scene, _directory) = scene("", &TREE);
    let mut names = scene.list(Root::Process, b"/abs").unwrap();
    names.sort_by(|left, right| left.name.cmp(&right.name));
    let names: Vec<_> = names
        .iter()
        .map(|entry| (entry.name.as_slice(), entry.kind))
        .collect();
    let expected = [
        (&b"f"[..], Kind::File),
        (b"to", Kind::Link),
        (b"up", Kind::Link),
    ];
    assert_eq!(names, expected);
    let file = scene.list(Root::Process, b"/a/f");
    assert_eq!(file, Err(Refused::WrongKind));
}

#[test]
fn parts_of_files_and_memory() {
    let (scene, _directory) = scene("", &[("root/f", "0123456789"), ("memory/7f00", "abcd")]);
    let part = |offset, size| scene.read_at(Root::Process, b"/f", offset, size).unwrap();
    assert_eq!(part(8, 5), b"89");
    assert_eq!(part(2, 3), b"234");
    assert_eq!(part(10, 1), b"");
    assert_eq!(part(u64::MAX, 4), b"");
    let whole = scene.read_at(Root::Process, b"/", 0, 1);
    assert_eq!(whole, Err(Refused::WrongKind));
    assert_eq!(part(9, u32::MAX), b"9");
    assert_eq!(scene.memory(0x7f01, 2), Ok(b"bc".to_vec()));
    assert_eq!(scene.memory(0x7f01, 4), Err(Refused::Missing));
    assert_eq!(scene.memory(0x7eff, 1), Err(Refused::Missing));
    assert_eq!(scene.memory(u64::MAX, 1), Err(Refused::Missing));
    assert_eq!(scene.memory(0x7f00, 65_537), Err(Refused::Budget));
    let asked = (0..).find(|_| scene.memory(0, 65_536) == Err(Refused::Budget));
    // Four times four bytes or so were asked for already.
    assert_eq!(asked, Some(63));
}

#[test]
fn a_fifo_is_not_waited_for() {
    let (scene, directory) = scene("", &[]);
    let fifo = directory.path().join("root/fifo");
    let made = std::process::Command::new("mkfifo").arg(&fifo).status();
    assert!(made.unwrap().success());
    reads(&scene, Root::Process, "/fifo", Err(Refused::WrongKind));
    let part = scene.read_at(Root::Process, b"/fifo", 0, 1);
    assert_eq!(part, Err(Refused::WrongKind));
}

#[test]
fn refusals_as_the_record_says() {
    let text = "refuse denied /a\nrefuse no-answer /b/nfs\n";
    let tree = [
        ("root/a/f", "1"),
        ("root/ab", "2"),
        ("root/b/nfs/f", "3"),
        ("root/link", "-> b/nfs/f"),
    ];
    let (scene, _directory) = scene(text, &tree);
    let process = Root::Process;
    reads(&scene, process, "/a/f", Err(Refused::Denied));
    reads(&scene, process, "/b/../a/f", Err(Refused::Denied));
    reads(&scene, process, "/ab", Ok("2"));
    reads(&scene, process, "/b/nfs/f", Err(Refused::NoAnswer));
    reads(&scene, process, "/link", Err(Refused::NoAnswer));
    assert_eq!(scene.list(process, b"/a"), Err(Refused::Denied));
    assert!(scene.list(process, b"/b").is_ok());
}

/// Asks until it is refused.
#[derive(Default)]
struct Greedy;

impl Detector for Greedy {
    fn inspect(&mut self, process: &Process, files: &dyn FileView, report: &mut dyn Report) {
        let path = process.argv[0].as_slice();
        let until = |ask: &dyn Fn(usize) -> Option<Refused>| {
            let asked = (1..).find_map(|asked| Some(format!("{asked} {:?}", ask(asked)?)));
            asked.unwrap()
        };
        // By another name it is another file; what is read twice costs once.
        let named = |times: usize| [b"/".repeat(times / 2), path.to_vec()].concat();
        report.note(&until(&|times| {
            files.read(Root::Process, &named(times)).err()
        }));
        report.note(&until(&|_| files.list(Root::Process, b"/").err()));
    }
}

#[test]
fn a_look_has_a_budget() {
    let mebibyte = "x".repeat(1024 * 1024);
    let tree = [("root/small", ""), ("root/large", mebibyte.as_str())];
    let (small, _directory) = scene("argv /small", &tree);
    let notes = ["8000 Budget", "12001 Budget"];
    assert_eq!(small.inspect(&mut Greedy).notes, notes);
    // Each look has its own; the questions add up.
    assert_eq!(small.inspect(&mut Greedy).notes, notes);
    assert_eq!(small.questions(), 2 * 20_001);
    let (large, _directory) = scene("argv /large", &tree);
    assert_eq!(large.inspect(&mut Greedy).notes[0], "33 Budget");
    let larger = mebibyte.clone() + "x";
    let (larger, _directory) = scene("", &[("root/f", &larger)]);
    reads(&larger, Root::Process, "/f", Err(Refused::TooLarge));
    let whole = larger.read_at(Root::Process, b"/f", 0, u32::MAX);
    assert_eq!(whole, Err(Refused::TooLarge));
    let part = larger.read_at(Root::Process, b"/f", 1, u32::MAX);
    assert_eq!(part.unwrap().len(), 1024 * 1024);
}
