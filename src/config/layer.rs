//! Directories and files → layers, the one that counts most last.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Dir, Mode, OFlags, openat};
use rustix::io::Errno;

use super::{ConfigError, Fragment, SHIPPED, SHIPPED_NAME, Sources, Users, Why, failed, restart};
use crate::error::FormError;
use crate::model::{Escaped, parse_passwd};
use crate::trust::{self, TrustedDir};

/// The variable that says how much is done.
pub(super) const MODE_VARIABLE: &str = "UNSTALE_MODE";

/// What errors call settings of another program.
const TRANSLATED: &str = "translated settings";

const MAIN: &str = "unstale.toml";
const DROP_INS: &str = "conf.d";
const SUFFIX: &[u8] = b".toml";
const TEXT_CAP: u64 = 1024 * 1024;
const FILES_CAP: usize = 1024;
/// Large sites have some hundred thousand accounts.
const PASSWD_CAP: u64 = 64 * 1024 * 1024;

/// What one file says, with its text, to which errors and origins point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    pub(super) origin: Origin,
    pub(super) text: String,
    pub(super) fragment: Fragment,
}

/// Where a setting comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The program holds it.
    Shipped,
    /// A file.
    File(PathBuf),
    /// `UNSTALE_MODE`.
    Environment,
    /// Settings of another program.
    Translated,
}

impl Origin {
    /// As errors name it.
    pub(super) fn file(&self) -> PathBuf {
        match self {
            Self::Shipped => SHIPPED_NAME.into(),
            Self::File(path) => path.clone(),
            Self::Environment => MODE_VARIABLE.into(),
            Self::Translated => TRANSLATED.into(),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shipped => f.write_str("shipped"),
            Self::File(path) => Escaped(path.as_os_str().as_bytes()).fmt(f),
            Self::Environment => f.write_str("environment"),
            Self::Translated => f.write_str(TRANSLATED),
        }
    }
}

impl Layer {
    /// Where it comes from.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Whether it has a rule of that name.
    #[must_use]
    pub fn speaks_of(&self, rule: &str) -> bool {
        self.fragment.rules.iter().any(|one| one.name == rule)
    }

    /// Parses the text of a file.
    ///
    /// # Errors
    /// What is wrong, and where.
    pub fn parse(origin: Origin, text: &str, users: &Users) -> Result<Self, ConfigError> {
        match Fragment::parse(text, &|name| users.uid_of(name)) {
            Ok(fragment) => Ok(Self {
                origin,
                text: text.to_owned(),
                fragment,
            }),
            Err(error) => Err(failed(&origin.file(), error)),
        }
    }

    /// Reads a file that need not be trusted: nothing is done because of it.
    ///
    /// # Errors
    /// It cannot be read, or is not of its form.
    pub fn read(path: &Path, users: &Users) -> Result<Self, ConfigError> {
        let unreadable = |error| failed(path, Why::Unreadable(error));
        let text = File::open(path).and_then(read_text).map_err(unreadable)?;
        Self::parse(Origin::File(path.to_owned()), &text, users)
    }

    /// What the package ships, as the program holds it.
    ///
    /// # Errors
    /// None: a test parses it.
    pub fn shipped() -> Result<Self, ConfigError> {
        let nobody = Users::of(Path::new("/dev/null"));
        Self::parse(Origin::Shipped, SHIPPED, &nobody)
    }

    /// What settings of another program are in ours.
    pub(super) fn translated(text: &str, users: &Users) -> Result<Self, ConfigError> {
        Self::parse(Origin::Translated, text, users)
    }

    /// What the environment says, in the words of a file.
    fn of_environment(mode: &OsStr) -> Result<Self, ConfigError> {
        let word = String::from_utf8_lossy(mode.as_bytes());
        let mode = restart::mode_of_word(&word)
            .map_err(|why| failed(Path::new(MODE_VARIABLE), FormError::whole(&why)))?;
        let text = format!("[restart]\nmode = \"{}\"\n", mode.word());
        let nobody = Users::of(Path::new("/dev/null"));
        Self::parse(Origin::Environment, &text, &nobody)
    }
}

/// All layers of a machine, the one that counts most last.
///
/// # Errors
/// The first that cannot be used.
pub fn layers(sources: &Sources) -> Result<Vec<Layer>, ConfigError> {
    let (mut all, late) = parted_layers(sources)?;
    all.extend(late);
    Ok(all)
}

