//! Rows on trees that are made here.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::Path;

use flate2::Compression;
use flate2::write::DeflateEncoder;
use tempfile::TempDir;
use unstale_java::Java;
use unstale_plugin::testing::{Said, Scene};
use unstale_plugin::{Handle, What};

/// An archive with these members, deflated or not, after some other bytes and before a comment.
fn zip(before: &[u8], members: &[(&str, &[u8])], deflated: bool, comment: &[u8]) -> Vec<u8> {
    let mut archive = before.to_vec();
    let mut directory = Vec::new();
    let short = |value: usize| u16::try_from(value).unwrap().to_le_bytes();
    let long = |value: usize| u32::try_from(value).unwrap().to_le_bytes();
    for (name, content) in members {
        let data = if deflated {
            let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(content).unwrap();
            encoder.finish().unwrap()
        } else {
            content.to_vec()
        };
        let offset = archive.len() - before.len();
        let common = [
            &short(20)[..],
            &short(0),
            &short(if deflated { 8 } else { 0 }),
            &[0; 8],
            &long(data.len()),
            &long(content.len()),
            &short(name.len()),
            &short(4),
        ]
        .concat();
        archive.extend(
            [
                b"PK\x03\x04",
                common.as_slice(),
                name.as_bytes(),
                b"xtra",
                &data,
            ]
            .concat(),
        );
        directory.extend(
            [
                b"PK\x01\x02\x14\x00",
                common.as_slice(),
                &[0; 10],
                &long(offset),
                name.as_bytes(),
                b"xtra",
            ]
            .concat(),
        );
    }
    let offset = archive.len() - before.len();
    archive.extend(&directory);
    archive.extend(
        [
            b"PK\x05\x06\0\0\0\0".as_slice(),
            &short(members.len()),
            &short(members.len()),
            &long(directory.len()),
            &long(offset),
            &short(comment.len()),
            comment,
        ]
        .concat(),
    );
    archive
}

fn manifest(class_path: &str) -> Vec<u8> {
    format!("Manifest-Version: 1.0\r\nClass-Path: {class_path}\r\n").into_bytes()
}

fn jar(class_path: &str) -> Vec<u8> {
    zip(
        b"",
        &[
            ("META-INF/", b""),
            ("META-INF/MANIFEST.MF", &manifest(class_path)),
        ],
        true,
        b"",
    )
}

fn put(tree: &TempDir, path: &str, content: impl AsRef<[u8]>) {
    let place = tree.path().join("root").join(path.trim_start_matches('/'));
    fs::create_dir_all(place.parent().unwrap()).unwrap();
    fs::write(place, content).unwrap();
}

fn link(tree: &TempDir, path: &str, target: &str) {
    let place = tree.path().join("root").join(path.trim_start_matches('/'));
    fs::create_dir_all(place.parent().unwrap()).unwrap();
    symlink(target, place).unwrap();
}

/// What was said, one line each: `Role How FILE < VIA`.
fn lines(said: &Said) -> Vec<String> {
    let line = |used: &unstale_plugin::Used| {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let what = match &used.what {
            What::File(path) => text(path),
            What::Held(Handle::Descriptor(number)) => format!("fd {number}"),
            What::Held(Handle::Mapping(address)) => format!("map {address:x}"),
            What::Link { .. } => "link".to_owned(),
        };
        let via = used.via.as_ref().map(|via| format!(" < {}", text(via)));
        format!(
            "{:?} {:?} {what}{}",
            used.role,
            used.how,
            via.unwrap_or_default()
        )
    };
    said.uses.iter().map(line).collect()
}

fn inspect(tree: &Path, process: &str) -> Said {
    let scene = Scene::of(process, tree).unwrap();
    scene.inspect(&mut Java::default())
}

/// One program: its arguments after `java`, more lines of the scene, and what is said to be used.
#[track_caller]
fn check(tree: &TempDir, arguments: &str, more: &str, expected: &[&str]) -> Said {
    let argv: String = arguments
        .split(' ')
        .map(|word| format!("argv {word}\n"))
        .collect();
    let process = format!("exe /opt/jdk/bin/java\nargv java\n{argv}cwd /srv\n{more}");
    let said = inspect(tree.path(), &process);
    assert_eq!(lines(&said), expected);
    said
}

