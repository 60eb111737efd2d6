use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};

use tempfile::TempDir;

use super::*;

/// Directories of plugins, and what is found in them. Plugins here are executables: their manifests are text.
struct Tree {
    dir: TempDir,
}

impl Tree {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        chmod(dir.path(), 0o755);
        Self { dir }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    fn file(&self, path: &str, text: &str, mode: u32) {
        let path = self.path(path);
        let parent = path.parent().unwrap();
        if !parent.exists() {
            fs::create_dir(parent).unwrap();
            chmod(parent, 0o755);
        }
        fs::write(&path, text).unwrap();
        chmod(&path, mode);
    }

    fn plugin(&self, path: &str, name: &str) {
        self.file(path, "#!/bin/false\n", 0o755);
        self.file(&format!("{path}.toml"), &manifest(name), 0o644);
    }

    fn find(&self, directories: &[&str]) -> Found {
        self.find_if(directories, |_| true)
    }

    fn find_if(&self, directories: &[&str], is_enabled: impl Fn(&str) -> bool) -> Found {
        let places = Places {
            directories: directories.iter().map(|dir| self.directory(dir)).collect(),
            euid: rustix::process::geteuid().as_raw(),
        };
        find(&places, is_enabled)
    }

    /// With `/dev/null` behind its name, only masks count.
    fn directory(&self, name: &str) -> Directory {
        let stripped = name.strip_suffix("/dev/null");
        Directory {
            path: self.path(stripped.unwrap_or(name)),
            masks_only: stripped.is_some(),
        }
    }

