//! needrestart: lists, batch, Nagios and OpenMetrics output; asks, restarts, tells users.
//!
//! Facts about it are from needrestart(1), from the comments in its configuration, and from recordings of what it prints.

mod act;
mod ask;
mod batch;
mod command;
mod flags;
mod kernel;
mod list;
mod metrics;
mod nagios;
mod names;
mod order;
mod place;
mod settings;
mod summary;
mod tell;
mod ucode;
mod wrap;

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use super::{Call, Machine, Scene, Voice, Wanted};
use command::DropIns;
use flags::{Flags, Wrong};
use list::{Hint, Printer, Style};
use nagios::{State, Statuses};
use names::{Naming, Version};
use settings::{Mode, Refused, Settings};
use summary::{Doubts, Summary};

/// Generations.
pub(super) const VARIANTS: &[&str] = &["3.6", "3.11"];

/// All is well, whatever was found.
const DONE: u8 = 0;
/// Wrong usage; with `--exit-code`: a restart failed. Also where nothing could be looked at.
const FAILED: u8 = 1;
/// With `--exit-code`: not everything could be looked at.
const INCOMPLETE: u8 = 3;
/// `die` of Perl, where no call of the system failed.
const DIED: u8 = 255;
/// sd_booted(3).
const SYSTEMD: &str = "/run/systemd/system";
/// Services that runit runs (runsvdir(8), on Debian).
const RUNIT: &str = "/run/runit";
const RUNIT_SERVICES: &str = "/etc/service";

/// Speaks it.
pub(super) fn speak(
    call: &Call,
    machine: &mut dyn Machine,
    voice: &mut Voice<'_>,
) -> io::Result<u8> {
    let version = Version::of(call.variant.as_deref());
    let flags = match Flags::parse(&call.args, version) {
        Ok(flags) => flags,
        Err(Wrong(line)) => {
            write!(voice.out, "{}", Flags::usage())?;
            writeln!(voice.err, "{line}").ok();
            return Ok(FAILED);
        }
    };
    if let Some(exit) = at_once(&flags, version, machine, voice)? {
        return Ok(exit);
    }
    if !flags.when_quiet {
        return once(&flags, version, machine, voice);
    }
    let mut exit = DONE;
    loop {
        match machine.wait() {
            Ok(true) => exit = once(&flags, version, machine, voice)?,
            Ok(false) => return Ok(exit),
            Err(why) => {
                voice.note(&why);
                return Ok(FAILED);
            }
        }
    }
}

/// Looks, and does what is wanted, now.
fn once(
    flags: &Flags,
    version: Version,
    machine: &mut dyn Machine,
    voice: &mut Voice<'_>,
) -> io::Result<u8> {
    let settings = match Settings::resolve(flags, machine, voice) {
        Ok(settings) => settings,
        Err(Refused { line, exit }) => {
            writeln!(voice.err, "{line}").ok();
            return Ok(exit);
        }
    };
    let checks = Checks::of(flags, &settings, machine.euid());
    let wanted = Wanted {
        own_only: machine.euid() != 0,
        machine: checks.kernel || checks.microcode,
        // What has no unit is named by the init scripts of its package.
        packages: !machine.exists(Path::new(SYSTEMD)),
        rules: settings.rules.clone(),
        ..Wanted::default()
    };
    let scene = match machine.look(&wanted) {
        Ok(scene) => scene,
        Err(lines) => return not_looked(flags, &lines, voice),
    };
    let run = Run {
        version,
        flags,
        settings: &settings,
        checks,
    };
    if settings.is_verbose() {
        run.say_settings(voice);
    }
    run.speak(&scene, machine, voice)
}

