//! Against Node.js itself: what it has loaded must be among what we say.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;
use unstale_nodejs::NodeJs;
use unstale_plugin::testing::{Said, Scene};
use unstale_plugin::{How, What};

/// Says loudly that a test did not run; in CI that is a failure.
fn skip(why: &str) {
    eprintln!("SKIPPED: {why}");
    assert!(
        std::env::var_os("CI").is_none_or(|ci| ci != "true"),
        "in CI nothing may be skipped: {why}"
    );
}

fn output(directory: &Path, words: &[&str], env: &[(&str, &str)]) -> Option<String> {
    let mut command = Command::new("node");
    command.args(words).current_dir(directory).env_clear();
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    let done = command.envs(env.iter().copied()).output();
    let Ok(done) = done else {
        skip("no Node.js on this machine");
        return None;
    };
    let errors = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "node {words:?}: {errors}");
    Some(String::from_utf8(done.stdout).unwrap())
}

fn files(said: &Said, only: Option<How>) -> BTreeSet<String> {
    let wanted = said
        .uses
        .iter()
        .filter(|used| only.is_none_or(|how| used.how == how));
    wanted
        .map(|used| match &used.what {
            What::File(path) => String::from_utf8(path.clone()).unwrap(),
            other => panic!("{other:?}"),
        })
        .collect()
}

/// Runs `node WORDS` in `directory`; it prints a JSON list of the files that it has loaded. Gives those, and what we say.
fn compare(
    directory: &Path,
    words: &[&str],
    env: &[(&str, &str)],
) -> Option<(BTreeSet<String>, Said)> {
    let printed = output(directory, words, env)?;
    let loaded: BTreeSet<String> = serde_json::from_str(printed.lines().last().unwrap()).unwrap();
    assert!(!loaded.is_empty());
    let program = output(directory, &["-p", "process.execPath"], &[])?;
    let mut text = format!("exe {}cwd {}\nargv node\n", program, directory.display());
    for word in words {
        text += &format!("argv {word}\n");
    }
    for (name, value) in env {
        text += &format!("env {name}={value}\n");
    }
    let root = tempfile::tempdir().unwrap();
    symlink("/", root.path().join("root")).unwrap();
    let said = Scene::of(&text, root.path())
        .unwrap()
        .inspect(&mut NodeJs::default());
    assert_eq!(said.unknown, [""; 0]);
    Some((loaded, said))
}

const PRINT: &str = "console.log(JSON.stringify(Object.keys(require.cache)))";

fn put(tree: &TempDir, path: &str, text: &str) {
    let place = tree.path().join(path);
    fs::create_dir_all(place.parent().unwrap()).unwrap();
    fs::write(place, text).unwrap();
}

fn app() -> TempDir {
    let tree = tempfile::Builder::new().prefix("app").tempdir().unwrap();
    put(
        &tree,
        "app/main.js",
        &format!(
            "const a = require('./a'), {{ b }} = require('b'); require('../up'); require('c/inside'); require('@s/d'); require('e'); require('#alias'); require('shared'); require('linked'); require('app/self'); {PRINT}"
        ),
    );
    put(
        &tree,
        "app/package.json",
        r##"{"name": "app", "exports": {"./self": "./own.js"}, "imports": {"#alias": {"node": "./aliased.js"}}}"##,
    );
    put(&tree, "app/own.js", "");
    put(&tree, "app/aliased.js", "");
    put(
        &tree,
        "app/a/index.js",
        "exports.data = require('./data'); require('..')",
    );
    put(&tree, "app/index.js", "");
    put(&tree, "app/a/data.json", "{}");
    put(&tree, "up.js", "try { require('missing') } catch {}");
    put(
        &tree,
        "app/node_modules/b/package.json",
        r#"{"main": "lib/start"}"#,
    );
    put(&tree, "app/node_modules/b/lib/start.js", "require('f')");
    put(
        &tree,
        "node_modules/f/index.js",
        "(function () { require('./g') })()",
    );
    put(
        &tree,
        "node_modules/f/g.js",
        "exports.lazy = () => require('./never')",
    );
    put(&tree, "node_modules/f/never.js", "");
    put(&tree, "node_modules/c/inside.js", "");
    put(
        &tree,
        "node_modules/@s/d/package.json",
        r#"{"exports": {".": {"import": "./d.mjs", "require": "./d.cjs"}}}"#,
    );
    put(&tree, "node_modules/@s/d/d.cjs", "");
    put(&tree, "node_modules/@s/d/d.mjs", "");
    put(
        &tree,
        "node_modules/e/package.json",
        r#"{"exports": {"types": "./t", "default": "./e.js"}, "main": "x"}"#,
    );
    put(
        &tree,
        "node_modules/e/e.js",
        "if (process.version) require('./on')",
    );
    put(&tree, "node_modules/e/on.js", "");
    put(
        &tree,
        "node_modules/store/linked@1/index.js",
        "require('./beside'); require('near')",
    );
    put(&tree, "node_modules/store/linked@1/beside.js", "");
    put(&tree, "node_modules/store/node_modules/near/index.js", "");
    symlink("store/linked@1", tree.path().join("node_modules/linked")).unwrap();
    put(&tree, "more/shared.js", "");
    tree
}

