//! With programs of this machine's own, each of them small.

use std::fs::File;
use std::io::Write as _;
use std::os::fd::AsFd as _;
use std::os::unix::fs::PermissionsExt as _;

use super::*;

const LIMIT: Duration = Duration::from_secs(20);

fn shell(script: &str) -> Order<'_> {
    Order {
        program: Program::Path(Path::new("/bin/sh")),
        args: vec!["-c".into(), script.into()],
        env: Vec::new(),
        stdin: Vec::new(),
        user: None,
        limit: LIMIT,
        output_cap: 64 * 1024,
    }
}

#[track_caller]
fn check(script: &str, how: How, stdout: &str, stderr: &str) {
    let ended = run(shell(script)).unwrap();
    assert_eq!(ended.how, how);
    assert_eq!(String::from_utf8_lossy(&ended.stdout), stdout);
    assert_eq!(String::from_utf8_lossy(&ended.stderr), stderr);
    assert!(!ended.cut);
}

#[test]
fn says_what_it_said_and_how_it_ended() {
    check("echo out; echo err >&2", How::Exited(0), "out\n", "err\n");
    check("exit 7", How::Exited(7), "", "");
    check("kill -9 $$", How::Signal(9), "", "");
    check("kill -13 $$", How::Signal(13), "", "");
    check("exec >&- 2>&-; sleep 0.2; exit 3", How::Exited(3), "", "");
}

#[test]
fn t11_21_gives_a_program_the_fixed_environment_and_nothing_of_ours() {
    let mut order = shell("");
    order.program = Program::Path(Path::new("/usr/bin/env"));
    order.args = Vec::new();
    order.env = vec![("XDG_RUNTIME_DIR", "/run/user/0".into())];
    let ended = run(order).unwrap();
    let text = String::from_utf8(ended.stdout).unwrap();
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            "LANG=C.UTF-8",
            "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
            "SYSTEMD_COLORS=0",
            "SYSTEMD_PAGER=",
            "XDG_RUNTIME_DIR=/run/user/0",
        ]
    );
    check("pwd", How::Exited(0), "/\n", "");
    // A group and a session of its own: a person's Ctrl-C is not for it, and their terminal is out of its reach.
    check(
        "read -r _ _ _ _ group session tty _ </proc/self/stat; [ $$ = $group ] && [ $$ = $session ] && [ $tty = 0 ]",
        How::Exited(0),
        "",
        "",
    );
}

/// What the program says of itself that a caller has set otherwise; what runs this test again is that caller.
const ODD: &str =
    "umask; ulimit -Sn; ulimit -Sf; ulimit -Sc; nice; grep -E '^Sig(Blk|Ign)' /proc/self/status";
const PLAIN: &str =
    "0022\n1024\nunlimited\n0\n0\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n";

#[test]
fn t11_21_a_program_begins_with_nothing_of_an_odd_caller() {
    let name = "act::spawn::tests::t11_21_a_program_begins_with_nothing_of_an_odd_caller";
    if std::env::var_os("UNSTALE_TEST_CALLER").is_some() {
        let inherited = std::fs::read_to_string("/proc/self/status").unwrap();
        assert!(inherited.contains("Umask:\t0000"), "{inherited}");
        assert!(
            !inherited.contains("SigIgn:\t0000000000000000"),
            "{inherited}"
        );
        // As the program does at its start; else nobody would see how anything ended.
        crate::confine::take_signals_back();
        let ended = run(shell(ODD)).unwrap();
        assert_eq!(String::from_utf8_lossy(&ended.stdout), PLAIN);
        assert_eq!(ended.how, How::Exited(0));
        return;
    }
    let caller = "umask 0; ulimit -Sn 4000; ulimit -Sf 1000000; trap '' TERM HUP USR1 CHLD; exec nice -n 7 \"$0\" --exact \"$1\"";
    caller_test(&["/bin/sh", "-c", caller], name);
}

#[test]
fn t11_21_a_program_of_another_user_cannot_reach_our_terminal() {
    let name = "act::spawn::tests::t11_21_a_program_of_another_user_cannot_reach_our_terminal";
    if std::env::var_os("UNSTALE_TEST_CALLER").is_some() {
        // Ours is there.
        File::open("/dev/tty").unwrap();
        for user in [None, Some((65_534, 65_534))] {
            let mut order = shell("exec 2>&1; : </dev/tty");
            order.user = user.filter(|_| rustix::process::geteuid().is_root());
            let ended = run(order).unwrap();
            let said = String::from_utf8_lossy(&ended.stdout);
            assert_ne!(ended.how, How::Exited(0), "{user:?}");
            // ENXIO: nobody is asked who may open it.
            assert!(said.contains("No such device or address"), "{said}");
        }
        return;
    }
    if !Path::new("/usr/bin/script").exists() {
        return eprintln!("SKIPPED: needs script(1)");
    }
    let inside = "exec script -qec \"$0 --exact $1\" /dev/null </dev/null";
    caller_test(&["/bin/sh", "-c", inside], name);
}