/// What is answered without a look at the machine: the exit status, if that is all.
fn at_once(
    flags: &Flags,
    version: Version,
    machine: &dyn Machine,
    voice: &mut Voice<'_>,
) -> io::Result<Option<u8>> {
    let is_user = machine.euid() != 0;
    if flags.help {
        write!(voice.out, "{}", Flags::usage())?;
        return Ok(Some(DONE));
    }
    if flags.version {
        let (version, own) = (version.text(), env!("CARGO_PKG_VERSION"));
        writeln!(voice.out, "needrestart {version} (spoken by unstale {own})")?;
        return Ok(Some(DONE));
    }
    if flags.nagios && flags.metrics {
        let line = "Options -p and -o cannot be defined simultaneously";
        writeln!(voice.err, "{line}").ok();
        return Ok(Some(DIED));
    }
    if flags.ui.as_deref() == Some(OsStr::new("?")) {
        let line = "Available UI packages:\n\tNeedRestart::UI::stdio";
        writeln!(voice.err, "{line}").ok();
        return Ok(Some(DONE));
    }
    if flags.nagios && is_user {
        return nagios::not_root(voice.out).map(Some);
    }
    if flags.metrics && flags.libraries && is_user {
        writeln!(voice.err, "{}", metrics::NEEDS_ROOT).ok();
        return Ok(Some(FAILED));
    }
    Ok(None)
}

/// A look that failed is none that found nothing: no line is printed that says so.
fn not_looked(flags: &Flags, lines: &[String], voice: &mut Voice<'_>) -> io::Result<u8> {
    lines.iter().for_each(|line| voice.note(line));
    if !flags.nagios {
        return Ok(FAILED);
    }
    let first = lines.first().map_or("", String::as_str);
    // Data for the monitor stands behind a bar.
    let first = super::tame(first.as_bytes()).replace('|', "\\x7c");
    writeln!(voice.out, "UNKN - {first}")?;
    Ok(State::Unknown.number())
}

/// What is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Checks {
    kernel: bool,
    libraries: bool,
    microcode: bool,
}

impl Checks {
    fn of(flags: &Flags, settings: &Settings, euid: u32) -> Self {
        let chosen = Self {
            kernel: flags.kernel,
            libraries: flags.libraries,
            microcode: flags.microcode,
        };
        let none = !(chosen.kernel || chosen.libraries || chosen.microcode);
        let mut checks = match (none, euid) {
            (false, _) => chosen,
            (true, 0) => Self {
                kernel: true,
                libraries: true,
                microcode: true,
            },
            // Numbers of somebody's own processes alone would be taken for those of the machine.
            (true, _) => Self {
                kernel: flags.metrics,
                libraries: !flags.metrics,
                microcode: flags.metrics,
            },
        };
        if settings.manner.kernel_hint == 0 && !flags.is_batch() {
            checks.kernel = false;
        }
        if settings.manner.ucode_hint == 0 && !flags.microcode {
            checks.microcode = false;
        }
        checks
    }
}

/// One run.
struct Run<'a> {
    version: Version,
    flags: &'a Flags,
    settings: &'a Settings,
    checks: Checks,
}

