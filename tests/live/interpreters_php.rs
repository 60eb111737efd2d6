//! PHP-FPM: it reads scripts anew for each request, but what it has preloaded stays as it was.

use std::fs;
use std::path::{Path, PathBuf};

use crate::interpreters::{PHP, Program, check, old_sources};
use crate::support::{Holder, live, settle, skip};

/// The server of any version.
fn server() -> Option<PathBuf> {
    let names = fs::read_dir("/usr/sbin").ok()?;
    let mut paths = names.filter_map(|entry| Some(entry.ok()?.path()));
    paths.find(|path| path.to_string_lossy().contains("/php-fpm"))
}

/// A server with one pool, whose settings are in this world only.
#[track_caller]
fn start(program: &Program<'_>, settings: &str) -> Option<Holder> {
    let Some(server) = server() else {
        skip("no php-fpm");
        return None;
    };
    let (w, version) = (program.w, server.to_string_lossy());
    let version = version.trim_start_matches("/usr/sbin/php-fpm");
    let dir = w.dir().display();
    let etc = format!("/etc/php/{version}/fpm");
    w.sh(&format!(
        "cp -r {etc} $D/fpm; rm -f $D/fpm/pool.d/*; chmod 777 $D/app"
    ));
    fs::write(
        w.path("fpm/php-fpm.conf"),
        format!("[global]\nerror_log = {dir}/log\ninclude = {etc}/pool.d/*.conf\n"),
    )
    .unwrap();
    let pool =
        format!("[www]\nuser = nobody\nlisten = {dir}/sock\npm = static\npm.max_children = 2\n");
    fs::write(w.path("fpm/pool.d/www.conf"), pool).unwrap();
    fs::write(w.path("fpm/conf.d/99-test.ini"), settings).unwrap();
    w.sh(&format!("mount --bind $D/fpm {etc}"));
    let line = format!(
        "{} -F >/dev/null 2>&1 & until [ -S {dir}/sock ]; do kill -0 $! || exit; sleep 0.05; done; echo ready $!; cat",
        server.display()
    );
    Some(w.hold_as(&["sh", "-c"], &[line]))
}

/// The processes that are to be restarted, and the files for which.
#[track_caller]
fn old(program: &Program<'_>) -> Vec<(u64, Vec<PathBuf>)> {
    let scan = check(program.w);
    scan.assert_complete("php-fpm");
    assert_eq!(scan.json["detectors"][0]["name"], "php", "{scan:#?}");
    let of = |pid| {
        let (acts, old) = old_sources(&scan, pid);
        assert!(acts, "{scan:#?}");
        (pid, old.into_iter().map(|old| old.path).collect())
    };
    scan.pids().into_iter().map(of).collect()
}

#[track_caller]
fn with(test: impl FnOnce(&Program<'_>)) {
    live(|w| test(&Program::in_dir(w, PHP, "app")));
}

#[test]
fn t6_23_scripts_are_read_for_each_request() {
    with(|program| {
        let Some(_p) = start(program, "") else { return };
        program.replace(&program.script());
        program.rewrite(&program.module());
        assert_eq!(old(program), []);
    });
}

#[test]
fn t6_23_preloaded_scripts_stay() {
    with(|program| {
        let preload = program.dir.join("preload.php");
        fs::write(&preload, PHP.beside).unwrap();
        let settings = format!(
            "opcache.enable = 1\nopcache.preload = {}\nopcache.preload_user = nobody\n",
            preload.display()
        );
        let Some(p) = start(program, &settings) else {
            return;
        };
        assert_eq!(old(program), []);
        for changed in [program.module(), preload] {
            let before = old(program).len();
            program.replace(&changed);
            settle();
            let found = old(program);
            assert!(found.len() >= before.max(3), "{found:?}");
            assert!(found.iter().any(|(pid, _)| *pid == p.pid), "{found:?}");
            let names = |paths: &[PathBuf]| paths.iter().any(|path| path == Path::new(&changed));
            assert!(found.iter().all(|(_, paths)| names(paths)), "{found:?}");
        }
    });
}
