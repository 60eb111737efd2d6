//! Files by which a reboot is asked for, and what of them is our own doing.

use serde::{Deserialize, Serialize};

use super::{Bytes, Device, Level, Timestamp};

/// Which of the files are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FlagFiles {
    /// `/run/reboot-required` and its list of packages, as on systems with dpkg.
    pub required: bool,
    /// `/run/reboot-needed` with a word, as on systems with zypp.
    pub needed: bool,
}

/// What of the flag files is ours: `/run/unstale/flags.json`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FlagRecord {
    /// The form of this record: [`FlagRecord::SCHEMA`].
    pub schema: u32,
    /// Lines of `/run/reboot-required.pkgs`; a repeated one is ours as often as it stands here.
    pub lines: Vec<String>,
    /// What `/run/reboot-required` is if it is ours. More than one while it is being replaced.
    pub required: Vec<Mark>,
    /// As [`Self::required`], of `/run/reboot-needed`.
    pub needed: Vec<Mark>,
    /// What somebody else had written into `/run/reboot-needed` before us; `None` if there was no such file.
    pub before: Option<Bytes>,
}

/// A file as we left it: whoever writes to it, or puts another in its place, makes it his own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mark {
    /// `st_dev`.
    pub device: Device,
    /// Inode number.
    pub inode: u64,
    /// Last change of content.
    pub mtime: Timestamp,
}

impl FlagRecord {
    /// The form that is written and understood.
    pub const SCHEMA: u32 = 1;

    /// Parses the text of a record; `None` if it is none of ours.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        let record: Self = serde_json::from_slice(text).ok()?;
        (record.schema == Self::SCHEMA).then_some(record)
    }

    /// Whether it claims nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty() && self.required.is_empty() && self.needed.is_empty()
    }

    /// Splits lines of a list into those that are ours and those that are not: each of ours is taken once.
    #[must_use]
    pub fn split<'a>(&self, lines: impl Iterator<Item = &'a [u8]>) -> Lines<'a> {
        let mut claimed = std::collections::HashMap::<&[u8], usize>::new();
        for line in &self.lines {
            *claimed.entry(line.as_bytes()).or_default() += 1;
        }
        let (mut ours, mut others) = (Vec::new(), Vec::new());
        for line in lines {
            match claimed.get_mut(line) {
                Some(left) if *left > 0 => {
                    *left -= 1;
                    ours.push(line);
                }
                _ => others.push(line),
            }
        }
        Lines { ours, others }
    }
}

/// Lines of a list of packages.
#[derive(Debug, PartialEq, Eq)]
pub struct Lines<'a> {
    /// Those that we wrote.
    pub ours: Vec<&'a [u8]>,
    /// Those of others.
    pub others: Vec<&'a [u8]>,
}

/// The lines of `/run/reboot-required.pkgs` that name something.
pub fn package_lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let lines = text.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii);
    lines.filter(|line| !line.is_empty())
}

/// What `/run/reboot-needed` asks for, and whether every word of it is known. An empty file is libzypp's, which knows no
/// levels; of several words the strongest counts; what is not known may mean anything, and so means a reboot.
#[must_use]
pub fn parse_needed(text: &[u8]) -> (Level, bool) {
    let levels: Vec<Option<Level>> = text
        .split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty())
        .map(|word| {
            let level = std::str::from_utf8(word).ok().and_then(Level::of_word);
            level.filter(|level| *level >= Level::SoftReboot)
        })
        .collect();
    let known = levels.iter().all(Option::is_some);
    let strongest = levels.iter().map(|level| level.unwrap_or(Level::Reboot));
    (strongest.max().unwrap_or(Level::Reboot), known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_needed(text: &[u8], level: Level, known: bool) {
        let shown = String::from_utf8_lossy(text);
        assert_eq!(parse_needed(text), (level, known), "{shown:?}");
    }

    #[test]
    fn t9_16_words() {
        check_needed(b"", Level::Reboot, true);
        check_needed(b" \n\t\n", Level::Reboot, true);
        check_needed(b"reboot\n", Level::Reboot, true);
        // transactional-update writes no newline.
        check_needed(b"kexec", Level::Kexec, true);
        check_needed(b"soft-reboot\r\n", Level::SoftReboot, true);
        check_needed(b"soft-reboot\nkexec\n", Level::Kexec, true);
        check_needed(b"kexec reboot soft-reboot", Level::Reboot, true);
        check_needed(b"halt\n", Level::Reboot, false);
        check_needed(b"soft-reboot halt\n", Level::Reboot, false);
        // Levels of ours that no such file asks for.
        check_needed(b"service\n", Level::Reboot, false);
        check_needed(b"none\n", Level::Reboot, false);
        check_needed(b"KEXEC\n", Level::Reboot, false);
        check_needed(b"\xff\xfe\0", Level::Reboot, false);
    }

    #[test]
    fn t9_16_whose_lines() {
        let record = |lines: &[&str]| FlagRecord {
            lines: lines.iter().map(|&line| line.to_owned()).collect(),
            ..FlagRecord::default()
        };
        let text = b"glibc\n\nlinux-image \nglibc\n\xffodd\nglibc";
        let split = record(&["glibc", "gone", "glibc"]).split(package_lines(text));
        assert_eq!(split.ours, [b"glibc", b"glibc"]);
        let others: [&[u8]; 3] = [b"linux-image", b"\xffodd", b"glibc"];
        assert_eq!(split.others, others);
        assert_eq!(record(&[]).split(package_lines(text)).ours.len(), 0);
    }

    #[test]
    fn records() {
        let mark = Mark {
            device: Device {
                major: 0,
                minor: 25,
            },
            inode: 77,
            mtime: Timestamp { secs: 1, nanos: 2 },
        };
        let record = FlagRecord {
            schema: FlagRecord::SCHEMA,
            lines: vec!["glibc".to_owned()],
            required: vec![mark.clone()],
            needed: vec![mark],
            before: Some(Bytes::from(&b"ke\xffxec"[..])),
        };
        let text = serde_json::to_vec(&record).unwrap();
        assert_eq!(FlagRecord::parse(&text), Some(record));
        let later = String::from_utf8(text.clone())
            .unwrap()
            .replacen('1', "2", 1);
        assert_eq!(FlagRecord::parse(later.as_bytes()), None);
        for damaged in [&text[..text.len() - 1], b"", b"[]", b"{}", b"\xff", b"null"] {
            assert_eq!(FlagRecord::parse(damaged), None);
        }
    }
}
