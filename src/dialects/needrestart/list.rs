//! `-r l`, and what else people read: what is stale, in blocks.

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::command::Command;
use super::kernel::{Kernel, KernelState};
use super::names::{Fate, Findings, Target, listed};
use super::summary::Summary;
use super::ucode::{Ucode, UcodeState};
use super::wrap;

/// How much is made of a kernel or microcode that waits for a reboot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hint {
    /// Nothing is said.
    Off,
    /// One line.
    Print,
    /// A notice.
    Ask,
}

impl Hint {
    /// What a setting means: 0, -1 or another number.
    pub(super) fn of_number(number: i64) -> Self {
        match number {
            0 => Self::Off,
            ..0 => Self::Print,
            _ => Self::Ask,
        }
    }
}

/// How a list looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Style {
    /// Whether there is nothing but commands (`-q`).
    pub(super) quiet: bool,
    /// Columns of the terminal; none, if it is no terminal.
    pub(super) width: Option<usize>,
    /// Whether units that are to be restarted are one command.
    pub(super) combine: bool,
    /// Whether they are restarted, and not only listed.
    pub(super) restarting: bool,
    /// See [`Hint`].
    pub(super) kernel: Hint,
    /// See [`Hint`].
    pub(super) ucode: Hint,
}

/// Blocks on their way out.
pub(super) struct Printer<'a> {
    out: &'a mut dyn Write,
    style: Style,
}

/// The end of a notice.
fn reboot(what: &str) -> String {
    format!(
        "Restarting the system to load the new {what} will not be handled automatically, so you should consider rebooting. [Return]"
    )
}

impl std::fmt::Debug for Printer<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Printer")
            .field("style", &self.style)
            .finish_non_exhaustive()
    }
}

impl<'a> Printer<'a> {
    /// For that stream, in that style.
    pub(super) fn new(out: &'a mut dyn Write, style: Style) -> Self {
        Self { out, style }
    }

    /// Everything, where nothing is restarted in between.
    pub(super) fn all(&mut self, summary: &Summary) -> io::Result<()> {
        self.reboots(summary)?;
        let Some(findings) = &summary.findings else {
            return Ok(());
        };
        if findings.of_user {
            return self.processes(findings);
        }
        self.services(findings)?;
        self.services_left(findings)?;
        self.containers(findings)?;
        self.containers_left(findings)?;
        self.sessions(findings)?;
        self.guests(findings)
    }

    /// What a reboot is for: kernel and microcode.
    pub(super) fn reboots(&mut self, summary: &Summary) -> io::Result<()> {
        if let Some(kernel) = &summary.kernel {
            self.kernel(kernel, true)?;
        }
        if let Some(ucode) = &summary.ucode {
            self.ucode(ucode, true)?;
        }
        Ok(())
    }

    /// A line, unless nothing but commands is wanted.
    fn notice(&mut self, line: &str) -> io::Result<()> {
        match self.style.quiet {
            true => Ok(()),
            false => self.line(line),
        }
    }

    /// The empty line between blocks.
    pub(super) fn gap(&mut self) -> io::Result<()> {
        self.notice("")
    }

    fn line(&mut self, line: &str) -> io::Result<()> {
        match self.style.width {
            None => writeln!(self.out, "{line}"),
            Some(width) => wrap::wrapped(line, width)
                .iter()
                .try_for_each(|line| writeln!(self.out, "{line}")),
        }
    }

    fn block(&mut self, lines: &[&str]) -> io::Result<()> {
        self.gap()?;
        lines.iter().try_for_each(|line| self.notice(line))
    }

