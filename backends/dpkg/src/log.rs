//! One line of `dpkg.log`. Pure.
//!
//! `2026-11-20 10:11:12 upgrade libc6:amd64 2.36-9 2.36-10`. Lines of other actions (`status`, `configure`, …) tell
//! nothing of versions before; `purge` follows a `remove` or takes away configuration files alone, so it is no change
//! of code.

use jiff::civil::DateTime;

use crate::record::{is_name, is_version, text};

/// What one line tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// Local time, by the clock of that moment.
    pub at: DateTime,
    /// What changed, if the line is about a change.
    pub change: Option<LoggedChange>,
}

/// A change of one package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedChange {
    /// Without architecture.
    pub name: String,
    /// dpkg before 1.16 wrote none.
    pub arch: Option<String>,
    /// Version before, if there was code before.
    pub old: Option<String>,
    /// Version after, if there is code after.
    pub new: Option<String>,
}

/// Parses one line, without its newline.
///
/// # Errors
/// What is wrong with it.
pub fn parse_log_line(line: &[u8]) -> Result<LogLine, &'static str> {
    let (at, rest) = crate::zone::parse_local(line).ok_or("no date and time at the start")?;
    let mut words = rest
        .strip_prefix(b" ")
        .ok_or("no action after the time")?
        .split(|&b| b == b' ');
    let action = words.next().unwrap_or_default();
    if !matches!(action, b"install" | b"upgrade" | b"remove" | b"disappear") {
        return Ok(LogLine { at, change: None });
    }
    let package = words.next().ok_or("no package")?;
    let (name, arch) = parse_package(package).ok_or("not a package name")?;
    let old = version(words.next())?;
    let new = version(words.next())?;
    let change = LoggedChange {
        name,
        arch,
        // Where only configuration files were left, `install` names the version that they are from.
        old: old.filter(|_| action != b"install"),
        new: new.filter(|_| matches!(action, b"install" | b"upgrade")),
    };
    Ok(LogLine {
        at,
        change: Some(change),
    })
}

/// `NAME[:ARCH]`.
pub(crate) fn parse_package(word: &[u8]) -> Option<(String, Option<String>)> {
    let mut parts = word.splitn(2, |&b| b == b':');
    let name = text(parts.next()?, is_name)?;
    match parts.next() {
        Some(arch) => Some((name, Some(text(arch, is_name)?))),
        None => Some((name, None)),
    }
}

fn version(word: Option<&[u8]>) -> Result<Option<String>, &'static str> {
    match word {
        None => Err("a version is missing"),
        Some(b"<none>" | b"<unknown>") => Ok(None),
        Some(word) => text(word, is_version).map(Some).ok_or("not a version"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Row<'a> = (&'a str, Option<&'a str>, Option<&'a str>, Option<&'a str>);

    #[track_caller]
    fn check(rest: &str, expected: Result<Option<Row<'_>>, &str>) {
        let line = format!("2026-11-20 10:11:12 {rest}");
        let got = parse_log_line(line.as_bytes()).map(|line| line.change);
        let expected = expected.map(|change| {
            change.map(|(name, arch, old, new)| LoggedChange {
                name: name.into(),
                arch: arch.map(Into::into),
                old: old.map(Into::into),
                new: new.map(Into::into),
            })
        });
        assert_eq!(got, expected, "{rest}");
    }

    /// As dpkg 1.21 writes them.
    #[test]
    fn lines() {
        let amd64 = Some("amd64");
        check(
            "upgrade libc6:amd64 2.36-9 2.36-10",
            Ok(Some(("libc6", amd64, Some("2.36-9"), Some("2.36-10")))),
        );
        check(
            "upgrade libc6:amd64 1 1",
            Ok(Some(("libc6", amd64, Some("1"), Some("1")))),
        );
        check(
            "install foo:all <none> 1.0",
            Ok(Some(("foo", Some("all"), None, Some("1.0")))),
        );
        check(
            "install foo:all 0.9 1.0",
            Ok(Some(("foo", Some("all"), None, Some("1.0")))),
        );
        check(
            "remove foo:all 1.0 <none>",
            Ok(Some(("foo", Some("all"), Some("1.0"), None))),
        );
        check(
            "disappear foo:all 1.0 <none>",
            Ok(Some(("foo", Some("all"), Some("1.0"), None))),
        );
        check(
            "upgrade foo 1 2",
            Ok(Some(("foo", None, Some("1"), Some("2")))),
        );
        check("purge foo:all 1.0 <none>", Ok(None));
        check("status installed foo:all 1.0", Ok(None));
        check("startup archives unpack", Ok(None));
        check("conffile /etc/a b keep", Ok(None));
        check("upgrade libc6:amd64 2.36-9", Err("a version is missing"));
        check("upgrade", Err("no package"));
        check("upgrade ../x 1 2", Err("not a package name"));
        check("upgrade foo:all 1 \u{e9}", Err("not a version"));
    }

    #[test]
    fn lines_without_time() {
        assert!(parse_log_line(b"").is_err());
        assert!(parse_log_line(b"upgrade foo 1 2").is_err());
        assert!(parse_log_line(b"2026-11-20 10:11:12").is_err());
        assert!(parse_log_line(&[0; 80]).is_err());
    }
}
