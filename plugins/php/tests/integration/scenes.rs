//! Rows on trees that are made here.

use std::os::unix::fs::symlink;

use tempfile::TempDir;
use unstale_php::Php;
use unstale_plugin::testing::{Said, Scene};

use crate::{lines, put};

fn tree(files: &[(&str, &str)]) -> TempDir {
    let tree = tempfile::tempdir().unwrap();
    std::fs::create_dir(tree.path().join("root")).unwrap();
    for (path, text) in files {
        put(&tree, &format!("root{path}"), text);
    }
    tree
}

#[track_caller]
fn check(tree: &TempDir, process: &str, expected: &[&str]) -> Said {
    let scene = Scene::of(process, tree.path()).unwrap();
    let said = scene.inspect(&mut Php::default());
    assert_eq!(lines(&said), expected);
    said
}

#[test]
fn t6_23_servers_read_again() {
    let tree = tree(&[
        ("/etc/php/8.2/fpm/php.ini", "[PHP]\n"),
        ("/var/www/index.php", "<?php"),
    ]);
    let fpm = "exe /usr/sbin/php-fpm8.2\nargv php-fpm: pool www\ncwd /";
    let said = check(&tree, fpm, &[]);
    assert_eq!(said.notes, ["its scripts are read again for each request"]);
    assert_eq!(said.unknown, [""; 0]);
    let apache = "exe /usr/sbin/apache2\nargv apache2\nargv -k\ncode 1000 /usr/lib/apache2/modules/libphp8.2.so";
    assert_eq!(check(&tree, apache, &[]).notes.len(), 1);
    let server = "exe /usr/bin/php8.2\nargv php\nargv -S\nargv :80\nargv index.php\ncwd /var/www";
    assert_eq!(check(&tree, server, &[]).notes.len(), 1);
}

#[test]
fn t6_23_preload() {
    let tree = tree(&[
        ("/etc/php/8.2/fpm/php.ini", "opcache.preload=/srv/no.php\n"),
        (
            "/etc/php/8.2/fpm/conf.d/10-a.ini",
            "opcache.preload=/srv/preload.php ; x\n",
        ),
        (
            "/etc/php/8.2/fpm/conf.d/00-a.ini",
            "opcache.preload=/srv/no.php\n",
        ),
        (
            "/etc/php/8.2/cli/conf.d/10-a.ini",
            "opcache.preload=/srv/preload.php\n",
        ),
        (
            "/srv/preload.php",
            "<?php require __DIR__ . '/a.php'; foreach (x() as $x) { opcache_compile_file($x); }",
        ),
        ("/srv/a.php", "<?php"),
        ("/srv/x.php", "<?php"),
    ]);
    let preloaded = [
        "Module Loaded /srv/preload.php",
        "Module Imported /srv/a.php < /srv/preload.php",
    ];
    check(
        &tree,
        "exe /usr/sbin/php-fpm8.2\nargv php-fpm: pool www",
        &preloaded,
    );
    check(
        &tree,
        "exe /usr/sbin/php-fpm8.2\nargv x\nenv PHP_INI_SCAN_DIR=/etc/php/8.2/cli/conf.d",
        &preloaded,
    );
    let none = "exe /usr/sbin/php-fpm8.2\nargv x\nenv PHP_INI_SCAN_DIR=/none\nenv PHPRC=/none";
    check(&tree, none, &[]);
    // Off for commands, unless asked for.
    let command = "exe /usr/bin/php8.2\ncwd /\nargv php\n";
    check(
        &tree,
        &format!("{command}argv /srv/x.php"),
        &["Script Loaded /srv/x.php"],
    );
    let on = format!("{command}argv -d\nargv opcache.enable_cli=1\nargv /srv/x.php");
    let all = [preloaded[0], "Script Loaded /srv/x.php", preloaded[1]];
    check(&tree, &on, &all);
    let none = format!("{command}argv -n\nargv -dopcache.enable_cli=1\nargv /srv/x.php");
    check(&tree, &none, &["Script Loaded /srv/x.php"]);
}