    /// The kernel; what is up to date is worth a line only if that is wanted.
    fn kernel(&mut self, kernel: &Kernel, calm_too: bool) -> io::Result<()> {
        let expected = kernel.expected.as_deref().unwrap_or_default();
        let running = &kernel.running;
        let pending = match kernel.state {
            _ if self.style.kernel == Hint::Off => return Ok(()),
            KernelState::Unknown => {
                return self.block(&["Failed to retrieve available kernel versions."]);
            }
            KernelState::Current if !calm_too => return Ok(()),
            KernelState::Current if kernel.by_name => {
                let line = "Running kernel seems to be up-to-date (ABI upgrades are not detected).";
                return self.block(&[line]);
            }
            KernelState::Current => {
                return self.block(&["Running kernel seems to be up-to-date."]);
            }
            KernelState::Abi => None,
            KernelState::Version => Some(expected),
        };
        if self.style.kernel == Hint::Print {
            let line = match pending {
                None => format!(
                    "The currently running kernel version is {running} and there is an ABI compatible upgrade pending."
                ),
                Some(expected) => format!(
                    "The currently running kernel version is {running} which is not the expected kernel version {expected}."
                ),
            };
            return self.block(&[&line]);
        }
        let diagnosis = match pending {
            None => {
                "  The currently running kernel has an ABI compatible upgrade pending.".to_owned()
            }
            Some(expected) => format!(
                "  The currently running kernel version is not the expected kernel version {expected}."
            ),
        };
        self.block(&["Pending kernel upgrade!"])?;
        self.block(&["Running kernel version:", &format!("  {running}")])?;
        self.block(&["Diagnostics:", &diagnosis])?;
        self.block(&[&reboot("kernel")])
    }

    fn ucode(&mut self, ucode: &Ucode, calm_too: bool) -> io::Result<()> {
        match ucode.state {
            _ if self.style.ucode == Hint::Off => return Ok(()),
            UcodeState::Unknown => {
                return self.block(&["Failed to check for processor microcode upgrades."]);
            }
            UcodeState::Current if !calm_too => return Ok(()),
            UcodeState::Current => {
                return self.block(&["The processor microcode seems to be up-to-date."]);
            }
            UcodeState::Obsolete => {}
        }
        let diagnosis = format!(
            "The currently running processor microcode revision is {} which is not the expected microcode revision {}.",
            ucode.running.as_deref().unwrap_or_default(),
            ucode.expected.as_deref().unwrap_or_default()
        );
        if self.style.ucode == Hint::Print {
            return self.block(&[&diagnosis]);
        }
        self.block(&["Pending processor microcode upgrade!"])?;
        self.block(&["Diagnostics:", &format!("  {diagnosis}")])?;
        self.block(&[&reboot("processor microcode")])
    }

    /// Services that are restarted, or to be.
    pub(super) fn services(&mut self, findings: &Findings) -> io::Result<()> {
        if findings.services.is_empty() {
            return self.block(&["No services need to be restarted."]);
        }
        self.block(&[match self.style.restarting {
            true => "Restarting services...",
            false => "Services to be restarted:",
        }])?;
        self.commands(&findings.services_by_name(), Fate::Restart)
    }

    /// Services that are not.
    pub(super) fn services_left(&mut self, findings: &Findings) -> io::Result<()> {
        let services = findings.services_by_name();
        if has(&findings.services, Fate::Deferred) {
            self.block(&["Service restarts being deferred:"])?;
            self.commands(&services, Fate::Deferred)?;
        }
        if has(&findings.services, Fate::Refused) {
            self.block(&["Service restarts being refused by systemd:"])?;
            let mut refused = services.iter().filter(|(_, one)| one.fate == Fate::Refused);
            refused.try_for_each(|(name, _)| self.notice(&format!(" {name}")))?;
        }
        Ok(())
    }

    /// Containers that are restarted, or to be.
    pub(super) fn containers(&mut self, findings: &Findings) -> io::Result<()> {
        if findings.containers.is_empty() {
            return self.block(&["No containers need to be restarted."]);
        }
        self.block(&[match self.style.restarting {
            true => "Restarting containers...",
            false => "Containers to be restarted:",
        }])?;
        self.commands(&findings.containers_by_name(), Fate::Restart)
    }

    /// Containers that are not.
    pub(super) fn containers_left(&mut self, findings: &Findings) -> io::Result<()> {
        let left = |fate: &Fate| has(&findings.containers, *fate);
        let fates = [Fate::Deferred, Fate::Refused];
        if fates.iter().any(left) {
            self.notice("Container restarts being deferred:")?;
        }
        let containers = findings.containers_by_name();
        fates
            .into_iter()
            .try_for_each(|fate| self.commands(&containers, fate))
    }

