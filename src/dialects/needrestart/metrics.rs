//! `-o`: metrics, in a form that parsers of `OpenMetrics` and of Prometheus' older text format both take.
//!
//! Types stay *gauge*: the type *info* is refused by the older format, and a family of that type beside a gauge of the same
//! name by the newer one.

use std::io::{self, Write};

use super::kernel::{Kernel, KernelState};
use super::names::Findings;
use super::summary::Summary;
use super::ucode::{Ucode, UcodeState};

/// What is said to users who want to know of all processes.
pub(super) const NEEDS_ROOT: &str =
    "[main] OpenMetrics output needs root access to list processes with outdated libraries";

/// Prints them.
pub(super) fn print(out: &mut dyn Write, summary: &Summary) -> io::Result<()> {
    let build = Family {
        name: "needrestart_build_info",
        help: "information about needrestart's runtime build",
    };
    let version = summary.version.text();
    build.describe(out)?;
    // Nothing of Perl is here; whoever reads it finds the label that there always was.
    build.sample(out, &[("version", version), ("perl_version", "none")], 1)?;
    if let Some(found) = &summary.kernel {
        kernel(out, found, summary.compat)?;
    }
    if let Some(found) = &summary.ucode {
        ucode(out, found, summary.compat)?;
    }
    if let Some(findings) = &summary.findings {
        counts(out, findings, summary)?;
    }
    writeln!(out, "# EOF")
}

/// Samples of one name.
struct Family {
    name: &'static str,
    help: &'static str,
}

impl Family {
    fn describe(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "# TYPE {} gauge", self.name)?;
        writeln!(out, "# HELP {} {}", self.name, self.help)
    }

    fn sample(&self, out: &mut dyn Write, labels: &[(&str, &str)], value: usize) -> io::Result<()> {
        sample(out, self.name, labels, value)
    }

    /// A family of one sample.
    fn whole(&self, out: &mut dyn Write, labels: &[(&str, &str)], value: usize) -> io::Result<()> {
        self.describe(out)?;
        self.sample(out, labels, value)
    }
}

fn sample(
    out: &mut dyn Write,
    name: &str,
    labels: &[(&str, &str)],
    value: usize,
) -> io::Result<()> {
    let labels: Vec<String> = labels
        .iter()
        .map(|(label, value)| format!("{label}=\"{}\"", escaped(value)))
        .collect();
    match labels.is_empty() {
        true => writeln!(out, "{name} {value}"),
        false => writeln!(out, "{name}{{{}}} {value}", labels.join(",")),
    }
}

/// A label's value, as both formats want it.
fn escaped(value: &str) -> String {
    let value = value.replace('\\', "\\\\").replace('"', "\\\"");
    value.replace('\n', "\\n")
}

/// Versions under two names: the one that the original describes, and the one that it gives samples of. It describes no
/// sample and gives no description of the other; so do we, if its defects are wanted.
fn versions(
    out: &mut dyn Write,
    families: [&Family; 2],
    labels: &[(&str, &str)],
    compat: bool,
) -> io::Result<()> {
    let [info, plain] = families;
    if compat {
        info.describe(out)?;
        return plain.sample(out, labels, 1);
    }
    info.whole(out, labels, 1)?;
    plain.whole(out, labels, 1)
}

fn kernel(out: &mut dyn Write, kernel: &Kernel, compat: bool) -> io::Result<()> {
    const HELP: &str = "version information for currently running and most up to date kernels";
    let unknown = if compat { "" } else { "unknown" };
    let state = match kernel.state {
        KernelState::Unknown => unknown,
        KernelState::Current => "current",
        KernelState::Abi => "abi_upgrade",
        KernelState::Version => "version_upgrade",
    };
    let status = Family {
        name: "needrestart_kernel_status",
        help: "status of kernel as reported by needrestart",
    };
    status.whole(out, &[("needrestart_kernel_status", state)], 1)?;
    let expected = kernel.expected.as_deref().unwrap_or(unknown);
    let families = [
        &Family {
            name: "needrestart_kernel_info",
            help: HELP,
        },
        &Family {
            name: "needrestart_kernel",
            help: HELP,
        },
    ];
    let labels = [("running", kernel.running.as_str()), ("expected", expected)];
    versions(out, families, &labels, compat)
}

fn ucode(out: &mut dyn Write, ucode: &Ucode, compat: bool) -> io::Result<()> {
    const HELP: &str = "version information for currently used and available microcode";
    let state = match ucode.state {
        UcodeState::Unknown => "unknown",
        UcodeState::Current => "current",
        UcodeState::Obsolete => "obsolete",
    };
    let status = Family {
        name: "needrestart_ucode_status",
        help: "status of the host's CPU microcode as reported by needrestart",
    };
    status.whole(out, &[("needrestart_ucode_status", state)], 1)?;
    let families = [
        &Family {
            name: "needrestart_ucode_info",
            help: HELP,
        },
        &Family {
            name: "needrestart_ucode",
            help: HELP,
        },
    ];
    let revision = |revision: &Option<String>| match revision.as_deref() {
        None | Some("") => "unknown".to_owned(),
        Some(revision) => revision.to_owned(),
    };
    let (running, expected) = (revision(&ucode.running), revision(&ucode.expected));
    let labels = [("running", running.as_str()), ("expected", &expected)];
    versions(out, families, &labels, compat)
}

/// The original has one number, which it calls one of processes: it is that of services.
fn counts(out: &mut dyn Write, findings: &Findings, summary: &Summary) -> io::Result<()> {
    let services = findings.services.len();
    let processes = Family {
        name: "needrestart_processes_with_outdated_libraries",
        help: "number of processes requiring a restart",
    };
    processes.whole(out, &[], services)?;
    if summary.compat {
        return Ok(());
    }
    let gauges = [
        (
            "needrestart_services",
            "number of services requiring a restart",
            services,
        ),
        (
            "needrestart_containers",
            "number of containers requiring a restart",
            findings.containers.len(),
        ),
        (
            "needrestart_sessions",
            "number of sessions requiring a restart",
            findings.sessions.len(),
        ),
        (
            "needrestart_guests",
            "number of guests requiring a restart",
            findings.guests.len(),
        ),
        (
            "needrestart_unreadable_processes",
            "number of processes that could not be looked into",
            summary.unreadable,
        ),
    ];
    gauges
        .into_iter()
        .try_for_each(|(name, help, value)| Family { name, help }.whole(out, &[], value))
}
