use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::time::Duration;

use tempfile::TempDir;

use super::*;

mod defaults;
mod rules;
mod shown;
mod translated;

fn nobody() -> Users {
    Users::of(Path::new("/dev/null"))
}

fn layer(number: usize, text: &str) -> Result<Layer, ConfigError> {
    let origin = Origin::File(format!("/{number}.toml").into());
    Layer::parse(origin, text, &nobody())
}

fn try_merged(texts: &[&str]) -> Result<(Settings, Vec<Note>), ConfigError> {
    let layers = texts.iter().enumerate();
    let layers = layers.map(|(number, text)| layer(number, text));
    Settings::merged(&layers.collect::<Result<Vec<_>, _>>()?)
}

#[track_caller]
fn merged(texts: &[&str]) -> Settings {
    let merged = try_merged(texts).unwrap_or_else(|error| panic!("{texts:?}: {error}"));
    merged.0
}

fn parse(text: &str) -> Result<Fragment, FormError> {
    Fragment::parse(text, &|_| None)
}

#[track_caller]
fn check_refused(text: &str, line: usize, why: &str) {
    check_merge_refused(&[text], "/0.toml", line, why);
}

/// What layers say is refused because of a line of one of them.
#[track_caller]
fn check_merge_refused(texts: &[&str], file: &str, line: usize, why: &str) {
    let error = try_merged(texts).unwrap_err();
    assert_eq!(error.file, Path::new(file), "{error}");
    let Why::Form(form) = &error.why else {
        panic!("{error}");
    };
    assert!(form.what.contains(why), "{texts:?}: {error}");
    let at = form.line.map(|(line, _)| line);
    assert_eq!(at, Some(line), "{texts:?}: {error}");
    assert_eq!(form.lines().len(), 3, "{texts:?}: {error}");
}

#[test]
fn without_a_word() {
    assert_eq!(merged(&[]), Settings::empty());
    assert_eq!(
        merged(&["", "# nothing\n", "[plugins]\n"]),
        Settings::empty()
    );
    let plugins = Settings::default().plugins;
    assert!(plugins.is_enabled("python") && !plugins.etc && plugins.directories.is_empty());
    assert_eq!(plugins.options_of("python"), []);
}

#[track_caller]
fn check_enabled(texts: &[&str], on: &[&str], off: &[&str]) {
    let plugins = merged(texts).plugins;
    for name in on {
        assert!(plugins.is_enabled(name), "{name}");
    }
    for name in off {
        assert!(!plugins.is_enabled(name), "{name}");
    }
}

#[test]
fn enable_and_disable() {
    check_enabled(
        &["[plugins]\ndisable = [\"java\"]"],
        &["php", "javac"],
        &["java"],
    );
    check_enabled(&["[plugins]\ndisable = [\"j*\"]"], &["php"], &["java", "j"]);
    // An exception, whatever comes first in the text.
    check_enabled(
        &["[plugins]\nenable = [\"php\"]\ndisable = [\"*\"]"],
        &["php"],
        &["java"],
    );
    // A later file wins; what it does not speak of stays.
    let first = "[plugins]\ndisable = [\"java\", \"perl\"]";
    check_enabled(
        &[first, "[plugins]\nenable = [\"java\"]"],
        &["java"],
        &["perl"],
    );
    check_enabled(
        &[
            "[plugins]\nenable = [\"java\"]",
            "[plugins]\ndisable = [\"*\"]",
        ],
        &[],
        &["java"],
    );
}

#[test]
fn the_other_keys() {
    let plugins = merged(&[
        "[plugins]\netc = true\ndirectories = [\"/a\", \"/b\"]\nprocess_deadline_ms = 500\n[plugins.java]\nx = 1\ny = true\nz = \"s\"",
        "[plugins]\ndirectories = [\"/c\"]\ntotal_deadline_ms = 5000\n[plugins.java]\nx = \"two\"\n[plugins.c-2]",
    ])
    .plugins;
    assert!(plugins.etc);
    assert_eq!(plugins.directories, ["/c", "/a", "/b"].map(PathBuf::from));
    assert_eq!(plugins.process_deadline, Duration::from_millis(500));
    assert_eq!(plugins.total_deadline, Duration::from_secs(5));
    let options = [("x", "two"), ("y", "true"), ("z", "s")];
    let options = options.map(|(key, value)| (key.to_owned(), value.to_owned()));
    assert_eq!(plugins.options_of("java"), options);
    assert_eq!(plugins.options_of("c-2"), []);
    assert_eq!(plugins.named().collect::<Vec<_>>(), ["c-2", "java"]);
    assert!(
        !merged(&["[plugins]\netc = true", "[plugins]\netc = false"])
            .plugins
            .etc
    );
}