/// Runs one of these tests again, below a caller that prepares what it inherits.
#[track_caller]
fn caller_test(caller: &[&str], name: &str) {
    let ended = Command::new(caller[0])
        .args(&caller[1..])
        .arg(std::env::current_exe().unwrap())
        .arg(name)
        .env("UNSTALE_TEST_CALLER", "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ended.stdout);
    let is_run = ended.status.success() && said.contains("1 passed");
    assert!(is_run, "{said}{}", String::from_utf8_lossy(&ended.stderr));
}

#[test]
fn t11_21_the_keys_of_our_session_are_not_for_another_user() {
    if !rustix::process::geteuid().is_root() {
        return eprintln!("SKIPPED: needs root");
    }
    // Seen are those that one may view: of another's, those that one holds.
    let script = "while read -r _ _ _ _ _ uid _ _ name _; do case $uid$name in 0_ses:) echo held;; esac; done </proc/keys";
    let held = |user| {
        let mut order = shell(script);
        order.user = user;
        run(order).unwrap().stdout
    };
    // One of this thread's own, so that there is something to hold.
    reset::leave_keys().unwrap();
    if held(None).is_empty() {
        return eprintln!("SKIPPED: there are no keys");
    }
    assert_eq!(held(Some((65_534, 65_534))), b"");
}

#[test]
fn t10_28_gives_a_program_three_descriptors() {
    let ours = File::open("/").unwrap();
    let ended = run(shell("exec ls /proc/self/fd")).unwrap();
    let listed = String::from_utf8(ended.stdout).unwrap();
    let mut listed: Vec<i32> = listed.lines().map(|line| line.parse().unwrap()).collect();
    // What the caller of this test left open for all that are started is not of our making.
    listed.retain(|&number| number == ours.as_raw_fd() || !is_inherited(number));
    // The fourth is that of ls itself.
    assert_eq!(listed, [0, 1, 2, 3]);
    check(
        "readlink /proc/self/fd/0",
        How::Exited(0),
        "/dev/null\n",
        "",
    );
}

/// Whether this process would hand a descriptor down: beyond the usual three, without `O_CLOEXEC`.
fn is_inherited(number: i32) -> bool {
    let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{number}")).unwrap_or_default();
    let mut flags = info.lines().filter_map(|line| line.strip_prefix("flags:"));
    let flags = flags
        .next()
        .map(|flags| i32::from_str_radix(flags.trim(), 8).unwrap());
    number > 3 && flags.is_some_and(|flags| flags & libc::O_CLOEXEC == 0)
}

#[test]
fn ends_what_does_not_end_and_all_that_it_started() {
    let dir = tempfile::tempdir().unwrap();
    let mark = dir.path().join("mark");
    let script = format!("echo begun; (sleep 1.5; : >{}) & sleep 60", mark.display());
    let mut order = shell(&script);
    order.limit = Duration::from_millis(300);
    let begun = Instant::now();
    let ended = run(order).unwrap();
    assert_eq!(ended.how, How::TimedOut);
    assert_eq!(ended.stdout, b"begun\n");
    assert!(begun.elapsed() < Duration::from_secs(1));
    std::thread::sleep(Duration::from_millis(1800));
    assert!(!mark.exists());
}

#[test]
fn waits_for_no_daemon_that_keeps_the_pipes() {
    let begun = Instant::now();
    let ended = run(shell("echo said; sleep 6 & exit 4")).unwrap();
    assert!(begun.elapsed() < Duration::from_secs(4));
    assert_eq!(ended.how, How::Exited(4));
    assert_eq!(ended.stdout, b"said\n");
    assert!(ended.cut);
}

#[test]
fn keeps_no_more_than_asked_and_lets_the_program_end() {
    let mut order = shell("head -c 300000 /dev/zero; echo err >&2; exit 5");
    order.output_cap = 100_000;
    let ended = run(order).unwrap();
    assert_eq!(ended.how, How::Exited(5));
    assert_eq!(ended.stdout.len(), 100_000);
    assert_eq!(ended.stderr, b"err\n");
    assert!(ended.cut);
}

#[test]
fn ends_what_prints_for_ever() {
    let mut order = shell("exec cat /dev/zero");
    order.limit = Duration::from_millis(300);
    order.output_cap = 10;
    let begun = Instant::now();
    let ended = run(order).unwrap();
    assert!(begun.elapsed() < Duration::from_secs(3));
    assert_eq!((ended.how, ended.stdout.len()), (How::TimedOut, 10));
}

#[test]
fn tells_a_program_much_and_one_that_does_not_listen() {
    let much = vec![b'x'; 1_000_000];
    let mut order = shell("exec wc -c");
    order.stdin.clone_from(&much);
    assert_eq!(run(order).unwrap().stdout, b"1000000\n");
    let mut order = shell("exec <&-; echo deaf");
    order.stdin = much;
    let ended = run(order).unwrap();
    assert_eq!(
        (ended.how, ended.stdout),
        (How::Exited(0), b"deaf\n".to_vec())
    );
    // Both ways at once.
    let mut order = shell("exec cat");
    order.stdin = vec![b'y'; 300_000];
    order.output_cap = 400_000;
    assert_eq!(run(order).unwrap().stdout.len(), 300_000);
}

#[test]
fn runs_a_script_through_its_descriptor() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "#!/bin/sh\necho \"ran $1\"").unwrap();
    file.as_file()
        .set_permissions(std::fs::Permissions::from_mode(0o700))
        .unwrap();
    let path = file.into_temp_path();
    let open = File::open(&path).unwrap();
    // What is at its path by now does not matter.
    std::fs::remove_file(&path).unwrap();
    let mut order = shell("");
    order.program = Program::File(open.as_fd(), OsStr::new("drop-in"));
    order.args = vec!["so".into()];
    let ended = run(order).unwrap();
    assert_eq!(String::from_utf8_lossy(&ended.stderr), "");
    assert_eq!(ended.stdout, b"ran so\n");
}

