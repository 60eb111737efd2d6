//! One paragraph of a `status` file: a package and what became of it. Pure.

use std::str;

use unstale_packages::Package;

/// What dpkg has done so far for a package (the third word of `Status:`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Known, nothing more.
    NotInstalled,
    /// Removed; its configuration files are left.
    ConfigFiles,
    /// Unpacking was begun and not finished.
    HalfInstalled,
    /// Unpacked, not configured.
    Unpacked,
    /// Configuring was begun and not finished.
    HalfConfigured,
    /// Waits until another package has processed its triggers.
    TriggersAwaited,
    /// Has triggers to process.
    TriggersPending,
    /// All done.
    Installed,
}

impl State {
    /// The state dpkg writes with this word.
    pub fn parse_word(word: &[u8]) -> Option<Self> {
        Some(match word {
            b"not-installed" => Self::NotInstalled,
            b"config-files" => Self::ConfigFiles,
            b"half-installed" => Self::HalfInstalled,
            b"unpacked" => Self::Unpacked,
            b"half-configured" => Self::HalfConfigured,
            b"triggers-awaited" => Self::TriggersAwaited,
            b"triggers-pending" => Self::TriggersPending,
            b"installed" => Self::Installed,
            _ => return None,
        })
    }

    /// dpkg's own word.
    pub fn word(self) -> &'static str {
        match self {
            Self::NotInstalled => "not-installed",
            Self::ConfigFiles => "config-files",
            Self::HalfInstalled => "half-installed",
            Self::Unpacked => "unpacked",
            Self::HalfConfigured => "half-configured",
            Self::TriggersAwaited => "triggers-awaited",
            Self::TriggersPending => "triggers-pending",
            Self::Installed => "installed",
        }
    }

    /// Whether a package in this state has files that could be code.
    pub fn has_files(self) -> bool {
        !matches!(self, Self::NotInstalled | Self::ConfigFiles)
    }

    /// Whether this is a state between two transactions and not inside one.
    pub fn at_rest(self) -> bool {
        matches!(
            self,
            Self::NotInstalled | Self::ConfigFiles | Self::Installed
        )
    }
}

/// A configuration file as `Conffiles:` names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conffile {
    /// Absolute.
    pub path: Vec<u8>,
    /// MD5 of the file as last shipped; absent for a file that was never installed.
    pub md5: Option<String>,
}

/// One package as the store knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Name, version (empty if never installed) and architecture (likewise).
    pub package: Package,
    /// What dpkg has done so far.
    pub state: State,
    /// The package is broken until it is installed anew.
    pub reinstall: bool,
    /// `Multi-Arch: same`: packages of several architectures stand side by side.
    pub multi_arch_same: bool,
    /// In the order of the paragraph.
    pub conffiles: Vec<Conffile>,
    /// `Provides:` as it stands, lines joined; empty where nothing is provided.
    pub provides: Vec<u8>,
    /// The file below `status.d` that tells of it, if it is not the `status` file.
    pub status_d: Option<Vec<u8>>,
}

/// Where a paragraph comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `status` or `updates/NNNN`: `Status:` is required, and so is the newline at the end.
    Status,
    /// `status.d/NAME`: the control file of a package that was unpacked by other means, hence installed.
    StatusD,
}

/// The fields of one paragraph that matter here, as found.
#[derive(Debug, Default)]
pub(crate) struct Draft<'a> {
    package: Option<&'a [u8]>,
    status: Option<&'a [u8]>,
    architecture: Option<&'a [u8]>,
    version: Option<&'a [u8]>,
    multi_arch: Option<&'a [u8]>,
    conffiles: Vec<&'a [u8]>,
    conffiles_seen: bool,
    provides: Vec<&'a [u8]>,
    goes_on: GoesOn,
}

/// Which field a line that begins with a blank belongs to.
#[derive(Debug, Clone, Copy, Default)]
enum GoesOn {
    #[default]
    Other,
    Conffiles,
    Provides,
}