fn tree() -> TempDir {
    let tree = tempfile::tempdir().unwrap();
    for name in ["a", "b", "c"] {
        put(&tree, &format!("/srv/{name}.jar"), jar(""));
    }
    put(&tree, "/srv/lib/one.jar", jar(""));
    put(&tree, "/srv/lib/two.jar", jar(""));
    put(&tree, "/srv/lib/notes.txt", "");
    put(&tree, "/srv/classes/Main.class", "");
    tree
}

#[test]
fn t6_20_class_path() {
    let tree = tree();
    let a_b = ["Archive Imported /srv/a.jar", "Archive Imported /srv/b.jar"];
    check(&tree, "-cp a.jar:/srv/b.jar Main", "", &a_b);
    check(&tree, "-cp a.jar:missing.jar:b.jar Main", "", &a_b);
    check(&tree, "Main", "env CLASSPATH=a.jar:b.jar", &a_b);
    check(
        &tree,
        "-cp c.jar Main",
        "env CLASSPATH=a.jar:b.jar",
        &["Archive Imported /srv/c.jar"],
    );
    check(
        &tree,
        "-jar c.jar -cp a.jar",
        "env CLASSPATH=b.jar",
        &["Script Loaded /srv/c.jar"],
    );
    check(
        &tree,
        "-cp b.jar -jar c.jar",
        "",
        &["Script Loaded /srv/c.jar"],
    );
    check(&tree, "-version", "env CLASSPATH=b.jar", &[]);
}

#[test]
fn t6_20_wildcards_name_what_lies_there_now() {
    let lib = [
        "Archive Possible /srv/lib/one.jar",
        "Archive Possible /srv/lib/two.jar",
    ];
    check(&tree(), "-cp lib/* Main", "", &lib);
    check(&tree(), "-p lib -m a/b", "", &lib);
    check(&tree(), "-p lib/* -m a/b", "", &[]);
    check(&tree(), "-cp lib/o* Main", "", &[]);
    check(
        &tree(),
        "-p a.jar: -m a/b",
        "",
        &["Archive Imported /srv/a.jar"],
    );
}

#[test]
fn t6_20_agents_and_boot_path() {
    let tree = tree();
    put(&tree, "/srv/agent.jar", {
        let text = b"Boot-Class-Path: boot.jar\n";
        zip(b"", &[("META-INF/MANIFEST.MF", text)], false, b"")
    });
    put(&tree, "/srv/boot.jar", jar(""));
    let expected = [
        "Archive Imported /srv/agent.jar",
        "Archive Imported /srv/b.jar",
        "Archive Imported /srv/a.jar",
        "Archive Imported /srv/boot.jar < /srv/agent.jar",
    ];
    check(
        &tree,
        "-javaagent:agent.jar=x=y -Xbootclasspath/a:b.jar -cp a.jar Main",
        "",
        &expected,
    );
    let variables = "env JAVA_TOOL_OPTIONS=-javaagent:agent.jar\nenv JDK_JAVA_OPTIONS=-cp 'a.jar'\nenv _JAVA_OPTIONS=-Xbootclasspath/a:b.jar";
    check(&tree, "Main", variables, &expected);
}

#[test]
fn t6_20_argument_files() {
    let tree = tree();
    put(
        &tree,
        "/srv/args",
        "# -cp c.jar\n-cp \"a.jar:\\\n   b.jar\" Main",
    );
    let a_b = ["Archive Imported /srv/a.jar", "Archive Imported /srv/b.jar"];
    check(&tree, "@args x", "", &a_b);
    let said = check(&tree, "@none -cp a.jar:b.jar Main", "", &a_b);
    assert_eq!(
        said.unknown,
        ["cannot look at /srv/none of the class path: the argument file cannot be read"]
    );
}

#[test]
fn t6_20_manifests_name_more() {
    let tree = tree();
    put(
        &tree,
        "/srv/app/x.jar",
        jar("../a.jar lib/y%20z.jar ../classes/ missing.jar"),
    );
    put(
        &tree,
        "/srv/app/lib/y z.jar",
        jar("../x.jar file:///srv/b.jar"),
    );
    link(&tree, "/srv/x.jar", "app/x.jar");
    let expected = [
        "Script Loaded /srv/x.jar",
        "Archive Imported /srv/a.jar < /srv/x.jar",
        "Archive Imported /srv/app/lib/y z.jar < /srv/x.jar",
        "Archive Imported /srv/b.jar < /srv/app/lib/y z.jar",
    ];
    let with_cycle = ["Archive Imported /srv/app/x.jar < /srv/app/lib/y z.jar"];
    let said = inspect(
        tree.path(),
        "exe /j/java\nargv java\nargv -jar\nargv x.jar\ncwd /srv",
    );
    let mut found = lines(&said);
    // The link and what it leads to are both used, whichever is replaced.
    found.retain(|line| line != with_cycle[0]);
    assert_eq!(found, expected);
    assert_eq!(said.unknown, [""; 0]);
}

