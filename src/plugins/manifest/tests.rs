use super::*;

const WHOLE: &str = r#"
name = "podman"
version = "0.1.0"
abi = "1.0"
kind = "container"
summary = "containers of podman"
[interest]
exe = ["conmon*"]
exe_path = ["/usr/libexec/podman/*"]
code = ["libpodman.so*"]
cgroup = ["*/libpod-*"]
runtime = ["podman"]
[wants]
environ = ["XDG_RUNTIME_DIR", "_X9"]
files = true
memory = true
host_files = ["/var/lib/containers/storage/*/containers.json", "/home/*/.local/share/containers/x?"]
[restart.system]
argv = ["/usr/bin/podman", "restart", "{name}"]
[restart.user]
argv = ["/usr/bin/podman", "--log-level=error", "restart", "--", "{project}.{name}", "u{user}"]
"#;

const LEAST: &str = r#"
name = "x"
version = "1"
abi = "1.0"
kind = "interpreter"
summary = "x"
[interest]
exe = ["x"]
"#;

/// The smallest manifest with one line changed, or with more at its end.
fn changed(line: &str) -> String {
    let key = line.split(' ').next().unwrap();
    let mut text = String::new();
    let mut done = false;
    for old in LEAST.lines() {
        let same = old.split(' ').next() == Some(key) && line.contains(" = ");
        text += if same { line } else { old };
        text += "\n";
        done |= same;
    }
    if !done {
        text += line;
        text += "\n";
    }
    text
}

#[track_caller]
fn check(line: &str) -> Manifest {
    Manifest::parse(&changed(line)).unwrap_or_else(|error| panic!("{line}: {error}"))
}

#[track_caller]
fn check_refused(line: &str, why: &str) {
    let error = Manifest::parse(&changed(line)).unwrap_err();
    assert!(error.to_string().contains(why), "{line}: {error}");
}

#[test]
fn a_whole_one() {
    let manifest = Manifest::parse(WHOLE).unwrap();
    assert_eq!(
        (manifest.name.as_str(), manifest.kind),
        ("podman", Kind::Container)
    );
    assert_eq!(manifest.abi, Abi { major: 1, minor: 0 });
    assert_eq!(manifest.interest.runtime, ["podman"]);
    assert_eq!(manifest.interest.cgroup[0].as_str(), "*/libpod-*");
    assert_eq!(manifest.wants.environ, ["XDG_RUNTIME_DIR", "_X9"]);
    assert!(manifest.wants.files && manifest.wants.memory);
    assert_eq!(manifest.restarts().collect::<Vec<_>>(), ["system", "user"]);
    let values = Filling {
        name: b"web",
        project: Some(b"default"),
        user: Some(1000),
        id: None,
    };
    assert_eq!(
        manifest.restart_argv("user", &values).unwrap(),
        [
            "/usr/bin/podman",
            "--log-level=error",
            "restart",
            "--",
            "default.web",
            "u1000"
        ]
    );
    assert_eq!(
        manifest.restart_argv("pod", &values),
        Err(Unfilled::NoSuchWay)
    );
}

#[test]
fn the_smallest() {
    let manifest = Manifest::parse(LEAST).unwrap();
    assert_eq!(manifest.wants, Wants::default());
    assert_eq!(manifest.restarts().count(), 0);
}

#[test]
fn every_key_but_these_is_needed() {
    for key in ["name", "version", "abi", "kind", "summary"] {
        let without: Vec<&str> = LEAST
            .lines()
            .filter(|line| !line.starts_with(key))
            .collect();
        let error = Manifest::parse(&without.join("\n")).unwrap_err();
        assert!(
            error.what.contains(&format!("missing field `{key}`")),
            "{error}"
        );
    }
    let (without, _) = LEAST.split_once("[interest]").unwrap();
    assert!(
        Manifest::parse(without)
            .unwrap_err()
            .what
            .contains("interest")
    );
}

#[test]
fn unknown_keys_are_refused_with_line_and_marks() {
    let error =
        Manifest::parse(&LEAST.replace("[interest]", "author = \"me\"\n[interest]")).unwrap_err();
    assert_eq!(error.line, Some((7, 1)));
    assert!(error.what.contains("unknown field `author`"), "{error}");
    assert_eq!(error.lines()[1..], ["  | author = \"me\"", "  | ^^^^^^"]);
    check_refused("net = true", "unknown field `net`");
    check_refused("[wants]\nnetwork = true", "unknown field `network`");
    check_refused("[interests]\nexe = []", "unknown field `interests`");
    let restart = "[restart.x]\nargv = [\"/bin/x\"]\nshell = true";
    let error = Manifest::parse(&(LEAST.replace("interpreter", "vm") + restart)).unwrap_err();
    assert!(error.what.contains("unknown field `shell`"), "{error}");
}

