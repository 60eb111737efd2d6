//! Against the interpreter of this machine: what it has loaded is what the detector says.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use unstale_perl::Perl;
use unstale_plugin::testing::{Said, Scene};
use unstale_plugin::{How, Role, What};

const PERL: &str = "/usr/bin/perl";

/// Whether there is an interpreter; where everything has to run, its absence is a failure.
fn interpreter() -> bool {
    if Path::new(PERL).exists() {
        return true;
    }
    let needed = std::env::var_os("CI").is_some();
    assert!(!needed, "{PERL} is not installed");
    // Straight to the terminal: what the test harness captures nobody reads.
    let _ = std::io::Write::write_all(&mut std::io::stderr(), b"SKIPPED: no /usr/bin/perl\n");
    false
}

/// A scene whose files are those of this machine.
fn scene(text: &str, directory: &Path) -> Said {
    let root = directory.join("root");
    if !root.exists() {
        symlink("/", root).unwrap();
    }
    let exe = fs::canonicalize(PERL).unwrap();
    // Code that every process here has mapped: the C library tells the directory of the architecture.
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let libc = maps.lines().find_map(|line| {
        line.split_whitespace()
            .last()
            .filter(|path| path.contains("libc.so"))
    });
    let text = format!(
        "exe {}\ncwd /\ncode 1000 {}\n{text}",
        exe.display(),
        libc.unwrap()
    );
    Scene::of(&text, directory)
        .unwrap()
        .inspect(&mut Perl::default())
}

fn files(said: &Said, how: &[How]) -> BTreeSet<String> {
    let uses = said.uses.iter().filter(|used| how.contains(&used.how));
    let uses = uses.filter(|used| used.role == Role::Module);
    let path = |what: &What| match what {
        What::File(path) => fs::canonicalize(std::str::from_utf8(path).unwrap()).unwrap(),
        other => panic!("{other:?}"),
    };
    uses.map(|used| path(&used.what).to_str().unwrap().to_owned())
        .collect()
}

/// What perl has loaded after a program, by its own `%INC`.
fn loaded(arguments: &[&str]) -> Option<BTreeSet<String>> {
    let output = Command::new(PERL)
        .args(arguments)
        .env_clear()
        .output()
        .unwrap();
    if !output.status.success() {
        return None;
    }
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines = text.lines().filter_map(|line| line.strip_prefix("LOADED "));
    Some(
        lines
            .filter_map(|line| Some(fs::canonicalize(line).ok()?.to_str()?.to_owned()))
            .collect(),
    )
}

const PRINT: &str = "END { print qq(\\nLOADED $_\\n) for grep { defined } values %INC }\n";

/// Modules that perl loads when a variable, a layer or an operator is used, without a word in the source.
const BY_ITSELF: [&str; 7] = [
    "/Errno.pm",
    "/Tie/Hash/NamedCapture.pm",
    "/PerlIO/encoding.pm",
    "/PerlIO/scalar.pm",
    "/Config_heavy.pl",
    "/Config_git.pl",
    "/File/Glob.pm",
];

/// Modules whose names programs of a Debian system compute, and who does.
const COMPUTED: [(&str, &str); 6] = [
    ("/ExtUtils/MM_", "ExtUtils::MM, by the system"),
    ("/Dpkg/Vendor/", "Dpkg::Vendor, by the distribution"),
    ("/JSON/PP", "JSON, by what is installed"),
    (
        "/Pod/Text",
        "Pod::Usage, by what is installed: and what it imports",
    ),
    ("/Math/BigInt", "bigint, by the fastest library"),
    ("/Test2/", "Test2::API, by the event"),
];

fn by_itself(path: &str) -> bool {
    BY_ITSELF.iter().any(|end| path.ends_with(end))
}

fn computed(path: &str) -> bool {
    COMPUTED.iter().any(|(part, _)| path.contains(part))
}

#[track_caller]
fn check(program: &str, modules: &[(&str, &str)], unused: &[&str]) {
    if !interpreter() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let lib = directory.path().join("lib");
    for (name, text) in modules {
        let place = lib.join(name);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::write(place, text).unwrap();
    }
    let script = directory.path().join("script.pl");
    let program = program.replace("LIB", lib.to_str().unwrap());
    fs::write(&script, format!("{PRINT}{program}")).unwrap();
    let script = script.to_str().unwrap();
    let real = loaded(&[script]).unwrap_or_else(|| panic!("{program} does not run"));
    assert!(!real.is_empty());
    let said = scene(&format!("argv perl\nargv {script}"), directory.path());
    assert_eq!(said.unknown, [""; 0]);
    let all = files(&said, &[How::Imported, How::Possible]);
    let missed: Vec<&String> = real
        .difference(&all)
        .filter(|path| !by_itself(path))
        .collect();
    assert!(missed.is_empty(), "loaded, not found: {missed:?}\n{all:#?}");
    let sure = files(&said, &[How::Imported]);
    let wrong: Vec<&String> = sure.difference(&real).collect();
    assert!(wrong.is_empty(), "said to be loaded, not so: {wrong:?}");
    for name in unused {
        let path = lib.join(name);
        let path = path.to_str().unwrap();
        assert!(Path::new(path).exists() && !all.contains(path), "{path}");
    }
}

