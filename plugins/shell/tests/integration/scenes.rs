//! Rows on trees that are made here.

use std::fs;

use tempfile::TempDir;
use unstale_plugin::testing::{Said, Scene};
use unstale_plugin::{Handle, What};
use unstale_shell::Shell;

fn tree(files: &[(&str, &str)]) -> TempDir {
    let tree = tempfile::tempdir().unwrap();
    fs::create_dir(tree.path().join("root")).unwrap();
    for (path, text) in files {
        let place = tree.path().join("root").join(path.trim_start_matches('/'));
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::write(place, text).unwrap();
    }
    tree
}

#[track_caller]
fn check(tree: &TempDir, process: &str, expected: &[&str]) -> Said {
    let said = Scene::of(process, tree.path())
        .unwrap()
        .inspect(&mut Shell::default());
    let line = |used: &unstale_plugin::Used| {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let what = match &used.what {
            What::File(path) => text(path),
            What::Held(Handle::Descriptor(number)) => format!("fd {number}"),
            other => panic!("{other:?}"),
        };
        format!("{:?} {:?} {what}", used.role, used.how)
    };
    let lines: Vec<_> = said.uses.iter().map(line).collect();
    assert_eq!(lines, expected, "{process}");
    said
}

#[test]
fn t6_24_held_script() {
    let tree = tree(&[("/srv/x.sh", "")]);
    let bash = "exe /bin/bash\nargv bash\nargv x.sh\ncwd /\n";
    check(
        &tree,
        &format!("{bash}held fd 3 /srv/x.sh\nheld fd 255 /srv/x.sh"),
        &["Script Loaded fd 255"],
    );
    // The script was moved: the kernel tells its new name.
    check(
        &tree,
        &format!("{bash}held fd 255 /srv/x.sh.bak"),
        &["Script Loaded fd 255"],
    );
    // No room for 255 descriptors.
    check(
        &tree,
        &format!("{bash}held fd 10 /srv/lock\nheld fd 63 /srv/x.sh"),
        &["Script Loaded fd 63"],
    );
    let dash = "exe /bin/dash\nargv sh\nargv -e\nargv x.sh\ncwd /srv\n";
    check(
        &tree,
        &format!("{dash}held fd 10 /srv/x.sh\nheld fd 11 /srv/x.sh"),
        &["Script Loaded fd 10"],
    );
    check(
        &tree,
        &format!("{dash}held fd 10 /var/log/x\nheld fd 3 /srv/x.sh\nheld map 1000 /srv/x.sh"),
        &["Script Loaded /srv/x.sh"],
    );
}

#[test]
fn t6_24_script_by_its_name() {
    let tree = tree(&[("/srv/x.sh", "")]);
    check(
        &tree,
        "exe /bin/dash\nargv sh\nargv /gone.sh",
        &["Script Loaded /gone.sh"],
    );
    check(
        &tree,
        "exe /bin/dash\nargv sh\nargv x.sh\ncwd /srv",
        &["Script Loaded /srv/x.sh"],
    );
    check(
        &tree,
        "exe /bin/dash\nexecfn /srv/x.sh\nargv /bin/sh\nargv ./x.sh\ncwd /",
        &["Script Loaded /srv/x.sh"],
    );
    let said = check(&tree, "exe /bin/dash\nargv sh\nargv x.sh\ncwd /", &[]);
    assert_eq!(said.unknown, ["its script x.sh is not found"]);
}

#[test]
fn t6_24_no_script() {
    let tree = tree(&[]);
    for words in [
        "argv -bash",
        "argv bash\nargv -c\nargv /x.sh",
        "argv bash\nargv -s",
    ] {
        let text = format!("exe /bin/bash\n{words}\nheld fd 255 /srv/x.sh");
        let scene = Scene::of(&text, tree.path()).unwrap();
        assert_eq!(scene.inspect(&mut Shell::default()), Said::default());
        assert_eq!(scene.questions(), 0);
    }
}

#[test]
fn t6_24_sourced_files() {
    let tree = tree(&[
        ("/srv/x.sh", ". /lib/a.sh\n. ./b.sh; . /missing; . $c"),
        ("/lib/a.sh", "source /lib/c.sh; . /srv/x.sh"),
        ("/lib/c.sh", ""),
        ("/srv/b.sh", ""),
        ("/b.sh", ""),
    ]);
    let expected = [
        "Script Loaded fd 255",
        "Module Possible /lib/a.sh",
        "Module Possible /srv/b.sh",
        "Module Possible /lib/c.sh",
    ];
    let said = check(
        &tree,
        "exe /bin/bash\nargv bash\nargv x.sh\ncwd /srv\nheld fd 255 /srv/x.sh",
        &expected,
    );
    assert_eq!(said.unknown, [""; 0]);
}

#[test]
fn t11_02_many_files() {
    let tree = tree(&[]);
    for number in 0..200 {
        let more: String = (0..60)
            .map(|other| format!(". /m/{}\n", (number * 3 + other) % 200))
            .collect();
        let place = tree.path().join(format!("root/m/{number}"));
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::write(place, more).unwrap();
    }
    let scene = Scene::of("exe /bin/dash\nargv sh\nargv /m/0", tree.path()).unwrap();
    let said = scene.inspect(&mut Shell::default());
    assert_eq!(said.uses.len(), 65);
    assert!(scene.questions() < 400, "{}", scene.questions());
}

/// The host takes no path that is none: a process that makes one up must not cost more than itself.
#[test]
fn t11_01_words_that_are_no_paths() {
    let long = "x/".repeat(40_000);
    let source = format!(". /{long}; . {long}; . /a\0b");
    let tree = tree(&[("/srv/x.sh", &source), ("/a\u{1}b", "")]);
    check(
        &tree,
        "exe /bin/dash\nargv sh\nargv /srv/x.sh\ncwd /",
        &["Script Loaded /srv/x.sh"],
    );
    for words in [
        format!("argv {long}"),
        format!("argv /{long}"),
        format!("argv x\nexecfn /{long}x"),
    ] {
        let said = check(
            &tree,
            &format!("exe /bin/dash\nargv sh\n{words}\ncwd /"),
            &[],
        );
        assert_eq!(said.unknown.len(), 1);
        assert!(said.unknown[0].len() < 500);
    }
}