impl Run<'_> {
    fn speak(
        &self,
        scene: &Scene,
        machine: &mut dyn Machine,
        voice: &mut Voice<'_>,
    ) -> io::Result<u8> {
        let drop_ins = self.drop_ins(machine);
        let mut summary = self.summary(scene, &drop_ins);
        voice.problems(scene);
        if !self.settings.is_quiet()
            && let Some(line) = summary.findings.as_ref().and_then(|all| all.left_out())
        {
            voice.note(&line);
        }
        let incomplete = match self.flags.exit_code && summary.is_incomplete() {
            true => INCOMPLETE,
            false => DONE,
        };
        if self.flags.nagios {
            return nagios::print(voice.out, &summary, &self.statuses());
        }
        if self.flags.metrics {
            metrics::print(voice.out, &summary)?;
            return Ok(incomplete);
        }
        if self.flags.batch {
            batch::print(voice.out, &summary)?;
            return Ok(incomplete);
        }
        if self.settings.easy {
            let style = self.style(Mode::List, machine);
            Printer::new(voice.out, style).easy(&summary)?;
        } else if !act::human(self, &mut summary, machine, voice)? && self.flags.exit_code {
            return Ok(FAILED);
        }
        Ok(incomplete)
    }

    /// Which settings are in force, for whoever wants to be told more.
    fn say_settings(&self, voice: &mut Voice<'_>) {
        let of = match &self.settings.source {
            Some(file) => super::tame(file.as_os_str().as_bytes()),
            None => "unstale's own".to_owned(),
        };
        let Checks {
            kernel,
            libraries,
            microcode,
        } = self.checks;
        let checks = [
            (kernel, "the kernel"),
            (libraries, "processes"),
            (microcode, "microcode"),
        ];
        let checks = checks.into_iter().filter(|(is_checked, _)| *is_checked);
        let checks: Vec<&str> = checks.map(|(_, name)| name).collect();
        let mode = match self.settings.mode {
            _ if self.flags.is_batch() => "nothing is restarted",
            Mode::List => "restarts are only listed",
            Mode::Ask => "restarts are asked for",
            Mode::Auto => "what policy lets is restarted",
        };
        voice.note(&format!(
            "as version {}, by settings that are {of}: looks at {}; {mode}",
            self.version.text(),
            checks.join(", ")
        ));
        if self.flags.tolerance.is_some() {
            voice.note("-t changes nothing: sources are told by more than their age");
        }
    }

    /// The answers to the checks that were selected.
    fn summary(&self, scene: &Scene, drop_ins: &DropIns) -> Summary {
        let compat = self.flags.compat_bugs;
        let naming = Naming {
            version: self.version,
            containers: self.version == Version::V3_11 || self.flags.no_compat_bugs,
            by_tty: self.settings.manner.by_terminal,
            defer_all: self.flags.defer || self.settings.manner.defno,
            drop_ins,
        };
        let rules = kernel::Rules {
            original: compat,
            filter: self.settings.manner.kernel_filter.as_ref(),
        };
        let Checks {
            kernel,
            libraries,
            microcode,
        } = self.checks;
        let mut doubts = Doubts::default();
        scene.subjects().for_each(|subject| doubts.add(subject));
        Summary {
            version: self.version,
            compat,
            kernel: kernel.then(|| kernel::judge(scene, &rules)).flatten(),
            ucode: microcode
                .then(|| ucode::judge(scene, self.version))
                .flatten(),
            findings: libraries.then(|| names::findings(scene, &naming)),
            doubts,
            unreadable: scene.not_seen(),
        }
    }

    /// Other ways to restart services.
    fn drop_ins(&self, machine: &dyn Machine) -> DropIns {
        let directory = &self.settings.manner.restart_d;
        let names = |directory: &Path| {
            let names = machine.list(directory).unwrap_or_default();
            names.into_iter().filter_map(|name| name.into_string().ok())
        };
        let mut drop_ins = DropIns {
            directory: super::tame(directory.as_os_str().as_bytes()),
            programs: names(directory)
                .filter(|name| machine.is_program(&directory.join(name)))
                .collect(),
            ..DropIns::default()
        };
        if machine.exists(Path::new(RUNIT)) {
            drop_ins.runit = names(Path::new(RUNIT_SERVICES)).collect();
        }
        drop_ins
    }

    fn statuses(&self) -> Statuses {
        let set = &self.settings.manner.nagios;
        let state = |name: &str, default| {
            let number = set.get(name).and_then(|&number| u8::try_from(number).ok());
            number.and_then(State::of_number).unwrap_or(default)
        };
        let default = Statuses::default();
        Statuses {
            services: state("services", default.services),
            kernel: state("kernel", default.kernel),
            ucode: state("ucode", default.ucode),
            sessions: state("sessions", default.sessions),
            containers: state("containers", default.containers),
        }
    }

    fn style(&self, mode: Mode, machine: &dyn Machine) -> Style {
        let manner = &self.settings.manner;
        let restarting = mode != Mode::List && machine.euid() == 0;
        Style {
            quiet: self.settings.is_quiet(),
            width: machine.terminals().width,
            combine: manner.systemctl_combine || restarting,
            restarting,
            kernel: Hint::of_number(manner.kernel_hint),
            ucode: Hint::of_number(manner.ucode_hint),
        }
    }
}

#[cfg(test)]
mod tests;