#[test]
fn t6_23_scripts_that_stay_cached() {
    let fedora = tree(&[
        ("/etc/php.ini", "opcache.validate_timestamps=1"),
        ("/etc/php.d/10-opcache.ini", "opcache.validate_timestamps=0"),
    ]);
    let said = check(
        &fedora,
        "exe /usr/sbin/php-fpm\nargv php-fpm: pool www",
        &[],
    );
    assert_eq!(said.notes.len(), 1);
    assert!(
        said.notes[0].starts_with("opcache.validate_timestamps is off"),
        "{}",
        said.notes[0]
    );
    let image = tree(&[(
        "/usr/local/etc/php/conf.d/x.ini",
        "opcache.validate_timestamps=off",
    )]);
    let said = check(
        &image,
        "exe /usr/local/sbin/php-fpm\nargv php-fpm: pool www",
        &[],
    );
    assert!(
        said.notes[0].starts_with("opcache.validate_timestamps is off"),
        "{}",
        said.notes[0]
    );
}

#[test]
fn t6_23_where_names_are_looked_for() {
    let tree = tree(&[
        (
            "/srv/app/x.php",
            "<?php require 'a.php'; require 'b.php'; require 'c.php'; require './d.php'; require '/e.php';",
        ),
        ("/run/a.php", ""),
        ("/usr/share/php/b.php", ""),
        ("/srv/app/c.php", ""),
        ("/srv/app/d.php", ""),
        ("/run/d.php", ""),
        ("/e.php", ""),
        ("/own/b.php", ""),
    ]);
    let process = "exe /usr/bin/php8.2\nargv php\nargv -f\nargv /srv/app/x.php\ncwd /run";
    let via = |path: &str| format!("Module Imported {path} < /srv/app/x.php");
    let found: Vec<String> = [
        "/run/a.php",
        "/usr/share/php/b.php",
        "/srv/app/c.php",
        "/run/d.php",
        "/e.php",
    ]
    .map(via)
    .into();
    let mut expected = vec!["Script Loaded /srv/app/x.php"];
    expected.extend(found.iter().map(String::as_str));
    check(&tree, process, &expected);
    let own =
        "exe /usr/bin/php8.2\nargv php\nargv -dinclude_path=/own\nargv /srv/app/x.php\ncwd /run";
    let other = via("/own/b.php");
    expected[2] = &other;
    check(&tree, own, &expected);
}

#[test]
fn t6_23_archives() {
    let tree = tree(&[
        ("/srv/x.phar", "<?php require 'a.php';"),
        ("/srv/y.php", "<?php require 'phar:///srv/x.phar/z.php';"),
        ("/srv/a.php", ""),
    ]);
    check(
        &tree,
        "exe /usr/bin/php8.2\nargv php\nargv x.phar\ncwd /srv",
        &["Archive Loaded /srv/x.phar"],
    );
    let expected = [
        "Script Loaded /srv/y.php",
        "Archive Imported /srv/x.phar < /srv/y.php",
    ];
    check(
        &tree,
        "exe /usr/bin/php8.2\nargv php\nargv y.php\ncwd /srv",
        &expected,
    );
}

#[test]
fn t6_02_script_that_is_not_known() {
    let tree = tree(&[("/srv/x", "<?php")]);
    let said = check(&tree, "exe /usr/bin/php8.2\nargv php\nargv x\ncwd /", &[]);
    assert_eq!(said.unknown, ["its script x is not found"]);
    let script = ["Script Loaded /srv/x"];
    check(
        &tree,
        "exe /usr/bin/php8.2\nexecfn /srv/x\nargv php\nargv ./x\ncwd /",
        &script,
    );
    check(
        &tree,
        "exe /usr/bin/php8.2\nexecfn /srv/x\nargv my worker\nargv ",
        &script,
    );
    let said = check(&tree, "exe /usr/bin/php8.2\nargv my worker", &[]);
    assert_eq!((said.notes.len(), said.unknown.len()), (1, 0));
    check(
        &tree,
        "exe /usr/bin/php8.2\nargv php\nargv /gone.php",
        &["Script Loaded /gone.php"],
    );
    assert_eq!(
        check(&tree, "exe /usr/bin/php8.2\nargv php\nargv -r\nargv x", &[]),
        Said::default()
    );
}