impl<'a> Draft<'a> {
    /// Takes one line of the paragraph.
    pub(crate) fn take(&mut self, line: &'a [u8]) -> Result<(), &'static str> {
        if matches!(line.first(), Some(b' ' | b'\t')) {
            match self.goes_on {
                GoesOn::Other => {}
                GoesOn::Conffiles => self.conffiles.push(line.trim_ascii()),
                GoesOn::Provides => self.provides.push(line.trim_ascii()),
            }
            return Ok(());
        }
        self.goes_on = GoesOn::Other;
        if line.first() == Some(&b'#') {
            return Ok(());
        }
        let colon = line
            .iter()
            .position(|&b| b == b':')
            .ok_or("neither a field nor part of one")?;
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        let field = match name.first().map(u8::to_ascii_lowercase) {
            Some(b'p') if name.eq_ignore_ascii_case(b"package") => &mut self.package,
            Some(b'p') if name.eq_ignore_ascii_case(b"provides") => {
                self.goes_on = GoesOn::Provides;
                self.provides.push(value);
                return if self.provides.len() > 1 {
                    Err(TWICE)
                } else {
                    Ok(())
                };
            }
            Some(b's') if name.eq_ignore_ascii_case(b"status") => &mut self.status,
            Some(b'a') if name.eq_ignore_ascii_case(b"architecture") => &mut self.architecture,
            Some(b'v') if name.eq_ignore_ascii_case(b"version") => &mut self.version,
            Some(b'm') if name.eq_ignore_ascii_case(b"multi-arch") => &mut self.multi_arch,
            Some(b'c') if name.eq_ignore_ascii_case(b"conffiles") => {
                self.goes_on = GoesOn::Conffiles;
                return if std::mem::replace(&mut self.conffiles_seen, true) {
                    Err(TWICE)
                } else {
                    Ok(())
                };
            }
            Some(first) if first.is_ascii_graphic() => return Ok(()),
            _ => return Err("not the name of a field"),
        };
        if field.replace(value).is_some() {
            Err(TWICE)
        } else {
            Ok(())
        }
    }

    /// The record, once all lines were taken.
    pub(crate) fn finish(self, kind: Kind) -> Result<Record, &'static str> {
        let name = text(self.package.ok_or("no Package in this paragraph")?, is_name)
            .ok_or("not a package name")?;
        let (state, reinstall) = match (self.status, kind) {
            (Some(status), _) => {
                parse_status_words(status).ok_or("not a Status that dpkg writes")?
            }
            (None, Kind::StatusD) => (State::Installed, false),
            (None, Kind::Status) => return Err("no Status in this paragraph"),
        };
        let needed = |value: Option<&[u8]>, valid, missing, wrong| match value {
            Some(value) => text(value, valid).ok_or(wrong),
            None if state.has_files() => Err(missing),
            None => Ok(String::new()),
        };
        let version = needed(
            self.version,
            is_version,
            "no Version in this paragraph",
            "not a version",
        )?;
        let arch = needed(
            self.architecture,
            is_name,
            "no Architecture in this paragraph",
            "not an architecture",
        )?;
        Ok(Record {
            package: Package {
                name,
                version,
                arch,
            },
            state,
            reinstall,
            multi_arch_same: self.multi_arch == Some(b"same"),
            conffiles: self
                .conffiles
                .into_iter()
                .filter_map(parse_conffile)
                .collect(),
            provides: self.provides.join(&b' '),
            status_d: None,
        })
    }
}

const TWICE: &str = "a field for the second time: two records run into each other";

