//! Rows of group 6: programs that are no plain scripts.

use std::process::Command;

use unstale_plugin::{How, Role};

use crate::scene_rows::{EXE, app, check, check_note, check_unknown, simple};
use crate::support::{Running, Tree, files, interpreters, marked};

fn web() -> Tree {
    app(&[
        (
            "/usr/bin/gunicorn",
            "from gunicorn.app.wsgiapp import run\nrun()\n",
        ),
        ("/usr/lib/python3/dist-packages/gunicorn/__init__.py", ""),
        ("/usr/lib/python3/dist-packages/gunicorn/app/wsgiapp.py", ""),
        ("/srv/app/shop/__init__.py", ""),
        ("/srv/app/shop/wsgi.py", "from .cart import x\n"),
        ("/srv/app/shop/cart.py", "import flask\n"),
        (
            "/usr/lib/python3/dist-packages/flask/__init__.py",
            "import werk\n",
        ),
        ("/usr/lib/python3/dist-packages/werk.py", ""),
        ("/srv/app/shop/celery.py", ""),
        ("/srv/app/shop/unused.py", ""),
    ])
}

#[test]
fn t6_12_launchers() {
    let tree = web();
    let found = ["shop/__init__.py", "shop/cart.py", "shop/wsgi.py"];
    let perhaps = found.map(|path| format!("{path}?"));
    let perhaps = perhaps.each_ref().map(String::as_str);
    let gunicorn = "argv /usr/bin/python3\nargv /usr/bin/gunicorn\nargv -b\nargv 127.0.0.1:8000";
    check(
        &tree,
        &format!("cwd /srv/app\n{gunicorn}\nargv --preload\nargv shop.wsgi:app"),
        &found,
    );
    // The master leaves it to its workers, of which a reload makes new ones.
    for app in ["shop.wsgi:app", "shop.wsgi"] {
        let process = format!("cwd /srv/app\n{gunicorn}\nargv {app}");
        check(&tree, &process, &perhaps);
        check_note(&tree, &process, "workers");
        // After an upgrade of packages nobody reloads.
        let said = tree.inspect(&format!("{EXE}{process}"));
        assert_eq!(
            marked(&said, "/usr/lib/python3/dist-packages/"),
            [
                "flask/__init__.py",
                "gunicorn/__init__.py",
                "gunicorn/app/wsgiapp.py",
                "werk.py"
            ]
        );
    }
    // What follows an option may be its value.
    check(
        &tree,
        &format!("cwd /srv/app\n{gunicorn}\nargv -c\nargv shop.wsgi"),
        &[],
    );
    check(
        &tree,
        &format!("cwd /\n{gunicorn}\nargv --chdir\nargv /srv/app\nargv shop.wsgi:make()"),
        &perhaps,
    );
    check(
        &tree,
        &format!("cwd /\n{gunicorn}\nargv --pythonpath=/x,/srv/app\nargv shop.wsgi:app"),
        &perhaps,
    );
    check_unknown(
        &tree,
        &format!("cwd /\n{gunicorn}\nargv --preload\nargv shop.wsgi:app"),
        "shop.wsgi",
    );
    // Its configuration may lead there.
    check_note(
        &tree,
        &format!("cwd /\n{gunicorn}\nargv shop.wsgi:app"),
        "shop.wsgi",
    );
    tree.file("/usr/lib/python3/dist-packages/uvicorn/__main__.py", b"");
    tree.file("/usr/lib/python3/dist-packages/uvicorn/__init__.py", b"");
    let uvicorn =
        "cwd /\nargv python3\nargv -m\nargv uvicorn\nargv --app-dir=/srv/app\nargv shop.wsgi:app";
    check(&tree, uvicorn, &found);
    check(&tree, &format!("{uvicorn}\nargv --workers=2"), &perhaps);
    let flask =
        "cwd /srv/app\nargv python3\nargv -m\nargv flask\nargv --app\nargv shop.wsgi\nargv run";
    tree.file("/usr/lib/python3/dist-packages/flask/__main__.py", b"");
    check(&tree, flask, &found);
    check(&tree, &format!("{flask}\nargv --debug"), &perhaps);
    tree.file("/usr/bin/celery", b"");
    for app in [
        "-A\nargv shop",
        "-Ashop",
        "--app=shop",
        "-A\nargv shop.celery:app",
    ] {
        let process =
            format!("cwd /srv/app\nargv python3\nargv /usr/bin/celery\nargv {app}\nargv worker");
        check(&tree, &process, &["shop/__init__.py", "shop/celery.py"]);
    }
}

