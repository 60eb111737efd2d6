//! What `systemctl show` prints of units. Pure.
//!
//! A property is a line, `Name=value`; between units is an empty line. Values are not escaped as a whole: a command line
//! holds its line ends as they are. Managers of users are programs of theirs, and may print anything.

use super::words::{Span, parse_names, parse_number, parse_span, unit_name};
use crate::model::{Pid, UnitState};

/// What is asked of each unit. Managers leave out what they do not know yet, or not any more.
pub(super) const PROPERTIES: &str = "Id,Names,LoadState,ActiveState,SubState,Type,ExitType,MainPID,ControlPID,KillMode,\
    CanStart,CanStop,RefuseManualStart,RefuseManualStop,NeedDaemonReload,UnitFileState,Transient,RemainAfterExit,\
    Delegate,InvocationID,Job,Result,NRestarts,StartLimitBurst,StartLimitIntervalUSec,RestartUSec,TimeoutStartUSec,\
    TimeoutStopUSec,RequiredBy,RequisiteOf,BoundBy,ConsistsOf,Requires,BindsTo,PartOf,After,TriggeredBy";

/// What is asked besides where it is of use: which files the units of the system need.
pub(super) const FILES: &str = "\
    ExecCondition,ExecStartPre,ExecStart,EnvironmentFiles,\
    RootDirectory,RootImage,BindPaths,BindReadOnlyPaths,MountImages,ExtensionImages,ExtensionDirectories";

/// A command line of more lines is broken off: it is no command, or the end of it was not understood.
const COMMAND_LINES_CAP: usize = 1000;
/// The longest word that systemd has for a state.
const WORD_CAP: usize = 64;

/// A unit, and what it needs to start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) unit: UnitState,
    /// Programs that must be there: those of its commands whose failure counts.
    pub(super) programs: Vec<Vec<u8>>,
    /// Files that must be there: its environment files whose absence counts.
    pub(super) files: Vec<Vec<u8>>,
    /// Its programs see other files than the host's: a root of its own, images, mounts.
    pub(super) other_root: bool,
}

/// All units, by their ids, each once; what has no id is no unit.
pub(super) fn parse_show(text: &[u8]) -> Vec<Shown> {
    let mut units = Vec::new();
    let mut unit = Shown::default();
    for line in (Lines { text, singly: 0 }) {
        if line.is_empty() {
            units.push(std::mem::take(&mut unit));
        } else if let Some(at) = line.iter().position(|&byte| byte == b'=') {
            read(&mut unit, &line[..at], &line[at + 1..]);
        }
    }
    units.push(unit);
    units.retain(|shown| !shown.unit.id.is_empty());
    units.sort_by(|a, b| a.unit.id.cmp(&b.unit.id));
    units.dedup_by(|a, b| a.unit.id == b.unit.id);
    units.into_iter().map(finished).collect()
}

/// The value of one property in the answer about a manager.
pub(super) fn parse_word_of(text: &[u8], property: &[u8]) -> Option<String> {
    let mut lines = text.split(|&byte| byte == b'\n');
    let value = lines.find_map(|line| line.strip_prefix(property)?.strip_prefix(b"="))?;
    Some(word(value)).filter(|word| !word.is_empty())
}

/// Lines, where that of a command goes on until its braces are closed.
struct Lines<'a> {
    text: &'a [u8],
    /// So many lines are taken one by one: it was seen that no braces are closed there. Else each of them would be a reason
    /// to look again.
    singly: usize,
}

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.text.is_empty() {
            return None;
        }
        let mut end = line_end(self.text);
        let first = &self.text[..end];
        if self.singly > 0 {
            self.singly -= 1;
        } else if first.starts_with(b"Exec") && is_open(first) {
            match command_end(self.text) {
                Some(closed) => end = closed,
                None => self.singly = COMMAND_LINES_CAP,
            }
        }
        let line = &self.text[..end];
        self.text = self.text.get(end + 1..).unwrap_or_default();
        Some(line)
    }
}

fn line_end(text: &[u8]) -> usize {
    memchr::memchr(b'\n', text).unwrap_or(text.len())
}

/// Where the first line ends that closes the braces.
fn command_end(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    for _ in 0..COMMAND_LINES_CAP {
        let end = at + line_end(text.get(at..)?);
        if !is_open(&text[..end]) {
            return Some(end);
        }
        at = end + 1;
    }
    None
}

fn is_open(line: &[u8]) -> bool {
    let Some(at) = memchr::memmem::find(line, b"={ path=") else {
        return false;
    };
    // `; status=0/0 }`, or `status=203`: the last of its fields.
    let last = line.len().saturating_sub(WORD_CAP).max(at);
    !(line.ends_with(b" }") && memchr::memmem::find(&line[last..], b" ; status=").is_some())
}

fn read(shown: &mut Shown, name: &[u8], value: &[u8]) {
    match name {
        b"ExecCondition" | b"ExecStartPre" | b"ExecStart" => {
            shown
                .programs
                .extend(parse_command(value).map(<[u8]>::to_vec));
        }
        b"EnvironmentFiles" => {
            let file = value.strip_suffix(b" (ignore_errors=no)");
            shown.files.extend(file.map(<[u8]>::to_vec));
        }
        b"RootDirectory"
        | b"RootImage"
        | b"BindPaths"
        | b"BindReadOnlyPaths"
        | b"MountImages"
        | b"ExtensionImages"
        | b"ExtensionDirectories" => {
            shown.other_root |= !matches!(value, b"" | b"/");
        }
        _ => {
            let unit = &mut shown.unit;
            let _ = read_state(unit, name, value)
                || read_number(unit, name, value)
                || read_flag(unit, name, value)
                || read_list(unit, name, value);
        }
    }
}