#[test]
fn what_is_not_known_is_refused_with_its_place() {
    check_refused("x = 1\n", 1, "unknown field `x`");
    check_refused("\n[plugin]\n", 2, "unknown field `plugin`");
    for value in ["true", "1", "1.5", "\"x\"", "[]"] {
        check_refused(
            &format!("[plugins]\nenabled = {value}\n"),
            2,
            "unknown key `enabled`",
        );
    }
    check_refused(
        "[plugins]\n[plugins.Java]\n",
        2,
        "no plugin can have the name `Java`",
    );
    check_refused("[plugins]\netc = 1\n", 2, "expected a boolean");
    check_refused("[plugins]\nenable = \"x\"\n", 2, "expected a sequence");
    check_refused("[plugins]\n[plugins.enable]\n", 2, "expected a sequence");
    check_refused(
        "[plugins]\n\nenable = [\"X\"]\n",
        3,
        "no plugin can have the name `X`",
    );
    check_refused(
        "[plugins]\ndisable = [\"a.so\"]\n",
        2,
        "no plugin can have the name",
    );
    check_refused(
        "[plugins]\ndirectories = [\"here\"]\n",
        2,
        "not an absolute path",
    );
    check_refused(
        "[plugins]\nprocess_deadline_ms = 0\n",
        2,
        "between 10 and 60000",
    );
    check_refused(
        "[plugins]\ntotal_deadline_ms = -1\n",
        2,
        "between 100 and 300000",
    );
    check_refused("[plugins]\ntotal_deadline_ms = \"1s\"\n", 2, "expected i64");
    check_refused("[plugins.x]\ny = [1]\n", 2, "an option is");
    check_refused("[plugins.x]\ny = 1.5\n", 2, "an option is");
    check_refused("[plugins.x]\ny = {}\n", 2, "an option is");
    check_refused("[plugins.x]\ny = \"\\u0000\"\n", 2, "no NUL");
    check_refused("[plugins]\netc = true\netc = true\n", 3, "duplicate key");
    check_refused("[plugins\n", 1, "");
    let both = parse("[plugins]\nenable = [\"a\"]\ndisable = [\"a\"]\n").unwrap_err();
    assert!(both.what.contains("`a` is both"), "{both}");
}

/// No packages' files, and these of an administrator.
fn sources(etc: &Path) -> Sources {
    Sources {
        vendor: "/nonexistent/unstale".into(),
        etc: etc.to_owned(),
        passwd: "/dev/null".into(),
        mode: None,
        euid: rustix::process::geteuid().as_raw(),
    }
}

/// A directory of settings.
struct Etc(TempDir);

impl Etc {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let etc = Self(dir);
        chmod(etc.0.path(), 0o755);
        fs::create_dir(etc.path("conf.d")).unwrap();
        chmod(&etc.path("conf.d"), 0o755);
        etc
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn file(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
        chmod(&self.path(name), 0o644);
    }

    fn read(&self) -> Result<Settings, ConfigError> {
        read(&sources(self.0.path()))
    }

