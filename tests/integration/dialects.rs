//! The peers' voices from outside: what those who made a format say of it, what help lists, how wrong calls end.

use std::collections::BTreeSet;
use std::fs;

use crate::support::{NOBODY, in_world, of_repository, skip, unstale};
use crate::{metrics, nagios};

/// What needrestart says of a kernel and of microcode, as its metrics spell it.
const KERNELS: [&str; 4] = ["current", "abi_upgrade", "version_upgrade", "unknown"];
const MICROCODES: [&str; 3] = ["current", "obsolete", "unknown"];

/// One thing that we say in a recorded scene.
struct Stored {
    name: String,
    exit: i32,
    stdout: String,
}

/// What we say in each recorded scene of `needrestart OPTION`: what is kept as ours, else the recording.
fn stored(option: &str) -> Vec<Stored> {
    let top = of_repository("testdata/dialects");
    let suffix = format!(".{option}.scene");
    let mut all = Vec::new();
    for directory in ["needrestart-3.6", "needrestart-3.11"] {
        for file in fs::read_dir(top.join(directory)).unwrap() {
            let path = file.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if !name.ends_with(&suffix) || name.contains(".user-") {
                continue;
            }
            let ours = top.join("ours").join(directory).join(&name);
            let (scene, stdout) = match fs::read_to_string(ours.with_extension("txt")) {
                Ok(ours) => {
                    let (exit, rest) = ours.split_once("--- stdout\n").unwrap();
                    let (stdout, _) = rest.split_once("--- stderr\n").unwrap();
                    (exit.to_owned(), stdout.to_owned())
                }
                Err(_) => {
                    let stdout = fs::read_to_string(path.with_extension("out")).unwrap();
                    (fs::read_to_string(&path).unwrap(), stdout)
                }
            };
            let exit = scene.lines().find_map(|line| line.strip_prefix("exit: "));
            let exit = exit.unwrap().trim().parse().unwrap();
            let name = format!("{directory}/{name}");
            all.push(Stored { name, exit, stdout });
        }
    }
    assert!(!all.is_empty(), "nothing is recorded of -{option}");
    all
}

#[test]
fn metrics_of_every_recorded_state_are_what_their_parsers_take() {
    if !metrics::parsers_are_here() {
        skip("python3-prometheus-client is not installed");
        return;
    }
    let mut all = String::new();
    for one in stored("o") {
        metrics::parse(&one.stdout).unwrap_or_else(|why| panic!("{}: {why}", one.name));
        assert_eq!(one.exit, 0, "{}", one.name);
        all.push_str(&one.stdout);
    }
    let states = |family: &str, states: &[&str]| {
        for state in states {
            let sample = format!(
                "needrestart_{family}_status{{needrestart_{family}_status=\"{state}\"}} 1\n"
            );
            assert!(all.contains(&sample), "{sample} is not recorded");
        }
    };
    states("kernel", &KERNELS);
    states("ucode", &MICROCODES);
}

#[test]
fn plugin_output_of_every_recorded_state_keeps_the_guidelines() {
    let mut seen = BTreeSet::new();
    for one in stored("p") {
        let read = nagios::read(&one.stdout, Some(one.exit));
        let read = read.unwrap_or_else(|why| panic!("{}: {why}: {}", one.name, one.stdout));
        let label = |datum: &String| datum.split_once('=').unwrap().0.to_owned();
        let labels: BTreeSet<String> = read.perf.iter().map(label).collect();
        assert_eq!(labels.len(), read.perf.len(), "{}: a label twice", one.name);
        seen.insert(read.state);
    }
    let seen: Vec<&str> = seen.iter().map(String::as_str).collect();
    assert_eq!(seen, ["CRIT", "OK", "UNKN", "WARN"]);
}