#[test]
fn t6_20_shapes_of_archives() {
    let tree = tree();
    let text = manifest("a.jar");
    let far: Vec<String> = (0..3000).map(|number| format!("member/{number}")).collect();
    let mut members: Vec<(&str, &[u8])> = far
        .iter()
        .map(|name| (name.as_str(), b"".as_slice()))
        .collect();
    members.push(("meta-inf/manifest.mf", &text));
    let shapes = [
        zip(b"", &[("META-INF/MANIFEST.MF", &text)], false, b""),
        zip(
            b"#!/bin/sh\nexec java -jar $0\n",
            &[("META-INF/MANIFEST.MF", &text)],
            true,
            b"",
        ),
        zip(
            b"",
            &[("META-INF/MANIFEST.MF", &text)],
            true,
            &[b'c'; 60_000],
        ),
        zip(b"", &members, true, b""),
    ];
    // The two records of Zip64 before the last one.
    let mut zip64 = shapes[0].clone();
    let end = zip64.len() - 22;
    zip64.splice(end..end, [0; 76]);
    for shape in shapes.into_iter().chain([zip64]) {
        put(&tree, "/srv/x.jar", shape);
        let expected = [
            "Script Loaded /srv/x.jar",
            "Archive Imported /srv/a.jar < /srv/x.jar",
        ];
        check(&tree, "-jar x.jar", "", &expected);
    }
}

#[test]
fn t6_20_held_archives_come_first() {
    let tree = tree();
    link(&tree, "/srv/current.jar", "a.jar");
    let held = "held fd 3 /jdk/lib/modules\nheld map 7f00 /jdk/lib/modules\nheld map 8f00 /jdk/lib/modules\n\
        held fd 4 /srv/a.jar\nheld fd 5 /srv/a.jar\nheld map 9f00 /jdk/lib/server/classes.jsa\nheld fd 6 /srv/lib/one.jar";
    let common = [
        "Archive Loaded fd 3",
        "Archive Loaded map 7f00",
        "Archive Loaded fd 4",
        "Archive Loaded fd 5",
        "Archive Loaded map 9f00",
        "Archive Loaded fd 6",
    ];
    let mut expected = common.to_vec();
    expected.push("Archive Imported /srv/b.jar");
    expected.push("Archive Possible /srv/lib/two.jar");
    check(&tree, "-cp a.jar:b.jar:lib/* Main", held, &expected);
    let mut expected = common.to_vec();
    expected[2] = "Script Loaded fd 4";
    expected[3] = "Script Loaded fd 5";
    check(&tree, "-jar current.jar", held, &expected);
}

/// The archive was removed: there is nothing to resolve, but it is held by the name that was given.
#[test]
fn t6_21_removed_main_archive() {
    let tree = tree();
    check(
        &tree,
        "-jar gone.jar",
        "held fd 4 /srv/gone.jar",
        &["Script Loaded fd 4"],
    );
    check(&tree, "-jar gone.jar", "", &["Script Loaded /srv/gone.jar"]);
}

#[test]
fn t6_21_data_is_no_code() {
    let held = "held map 1000 /tmp/hsperfdata_root/77\nheld fd 9 /srv/x.log\nheld fd 8 /srv/modules\nheld map 2000 /usr/lib/locale/locale-archive";
    check(
        &tree(),
        "-cp a.jar Main",
        held,
        &["Archive Imported /srv/a.jar"],
    );
}

#[test]
fn t6_21_exploded_classes_are_noted() {
    let said = check(
        &tree(),
        "-cp classes:a.jar:lib Main",
        "",
        &["Archive Imported /srv/a.jar"],
    );
    assert_eq!(
        said.notes,
        ["classes in directories are not judged: /srv/classes and 1 more"]
    );
    assert_eq!(said.unknown, [""; 0]);
}