#[test]
fn t6_22_all_that_is_required_is_said() {
    let tree = app();
    let top = tree.path().canonicalize().unwrap();
    let more = top.join("more");
    let env = [("NODE_PATH", more.to_str().unwrap())];
    for words in [&["app/main.js"][..], &["--no-warnings", "app/main"]] {
        let Some((loaded, said)) = compare(&top, words, &env) else {
            return;
        };
        assert_eq!(loaded.len(), 18, "{loaded:?}");
        let ours = files(&said, None);
        let ours: BTreeSet<String> = ours
            .into_iter()
            .map(|path| fs::canonicalize(path).unwrap().to_str().unwrap().to_owned())
            .collect();
        let mut expected = loaded.clone();
        expected.insert(
            top.join("node_modules/f/never.js")
                .to_str()
                .unwrap()
                .to_owned(),
        );
        assert_eq!(ours, expected);
        // What is on a condition, and data, is no reason to restart.
        assert_eq!(files(&said, Some(How::Possible)).len(), 3);
    }
}

#[test]
fn t6_22_preloads() {
    let tree = app();
    let top = tree.path().canonicalize().unwrap();
    put(&tree, "print.js", PRINT);
    put(&tree, "first.js", "require('f')");
    let words = ["-r", "./first", "--require=c/inside", "print.js"];
    let env = [("NODE_OPTIONS", "-r ./up.js")];
    let Some((loaded, said)) = compare(&top, &words, &env) else {
        return;
    };
    assert_eq!(loaded.len(), 6);
    let mut sure = files(&said, Some(How::Imported));
    sure.insert(top.join("print.js").to_str().unwrap().to_owned());
    assert_eq!(sure, loaded);
}