#[test]
fn runs_as_another_user_without_our_groups() {
    if !rustix::process::geteuid().is_root() {
        return eprintln!("SKIPPED: needs root");
    }
    let mut order = shell("id -u; id -g; id -G; echo $HOME");
    order.user = Some((65_534, 65_533));
    assert_eq!(run(order).unwrap().stdout, b"65534\n65533\n65533\n/\n");
}

#[test]
fn starts_nothing_that_is_missing_relative_or_not_trusted() {
    let mut order = shell("");
    order.program = Program::Path(Path::new("bin/sh"));
    if rustix::process::geteuid().is_root() {
        assert!(matches!(run(order), Err(SpawnError::Untrusted(_))));
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tool");
        std::fs::copy("/bin/true", &path).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o775)).unwrap();
        let mut order = shell("");
        order.program = Program::Path(&path);
        let error = run(order).unwrap_err().to_string();
        assert!(error.contains("writable by others"), "{error}");
    }
    let mut order = shell("");
    order.program = Program::Path(Path::new("/nonexistent/tool"));
    assert!(run(order).is_err());
    if !Tool::RcService.is_installed() {
        let mut order = shell("");
        order.program = Program::Tool(Tool::RcService);
        let error = run(order).unwrap_err();
        assert_eq!(error.to_string(), "rc-service is not installed");
    }
}

#[test]
fn starts_what_goes_on_without_us() {
    let dir = tempfile::tempdir().unwrap();
    let mark = dir.path().join("mark");
    let script = format!(
        "read -r _ _ _ _ group _ </proc/self/stat; echo \"$group $(env | wc -l)\" >{0}.new; mv {0}.new {0}",
        mark.display()
    );
    start_detached(
        Program::Path(Path::new("/bin/sh")),
        vec!["-c".into(), script.into()],
    )
    .unwrap();
    let end = Instant::now() + LIMIT;
    while !mark.exists() && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(5));
    }
    let said = std::fs::read_to_string(&mark).unwrap();
    // In our group; with the four words of the fixed environment and PWD, which the shell makes.
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let (_, fields) = stat.rsplit_once(')').unwrap();
    let group = fields.split_whitespace().nth(2).unwrap();
    assert_eq!(said.trim(), format!("{group} 5"));
}

/// It is replaced by an upgrade while it runs, and then there is nothing to trust at its path.
#[test]
fn starts_this_program_wherever_it_lies() {
    let ourselves = Path::new("/proc/self/exe");
    assert_eq!(tool::resolve(ourselves, 0).unwrap(), ourselves);
}