    /// Commands of what has this fate. Of units that are to be restarted, one command can be made.
    fn commands(&mut self, targets: &[(&String, &Target)], fate: Fate) -> io::Result<()> {
        let mut units = Vec::new();
        for (_, target) in targets.iter().filter(|(_, target)| target.fate == fate) {
            match &target.command {
                Command::Unit(unit) if self.style.combine && fate == Fate::Restart => {
                    units.push(unit.as_str());
                }
                command => self.line(&format!(" {}", command.text()))?,
            }
        }
        match units.is_empty() {
            true => Ok(()),
            false => self.line(&format!(" systemctl restart {}", units.join(" "))),
        }
    }

    /// Sessions.
    pub(super) fn sessions(&mut self, findings: &Findings) -> io::Result<()> {
        if findings.sessions.is_empty() {
            return self.block(&["No user sessions are running outdated binaries."]);
        }
        self.block(&["User sessions running outdated binaries:"])?;
        let mut sessions = findings.sessions.iter();
        sessions.try_for_each(|session| {
            self.notice(&format!(" {}: {}", session.title(), session.line()))
        })
    }

    /// Virtual machines.
    pub(super) fn guests(&mut self, findings: &Findings) -> io::Result<()> {
        if findings.guests.is_empty() {
            let line = "No VM guests are running outdated hypervisor (qemu) binaries on this host.";
            return self.block(&[line]);
        }
        self.block(&["VM guests are running outdated hypervisor (qemu) binaries on this host:"])?;
        let mut guests = findings.guests.iter();
        guests
            .try_for_each(|guest| self.notice(&format!(" '{}' with pid {}", guest.name, guest.pid)))
    }

    /// Processes of the user who asks.
    pub(super) fn processes(&mut self, findings: &Findings) -> io::Result<()> {
        if findings.processes.is_empty() {
            return Ok(());
        }
        self.notice("Your outdated processes:")?;
        self.line(&listed(&findings.processes, ", "))
    }

    /// No details, but whether a reboot is a good idea (`-m e`).
    pub(super) fn easy(&mut self, summary: &Summary) -> io::Result<()> {
        if let Some(kernel) = &summary.kernel {
            self.kernel(kernel, false)?;
        }
        if let Some(ucode) = &summary.ucode {
            self.ucode(ucode, false)?;
        }
        let findings = summary.findings.as_ref();
        if let Some(findings) = findings.filter(|findings| findings.of_user) {
            return self.processes(findings);
        }
        // The gaps of the blocks of the long form.
        for _ in 0..findings.map_or(0, |_| 4) {
            self.gap()?;
        }
        let hints = hints(summary);
        let Some((last, first)) = hints.split_last() else {
            return Ok(());
        };
        let all = match first {
            [] => (*last).to_owned(),
            first => format!("{} and {last}", first.join(", ")),
        };
        self.block(&[&format!(
            "This system runs {all}. For more details, run «needrestart -m a»."
        )])?;
        self.block(&["You should consider rebooting!"])?;
        self.gap()
    }
}

fn has(targets: &BTreeMap<String, Target>, fate: Fate) -> bool {
    targets.values().any(|target| target.fate == fate)
}

/// What speaks for a reboot, in few words.
fn hints(summary: &Summary) -> Vec<&'static str> {
    let kernel = summary.kernel.as_ref().map(|kernel| kernel.state);
    let ucode = summary.ucode.as_ref().map(|ucode| ucode.state);
    let has = |is: fn(&Findings) -> bool| summary.findings.as_ref().is_some_and(is);
    let outdated = matches!(kernel, Some(KernelState::Abi | KernelState::Version));
    let all = [
        (outdated, "an outdated kernel image"),
        (
            ucode == Some(UcodeState::Obsolete),
            "outdated processor microcode",
        ),
        (has(|all| !all.services.is_empty()), "outdated binaries"),
        (has(|all| !all.containers.is_empty()), "outdated containers"),
        (has(|all| !all.sessions.is_empty()), "outdated sessions"),
        (has(|all| !all.guests.is_empty()), "outdated VM guests"),
    ];
    let due = all.into_iter().filter(|(due, _)| *due);
    due.map(|(_, words)| words).collect()
}