/// Whether it was one of these; so are the others of its kind.
fn read_state(unit: &mut UnitState, name: &[u8], value: &[u8]) -> bool {
    let field = match name {
        b"Id" => {
            unit.id = unit_name(value).unwrap_or_default().to_owned();
            return true;
        }
        b"LoadState" => &mut unit.load,
        b"ActiveState" => &mut unit.active,
        b"SubState" => &mut unit.sub,
        b"Type" => &mut unit.service_type,
        b"ExitType" => &mut unit.exit_type,
        b"KillMode" => &mut unit.kill_mode,
        b"UnitFileState" => &mut unit.file_state,
        b"InvocationID" => &mut unit.invocation,
        b"Result" => &mut unit.result,
        _ => return false,
    };
    *field = word(value);
    true
}

fn read_number(unit: &mut UnitState, name: &[u8], value: &[u8]) -> bool {
    let pid = || {
        parse_number(value)
            .and_then(|pid| Pid::try_from(pid).ok())
            .filter(|&pid| pid != 0)
    };
    let span = || parse_span(value);
    match name {
        b"MainPID" => unit.main_pid = pid(),
        b"ControlPID" => unit.control_pid = pid(),
        b"Job" => unit.has_job = parse_number(value).is_some_and(|job| job != 0),
        b"NRestarts" => unit.restarts = parse_number(value).unwrap_or(0),
        b"StartLimitBurst" => {
            let burst = parse_number(value).unwrap_or(0);
            unit.start_limit_burst = u32::try_from(burst).unwrap_or(u32::MAX);
        }
        b"StartLimitIntervalUSec" => unit.start_limit_interval_us = micros(span()),
        b"RestartUSec" => unit.restart_us = micros(span()),
        b"TimeoutStartUSec" => unit.timeout_start_us = limit(span()),
        b"TimeoutStopUSec" => unit.timeout_stop_us = limit(span()),
        _ => return false,
    }
    true
}

fn read_flag(unit: &mut UnitState, name: &[u8], value: &[u8]) -> bool {
    let field = match name {
        b"CanStart" => &mut unit.can_start,
        b"CanStop" => &mut unit.can_stop,
        b"RefuseManualStart" => &mut unit.refuse_manual_start,
        b"RefuseManualStop" => &mut unit.refuse_manual_stop,
        b"NeedDaemonReload" => &mut unit.need_daemon_reload,
        b"Transient" => &mut unit.transient,
        b"RemainAfterExit" => &mut unit.remain_after_exit,
        b"Delegate" => &mut unit.delegate,
        _ => return false,
    };
    *field = value == b"yes";
    true
}

fn read_list(unit: &mut UnitState, name: &[u8], value: &[u8]) -> bool {
    let field = match name {
        b"Names" => &mut unit.names,
        b"RequiredBy" | b"RequisiteOf" | b"BoundBy" | b"ConsistsOf" => &mut unit.pulled,
        b"Requires" | b"BindsTo" | b"PartOf" => &mut unit.pulled_by,
        b"After" => &mut unit.after,
        b"TriggeredBy" => &mut unit.triggered_by,
        _ => return false,
    };
    field.extend(parse_names(value));
    true
}

/// Each name once; and a type is what a service has: that of a mount is its file system.
fn finished(mut shown: Shown) -> Shown {
    let unit = &mut shown.unit;
    for list in [&mut unit.pulled, &mut unit.pulled_by] {
        let mut seen = std::collections::HashSet::new();
        list.retain(|name| seen.insert(name.clone()));
    }
    if !unit.id.ends_with(".service") {
        unit.service_type.clear();
    }
    shown
}

/// The program of `{ path=/bin/sh ; argv[]=… ; ignore_errors=no ; …`, if the unit fails without it.
fn parse_command(value: &[u8]) -> Option<&[u8]> {
    let rest = value.strip_prefix(b"{ path=")?;
    let end = memchr::memmem::find(rest, b" ; argv[]=")?;
    // The last one: a command line may have the same words in it.
    let flag = memchr::memmem::rfind(rest, b" ; ignore_errors=")?;
    let counts = rest[flag..].starts_with(b" ; ignore_errors=no ;");
    counts.then(|| &rest[..end])
}

/// A word for a state; nothing that is not one.
fn word(value: &[u8]) -> String {
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_".contains(byte);
    let is_known = value.len() <= WORD_CAP && value.iter().all(is_word);
    let text = is_known.then(|| std::str::from_utf8(value).ok()).flatten();
    text.unwrap_or_default().to_owned()
}

fn micros(span: Option<Span>) -> u64 {
    match span {
        Some(Span::Micros(micros)) => micros,
        Some(Span::Infinite) => u64::MAX,
        None => 0,
    }
}

fn limit(span: Option<Span>) -> Option<u64> {
    match span? {
        Span::Micros(micros) => Some(micros),
        Span::Infinite => None,
    }
}

#[cfg(test)]
mod tests;
