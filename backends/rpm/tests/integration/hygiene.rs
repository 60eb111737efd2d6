//! Reading leaves no trace: no file of the database is created, removed or changed, whoever reads.

use std::path::Path;
use std::process::Command;

use unstale_packages::PackageDb;
use unstale_rpm::Rpm;

use crate::lab::{Lab, Spec, has_rpm, look, run_test, skip};

const ROOT: &str = "UNSTALE_TEST_ROOT";

/// Asks everything. Run by itself it does nothing; the tests below start it as other users.
#[test]
fn ask_everything() {
    let Ok(root) = std::env::var(ROOT) else {
        return;
    };
    let rpm = Rpm::open(Path::new(&root)).unwrap().unwrap();
    let answer = rpm.owners(&[Path::new("/usr/lib64/liba.so")]).unwrap();
    assert_eq!(answer.value[0].owners.len(), 1);
    assert_eq!(rpm.installed("liba").unwrap().value.len(), 1);
    assert_eq!(rpm.files("liba").unwrap().value.len(), 1);
    assert_eq!(
        rpm.changes_since(std::time::UNIX_EPOCH)
            .unwrap()
            .value
            .len(),
        1
    );
    assert_eq!(rpm.unfinished().unwrap(), None);
}

#[track_caller]
fn check(lab: &Lab, what: &str) {
    let before = look(&lab.database());
    let me = std::env::current_exe().unwrap();
    // Where users cannot reach it, the test's own program is copied to where they can.
    let program = lab.root().join("ask");
    std::fs::copy(me, &program).unwrap();
    let args = ["--exact", "hygiene::ask_everything"];
    run_test(Command::new(&program).args(args).env(ROOT, lab.root()));
    if rustix::process::geteuid().is_root() {
        let nobody = [
            "--reuid",
            "65534",
            "--regid",
            "65534",
            "--clear-groups",
            "--",
        ];
        run_test(
            Command::new("setpriv")
                .args(nobody)
                .arg(&program)
                .args(args)
                .env(ROOT, lab.root()),
        );
    } else {
        skip("not root: cannot become nobody");
    }
    assert_eq!(look(&lab.database()), before, "{what}");
}

#[test]
fn reading_leaves_no_trace() {
    if !has_rpm() {
        return;
    }
    let lab = Lab::new();
    lab.install(
        "-i",
        &Spec {
            name: "liba",
            evr: (0, "1", "1"),
            files: &["/usr/lib64/liba.so"],
            content: "a",
        },
    );
    let file = |suffix| lab.database().join(format!("rpmdb.sqlite{suffix}"));
    check(&lab, "as rpm left it");
    std::fs::remove_file(file("-shm")).unwrap();
    check(&lab, "without -shm");
    std::fs::remove_file(file("-wal")).unwrap();
    check(&lab, "without -shm and -wal");
    std::fs::write(file("-wal"), b"").unwrap();
    check(&lab, "with an empty -wal");
    std::fs::remove_file(lab.database().join(".rpm.lock")).unwrap();
    check(&lab, "without lock file");
}