    #[track_caller]
    fn check_refused(&self, file: &str, why: &str) {
        let error = self.read().unwrap_err();
        assert_eq!(error.file, self.path(file));
        assert!(error.to_string().contains(why), "{error}");
    }
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

#[test]
fn layers_of_files() {
    let etc = Etc::new();
    assert_eq!(etc.read().unwrap(), Settings::default());
    etc.file("unstale.toml", "[plugins]\nprocess_deadline_ms = 100\n");
    etc.file("conf.d/90-x.toml", "[plugins]\nprocess_deadline_ms = 900\n");
    etc.file(
        "conf.d/10-x.toml",
        "[plugins]\nprocess_deadline_ms = 110\netc = true\n",
    );
    for name in ["x.toml.dpkg-new", "x.toml~", ".x.toml", "README"] {
        etc.file(&format!("conf.d/{name}"), "not toml");
    }
    let plugins = etc.read().unwrap().plugins;
    assert_eq!(plugins.process_deadline, Duration::from_millis(900));
    assert!(plugins.etc);
}

#[test]
fn nothing_there() {
    let nowhere = Path::new("/nonexistent/unstale");
    assert_eq!(read(&sources(nowhere)).unwrap(), Settings::default());
    // Also where what is there could not be trusted.
    let dir = tempfile::tempdir().unwrap();
    chmod(dir.path(), 0o777);
    let below = dir.path().join("unstale");
    assert_eq!(read(&sources(&below)).unwrap(), Settings::default());
    fs::create_dir(&below).unwrap();
    assert!(read(&sources(&below)).is_err());
}

#[test]
fn what_others_could_have_written_is_no_policy() {
    let etc = Etc::new();
    etc.file("unstale.toml", "");
    etc.file("conf.d/x.toml", "");
    chmod(&etc.path("unstale.toml"), 0o664);
    etc.check_refused("unstale.toml", "writable by others");
    chmod(&etc.path("unstale.toml"), 0o644);
    chmod(&etc.path("conf.d/x.toml"), 0o646);
    etc.check_refused("conf.d/x.toml", "writable by others");
    chmod(&etc.path("conf.d/x.toml"), 0o644);
    chmod(&etc.path("conf.d"), 0o775);
    etc.check_refused("conf.d", "writable by others");
    chmod(&etc.path("conf.d"), 0o755);
    assert!(etc.read().is_ok());
    symlink("x.toml", etc.path("conf.d/y.toml")).unwrap();
    etc.check_refused("conf.d/y.toml", "a symbolic link");
    fs::remove_file(etc.path("conf.d/y.toml")).unwrap();
    if rustix::process::geteuid().is_root() {
        chown(etc.path("unstale.toml"), Some(1), None).unwrap();
        etc.check_refused("unstale.toml", "owned by uid 1");
    }
}

#[test]
fn files_of_odd_kinds() {
    let etc = Etc::new();
    etc.file("conf.d/x.toml", "[plugins]\nx = 1\n");
    etc.check_refused("conf.d/x.toml", "line 2, column 5: unknown key `x`");
    let lines = etc.read().unwrap_err().lines();
    assert_eq!(lines[1..], ["  | x = 1", "  |     ^"]);
    fs::write(etc.path("conf.d/x.toml"), b"\xff").unwrap();
    etc.check_refused("conf.d/x.toml", "not UTF-8");
    let file = fs::File::create(etc.path("conf.d/x.toml")).unwrap();
    file.set_len(1 << 40).unwrap();
    etc.check_refused("conf.d/x.toml", "longer than 1 MiB");
    fs::remove_file(etc.path("conf.d/x.toml")).unwrap();
    fs::create_dir(etc.path("conf.d/x.toml")).unwrap();
    etc.check_refused("conf.d/x.toml", "not a regular file");
}

#[test]
fn t9_16_reboot() {
    let reboot = merged(&[]).reboot;
    assert_eq!(reboot.flag, FlagPolicy::Off);
    assert!(reboot.packages.is_empty() && !reboot.is_ignored("linux"));

    let reboot = merged(&[
        "[reboot]\nflag = \"both\"\npackages = [\"mydb\", \"mylib\"]\nignore_packages = [\"dbus*\"]",
        "[reboot]\npackages = [\"mydb\", \"more\"]\nignore_packages = [\"udev\"]",
    ])
    .reboot;
    assert_eq!(reboot.flag, FlagPolicy::Both);
    assert_eq!(reboot.packages, ["mydb", "mylib", "more"]);
    for (name, ignored) in [("dbus-broker", true), ("udev", true), ("libudev1", false)] {
        assert_eq!(reboot.is_ignored(name), ignored, "{name}");
    }
    let off = merged(&["[reboot]\nflag = \"native\"", "[reboot]\nflag = \"off\""]);
    assert_eq!(off.reboot.flag, FlagPolicy::Off);
}

#[test]
fn t9_16_flag_files() {
    let check = |policy: FlagPolicy, stores: (bool, bool), wanted: (bool, bool)| {
        let files = policy.files(stores.0, stores.1);
        assert_eq!(
            (files.required, files.needed),
            wanted,
            "{policy:?} {stores:?}"
        );
    };
    check(FlagPolicy::Off, (true, true), (false, false));
    check(FlagPolicy::Native, (true, false), (true, false));
    check(FlagPolicy::Native, (false, true), (false, true));
    check(FlagPolicy::Native, (false, false), (false, false));
    check(FlagPolicy::Both, (false, false), (true, true));
}

#[test]
fn t9_16_reboot_refused() {
    check_refused("[reboot]\nflags = \"off\"", 2, "flags");
    check_refused("[reboot]\nflag = \"Native\"", 2, "unknown variant");
    check_refused("[reboot]\nflag = true", 2, "wanted string");
    check_refused(
        "[reboot]\npackages = [\"a\", \"\"]",
        2,
        "no name of a package",
    );
    check_refused("[reboot]\npackages = [\"a b\"]", 2, "no name of a package");
    check_refused("[reboot]\npackages = \"a\"", 2, "invalid type");
    let long = format!("[reboot]\nignore_packages = [{}]", "\"a\",".repeat(300));
    check_refused(&long, 2, "more than 256 names");
    let both = "[reboot]\npackages = [\"a\"]\nignore_packages = [\"a\"]";
    let error = parse(both).unwrap_err();
    assert!(error.what.contains("both in reboot.packages"), "{error}");
}
