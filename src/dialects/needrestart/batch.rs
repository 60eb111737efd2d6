//! `-b`: a line each, `KEY: value`, for programs.

use std::io::{self, Write};

use super::kernel::Kernel;
use super::names::Findings;
use super::summary::Summary;
use super::ucode::{Ucode, UcodeState};

/// Prints it.
pub(super) fn print(out: &mut dyn Write, summary: &Summary) -> io::Result<()> {
    line(out, "VER", summary.version.text())?;
    let findings = summary.findings.as_ref();
    for (comm, pids) in findings.map_or(&[][..], |findings| &findings.processes) {
        let pids: Vec<String> = pids.iter().map(ToString::to_string).collect();
        line(out, "PID", &format!("{comm}={}", pids.join(",")))?;
    }
    if let Some(found) = &summary.kernel {
        kernel(out, found)?;
    }
    if let Some(found) = &summary.ucode {
        ucode(out, found)?;
    }
    findings.map_or(Ok(()), |findings| owners(out, findings))
}

fn line(out: &mut dyn Write, key: &str, value: &str) -> io::Result<()> {
    writeln!(out, "NEEDRESTART-{key}: {value}")
}

fn kernel(out: &mut dyn Write, kernel: &Kernel) -> io::Result<()> {
    line(out, "KCUR", &kernel.running)?;
    if let Some(expected) = &kernel.expected {
        line(out, "KEXP", expected)?;
    }
    line(out, "KSTA", kernel.state.number())
}

fn ucode(out: &mut dyn Write, ucode: &Ucode) -> io::Result<()> {
    let number = match ucode.state {
        UcodeState::Unknown => "0",
        UcodeState::Current => "1",
        UcodeState::Obsolete => "2",
    };
    line(out, "UCSTA", number)?;
    if ucode.state == UcodeState::Unknown {
        return Ok(());
    }
    for (key, value) in [("UCCUR", &ucode.running), ("UCEXP", &ucode.expected)] {
        if let Some(value) = value {
            line(out, key, value)?;
        }
    }
    Ok(())
}

fn owners(out: &mut dyn Write, findings: &Findings) -> io::Result<()> {
    for (name, _) in findings.services_by_name() {
        line(out, "SVC", name)?;
    }
    for (name, _) in findings.containers_by_name() {
        line(out, "CONT", name)?;
    }
    for session in &findings.sessions {
        line(out, "SESS", &session.title())?;
    }
    Ok(())
}