#[test]
fn metrics_of_this_machine_are_what_their_parsers_take() {
    if !metrics::parsers_are_here() {
        skip("python3-prometheus-client is not installed");
        return;
    }
    in_world(|world| {
        for options in [&["-o"][..], &["-o", "-k"], &["-o", "-w"], &["-o", "-l"]] {
            let mut words = vec!["--as", "needrestart"];
            words.extend(options);
            let said = world.run(&words).expect(0).text();
            let families = metrics::parse(&said).unwrap_or_else(|why| panic!("{why}: {said}"));
            assert!(
                families.contains("needrestart_build_info gauge"),
                "{families}"
            );
            assert!(said.ends_with("# EOF\n"), "{said}");
        }
        let peer = world.run(&["--as", "needrestart", "-o", "--compat-bugs"]);
        let said = peer.expect(0).text();
        metrics::parse(&said).expect_err("the peer's own have families without metadata");
    });
}

#[test]
fn plugin_output_of_this_machine_keeps_the_guidelines() {
    in_world(|world| {
        for options in [&["-p"][..], &["-p", "-k"], &["-p", "-l"], &["-p", "-w"]] {
            let mut words = vec!["--as", "needrestart"];
            words.extend(options);
            let run = world.run(&words);
            let said = run.text();
            let read = nagios::read(&said, run.code);
            let read = read.unwrap_or_else(|why| panic!("{options:?}: {why}: {said}"));
            assert!(read.more.is_empty(), "nothing is old here: {said}");
        }
        let run = world.run_through(&NOBODY, &["--as", "needrestart", "-p"]);
        let read = nagios::read(&run.text(), run.code).unwrap();
        assert_eq!((read.state.as_str(), read.perf.len()), ("UNKN", 0));
    });
}

/// A dialect, how it is asked for help, and the options of the original.
const HELP: &[(&str, &str, &str)] = &[
    (
        "needrestart",
        "--help",
        "-v -q -m -n -c -r -b -p -o -f -t -u -x -k -l -w --help --version",
    ),
    (
        "needrestart=3.6",
        "--help",
        "-v -q -m -n -c -r -b -p -f -t -u -k -l -w --help --version",
    ),
    ("checkrestart=0.88.1", "--help", "-vhpam -b -i -e"),
    (
        "checkrestart=0.88.2",
        "--help",
        "-h -v -d -f -p -a -m -t -n -b -i -e -x --help --verbose --debug --show-files --packages --all --machine --terse \
         --nolsof --no-lsof --blocklistfile --blacklist --exclude-package --ignore --exclude-pid --exclude \
         --exclude-program --exclude-file --exclude-unit --dangerous-unit --dont-suggest-unit --dangerous-initscript \
         --dont-suggest-initscript",
    ),
    (
        "needs-restarting=yum",
        "--help",
        "-u --useronly -r --reboothint -s --services -h --help",
    ),
    (
        "needs-restarting=dnf4",
        "--help",
        "-u --useronly -r --reboothint -s --services --exclude-services -h --help",
    ),
    (
        "needs-restarting=dnf5",
        "--help",
        "-r --reboothint -s --services -p --processes -e --exclude-services --json --help",
    ),
    (
        "needs-restarting=zypper",
        "--help",
        "-s --services -r --reboothint -h --help",
    ),
    ("zypper-ps", "--help", "-s --print -d --debugFile --help"),
    ("zypper-needs-rebooting", "--help", "--help"),
    ("tracer", "--help", "--help"),
];