#[test]
fn t6_03_script_is_a_link() {
    let tree = tree(&[
        ("/srv/v1/x.php", "<?php require __DIR__ . '/a.php';"),
        ("/srv/v1/a.php", ""),
    ]);
    symlink("v1/x.php", tree.path().join("root/srv/run")).unwrap();
    let expected = [
        "Script Loaded /srv/run",
        "Module Imported /srv/v1/a.php < /srv/v1/x.php",
    ];
    check(
        &tree,
        "exe /usr/bin/php8.2\nargv php\nargv /srv/run",
        &expected,
    );
}

#[test]
fn t11_02_too_much() {
    let all: String = (0..1500)
        .map(|number| format!("require '/m/{number}.php';\n"))
        .collect();
    let tree = tree(&[
        ("/srv/sure.php", &format!("<?php {all}")),
        ("/srv/perhaps.php", &format!("<?php if (1) {{ {all} }}")),
    ]);
    for number in 0..1500 {
        put(
            &tree,
            &format!("root/m/{number}.php"),
            "<?php require __FILE__; require '/srv/sure.php';",
        );
    }
    let look = |name: &str| {
        let text = format!("exe /usr/bin/php8.2\nargv php\nargv /srv/{name}.php");
        let said = Scene::of(&text, tree.path())
            .unwrap()
            .inspect(&mut Php::default());
        (said.uses.len(), said.notes.len(), said.unknown.len())
    };
    assert_eq!(look("sure"), (1000, 0, 1));
    assert_eq!(look("perhaps"), (1000, 1, 0));
}

#[test]
fn t6_23_workers_of_a_pool_cost_little() {
    let tree = tree(&[
        ("/etc/php/8.2/fpm/php.ini", "opcache.preload=/srv/x.php"),
        ("/srv/x.php", "<?php"),
    ]);
    let mut php = Php::default();
    let [first, second] = [(); 2].map(|()| {
        let scene = Scene::of(
            "exe /usr/sbin/php-fpm8.2\nargv php-fpm: pool www",
            tree.path(),
        )
        .unwrap();
        assert_eq!(scene.inspect(&mut php).uses.len(), 1);
        scene.questions()
    });
    assert!(second == 1 && first > 4, "{first} questions, then {second}");
}

/// The host takes no path that is none, and few lines: a process that makes up both must not cost more than itself.
#[test]
fn t11_01_words_that_are_no_paths() {
    let long = "x/".repeat(40_000);
    let source = format!(
        "<?php require '{long}'; require '/{long}'; require __DIR__ . '/{long}'; require 'a\0b'; require '/\0';"
    );
    let ini = format!(
        "opcache.preload=/{long}\nopcache.enable_cli=1\nauto_prepend_file=/\0\ninclude_path={long}:/\0"
    );
    let tree = tree(&[("/srv/x.php", &source), ("/etc/php/8.2/cli/php.ini", &ini)]);
    let said = check(
        &tree,
        "exe /usr/bin/php8.2\nargv php\nargv /srv/x.php\ncwd /",
        &["Script Loaded /srv/x.php"],
    );
    assert_eq!(said.unknown, [""; 0]);
    for words in [format!("argv {long}"), format!("argv /{long}")] {
        let said = check(
            &tree,
            &format!("exe /usr/bin/php8.2\nargv php\n{words}\ncwd /"),
            &[],
        );
        assert_eq!(said.unknown.len(), 1);
        assert!(said.unknown[0].len() < 500);
    }
}