    /// What was found, with paths from here.
    fn told(&self, found: &Found) -> Vec<String> {
        let short = |path: &Path| {
            let path = path.strip_prefix(self.dir.path()).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let ready = found
            .plugins
            .iter()
            .map(|plugin| format!("{} {}", plugin.manifest.name, short(&plugin.path)));
        let rejected = found.rejected.iter().map(|rejected| {
            let why = rejected.why.to_string();
            let why = why.replace(self.dir.path().to_str().unwrap(), "");
            format!("{}: {why}", short(&rejected.path))
        });
        let aside = found.aside.iter().map(|aside| match &aside.how {
            How::Masked(by) => format!("{} masked by {}", short(&aside.path), short(by)),
            How::Replaced(by) => format!("{} replaced by {}", short(&aside.path), short(by)),
            How::Outranked(by) => format!("{} outranked by {}", short(&aside.path), short(by)),
            How::Disabled => format!("{} disabled", short(&aside.path)),
        });
        ready.chain(rejected).chain(aside).collect()
    }

    #[track_caller]
    fn check(&self, directories: &[&str], told: &[&str]) {
        assert_eq!(self.told(&self.find(directories)), told);
    }
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn manifest(name: &str) -> String {
    format!(
        "name = \"{name}\"\nversion = \"1\"\nabi = \"1.0\"\nkind = \"interpreter\"\nsummary = \"x\"\n\
         [interest]\nexe = [\"{name}\"]\n"
    )
}

#[test]
fn by_name_over_all_directories() {
    let tree = Tree::new();
    tree.plugin("a/two", "two");
    tree.plugin("a/one", "one");
    tree.plugin("b/three", "three");
    tree.check(
        &["a", "none", "b"],
        &["one a/one", "three b/three", "two a/two"],
    );
    tree.check(&[], &[]);
}

#[test]
fn the_file_that_was_checked_is_handed_out() {
    let tree = Tree::new();
    tree.plugin("a/one", "one");
    let found = tree.find(&["a"]);
    let plugin = &found.plugins[0];
    assert_eq!(plugin.form, Form::Executable);
    fs::rename(tree.path("a/one"), tree.path("a/old")).unwrap();
    tree.file("a/one", "other", 0o755);
    let mut text = String::new();
    File::from(plugin.file.try_clone().unwrap())
        .read_to_string(&mut text)
        .unwrap();
    assert_eq!(text, "#!/bin/false\n");
}

#[test]
fn a_file_of_the_same_name_replaces() {
    let tree = Tree::new();
    tree.plugin("a/x", "mine");
    tree.plugin("b/x", "theirs");
    tree.check(&["a", "b"], &["mine a/x", "b/x replaced by a/x"]);
    tree.check(&["b", "a"], &["theirs b/x", "a/x replaced by b/x"]);
    // Also where it cannot be used: the other one is not what was meant.
    chmod(&tree.path("a/x"), 0o666);
    let why = "a/x: not trusted: /a/x: writable by others than its owner (mode 0666)";
    tree.check(&["a", "b"], &[why, "b/x replaced by a/x"]);
}

#[test]
fn a_link_to_null_masks() {
    let tree = Tree::new();
    tree.plugin("b/x", "x");
    tree.plugin("b/y", "y");
    tree.plugin("c/x", "x");
    tree.file("b/lib.so", "", 0o644);
    fs::create_dir(tree.path("a")).unwrap();
    chmod(&tree.path("a"), 0o755);
    for name in ["x", "lib.so", "of-nothing"] {
        symlink("/dev/null", tree.path("a").join(name)).unwrap();
    }
    tree.check(
        &["a", "b", "c"],
        &[
            "y b/y",
            "b/lib.so masked by a/lib.so",
            "b/x masked by a/x",
            "c/x masked by a/x",
        ],
    );
    // In a directory that counts less it hides nothing, and is not to be told of.
    let found = tree.find(&["c", "a"]);
    assert_eq!(tree.told(&found), ["x c/x"]);
}

#[test]
fn a_directory_in_which_only_masks_count() {
    let tree = Tree::new();
    tree.plugin("a/x", "x");
    tree.plugin("b/x", "x");
    tree.plugin("b/y", "y");
    symlink("/dev/null", tree.path("a/y")).unwrap();
    tree.file("a/bad.so", "", 0o666);
    tree.check(&["a/dev/null", "b"], &["x b/x", "b/y masked by a/y"]);
    // Whoever may write to it could take plugins away.
    chmod(&tree.path("a"), 0o777);
    let why = "a: not trusted: /a: writable by others than its owner (mode 0777)";
    tree.check(&["a/dev/null", "b"], &["x b/x", "y b/y", why]);
}

#[test]
fn another_link_is_no_mask() {
    let tree = Tree::new();
    tree.plugin("a/real", "real");
    symlink("real", tree.path("a/x.so")).unwrap();
    symlink("/dev/zero", tree.path("a/y.so")).unwrap();
    tree.check(
        &["a"],
        &[
            "real a/real",
            "a/x.so: not trusted: /a/x.so: a symbolic link",
            "a/y.so: not trusted: /a/y.so: a symbolic link",
        ],
    );
}

#[test]
fn names_in_manifests() {
    let tree = Tree::new();
    tree.plugin("a/one", "same");
    tree.plugin("b/two", "same");
    tree.check(&["a", "b"], &["same a/one", "b/two outranked by a/one"]);
    // In one directory neither counts more.
    tree.plugin("a/three", "same");
    tree.check(
        &["a"],
        &[
            "same a/one",
            "a/three: one beside it has the same name in its manifest",
        ],
    );
}

#[test]
fn what_is_disabled() {
    let tree = Tree::new();
    tree.plugin("a/x", "one");
    tree.plugin("a/y", "two");
    let found = tree.find_if(&["a"], |name| name != "one");
    assert_eq!(tree.told(&found), ["two a/y", "a/x disabled"]);
    assert_eq!(found.aside[0].manifest.as_ref().unwrap().name, "one");
}

#[test]
fn what_is_nobodys_business() {
    let tree = Tree::new();
    tree.file("a/README", "x", 0o644);
    tree.file("a/program", "x", 0o755);
    tree.file("a/orphan.toml", "x", 0o644);
    tree.file("a/.hidden.so", "x", 0o644);
    tree.file("a/x.so.dpkg-new", "x", 0o644);
    tree.file("a/x.so~", "x", 0o644);
    tree.check(&["a"], &[]);
}

#[test]
fn what_cannot_be_used_is_told() {
    let tree = Tree::new();
    tree.file("a/a.so", "text", 0o644);
    tree.plugin("a/b", "b");
    chmod(&tree.path("a/b"), 0o644);
    tree.plugin("a/c", "c");
    tree.file("a/c.toml", "name = 1\n", 0o644);
    tree.plugin("a/d", "d");
    chmod(&tree.path("a/d.toml"), 0o664);
    tree.plugin("a/e", "e");
    tree.file("a/e.toml", &"#".repeat(TEXT_CAP + 1), 0o644);
    tree.plugin("a/f", "f");
    tree.file("a/f.toml", &manifest("f").replace("1.0", "2.7"), 0o644);
    fs::create_dir(tree.path("a/g.so")).unwrap();
    let found = tree.find(&["a"]);
    let told = tree.told(&found);
    let expected = [
        "a/a.so: it is no ELF file",
        "a/b: it is not executable",
        "a/c: bad manifest: ",
        "a/d: not trusted: /a/d.toml: writable by others than its owner (mode 0664)",
        "a/e: bad manifest: it is longer than 64 KiB",
        "a/f: bad manifest: line 3, column 7: needs ABI 2.7, and this is 1.0",
        "a/g.so: not trusted: /a/g.so: not a regular file",
    ];
    assert_eq!(told.len(), expected.len(), "{told:#?}");
    for (told, expected) in told.iter().zip(expected) {
        assert!(told.starts_with(expected), "{told}, not {expected}");
    }
}

#[test]
fn directories_pass_the_gate_too() {
    let tree = Tree::new();
    tree.plugin("a/x", "x");
    tree.plugin("b/y", "y");
    chmod(&tree.path("a"), 0o777);
    let why = "a: not trusted: /a: writable by others than its owner (mode 0777)";
    tree.check(&["a", "b"], &["y b/y", why]);
    // Where nothing is, nothing has to be trusted.
    tree.check(&["a/none", "b"], &["y b/y"]);
    chmod(&tree.path("a"), 0o755);
    tree.file("file", "", 0o644);
    tree.check(&["file"], &["file: not trusted: /file: not a directory"]);
}

#[test]
fn bounds() {
    let tree = Tree::new();
    for at in 0..=PLUGINS_CAP {
        tree.plugin(&format!("a/p{at:03}"), &format!("p{at:03}"));
    }
    let found = tree.find(&["a"]);
    assert_eq!(found.plugins.len(), PLUGINS_CAP);
    let told = tree.told(&found);
    assert_eq!(told.last().unwrap(), "a/p128: more than 128 are not used");
    for at in 0..ENTRIES_CAP {
        tree.file(&format!("b/{at}"), "", 0o644);
    }
    tree.check(&["b"], &[]);
    tree.file("b/more", "", 0o644);
    tree.check(&["b"], &["b: more than 4096 are not used"]);
}

#[test]
fn one_by_its_path() {
    let tree = Tree::new();
    tree.plugin("a/x", "x");
    let euid = rustix::process::geteuid().as_raw();
    assert_eq!(open(&tree.path("a/x"), euid).unwrap().manifest.name, "x");
    let error = open(&tree.path("a/none"), euid).unwrap_err();
    assert!(error.to_string().contains("no such file"), "{error}");
    // Without a manifest beside it.
    tree.file("a/y", "", 0o755);
    let error = open(&tree.path("a/y"), euid).unwrap_err();
    assert!(
        error.to_string().contains("y.toml: no such file"),
        "{error}"
    );
}