#[test]
fn a_wrong_value_is_told_with_its_place() {
    let error = Manifest::parse(&changed("version = \"a b\"")).unwrap_err();
    assert_eq!(error.line, Some((3, 11)));
    let list = "[wants]\nenviron = [\n  \"GOOD\",\n  \"b-d\",\n]";
    let error = Manifest::parse(&changed(list)).unwrap_err();
    assert_eq!(error.line, Some((10, 11)), "{error}");
    assert!(error.what.starts_with("`b-d`: a variable is"), "{error}");
    assert_eq!(error.lines()[2], "  |           ^");
}

#[test]
fn what_an_error_shows_steers_no_terminal() {
    let error = Manifest::parse("\u{202e}\u{1b}[31m = 1\n").unwrap_err();
    for line in error.lines() {
        assert!(line.chars().all(crate::model::is_tame), "{line:?}");
    }
    // Marks of a line of characters of several bytes stand below them.
    let error = Manifest::parse("name = \"größe\"").unwrap_err();
    assert!(error.line.is_some());
}

#[test]
fn names_and_versions() {
    check("name = \"a\"");
    check("name = \"node-js2\"");
    for bad in [
        "",
        "A",
        "2a",
        "-a",
        "a_b",
        "a/b",
        "a.b",
        "größe",
        "abcdefghijklmnopqrstuvwxyzabcdefg",
    ] {
        check_refused(&format!("name = \"{bad}\""), "a name is");
    }
    check_refused("name = \"enable\"", "key of the configuration");
    check_refused("name = 1", "invalid type");
    check("version = \"1:2.0~rc1+b-1\"");
    for bad in ["", " ", "1 2", "1\\u001b", "1\\n", "ü"] {
        check_refused(&format!("version = \"{bad}\""), "a version is");
    }
    check_refused(&format!("version = \"{}\"", "1".repeat(65)), "a version is");
    check("summary = \"Größe\"");
    for bad in ["", " x", "a\\nb", "a\\u202eb"] {
        check_refused(&format!("summary = \"{bad}\""), "a summary is");
    }
    check_refused("kind = \"daemon\"", "unknown variant");
}

#[test]
fn versions_of_the_abi() {
    let ours = Abi::OURS;
    check(&format!("abi = \"{ours}\""));
    for bad in [
        "", "1", "1.", ".0", "1.0.0", "+1.0", "01.0", "1.00", "1.x", "-1.0", "1.99999", " 1.0",
    ] {
        check_refused(&format!("abi = \"{bad}\""), "MAJOR.MINOR");
    }
    check_refused("abi = 1.0", "expected a string");
    let later = format!("{}.{}", ours.major, ours.minor + 1);
    check_refused(
        &format!("abi = \"{later}\""),
        &format!("needs ABI {later}, and this is {ours}"),
    );
    check_refused("abi = \"2.0\"", "needs ABI 2.0");
    check_refused("abi = \"0.0\"", "needs ABI 0.0");
    // Said before anything that only a later version knows.
    let text = LEAST.replace("abi = \"1.0\"", "abi = \"1.9\"\nsmell = true");
    let error = Manifest::parse(&text).unwrap_err();
    assert!(error.what.contains("needs ABI 1.9"), "{error}");
    assert_eq!(error.line, Some((4, 7)));
    let (one_two, one_three, two) = (
        Abi { major: 1, minor: 2 },
        Abi { major: 1, minor: 3 },
        Abi { major: 2, minor: 0 },
    );
    assert!(one_two.is_part_of(one_three) && one_three.is_part_of(one_three));
    assert!(!one_three.is_part_of(one_two) && !one_two.is_part_of(two) && !two.is_part_of(one_two));
}

#[test]
fn interests() {
    check_refused("exe = []", "names nothing");
    check_refused("exe = [\"\"]", "a pattern is");
    check_refused("exe = [\"a\\nb\"]", "a pattern is");
    check_refused(&format!("exe = [\"{}\"]", "a".repeat(257)), "a pattern is");
    check_refused(&format!("exe = [{}]", "\"a\", ".repeat(65)), "at most 64");
    check(&format!("exe = [{}]", "\"a\", ".repeat(64)));
    check_refused("exe = \"x\"", "expected a sequence");
    check_refused("runtime = [\"podman\"]", "for kinds container and vm");
    check_refused("cgroup = [\"*\"]", "for kinds container and vm");
    check_refused("runtime = [\"Podman\"]", "a runtime is one of docker");
    check_refused("[restart.x]\nargv = [\"/bin/x\"]", "no instances");
}

