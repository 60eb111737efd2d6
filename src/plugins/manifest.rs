//! What a plugin says of itself, read without running it. Pure: text → [`Manifest`], valid by construction.
//!
//! The text comes from a file that passed the gate of [`trust`](crate::trust), but the plugin behind it is not trusted
//! with anything: what it asks to see is bounded here, and how an instance is restarted is a template into which the host
//! puts values that it has checked.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use unstale_plugin::abi::{ABI_MAJOR, ABI_MINOR};

use super::checked;
use super::glob::Glob;
use super::template::Template;
pub use super::template::{Filling, Unfilled};
use crate::error::FormError;

/// Longer texts are no manifests. The SDK puts none into a note that is longer.
pub const TEXT_CAP: usize = 64 * 1024;

/// A manifest.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Its name: `[a-z][a-z0-9-]*`, at most 32 bytes.
    #[serde(deserialize_with = "checked::name")]
    pub name: String,
    /// Its version: printable, at most 64 bytes.
    #[serde(deserialize_with = "checked::version")]
    pub version: String,
    /// The ABI that it needs; the host speaks it.
    pub abi: Abi,
    /// What it is about.
    pub kind: Kind,
    /// One line for people.
    #[serde(deserialize_with = "checked::summary")]
    pub summary: String,
    /// Which processes it is asked about.
    pub interest: Interest,
    /// What it asks to see of them.
    #[serde(default)]
    pub wants: Wants,
    /// How instances are restarted, by the name that a plugin gives in `Instance::restart`.
    #[serde(default, rename = "restart", deserialize_with = "checked::restarts")]
    restarts: BTreeMap<String, Template>,
}

/// What a plugin is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Programs that load code of their own: asked about every process that matches.
    Interpreter,
    /// Containers, sandboxes, apps: asked about processes that matter.
    Container,
    /// Virtual machines: likewise.
    Vm,
}

impl Kind {
    /// As a manifest says it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Interpreter => "interpreter",
            Self::Container => "container",
            Self::Vm => "vm",
        }
    }
}

/// A version of the plugin ABI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct Abi {
    /// Raised when something changes its meaning.
    pub major: u16,
    /// Raised when something is added.
    pub minor: u16,
}

impl Abi {
    /// What this host speaks.
    pub const OURS: Self = Self {
        major: ABI_MAJOR,
        minor: ABI_MINOR,
    };

    fn is_part_of(self, other: Self) -> bool {
        self.major == other.major && self.minor <= other.minor
    }

    /// Whether a plugin that needs this can be used by this host.
    #[must_use]
    pub fn is_spoken(self) -> bool {
        self.is_part_of(Self::OURS)
    }
}

impl fmt::Display for Abi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl TryFrom<String> for Abi {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        // No sign, no zero in front: one spelling for each version.
        let number = |part: &str| {
            let plain = part.bytes().all(|byte| byte.is_ascii_digit());
            let one_way = part == "0" || !part.starts_with('0');
            part.parse().ok().filter(|_| plain && one_way)
        };
        let parts = text.split_once('.');
        let parts = parts.and_then(|(major, minor)| Some((number(major)?, number(minor)?)));
        let (major, minor) = parts.ok_or("an ABI is MAJOR.MINOR, such as \"1.0\"")?;
        Ok(Self { major, minor })
    }
}

/// Which processes a plugin is asked about: those of which anything matches.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Interest {
    /// Base names of the program.
    #[serde(deserialize_with = "checked::globs")]
    pub exe: Vec<Glob>,
    /// Whole paths of the program, in the view of the process.
    #[serde(deserialize_with = "checked::globs")]
    pub exe_path: Vec<Glob>,
    /// Base names of files of which code is mapped.
    #[serde(deserialize_with = "checked::globs")]
    pub code: Vec<Glob>,
    /// Lines of its control groups; containers and virtual machines only.
    #[serde(deserialize_with = "checked::globs")]
    pub cgroup: Vec<Glob>,
    /// Runtimes as the host tells them by the control group; containers and virtual machines only.
    #[serde(deserialize_with = "checked::runtimes")]
    pub runtime: Vec<String>,
}

/// What a plugin asks to see of a process beyond its program, arguments and code.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Wants {
    /// Variables of the environment; no others are shown.
    #[serde(deserialize_with = "checked::variables")]
    pub environ: Vec<String>,
    /// Open descriptors, and mapped files that are no code.
    pub files: bool,
    /// Memory.
    pub memory: bool,
    /// What may be shown of the host's own files.
    #[serde(deserialize_with = "checked::host_files")]
    pub host_files: Vec<Glob>,
}

impl Wants {
    /// Whether a path of the host may be shown: an absolute one without `.` and `..`, in which no wildcard stands for a
    /// `/`.
    #[must_use]
    pub fn shows_of_host(&self, path: &[u8]) -> bool {
        checked::is_plain_path(path) && self.host_files.iter().any(|glob| glob.matches_path(path))
    }
}

impl Manifest {
    /// Parses the text of a manifest.
    ///
    /// # Errors
    /// What is wrong, and where.
    pub fn parse(text: &str) -> Result<Self, FormError> {
        if text.len() > TEXT_CAP {
            return Err(FormError::whole("it is longer than 64 KiB"));
        }
        // First of all: a manifest for a later ABI may say what this version does not know.
        let of_toml = |error: toml::de::Error| FormError::at(text, error.message(), error.span());
        let head: Head = toml::from_str(text).map_err(of_toml)?;
        if let Some(abi) = head.abi
            && !abi.get_ref().is_spoken()
        {
            let what = format!("needs ABI {}, and this is {}", abi.get_ref(), Abi::OURS);
            return Err(FormError::at(text, &what, Some(abi.span())));
        }
        let manifest: Self = toml::from_str(text).map_err(of_toml)?;
        manifest.check().map_err(FormError::whole)?;
        Ok(manifest)
    }

    /// What no single value tells.
    fn check(&self) -> Result<(), &'static str> {
        let Interest {
            exe,
            exe_path,
            code,
            cgroup,
            runtime,
        } = &self.interest;
        let any_kind = exe.len() + exe_path.len() + code.len();
        if any_kind + cgroup.len() + runtime.len() == 0 {
            return Err("`interest` names nothing: no process would ever match");
        }
        if self.kind == Kind::Interpreter {
            if cgroup.len() + runtime.len() > 0 {
                return Err(
                    "`interest.cgroup` and `interest.runtime` are for kinds container and vm",
                );
            }
            if !self.restarts.is_empty() {
                return Err(
                    "`restart` is for kinds container and vm: an interpreter has no instances",
                );
            }
        }
        Ok(())
    }

    /// Ways of restarting that it knows.
    pub fn restarts(&self) -> impl Iterator<Item = &str> {
        self.restarts.keys().map(String::as_str)
    }

    /// The command that restarts an instance: program and arguments, never for a shell.
    ///
    /// # Errors
    /// If there is no such way, or the values are not what can be put there safely.
    pub fn restart_argv(&self, way: &str, values: &Filling<'_>) -> Result<Vec<String>, Unfilled> {
        let template = self.restarts.get(way).ok_or(Unfilled::NoSuchWay)?;
        template.fill(values)
    }
}

/// As much as tells whether this host can read the rest.
#[derive(Deserialize)]
struct Head {
    abi: Option<toml::Spanned<Abi>>,
}

#[cfg(test)]
mod tests;