#[test]
fn t6_17_own_modules() {
    check(
        "use lib 'LIB'; use A::B; require \"x.pl\"; do './none'; eval { require Maybe }; print <<X . q{use Unused;};\nuse Unused;\nX\n",
        &[
            (
                "A/B.pm",
                "package A::B; use parent 'A::Base'; use Scalar::Util qw(blessed); 1;\n=pod\n\nuse Unused;\n\n=cut\n",
            ),
            (
                "A/Base.pm",
                "package A::Base; require A'Old; 1; # use Unused;\n__END__\nuse Unused;",
            ),
            ("A/Old.pm", "1;"),
            ("Maybe.pm", "1;"),
            ("x.pl", "1;"),
            ("Unused.pm", "1;"),
            ("A/Test.pm", "1;"),
        ],
        &["Unused.pm", "A/Test.pm"],
    );
}

#[test]
fn t6_17_library_of_the_interpreter() {
    for module in [
        "strict",
        "warnings",
        "POSIX",
        "Data::Dumper",
        "File::Temp",
        "IO::Socket",
        "IO::Handle",
        "Getopt::Long",
        "Encode",
        "Storable",
        "Time::HiRes",
        "List::Util",
        "Socket",
        "File::Find",
        "Sys::Hostname",
        "Text::Wrap",
        "Time::Local",
        "Digest::MD5",
        "MIME::Base64",
        "File::Spec",
        "Cwd",
        "constant",
        "fields",
        "threads",
        "HTTP::Tiny",
        "JSON::PP",
        "Term::ANSIColor",
        "Tie::File",
        "IPC::Open3",
        "IO::Select",
        "IO::Compress::Gzip",
        "Archive::Tar",
        "utf8",
        "FindBin",
        "AutoLoader",
    ] {
        check(&format!("use {module};"), &[], &[]);
    }
}

/// Programs of this machine: each is read, and what its sure modules load is found.
#[test]
fn t6_17_programs_of_this_machine() {
    if !interpreter() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let mut seen = 0;
    let mut compared = 0;
    for entry in fs::read_dir("/usr/bin").unwrap().flatten() {
        let path = entry.path();
        if !path.is_file() {
            continue;
        }
        let Ok(text) = fs::read(&path) else { continue };
        let first = text.split(|&byte| byte == b'\n').next().unwrap_or_default();
        if !(first.starts_with(b"#!") && first.windows(4).any(|four| four == b"perl")) {
            continue;
        }
        seen += 1;
        let said = scene(
            &format!("argv perl\nargv {}", path.display()),
            directory.path(),
        );
        assert_eq!(said.unknown, [""; 0], "{}", path.display());
        compared += u32::from(compare(&path, &said));
    }
    assert!(
        seen >= 20 && compared >= 20,
        "only {compared} of {seen} programs"
    );
}

/// Loads the modules that the detector says are surely loaded by the script itself, and looks at what came with them.
fn compare(path: &Path, said: &Said) -> bool {
    let script = path.to_str().unwrap();
    let direct = said
        .uses
        .iter()
        .filter(|used| used.how == How::Imported && used.via.as_deref() == Some(script.as_bytes()));
    let direct: Vec<&str> = direct
        .map(|used| match &used.what {
            What::File(path) => std::str::from_utf8(path).unwrap(),
            other => panic!("{other:?}"),
        })
        .filter(|path| path.ends_with(".pm") && !path.ends_with("/sigtrap.pm"))
        .collect();
    if direct.is_empty() {
        return false;
    }
    let requires: String = direct
        .iter()
        .map(|path| format!("require '{path}';\n"))
        .collect();
    // By the path of the file a module is loaded again where another one asks for it by name, which does no harm.
    let Some(real) = loaded(&[
        "-e",
        &format!("{PRINT}BEGIN {{ $SIG{{__WARN__}} = sub {{}} }}\n{requires}"),
    ]) else {
        return false;
    };
    let all = files(said, &[How::Imported, How::Possible]);
    // What is computed brings what it imports itself.
    if real.difference(&all).any(|path| computed(path)) {
        return false;
    }
    let missed: Vec<&String> = real
        .difference(&all)
        .filter(|path| !by_itself(path))
        .collect();
    assert!(missed.is_empty(), "{script}: loaded, not found: {missed:?}");
    true
}
