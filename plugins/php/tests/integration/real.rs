//! Against PHP itself: what it has included must be among what we say.

use std::collections::BTreeSet;
use std::os::unix::fs::symlink;
use std::process::Command;

use tempfile::TempDir;
use unstale_php::Php;
use unstale_plugin::testing::Scene;
use unstale_plugin::{How, What};

use crate::put;

/// Says loudly that a test did not run; in CI that is a failure.
fn skip(why: &str) {
    eprintln!("SKIPPED: {why}");
    assert!(
        std::env::var_os("CI").is_none_or(|ci| ci != "true"),
        "in CI nothing may be skipped: {why}"
    );
}

#[track_caller]
fn check(tree: &TempDir, words: &[&str], possible: usize) {
    let top = tree.path().canonicalize().unwrap();
    let Ok(done) = Command::new("php").args(words).current_dir(&top).output() else {
        skip("no PHP on this machine");
        return;
    };
    let printed = String::from_utf8(done.stdout).unwrap();
    let errors = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{words:?}: {printed}{errors}");
    let included: BTreeSet<String> = {
        let paths = printed.lines().filter(|line| line.starts_with('/'));
        paths.map(str::to_owned).collect()
    };
    assert!(included.len() > 1, "{printed}");
    symlink("/", top.join("root")).unwrap();
    let mut text = format!("exe /usr/bin/php\nargv php\ncwd {}\n", top.display());
    for word in words {
        text += &format!("argv {word}\n");
    }
    let said = Scene::of(&text, &top).unwrap().inspect(&mut Php::default());
    assert_eq!(said.unknown, [""; 0]);
    let named = |how: fn(How) -> bool| -> BTreeSet<String> {
        let uses = said.uses.iter().filter(|used| how(used.how));
        let path = |used: &unstale_plugin::Used| match &used.what {
            What::File(path) => String::from_utf8(path.clone()).unwrap(),
            other => panic!("{other:?}"),
        };
        uses.map(path).collect()
    };
    assert_eq!(named(|how| how != How::Possible), included);
    assert_eq!(named(|how| how == How::Possible).len(), possible);
}

const PRINT: &str = "foreach (get_included_files() as $file) { echo $file, \"\\n\"; }";

#[test]
fn t6_23_all_that_is_included_is_said() {
    let tree = tempfile::tempdir().unwrap();
    let main = "<?php\nnamespace A;\nrequire __DIR__ . '/a.php';\nrequire_once('lib/b.php');\n\
        include dirname(__FILE__) . '/c.inc';\n$x = include './d.php';\nif (!$argc) { require 'never.php'; }\n\
        try { require 'lib/e.php'; } finally {}\n@include 'missing.php'; ?>\nrequire 'text.php';\n<?php ";
    put(&tree, "main.php", &format!("{main}{PRINT}"));
    put(
        &tree,
        "a.php",
        "<?php function f() { require 'lib/late.php'; } return <<<X\n require 'never.php';\n X;",
    );
    put(
        &tree,
        "lib/b.php",
        "<?php require 'b2.php'; require dirname(__DIR__) . '/lib/b3.php';",
    );
    for name in [
        "lib/b2.php",
        "lib/b3.php",
        "c.inc",
        "d.php",
        "lib/e.php",
        "lib/late.php",
        "never.php",
        "text.php",
    ] {
        put(&tree, name, "<?php");
    }
    check(&tree, &["-d", "x=y", "main.php"], 2);
}

#[test]
fn t6_23_composer() {
    let tree = tempfile::tempdir().unwrap();
    put(
        &tree,
        "bin/work",
        &format!("#!/usr/bin/env php\n<?php require __DIR__ . '/../vendor/autoload.php'; {PRINT}"),
    );
    // As Composer 2 writes them, shortened.
    put(
        &tree,
        "vendor/autoload.php",
        "<?php if (PHP_VERSION_ID < 50600) { exit(1); }\nrequire_once __DIR__ . '/composer/autoload_real.php';\nreturn Init::getLoader();",
    );
    put(
        &tree,
        "vendor/composer/autoload_real.php",
        "<?php class Init { public static function getLoader() {\n\
        require __DIR__ . '/platform_check.php'; require __DIR__ . '/ClassLoader.php'; require __DIR__ . '/autoload_static.php';\n\
        foreach (require __DIR__ . '/autoload_files.php' as $file) { require $file; } } }",
    );
    put(
        &tree,
        "vendor/composer/autoload_files.php",
        "<?php $vendorDir = dirname(__DIR__);\n$baseDir = dirname($vendorDir);\n\
        return array('0e' => $vendorDir . '/x/functions.php', '1f' => $baseDir . '/own.php');",
    );
    put(
        &tree,
        "vendor/composer/autoload_classmap.php",
        "<?php $vendorDir = dirname(__DIR__);\nreturn array('X' => $vendorDir . '/x/X.php', 'Y' => $vendorDir . '/gone.php');",
    );
    for name in ["platform_check", "ClassLoader", "autoload_static"] {
        put(&tree, &format!("vendor/composer/{name}.php"), "<?php");
    }
    for name in ["vendor/x/functions.php", "vendor/x/X.php", "own.php"] {
        put(&tree, name, "<?php");
    }
    check(&tree, &["bin/work"], 1);
}