/// As [`layers`], up to the administrator's main file, and what counts more: drop-ins and the environment.
pub(super) fn parted_layers(sources: &Sources) -> Result<(Vec<Layer>, Vec<Layer>), ConfigError> {
    let users = Users::of(&sources.passwd);
    let etc = open(&sources.etc, sources.euid)?;
    let drop_ins = Directory::open(&sources.etc, sources.euid)?;
    // A file of the administrator's stands in for the one of that name which is shipped: also an empty one.
    let mut early = vendor_layers(sources, &users, &drop_ins.names)?;
    if let Some(dir) = etc {
        early.extend(read(&dir, OsStr::new(MAIN), &users, true)?);
    }
    let mut late = Vec::new();
    for name in &drop_ins.names {
        late.extend(drop_ins.read(name, &users)?);
    }
    if let Some(mode) = &sources.mode {
        late.push(Layer::of_environment(mode)?);
    }
    Ok((early, late))
}

/// What packages ship, but for files of these names.
fn vendor_layers(
    sources: &Sources,
    users: &Users,
    masked: &[OsString],
) -> Result<Vec<Layer>, ConfigError> {
    let vendor = Directory::open(&sources.vendor, sources.euid)?;
    let mut shipped: BTreeSet<&OsStr> = vendor.names.iter().map(OsString::as_os_str).collect();
    shipped.insert(OsStr::new(SHIPPED_NAME));
    let mut all = Vec::new();
    for name in shipped {
        if masked.iter().any(|own| own == name) {
            continue;
        }
        if vendor.names.iter().any(|there| there == name) {
            all.extend(vendor.read(name, users)?);
        } else {
            all.push(Layer::shipped()?);
        }
    }
    Ok(all)
}

/// A directory of drop-ins; one that is not there holds none.
struct Directory {
    dir: Option<TrustedDir>,
    names: Vec<OsString>,
}

impl Directory {
    fn open(above: &Path, euid: u32) -> Result<Self, ConfigError> {
        let dir = open(&above.join(DROP_INS), euid)?;
        let names = dir.as_ref().map(names).transpose()?.unwrap_or_default();
        Ok(Self { dir, names })
    }

    /// A file in it; `None` if it is a link to `/dev/null`, which says nothing but that it is there.
    fn read(&self, name: &OsStr, users: &Users) -> Result<Option<Layer>, ConfigError> {
        let Some(dir) = &self.dir else {
            return Ok(None);
        };
        let link = dir.read_link(name);
        let link = link.map_err(|error| failed(&dir.path().join(name), error))?;
        if link.is_some_and(|target| target == Path::new("/dev/null")) {
            return Ok(None);
        }
        read(dir, name, users, false)
    }
}

fn open(path: &Path, euid: u32) -> Result<Option<TrustedDir>, ConfigError> {
    TrustedDir::open_if_there(path, euid).map_err(|error| failed(path, error))
}

fn read(
    dir: &TrustedDir,
    name: &OsStr,
    users: &Users,
    may_be_missing: bool,
) -> Result<Option<Layer>, ConfigError> {
    let path = dir.path().join(name);
    let file = match dir.open_file(name) {
        Ok(file) => file,
        Err(error) if may_be_missing && error.why == trust::Why::Missing => return Ok(None),
        Err(error) => return Err(failed(&path, error)),
    };
    let text = read_text(file).map_err(|error| failed(&path, Why::Unreadable(error)))?;
    Layer::parse(Origin::File(path), &text, users).map(Some)
}

fn read_text(file: impl Into<OwnedFd>) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    File::from(file.into())
        .take(TEXT_CAP + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > TEXT_CAP {
        return Err(std::io::Error::other("it is longer than 1 MiB"));
    }
    String::from_utf8(bytes).map_err(|_| std::io::Error::other("it is not UTF-8"))
}

/// The users of a file in the form of passwd(5); the first of a name counts. None if it cannot be read.
pub(super) fn read_users(passwd: &Path) -> BTreeMap<String, u32> {
    let mut bytes = Vec::new();
    let file = File::open(passwd).map(|file| file.take(PASSWD_CAP));
    if file
        .and_then(|mut file| file.read_to_end(&mut bytes))
        .is_err()
    {
        return BTreeMap::new();
    }
    let mut uids = BTreeMap::new();
    for account in parse_passwd(&bytes) {
        uids.entry(account.name).or_insert(account.uid);
    }
    uids
}

/// The names of drop-ins, sorted: hidden ones, and what editors and package managers leave behind, do not count.
fn names(dir: &TrustedDir) -> Result<Vec<OsString>, ConfigError> {
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