#[test]
fn every_runtime_of_the_host_can_be_named() {
    let words = "docker podman containerd cri-o kubernetes lxc lxd incus nspawn libvirt qemu snap flatpak unknown";
    for word in words.split(' ') {
        let text = LEAST.replace("interpreter", "container") + &format!("runtime = [\"{word}\"]\n");
        Manifest::parse(&text).unwrap();
    }
}

#[test]
fn variables() {
    check("[wants]\nenviron = [\"PERL5LIB\", \"_A\", \"pm_exec_path\"]");
    for bad in ["", "1A", "A-B", "A=B", "A B", "Ä"] {
        check_refused(&format!("[wants]\nenviron = [\"{bad}\"]"), "a variable is");
    }
    check_refused(
        &format!("[wants]\nenviron = [\"{}\"]", "A".repeat(65)),
        "a variable is",
    );
    for secret in [
        "PGPASSWORD",
        "AWS_SECRET_ACCESS_KEY",
        "GITHUB_TOKEN",
        "MY_API_KEY",
        "X_CREDENTIALS",
        "npm_token",
    ] {
        check_refused(&format!("[wants]\nenviron = [\"{secret}\"]"), "not shown");
    }
}

#[test]
fn files_of_the_host() {
    check("[wants]\nhost_files = [\"/etc/machine-id\", \"/var/lib/x/*.json\", \"/run/*\"]");
    for bad in [
        "etc/x",
        "",
        "/",
        "/etc/../x",
        "/etc/./x",
        "/etc//x",
        "/etc/",
    ] {
        let why = if bad.is_empty() {
            "a pattern is"
        } else {
            "an absolute path"
        };
        check_refused(&format!("[wants]\nhost_files = [\"{bad}\"]"), why);
    }
    for bad in ["/*", "/*/x", "/et?/x"] {
        check_refused(
            &format!("[wants]\nhost_files = [\"{bad}\"]"),
            "first component",
        );
    }
    for bad in ["/proc/1/environ", "/sys/*", "/dev/sda"] {
        check_refused(
            &format!("[wants]\nhost_files = [\"{bad}\"]"),
            "nothing below",
        );
    }
    for bad in [
        "/etc/shadow",
        "/etc/*",
        "/etc/s*w",
        "/etc/ssh/*",
        "/root/.ssh/*",
        "/home/*/.ssh/*",
        "/home/*/*/*",
    ] {
        check_refused(
            &format!("[wants]\nhost_files = [\"{bad}\"]"),
            "this would show",
        );
    }
}

#[test]
fn what_is_shown_of_the_host() {
    let wants = Manifest::parse(WHOLE).unwrap().wants;
    for shown in [
        "/var/lib/containers/storage/overlay/containers.json",
        "/home/a/.local/share/containers/xy",
    ] {
        assert!(wants.shows_of_host(shown.as_bytes()), "{shown}");
    }
    for not in [
        "/var/lib/containers/storage/a/b/containers.json",
        "/var/lib/containers/storage/../containers.json",
        "/var/lib/containers/storage/./containers.json",
        "/var/lib/containers/storage//containers.json",
        "/home/a/.local/share/containers/x/",
        "/home/../.local/share/containers/xy",
        "/home/a/b/.local/share/containers/xy",
        "var/lib/containers/storage/overlay/containers.json",
        "/etc/shadow",
        "",
    ] {
        assert!(!wants.shows_of_host(not.as_bytes()), "{not}");
    }
    assert!(!wants.shows_of_host(b"/home/a\0b/.local/share/containers/xy"));
}

#[test]
fn texts_that_are_no_manifests() {
    assert!(Manifest::parse("").is_err());
    assert!(Manifest::parse("#!/bin/sh\n").is_err());
    let long = format!("{LEAST}# {}", "x".repeat(TEXT_CAP));
    assert!(Manifest::parse(&long).unwrap_err().what.contains("64 KiB"));
    // Deep nesting ends in an error, not in a full stack.
    let deep = format!("{LEAST}\nx = {}", "[".repeat(30_000));
    assert!(Manifest::parse(&deep).is_err());
    let tables = format!("{LEAST}\nx = {}", "{a=".repeat(15_000));
    assert!(Manifest::parse(&tables).is_err());
    let dotted = format!("{}a = 1\n{LEAST}", "a.".repeat(20_000));
    assert!(Manifest::parse(&dotted).is_err());
}
