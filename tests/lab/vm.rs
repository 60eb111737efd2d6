//! A virtual machine as a value: a Debian 12 with a kernel of its own, gone when dropped. Knows nothing of staleness.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::MutexGuard;
use std::{env, fs};

use crate::machine::{Ended, TURN, finish, must, script, work};

/// A virtual machine that is up.
pub(crate) struct Vm {
    name: String,
    _turn: MutexGuard<'static, ()>,
}

/// The program under test.
pub(crate) fn program() -> PathBuf {
    env::var_os("UNSTALE_BIN")
        .unwrap_or_else(|| env!("CARGO_BIN_EXE_unstale").into())
        .into()
}

/// The root file system that such a machine is made of, as a tarball: an older kernel is installed in it, the packages of
/// a newer one lie in its apt cache.
pub(crate) fn root_tarball() -> PathBuf {
    let mut command = script("vm.sh");
    command.arg("root");
    must(command).trim().into()
}

impl Vm {
    /// Boots one and puts the program under test into it.
    pub(crate) fn boot(name: &str) -> Self {
        let turn = TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let own = std::process::id();
        let name = format!("{name}-{own}");
        let mut start = script("vm.sh");
        start.args(["-p", &own.to_string(), "start", &name]);
        let machine = Self { name, _turn: turn };
        must(start);
        machine.install();
        machine
    }

    /// Without what only a debugger reads: all of it goes through an emulated network card.
    fn install(&self) {
        let stripped = work().join("vm").join(&self.name).join("unstale");
        let mut strip = Command::new("strip");
        strip.arg("-o").arg(&stripped).arg(program());
        must(strip);
        let mut copy = self.exec(&[
            "sh",
            "-euc",
            "cat >/usr/local/bin/unstale; chmod 755 /usr/local/bin/unstale",
        ]);
        copy.stdin(Stdio::from(File::open(&stripped).expect("was just made")));
        must(copy);
        fs::remove_file(&stripped).expect("was just made");
    }

    fn exec(&self, command: &[&str]) -> Command {
        let mut exec = script("vm.sh");
        exec.args(["exec", &self.name]).args(command);
        exec
    }

    /// Runs a command inside, as root, however it ends.
    pub(crate) fn run(&self, command: &[&str]) -> Ended {
        finish(self.exec(command))
    }

    /// Runs a shell script inside that must succeed; what it printed.
    pub(crate) fn shell(&self, text: &str) -> String {
        must(self.exec(&["sh", "-euc", text]))
    }

    /// Reboots it; the kernel that comes up is its boot loader's choice.
    pub(crate) fn reboot(&self) {
        let mut reboot = script("vm.sh");
        reboot.args(["reboot", &self.name]);
        must(reboot);
    }
}

impl Drop for Vm {
    fn drop(&mut self) {
        let mut stop = script("vm.sh");
        stop.args(["stop", &self.name]);
        // vm.sh watches this process and stops the machine later if this fails
        drop(stop.output());
    }
}
