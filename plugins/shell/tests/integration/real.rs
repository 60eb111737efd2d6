//! Against shells themselves: where they hold their script.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use unstale_plugin::testing::Scene;
use unstale_plugin::{Handle, How, Role, Used, What};
use unstale_shell::Shell;

/// Says loudly that a test did not run; in CI that is a failure.
fn skip(why: &str) {
    eprintln!("SKIPPED: {why}");
    assert!(
        std::env::var_os("CI").is_none_or(|ci| ci != "true"),
        "in CI nothing may be skipped: {why}"
    );
}

/// A shell that waits for its input to end.
struct Running(Child);

impl Running {
    fn start(directory: &Path, words: &[&str]) -> Option<Self> {
        let child = Command::new(words[0])
            .args(&words[1..])
            .current_dir(directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let Ok(mut child) = child else {
            skip(&format!("no {} on this machine", words[0]));
            return None;
        };
        let mut ready = [0; 5];
        child
            .stdout
            .as_mut()
            .unwrap()
            .read_exact(&mut ready)
            .unwrap();
        Some(Self(child))
    }

    /// Its description, and the descriptor that leads to a file of this name.
    fn scene(&self, script: &str) -> (String, Option<u32>) {
        let place = |name: &str| format!("/proc/{}/{name}", self.0.id());
        let link = |name: &str| fs::read_link(place(name)).unwrap();
        let mut text = format!(
            "exe {}\ncwd {}\n",
            link("exe").display(),
            link("cwd").display()
        );
        let command = fs::read_to_string(place("cmdline")).unwrap();
        for word in command.trim_end_matches('\0').split('\0') {
            text += &format!("argv {word}\n");
        }
        let mut found = None;
        for entry in fs::read_dir(place("fd")).unwrap().flatten() {
            let number = entry.file_name().into_string().unwrap();
            let target = fs::read_link(entry.path()).unwrap();
            let target = target.to_str().unwrap();
            let target = target.strip_suffix(" (deleted)").unwrap_or(target);
            if target.starts_with('/') && !target.starts_with("/dev/") {
                text += &format!("held fd {number} {target}\n");
            }
            if target.ends_with(script) {
                found = number.parse().ok();
            }
        }
        (text, found)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[track_caller]
fn check(shell: &[&str]) {
    let tree = tempfile::tempdir().unwrap();
    let top = tree.path().canonicalize().unwrap();
    symlink("/", top.join("root")).unwrap();
    fs::write(top.join("other"), "").unwrap();
    let text = "exec 3<other\nprintf ready\nread x\nprintf end\n";
    for (name, replaced) in [("work.sh", false), ("work.sh", true), ("link", false)] {
        fs::write(top.join("work.sh"), text).unwrap();
        symlink("work.sh", top.join("link")).ok();
        let words = [shell, &[name]].concat();
        let Some(running) = Running::start(&top, &words) else {
            return;
        };
        if replaced {
            fs::write(top.join("new"), "").unwrap();
            fs::rename(top.join("new"), top.join("work.sh")).unwrap();
        }
        let (process, number) = running.scene("/work.sh");
        let said = Scene::of(&process, &top)
            .unwrap()
            .inspect(&mut Shell::default());
        let script = Used {
            what: What::Held(Handle::Descriptor(number.unwrap())),
            role: Role::Script,
            how: How::Loaded,
            via: None,
        };
        assert_eq!(said.uses, [script], "{words:?}: {process}");
    }
}

#[test]
fn t6_24_bash() {
    check(&["bash"]);
    check(&["bash", "-euo", "pipefail"]);
}

#[test]
fn t6_24_dash() {
    check(&["dash"]);
}

#[test]
fn t6_24_zsh() {
    check(&["zsh", "-f"]);
}

#[test]
fn t6_24_ksh() {
    check(&["ksh"]);
    check(&["mksh"]);
}

#[test]
fn t6_24_busybox() {
    check(&["busybox", "sh"]);
}