#[test]
fn t6_22_all_that_is_imported_is_said() {
    let tree = tempfile::tempdir().unwrap();
    let top = tree.path().canonicalize().unwrap();
    let mark = "(globalThis.loaded ??= []).push(new URL(import.meta.url).pathname);";
    put(
        &tree,
        "main.mjs",
        &format!(
            "import './a.js'\nimport {{\n  b\n}} from 'b'\nimport d from 'b/sub/d'\nexport * from './e.mjs'\n{mark}\nawait import('./f.mjs'); console.log(JSON.stringify(loaded))"
        ),
    );
    put(&tree, "package.json", r#"{"type": "module"}"#);
    put(&tree, "a.js", mark);
    put(&tree, "e.mjs", mark);
    put(&tree, "f.mjs", mark);
    put(
        &tree,
        "node_modules/b/package.json",
        r#"{"type": "module", "exports": {".": {"require": "./no.js", "import": "./b.js"}, "./sub/*": "./lib/*.js"}}"#,
    );
    put(
        &tree,
        "node_modules/b/b.js",
        &format!("export const b = 1; {mark}"),
    );
    put(&tree, "node_modules/b/no.js", "");
    put(
        &tree,
        "node_modules/b/lib/d.js",
        &format!("export default 1; {mark}"),
    );
    let Some((loaded, said)) = compare(&top, &["main.mjs"], &[]) else {
        return;
    };
    assert_eq!(loaded.len(), 6);
    assert_eq!(files(&said, None), loaded);
    let possible = files(&said, Some(How::Possible));
    assert_eq!(
        possible.into_iter().collect::<Vec<_>>(),
        [top.join("f.mjs").to_str().unwrap()]
    );
}

/// A program of some hundred files that others wrote: npm, which comes with Node.js.
#[test]
fn t6_22_a_real_program() {
    let here = tempfile::tempdir().unwrap();
    let Some(program) = output(here.path(), &["-p", "process.execPath"], &[]) else {
        return;
    };
    let prefix = PathBuf::from(program.trim()).parent().unwrap().join("..");
    let npm = ["lib/node_modules/npm", "share/nodejs/npm"]
        .iter()
        .map(|place| prefix.join(place))
        .find(|place| place.is_dir());
    let Some(npm) = npm else {
        // Debian's Node.js comes without; the other rows have real programs too.
        eprintln!("no npm beside Node.js: not compared with it");
        return;
    };
    let npm = npm.canonicalize().unwrap();
    let script = format!(
        "require('{0}/lib/npm.js'); require('{0}/lib/commands/install.js'); {PRINT}",
        npm.display()
    );
    put(&here, "start.js", &script);
    let Some((loaded, said)) = compare(here.path(), &["start.js"], &[]) else {
        return;
    };
    let ours = files(&said, None);
    let missing: Vec<_> = loaded.difference(&ours).collect();
    assert!(loaded.len() > 50, "{loaded:?}");
    assert!(
        missing.is_empty(),
        "{} of {} are missing: {missing:?}",
        missing.len(),
        loaded.len()
    );
    let sure = files(&said, Some(How::Imported));
    let wrong: Vec<_> = sure.difference(&loaded).collect();
    assert!(
        wrong.is_empty(),
        "{} of {} are not loaded: {wrong:?}",
        wrong.len(),
        sure.len()
    );
    eprintln!(
        "{} loaded, {} sure, {} in all",
        loaded.len(),
        sure.len(),
        ours.len()
    );
}

#[test]
fn t6_22_modules_of_the_program_itself() {
    let here = tempfile::tempdir().unwrap();
    let names = "JSON.stringify(require('module').builtinModules)";
    let Some(names) = output(here.path(), &["-p", names], &[]) else {
        return;
    };
    let names: Vec<String> = serde_json::from_str(&names).unwrap();
    let tree = tempfile::tempdir().unwrap();
    let mut text = String::new();
    for name in &names {
        text += &format!("require('{name}');");
        put(&tree, &format!("root/srv/node_modules/{name}.js"), "");
    }
    put(&tree, "root/srv/x.js", &text);
    let scene = Scene::of(
        "exe /usr/bin/node\nargv node\nargv /srv/x.js\ncwd /",
        tree.path(),
    )
    .unwrap();
    let said = scene.inspect(&mut NodeJs::default());
    assert_eq!(
        files(&said, None).into_iter().collect::<Vec<_>>(),
        ["/srv/x.js"]
    );
}

/// Each option that `node --help` shows with a value takes the next argument, and no other does.
#[test]
fn t6_22_options_of_the_program_itself() {
    let here = tempfile::tempdir().unwrap();
    let Some(help) = output(here.path(), &["--help"], &[]) else {
        return;
    };
    let tree = tempfile::tempdir().unwrap();
    put(&tree, "root/srv/x.js", "");
    put(&tree, "root/srv/y.js", "");
    let mut count = 0;
    let lines = help.lines().skip_while(|line| !line.starts_with("Options"));
    for line in lines.take_while(|line| !line.starts_with("Environment")) {
        let Some(line) = line.strip_prefix("  -") else {
            continue;
        };
        let names = format!("-{}", line.split("  ").next().unwrap());
        let takes =
            names.contains("=...") || names.contains("=[host:]port") && !names.contains("[=");
        for name in names
            .split([' ', ',', '=', '['])
            .filter(|name| name.starts_with('-'))
        {
            let other = [
                "-", "--", "--eval", "-e", "--print", "-p", "--test", "--watch", "--run",
            ];
            let preload = [
                "-r",
                "--require",
                "--import",
                "--loader",
                "--experimental-loader",
            ];
            if other.contains(&name) || preload.contains(&name) {
                continue;
            }
            count += 1;
            let process = format!(
                "exe /usr/bin/node\nargv node\nargv {name}\nargv x.js\nargv y.js\ncwd /srv"
            );
            let said = Scene::of(&process, tree.path())
                .unwrap()
                .inspect(&mut NodeJs::default());
            let expected = if takes { "/srv/y.js" } else { "/srv/x.js" };
            assert_eq!(
                files(&said, None).into_iter().collect::<Vec<_>>(),
                [expected],
                "{name}"
            );
        }
    }
    assert!(count > 100, "{count}");
}