#[test]
fn t6_20_other_launchers() {
    let tree = tree();
    let process = "exe /usr/bin/jsvc\nargv jsvc.exec\nargv -user\nargv app\nargv -cp\nargv a.jar\nargv Main\ncwd /srv";
    assert_eq!(
        lines(&inspect(tree.path(), process)),
        ["Archive Imported /srv/a.jar"]
    );
    let process = "exe /opt/idea/bin/idea\nargv idea\nargv -cp\nargv a.jar\ncwd /srv\nheld fd 7 /opt/idea/lib/app.jar";
    let said = inspect(tree.path(), process);
    assert_eq!(lines(&said), ["Archive Loaded fd 7"]);
    assert_eq!(said.notes.len(), 1);
    assert_eq!(said.unknown, [""; 0]);
}

#[test]
fn t6_02_unknown_working_directory() {
    let tree = tree();
    let process = "exe /j/java\nargv java\nargv -cp\nargv a.jar:/srv/b.jar\nargv Main";
    let said = inspect(tree.path(), process);
    assert_eq!(lines(&said), ["Archive Imported /srv/b.jar"]);
    assert_eq!(said.unknown.len(), 1);
}

/// Archives that claim more than they are, a bomb, a cycle, and more entries than are looked at.
#[test]
fn t11_17_hostile_archives() {
    let tree = tree();
    let long = "a.jar ".repeat(400_000);
    put(&tree, "/srv/bomb.jar", jar(&long));
    let said = check(
        &tree,
        "-jar bomb.jar",
        "",
        &[
            "Script Loaded /srv/bomb.jar",
            "Archive Imported /srv/a.jar < /srv/bomb.jar",
        ],
    );
    assert_eq!(said.unknown, [""; 0]);

    let whole = jar("a.jar");
    for at in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[at] = 0xff;
        put(&tree, "/srv/damaged.jar", damaged);
        let said = inspect(
            tree.path(),
            "exe /j/java\nargv java\nargv -jar\nargv damaged.jar\ncwd /srv",
        );
        assert!((1..=2).contains(&said.uses.len()), "byte {at}");
    }

    let list = (0..1500)
        .map(|number| format!("/srv/many/{number}.jar"))
        .collect::<Vec<_>>();
    for path in &list {
        put(&tree, path, "");
    }
    let process = format!(
        "exe /j/java\nargv java\nargv -cp\nargv {}\nargv Main\ncwd /srv",
        list.join(":")
    );
    let said = inspect(tree.path(), &process);
    assert_eq!(said.uses.len(), 1000);
    assert_eq!(
        said.unknown,
        ["more than 1000 archives are named: not all are looked at"]
    );
}

#[test]
fn t6_20_a_second_process_costs_little() {
    let tree = tree();
    let process = "exe /j/java\nargv java\nargv -cp\nargv a.jar:b.jar:c.jar\nargv Main\ncwd /srv";
    let mut java = Java::default();
    let [first, second] = [(); 2].map(|()| {
        let scene = Scene::of(process, tree.path()).unwrap();
        assert_eq!(scene.inspect(&mut java).uses.len(), 3);
        scene.questions()
    });
    assert!(second * 3 <= first, "{first} questions, then {second}");
}

/// The host takes no path that is none, and few lines: a process that makes up both must not cost more than itself.
#[test]
fn t11_01_words_that_are_no_paths() {
    let tree = tree();
    let long = "x/".repeat(40_000);
    put(&tree, "/srv/args", b"-cp a\0b.jar:/c\0 Main");
    let many: String = (0..500).map(|number| format!("n\\x00{number}:")).collect();
    let command_lines = [
        format!("argv -jar\nargv {long}"),
        format!("argv -jar\nargv /{long}"),
        format!("argv -cp\nargv {long}:{many}\nargv Main"),
        format!("argv -javaagent:{long}\nargv -p\nargv {long}\nargv Main.java"),
        format!("argv @{long}\nargv Main"),
        "argv @args".to_owned(),
    ];
    for words in command_lines {
        let said = inspect(
            tree.path(),
            &format!("exe /j/java\nargv java\n{words}\ncwd /srv"),
        );
        for used in &said.uses {
            let What::File(path) = &used.what else {
                panic!("{used:?}")
            };
            assert!(path.len() <= 4096 && !path.contains(&0), "{path:?}");
        }
        let lines = said.unknown.len();
        assert!((1..=9).contains(&lines), "{lines} lines");
        assert!(said.unknown.iter().all(|line| line.len() < 500));
    }
}
