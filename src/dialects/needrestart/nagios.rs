//! `-p`: one line for a monitoring system, with performance data, and names after it.

use std::io::{self, Write};

use super::kernel::{Kernel, KernelState};
use super::names::Findings;
use super::summary::Summary;
use super::ucode::{Ucode, UcodeState};

/// What a plugin of Nagios may say (Monitoring Plugins Development Guidelines, *Plugin Return Codes*).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// All is well.
    Ok,
    /// It wants a look.
    Warning,
    /// It wants it now.
    Critical,
    /// It could not be told.
    Unknown,
}

impl State {
    /// The state of a number, as settings have it.
    pub(super) fn of_number(number: u8) -> Option<Self> {
        [Self::Ok, Self::Warning, Self::Critical, Self::Unknown]
            .into_iter()
            .find(|state| state.number() == number)
    }

    /// Its number, which is the exit status.
    pub(super) fn number(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Warning => 1,
            Self::Critical => 2,
            Self::Unknown => 3,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Warning => "WARN",
            Self::Critical => "CRIT",
            Self::Unknown => "UNKN",
        }
    }

    fn mark(self) -> &'static str {
        match self {
            Self::Ok | Self::Unknown => "",
            Self::Warning => " (!)",
            Self::Critical => " (!!)",
        }
    }

    /// How bad it is: what is known to be bad is not hidden by what is not known.
    fn severity(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Unknown => 1,
            Self::Warning => 2,
            Self::Critical => 3,
        }
    }
}

/// What each kind of finding is worth (`nagios-status`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Statuses {
    /// Stale services.
    pub(super) services: State,
    /// A kernel that waits for a reboot.
    pub(super) kernel: State,
    /// Microcode that does.
    pub(super) ucode: State,
    /// Stale sessions.
    pub(super) sessions: State,
    /// Stale containers.
    pub(super) containers: State,
}

impl Default for Statuses {
    /// Those of the original's code: the comment in its settings names others.
    fn default() -> Self {
        Self {
            services: State::Warning,
            kernel: State::Critical,
            ucode: State::Critical,
            sessions: State::Critical,
            containers: State::Warning,
        }
    }
}

/// One check on the first line.
#[derive(Debug)]
struct Field {
    text: String,
    state: State,
    data: Option<String>,
    /// Whether there may be more than was found.
    doubtful: bool,
}

/// Says that only root may ask; the exit status.
pub(super) fn not_root(out: &mut dyn Write) -> io::Result<u8> {
    let state = State::Unknown;
    writeln!(
        out,
        "{} - This plugin needs to be run as root!",
        state.word()
    )?;
    Ok(state.number())
}

/// Prints it; the exit status.
pub(super) fn print(out: &mut dyn Write, summary: &Summary, statuses: &Statuses) -> io::Result<u8> {
    let kernel = summary.kernel.as_ref();
    let ucode = summary.ucode.as_ref();
    let mut fields: Vec<Field> = Vec::new();
    let doubts = summary.doubts;
    fields.extend(kernel.map(|kernel| of_kernel(kernel, statuses, doubts.kernel)));
    fields.extend(ucode.map(|ucode| of_ucode(ucode, statuses, doubts.ucode)));
    if let Some(findings) = &summary.findings {
        fields.extend(counts(findings, statuses, doubts.findings));
    }
    let state = worst(&fields, summary.compat);
    let texts: Vec<&str> = fields.iter().map(|field| field.text.as_str()).collect();
    let data = fields.iter().filter_map(|field| field.data.as_deref());
    let data: Vec<&str> = data.collect();
    let (texts, data) = (texts.join(", "), data.join(" "));
    writeln!(out, "{} - {texts}|{data}", state.word())?;
    if let Some(findings) = &summary.findings {
        blocks(out, findings)?;
    }
    Ok(state.number())
}

/// The worst state of all fields. The original takes the greatest number, so that *unknown* hides *critical*.
fn worst(fields: &[Field], by_number: bool) -> State {
    let doubts = fields.iter().filter(|field| field.doubtful);
    let states = fields
        .iter()
        .map(|field| field.state)
        .chain(doubts.map(|_| State::Unknown));
    let worst = match by_number {
        true => states.max_by_key(|state| state.number()),
        false => states.max_by_key(|state| state.severity()),
    };
    worst.unwrap_or(State::Ok)
}

fn of_kernel(kernel: &Kernel, statuses: &Statuses, doubtful: bool) -> Field {
    let running = &kernel.running;
    let expected = kernel.expected.as_deref().unwrap_or_default();
    let (text, state, data) = match kernel.state {
        KernelState::Unknown => (running.clone(), State::Unknown, None),
        KernelState::Current => (running.clone(), State::Ok, Some(0)),
        KernelState::Abi => (running.clone(), statuses.kernel, Some(1)),
        KernelState::Version => {
            let text = format!("{running}!={expected}");
            (text, statuses.kernel, Some(2))
        }
    };
    Field {
        // Data for the monitor stands behind a bar.
        text: format!("Kernel: {}{}", text.replace('|', "\\x7c"), state.mark()),
        state,
        data: data
            .filter(|_| !doubtful && state != State::Unknown)
            .map(|value| format!("Kernel={value};0;;0;2")),
        doubtful,
    }
}

fn of_ucode(ucode: &Ucode, statuses: &Statuses, doubtful: bool) -> Field {
    let (text, state, data) = match ucode.state {
        UcodeState::Unknown => ("unknown", State::Unknown, None),
        UcodeState::Current => ("CURRENT", State::Ok, Some(0)),
        UcodeState::Obsolete => ("OBSOLETE", statuses.ucode, Some(1)),
    };
    Field {
        text: format!("Microcode: {text}{}", state.mark()),
        state,
        data: data
            .filter(|_| !doubtful && state != State::Unknown)
            .map(|value| format!("Microcode={value};0;;0;1")),
        doubtful,
    }
}

fn counts(findings: &Findings, statuses: &Statuses, doubtful: bool) -> [Field; 3] {
    let field = |name: &str, count: usize, status: State, limits: &str| {
        let state = if count == 0 { State::Ok } else { status };
        let text = match count {
            0 => "none".to_owned(),
            count => format!("{count}{}", state.mark()),
        };
        let is_known = !doubtful && state != State::Unknown;
        Field {
            text: format!("{name}: {text}"),
            state,
            data: is_known.then(|| format!("{name}={count}{limits}")),
            doubtful,
        }
    };
    let services = findings.services.len();
    let containers = findings.containers.len();
    let sessions = findings.sessions.len();
    [
        field("Services", services, statuses.services, ";;0;0"),
        field("Containers", containers, statuses.containers, ";;0;0"),
        field("Sessions", sessions, statuses.sessions, ";0;;0"),
    ]
}

/// Names, by their bytes.
fn blocks(out: &mut dyn Write, findings: &Findings) -> io::Result<()> {
    let services = findings.services.keys().cloned().collect();
    let containers = findings.containers.keys().cloned().collect();
    let sessions = findings.sessions.iter();
    let sessions = sessions.map(|session| session.title()).collect();
    let blocks: [(&str, Vec<String>); 3] = [
        ("Services", services),
        ("Containers", containers),
        ("Sessions", sessions),
    ];
    for (heading, names) in blocks.into_iter().filter(|(_, names)| !names.is_empty()) {
        writeln!(out, "{heading}:")?;
        names
            .iter()
            // What stands behind a bar is data for the monitor.
            .try_for_each(|name| writeln!(out, "- {}", name.replace('|', "\\x7c")))?;
    }
    Ok(())
}