#[test]
fn help_lists_every_option_of_the_original() {
    let mut missing = Vec::new();
    for (dialect, help, options) in HELP {
        let run = unstale(&["--as", dialect, help]).expect(0);
        let said = run.text() + &run.talk();
        let words: Vec<&str> = said
            .split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'))
            .collect();
        for option in options.split_whitespace() {
            if !words.contains(&option) {
                missing.push(format!("{dialect}: {option}"));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

const ROOT: [&str; 0] = [];

/// Who calls, which dialect, how; the exit status, and what is said.
type Wrong = (
    &'static [&'static str],
    &'static str,
    &'static [&'static str],
    i32,
    &'static str,
);

const WRONG: &[Wrong] = &[
    (&ROOT, "needrestart", &["-Z"], 1, "Unknown option: Z"),
    (&ROOT, "needrestart", &["-r", "z"], 255, ""),
    (&ROOT, "needrestart", &["-m", "z"], 255, ""),
    (&ROOT, "needrestart", &["-p", "-o"], 255, ""),
    (&ROOT, "needrestart", &["-b", "-c", "/nonexistent"], 2, ""),
    (&ROOT, "needrestart=3.6", &["-o"], 1, "Unknown option: o"),
    (
        &NOBODY,
        "needrestart",
        &["-p"],
        3,
        "UNKN - This plugin needs to be run as root!",
    ),
    (
        &NOBODY,
        "needrestart",
        &["-o", "-l"],
        1,
        "needs root access",
    ),
    (&NOBODY, "needrestart", &["-b"], 0, "NEEDRESTART-VER: 3.11"),
    (
        &ROOT,
        "checkrestart=0.88.1",
        &["-Z"],
        2,
        "option -Z not recognized",
    ),
    (
        &ROOT,
        "checkrestart=0.88.2",
        &["-Z"],
        3,
        "option -Z not recognized",
    ),
    (
        &ROOT,
        "checkrestart=0.88.2",
        &["-x", "package:("],
        3,
        "syntax error in 'package:'",
    ),
    (
        &ROOT,
        "checkrestart=0.88.2",
        &["-b", "/nonexistent"],
        3,
        "Could not read file",
    ),
    (
        &ROOT,
        "checkrestart=0.88.1",
        &["-b", "/nonexistent"],
        2,
        "/nonexistent",
    ),
    (
        &NOBODY,
        "checkrestart=0.88.1",
        &["-m"],
        1,
        "This program must be run as root",
    ),
    (
        &NOBODY,
        "checkrestart=0.88.2",
        &["-m"],
        3,
        "information will be incomplete",
    ),
    (
        &NOBODY,
        "checkrestart=0.88.2",
        &["-m", "--compat-bugs"],
        0,
        "RESTART_NEEDED: 0",
    ),
    (&ROOT, "needs-restarting=yum", &["--nonsense"], 2, ""),
    (&ROOT, "needs-restarting=dnf4", &["--nonsense"], 2, ""),
    (
        &ROOT,
        "needs-restarting=dnf5",
        &["-u"],
        2,
        "Unknown argument \"-u\" for command \"needs-restarting\".",
    ),
    (
        &ROOT,
        "needs-restarting=zypper",
        &["-u"],
        2,
        "needs-restarting: error: unrecognized argument -u",
    ),
    (
        &NOBODY,
        "needs-restarting=yum",
        &[],
        1,
        "Please run as root or with --useronly option",
    ),
    (&NOBODY, "needs-restarting=dnf4", &[], 3, ""),
    (&NOBODY, "needs-restarting=dnf5", &["-s"], 3, ""),
    (&ROOT, "zypper-ps", &["-Z"], 2, ""),
    (&ROOT, "zypper-ps", &["word"], 3, ""),
    (&ROOT, "zypper-needs-rebooting", &["-Z"], 2, ""),
    (&NOBODY, "zypper-ps", &["-s"], 0, "Not running as root"),
];

#[test]
fn wrong_calls_end_as_the_originals_do_or_with_a_status_of_their_own() {
    in_world(|world| {
        let mut wrong = Vec::new();
        for (prefix, dialect, options, exit, says) in WRONG {
            let mut words = vec!["--as", dialect];
            words.extend(*options);
            let run = world.run_through(prefix, &words);
            let said = run.text() + &run.talk();
            if run.code != Some(*exit) || !said.contains(says) {
                let who = if prefix.is_empty() { "root" } else { "nobody" };
                wrong.push(format!(
                    "{dialect} {options:?} by {who}: exit {:?}, not {exit}; not {says:?}: {said}",
                    run.code
                ));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    });
}
