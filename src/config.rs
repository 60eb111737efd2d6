//! Settings: files of an administrator, in layers → one value that is valid by construction.
//!
//! `/etc/unstale/unstale.toml`, then `/etc/unstale/conf.d/*.toml` in the order of their names. Each file is a [`Fragment`],
//! in which everything may be missing and nothing unknown may stand; later ones win, and lists add up. All files pass the
//! gate of [`trust`](crate::trust): what others could have written is no policy.
#![forbid(unsafe_code)]

mod plugins;
mod reboot;

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Dir, Mode, OFlags, openat};
use rustix::io::Errno;
use serde::Deserialize;

pub use plugins::Plugins;
use plugins::PluginsFragment;
use reboot::RebootFragment;
pub use reboot::{FlagPolicy, Reboot};

use crate::error::{Error, FormError};
use crate::model::Escaped;
use crate::trust::{self, TrustedDir, Untrusted};

/// Where the files are.
pub const DIRECTORY: &str = "/etc/unstale";

const MAIN: &str = "unstale.toml";
const DROP_INS: &str = "conf.d";
const SUFFIX: &[u8] = b".toml";
const TEXT_CAP: u64 = 1024 * 1024;
const FILES_CAP: usize = 1024;

/// What is to be done how.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// `[plugins]`.
    pub plugins: Plugins,
    /// `[reboot]`.
    pub reboot: Reboot,
}

/// What one file says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Fragment {
    plugins: PluginsFragment,
    reboot: RebootFragment,
}

/// Why the configuration cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}: {why}", Escaped(file.as_os_str().as_bytes()))]
pub struct ConfigError {
    /// The file, or the directory.
    pub file: PathBuf,
    /// What is wrong with it.
    pub why: Why,
}

/// What is wrong with a file.
#[derive(Debug, thiserror::Error)]
pub enum Why {
    /// Others could have written it.
    #[error("not trusted: {0}")]
    Untrusted(#[from] Untrusted),
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(std::io::Error),
    /// It is not of its form.
    #[error("{0}")]
    Form(#[from] FormError),
}

impl ConfigError {
    /// For people: which file and why, then the line that it is about.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let mut lines = vec![self.to_string()];
        if let Why::Form(error) = &self.why {
            lines.extend(error.lines().into_iter().skip(1));
        }
        lines
    }
}

impl From<ConfigError> for Error {
    fn from(error: ConfigError) -> Self {
        Self::Settings(error.lines())
    }
}

/// Reads what an administrator has set, from `directory`. What is not there says nothing.
///
/// # Errors
/// The first file that cannot be used: there is no half of a policy.
pub fn read(directory: &Path, euid: u32) -> Result<Settings, ConfigError> {
    let mut fragments = Vec::new();
    if let Some(dir) = open(directory, euid)?
        && let Some(fragment) = read_fragment(&dir, OsStr::new(MAIN), true)?
    {
        fragments.push(fragment);
    }
    if let Some(dir) = open(&directory.join(DROP_INS), euid)? {
        for name in drop_ins(&dir)? {
            fragments.extend(read_fragment(&dir, &name, false)?);
        }
    }
    Ok(Settings::merged(&fragments))
}

impl Settings {
    /// Layers, the one that counts most last.
    #[must_use]
    pub fn merged(fragments: &[Fragment]) -> Self {
        let mut settings = Self::default();
        for fragment in fragments {
            settings.plugins.add(&fragment.plugins);
            settings.reboot.add(&fragment.reboot);
        }
        settings
    }
}

impl Fragment {
    /// Parses the text of a file.
    ///
    /// # Errors
    /// What is wrong, and where.
    pub fn parse(text: &str) -> Result<Self, FormError> {
        let fragment: Self = toml::from_str(text)
            .map_err(|error| FormError::at(text, error.message(), error.span()))?;
        fragment
            .plugins
            .check()
            .and_then(|()| fragment.reboot.check())
            .map_err(|why| FormError::whole(&why))?;
        Ok(fragment)
    }
}

fn open(path: &Path, euid: u32) -> Result<Option<TrustedDir>, ConfigError> {
    TrustedDir::open_if_there(path, euid).map_err(|error| failed(path, error))
}

fn failed(file: &Path, why: impl Into<Why>) -> ConfigError {
    ConfigError {
        file: file.to_owned(),
        why: why.into(),
    }
}

fn read_fragment(
    dir: &TrustedDir,
    name: &OsStr,
    may_be_missing: bool,
) -> Result<Option<Fragment>, ConfigError> {
    let path = dir.path().join(name);
    let file = match dir.open_file(name) {
        Ok(file) => file,
        Err(error) if may_be_missing && error.why == trust::Why::Missing => return Ok(None),
        Err(error) => return Err(failed(&path, error)),
    };
    let text = read_text(file).map_err(|error| failed(&path, Why::Unreadable(error)))?;
    let fragment = Fragment::parse(&text).map_err(|error| failed(&path, error))?;
    Ok(Some(fragment))
}

fn read_text(file: OwnedFd) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    File::from(file)
        .take(TEXT_CAP + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > TEXT_CAP {
        return Err(std::io::Error::other("it is longer than 1 MiB"));
    }
    String::from_utf8(bytes).map_err(|_| std::io::Error::other("it is not UTF-8"))
}

/// The names of drop-ins, sorted: hidden ones, and what editors and package managers leave behind, do not count.
fn drop_ins(dir: &TrustedDir) -> Result<Vec<OsString>, ConfigError> {
    let unreadable = |errno: Errno| failed(dir.path(), Why::Unreadable(errno.into()));
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let fd = openat(dir.fd(), c".", flags, Mode::empty()).map_err(unreadable)?;
    let mut names = Vec::new();
    for entry in Dir::new(fd).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let name = entry.file_name().to_bytes();
        if name.starts_with(b".") || !name.ends_with(SUFFIX) {
            continue;
        }
        if names.len() == FILES_CAP {
            let why = std::io::Error::other(format!("it holds more than {FILES_CAP} files"));
            return Err(failed(dir.path(), Why::Unreadable(why)));
        }
        names.push(OsStr::from_bytes(name).to_owned());
    }
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests;
