//! Roots made for this.

use std::os::unix::fs::PermissionsExt as _;

use super::*;

#[track_caller]
fn check(make: &[&str], first: &str, expected: Option<&str>) {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    for path in make {
        std::fs::create_dir_all(root.join(path)).unwrap();
    }
    std::fs::create_dir_all(root.join("proc/1")).unwrap();
    std::fs::write(root.join("proc/1/comm"), format!("{first}\n")).unwrap();
    std::os::unix::fs::symlink(root, root.join("proc/1/root")).unwrap();
    let found = find(root).unwrap();
    assert_eq!(
        found.as_ref().map(|manager| manager.name()),
        expected,
        "{make:?} {first}"
    );
}

#[test]
fn t12_12_asks_the_one_that_runs() {
    check(
        &["run/systemd/system", "etc/init.d", "run/openrc/softlevel"],
        "systemd",
        Some("systemd"),
    );
    check(
        &["etc/init.d", "run/openrc/softlevel"],
        "init",
        Some("OpenRC"),
    );
    check(
        &["etc/init.d", "lib/systemd/system", "run/systemd"],
        "init",
        Some("sysvinit"),
    );
    check(&["etc/init.d", "etc/service"], "runit", Some("runit"));
    // A container: init scripts are installed, and nobody runs them.
    check(&["etc/init.d", "lib/systemd/system"], "nginx", None);
    check(&[], "init", None);
}

#[test]
fn t12_15_asks_none_from_another_root() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(dir.path().join("run/systemd/system")).unwrap();
    std::fs::create_dir_all(dir.path().join("proc/1")).unwrap();
    std::os::unix::fs::symlink("/", dir.path().join("proc/1/root")).unwrap();
    assert_eq!(find(dir.path()).unwrap_err(), Refusal::OtherRoot);
}

#[test]
fn t12_15_asks_none_from_a_sandbox() {
    let denied = || Err(io::ErrorKind::PermissionDenied.into());
    assert_eq!(judge_root(denied(), Some(1), 0), Err(Refusal::HiddenRoot));
    assert_eq!(judge_root(denied(), Some(1), 1000), Ok(()));
    assert_eq!(judge_root(Ok(2), Some(1), 0), Err(Refusal::OtherRoot));
    assert_eq!(judge_root(Ok(1), Some(1), 0), Ok(()));
    // Without /proc nobody can tell.
    let missing = Err(io::ErrorKind::NotFound.into());
    assert_eq!(judge_root(missing, Some(1), 0), Ok(()));
}

/// In a directory that root trusts, if it is root who asks.
fn policy(script: &str, mode: u32) -> Result<(), Refusal> {
    let dir = tempfile::tempdir_in("/run")
        .or_else(|_| tempfile::tempdir())
        .unwrap();
    let path = dir.path().join(POLICY);
    // Whatever the umask is here.
    let mut builder = std::fs::DirBuilder::new();
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o755);
    builder
        .recursive(true)
        .create(path.parent().unwrap())
        .unwrap();
    std::fs::write(&path, script).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    may_restart(dir.path(), "nginx.service")
}

#[test]
fn t10_30_heeds_the_policy_of_the_administrator() {
    let of_status = |status: i32| policy(&format!("#!/bin/sh\nexit {status}\n"), 0o755);
    for status in [0, 104, 105, 1, 100] {
        assert_eq!(of_status(status), Ok(()), "{status}");
    }
    assert_eq!(of_status(101), Err(Refusal::Policy(101)));
    assert_eq!(of_status(106), Err(Refusal::Policy(106)));
    assert!(matches!(of_status(102), Err(Refusal::PolicyFailed(_))));
    let asked = policy(
        "#!/bin/sh\n[ \"$1 $2 $#\" = 'nginx restart 2' ] || exit 101\n",
        0o755,
    );
    assert_eq!(asked, Ok(()));
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(may_restart(dir.path(), "nginx"), Ok(()));
}

#[test]
fn runs_no_policy_that_anybody_could_have_written() {
    let error = policy("#!/bin/sh\nexit 0\n", 0o777)
        .unwrap_err()
        .to_string();
    assert!(error.contains("writable by others"), "{error}");
}