#[test]
fn t6_12_scripts_of_entry_points() {
    // As Debian's supervisor has it, shortened.
    let script = |call: &str| {
        format!(
            "#!/usr/bin/python3\n# EASY-INSTALL-ENTRY-SCRIPT: 'shop==1.2'\n__requires__ = 'shop==1.2'\n\
             def importlib_load_entry_point(spec, group, name):\n    return next(matches).load()\n\
             if __name__ == '__main__':\n    sys.exit({call}())\n"
        )
    };
    let points = "[other]\nshopd = shop.other:main\n[console_scripts]\nctl = shop.ctl:main\nshopd = shop.daemon:main [x]\n";
    let site = "/usr/lib/python3/dist-packages";
    let shop = [
        ("Shop-1.2.egg-info", "shop"),
        ("my_shop-1.2.dist-info", "My.Shop==1.2"),
    ];
    for (metadata, package) in shop {
        for (name, expected) in [
            ("shopd", &["shop/__init__.py", "shop/daemon.py"][..]),
            ("none", &[]),
        ] {
            let tree = app(&[]);
            for module in ["__init__", "daemon", "ctl", "other"] {
                tree.file(&format!("{site}/shop/{module}.py"), b"");
            }
            tree.file(
                &format!("{site}/shopping-1.egg-info/entry_points.txt"),
                points.as_bytes(),
            );
            tree.file(
                &format!("{site}/{metadata}/entry_points.txt"),
                points.as_bytes(),
            );
            let call = format!("load_entry_point('{package}', 'console_scripts', '{name}')");
            tree.file("/usr/bin/shopd", script(&call).as_bytes());
            let said = tree.inspect(&format!("{EXE}cwd /\nargv python3\nargv /usr/bin/shopd\n"));
            let below = format!("{site}/");
            assert_eq!(
                marked(&said, &below),
                expected,
                "{package} {name}: {said:#?}"
            );
            assert!(said.unknown.is_empty(), "{said:#?}");
        }
    }
}

#[test]
fn t6_12_programs_that_embed_python() {
    let tree = web();
    let process = |arguments: &str| {
        let text = format!(
            "exe /usr/bin/uwsgi-core\ncode 1000 /usr/lib/x86_64-linux-gnu/libpython3.11.so.1.0\n\
             cwd /\nargv uwsgi\n{arguments}"
        );
        tree.inspect(&text)
    };
    let said = process("argv --ini\nargv /etc/uwsgi.ini");
    assert!(said.uses.is_empty() && said.unknown.is_empty(), "{said:#?}");
    assert!(said.notes[0].contains("embeds Python"));
    // Plainly named: shown, never a reason.
    let said = process("argv --chdir=/srv/app\nargv --module\nargv shop.wsgi:app");
    let found = ["shop/__init__.py?", "shop/cart.py?", "shop/wsgi.py?"];
    assert_eq!(marked(&said, "/srv/app/"), found);
    assert!(said.unknown.is_empty());
    // Neither an interpreter nor its library: not ours.
    let said = tree.inspect("exe /usr/bin/python-gui\nargv python-gui\nargv /srv/app/main.py");
    assert_eq!(said, unstale_plugin::testing::Said::default());
}

#[test]
fn t2_14_rewritten_arguments() {
    let tree = simple();
    for title in ["shopd: worker [3]", "shopd", "gunicorn: master [shop]"] {
        check_note(
            &tree,
            &format!("execfn /usr/bin/python3\nargv {title}\nargv \nargv "),
            "title",
        );
        check(&tree, &format!("argv {title}"), &[]);
    }
    check_note(&tree, "cwd /", "title");
    // The kernel remembers the script that was executed.
    tree.file("/srv/app/run", b"#!/usr/bin/python3\nimport shop\n");
    check(
        &tree,
        "execfn /srv/app/run\nargv shopd: worker",
        &["run!", "shop.py"],
    );
    check(&tree, "execfn /srv/app/main.py\nargv shopd: worker", &[]);
}

#[test]
fn t6_27_t6_28_any_place() {
    // Where a script lies, and whether it writes to itself, changes nothing here: the host compares times.
    for place in ["/tmp/ansible_x", "/var/www", "/run/x"] {
        let script = format!("{place}/main.py");
        let tree = app(&[
            (&script, "open(__file__, 'a')\nimport helper\n"),
            (&format!("{place}/helper.py"), ""),
        ]);
        let said = tree.inspect(&format!("{EXE}argv python3\nargv {script}"));
        assert_eq!(marked(&said, place), ["/helper.py", "/main.py!"]);
    }
}