/// `WANT FLAG STATE`: the state, and whether the flag asks for a new installation.
pub fn parse_status_words(value: &[u8]) -> Option<(State, bool)> {
    let mut words = value
        .split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty());
    let want = words.next()?;
    let flag = words.next()?;
    let state = State::parse_word(words.next()?)?;
    let known = matches!(
        want,
        b"unknown" | b"install" | b"hold" | b"deinstall" | b"purge"
    ) && matches!(flag, b"ok" | b"reinstreq" | b"hold" | b"hold-reinstreq");
    (known && words.next().is_none()).then_some((state, flag.ends_with(b"reinstreq")))
}

/// `/path with spaces MD5 [obsolete] [remove-on-upgrade]`, from the right, as the path may hold anything.
pub fn parse_conffile(line: &[u8]) -> Option<Conffile> {
    let mut rest = line.trim_ascii_end();
    for flag in [
        &b" remove-on-upgrade"[..],
        b" obsolete",
        b" remove-on-upgrade",
    ] {
        rest = rest.strip_suffix(flag).unwrap_or(rest).trim_ascii_end();
    }
    let space = rest.iter().rposition(|&b| b == b' ')?;
    let path = rest[..space].trim_ascii_end();
    path.starts_with(b"/").then(|| Conffile {
        path: path.to_vec(),
        md5: md5_hex(&rest[space + 1..]),
    })
}

/// The digest in lower case, if these bytes are one.
pub(crate) fn md5_hex(word: &[u8]) -> Option<String> {
    (word.len() == 32 && word.iter().all(u8::is_ascii_hexdigit))
        .then(|| String::from_utf8_lossy(word).to_ascii_lowercase())
}

/// These bytes as text, if every one is of the kind.
pub(crate) fn text(bytes: &[u8], valid: fn(u8) -> bool) -> Option<String> {
    let good = !bytes.is_empty() && bytes.iter().all(|&b| valid(b));
    good.then(|| str::from_utf8(bytes).ok().map(str::to_owned))
        .flatten()
}

/// A byte of a package's or an architecture's name.
pub(crate) fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"+-._".contains(&byte)
}

/// A byte of a version; wider than policy, as dpkg only warns of others.
pub(crate) fn is_version(byte: u8) -> bool {
    byte.is_ascii_graphic()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states() {
        #[track_caller]
        fn check(words: &str, expected: Option<(State, bool)>) {
            assert_eq!(parse_status_words(words.as_bytes()), expected, "{words}");
        }
        check("install ok installed", Some((State::Installed, false)));
        check("hold ok installed", Some((State::Installed, false)));
        check(
            "deinstall ok config-files",
            Some((State::ConfigFiles, false)),
        );
        check("purge ok not-installed", Some((State::NotInstalled, false)));
        check(
            "install reinstreq half-installed",
            Some((State::HalfInstalled, true)),
        );
        check(
            "install ok triggers-awaited",
            Some((State::TriggersAwaited, false)),
        );
        check("install ok instal", None);
        check("install installed", None);
        check("install ok installed installed", None);
        check("", None);
    }

    #[test]
    fn conffiles() {
        const MD5: &str = "0123456789abcdef0123456789abcdef";
        #[track_caller]
        fn check(line: &str, path: &str, md5: Option<&str>) {
            let conffile = parse_conffile(line.as_bytes()).unwrap();
            assert_eq!(conffile.path, path.as_bytes());
            assert_eq!(conffile.md5.as_deref(), md5);
        }
        check(&format!("/etc/a {MD5}"), "/etc/a", Some(MD5));
        check(&format!("/etc/a b {MD5} obsolete"), "/etc/a b", Some(MD5));
        check(
            &format!("/etc/a {MD5} remove-on-upgrade"),
            "/etc/a",
            Some(MD5),
        );
        check(
            &format!("/etc/a {MD5} obsolete remove-on-upgrade"),
            "/etc/a",
            Some(MD5),
        );
        check("/etc/a newconffile", "/etc/a", None);
        assert_eq!(parse_conffile(b"etc/a x"), None);
        assert_eq!(parse_conffile(b"/etc/a"), None);
    }
}