#[test]
fn python_2_is_judged_by_its_script() {
    let tree = Tree::of(&[
        ("/srv/app/main.py", "import shop"),
        ("/srv/app/shop.py", ""),
    ]);
    let said = tree.inspect("exe /usr/bin/python2.7\nargv python2\nargv /srv/app/main.py");
    assert_eq!(marked(&said, "/srv/app/"), ["main.py!"]);
    assert!(said.notes[0].contains("Python 2"));
}

/// An archive of members that are stored, with something in front. `zipapp` would need an interpreter.
fn zip(front: &[u8], members: &[(&str, &str)], comment: &[u8]) -> Vec<u8> {
    let (mut bytes, mut directory) = (front.to_vec(), Vec::new());
    let half = |number: usize| u16::try_from(number).unwrap().to_le_bytes();
    let word = |number: usize| u32::try_from(number).unwrap().to_le_bytes();
    for (name, text) in members {
        let header = word(bytes.len() - front.len());
        // Version, flags, method, time, date, checksum (of nothing), sizes, lengths.
        let common = [
            &half(20)[..],
            &[0; 12],
            &word(text.len()),
            &word(text.len()),
            &half(name.len()),
            &half(0),
        ]
        .concat();
        for part in [b"PK\x03\x04", &common[..], name.as_bytes(), text.as_bytes()] {
            bytes.extend_from_slice(part);
        }
        let version = half(20);
        for part in [
            b"PK\x01\x02",
            &version[..],
            &common,
            &[0; 10],
            &header,
            name.as_bytes(),
        ] {
            directory.extend_from_slice(part);
        }
    }
    let offset = word(bytes.len() - front.len());
    let count = half(members.len());
    let size = word(directory.len());
    bytes.extend_from_slice(&directory);
    let length = half(comment.len());
    for part in [
        b"PK\x05\x06",
        &[0; 4][..],
        &count,
        &count,
        &size,
        &offset,
        &length,
        comment,
    ] {
        bytes.extend_from_slice(part);
    }
    bytes
}

#[test]
fn t6_13_archives() {
    let tree = app(&[("/srv/lib/outer.py", ""), ("/srv/lib/hidden.py", "")]);
    let members = [
        ("__main__.py", "import inside.deep\n"),
        ("inside/__init__.py", ""),
        ("inside/deep.py", "import outer\n"),
        ("inside/never.py", "import hidden\n"),
    ];
    for front in [&b""[..], b"#!/usr/bin/env python3\n"] {
        tree.file("/srv/app/tool", &zip(front, &members, b""));
        let process = format!("{EXE}env PYTHONPATH=/srv/lib\nargv python3\nargv /srv/app/tool");
        let said = tree.inspect(&process);
        assert_eq!(
            marked(&said, "/srv/"),
            ["app/tool!", "lib/outer.py"],
            "{said:#?}"
        );
        assert_eq!(said.uses[0].role, Role::Archive);
    }
    // On the path, with a comment; and a directory inside.
    tree.file("/srv/app/main.py", b"import one, two\n");
    tree.file(
        "/srv/a.egg",
        &zip(b"", &[("one.py", "import outer")], b"a comment"),
    );
    tree.file("/srv/b.zip", &zip(b"", &[("lib/two.pyc", "")], b""));
    let path = "env PYTHONPATH=/srv/lib:/srv/a.egg:/srv/b.zip/lib";
    let said = tree.inspect(&format!("{EXE}{path}\nargv python3\nargv /srv/app/main.py"));
    assert_eq!(
        marked(&said, "/srv/"),
        ["a.egg", "app/main.py!", "b.zip", "lib/outer.py"]
    );
}

/// What `zipapp` makes, deflated or not.
#[test]
fn t6_13_real_archives() {
    for python in interpreters() {
        let tree = Tree::new();
        tree.file(
            "/app/__main__.py",
            b"import inner\nprint('ready', flush=True)\ninput()\n",
        );
        tree.file("/app/inner.py", b"import colorsys\n");
        for options in [&[][..], &["-c"]] {
            let archive = tree.path("/tool.pyz");
            let mut make = Command::new(&python);
            make.args(["-m", "zipapp", "-p", "/usr/bin/env python3"])
                .args(options);
            make.arg(tree.path("/app")).arg("-o").arg(&archive);
            if !make.output().unwrap().status.success() {
                continue; // 3.6 does not know -c
            }
            let running = Running::start(Command::new(&python).arg("-S").arg(&archive));
            let found = files(&running.inspect());
            let archive = archive.to_str().unwrap();
            assert_eq!(found.get(archive), Some(&How::Loaded), "{found:?}");
            let colours = found.keys().any(|path| path.ends_with("/colorsys.py"));
            assert_eq!(colours, options.is_empty(), "{found:?}");
        }
    }
}
