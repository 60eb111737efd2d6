//! Packages after whose upgrade somebody wants a reboot: files of administrators and packages, beside what is shipped.
//!
//! `/etc/dnf/plugins/needs-restarting.d/*.conf` (dnf's plugin of that name), `/etc/zypp/needreboot` and `needreboot.d`
//! (libzypp), and the configuration of zypp-boot-plugin. What cannot be understood is a problem that names file and line.

mod shipped;
#[cfg(test)]
mod tests;
mod zypp;

use shipped::shipped;

use super::files::Files;
use crate::model::{Bytes, Level, Listed, ListedBy, WhyNot};

/// Of a list.
const FILE_CAP: u64 = 1024 * 1024;
/// Of all lists: each is compared with each package. The longest ones known name two dozen.
const ENTRIES_CAP: usize = 1_000;
/// Of those, with `*` in them: each may fit every package.
const PATTERNS_CAP: usize = 50;
const OS_RELEASE_CAP: u64 = 64 * 1024;

const NEEDS_RESTARTING: &str = "/etc/dnf/plugins/needs-restarting.d";
const OS_RELEASE: [&str; 2] = ["/etc/os-release", "/usr/lib/os-release"];

/// All of them: what the settings say, what files say, what is shipped for this system.
pub(super) fn read(files: &Files<'_>, settings: &[Listed]) -> Vec<Listed> {
    let mut found = Entries::of(files);
    for name in files.list_or_note(NEEDS_RESTARTING) {
        if name.as_slice().ends_with(b".conf") {
            found.take_lines(&inside(NEEDS_RESTARTING, &name), parse_dnf_line);
        }
    }
    zypp::read(&mut found);
    let found = found.entries;
    let texts = OS_RELEASE.iter();
    let os_release = texts
        .filter_map(|path| files.read_or_note(path, OS_RELEASE_CAP))
        .next();
    let shipped = shipped(&os_release.unwrap_or_default());
    settings
        .iter()
        .cloned()
        .chain(found)
        .chain(shipped)
        .collect()
}

/// What a line says, if anything; or what is wrong with it.
type Parsed = Result<Option<Listed>, &'static str>;

/// What was read so far.
struct Entries<'a> {
    files: &'a Files<'a>,
    entries: Vec<Listed>,
    is_full: bool,
    patterns: usize,
    has_too_many_patterns: bool,
}

impl<'a> Entries<'a> {
    fn of(files: &'a Files<'a>) -> Self {
        Self {
            files,
            entries: Vec::new(),
            is_full: false,
            patterns: 0,
            has_too_many_patterns: false,
        }
    }

    /// The text of a file; none where there is no file, or a link to `/dev/null` in its place.
    fn text(&self, path: &Bytes) -> Option<Vec<u8>> {
        match self.files.find(path.as_slice()) {
            Ok(Some(found)) if found.path.as_slice() == b"/dev/null" => None,
            _ => self.files.read_or_note(path.as_slice(), FILE_CAP),
        }
    }

    /// What stands in a file, a line each.
    fn take_lines(&mut self, path: &Bytes, parse: fn(&[u8]) -> Parsed) {
        let text = self.text(path).unwrap_or_default();
        for (number, line) in numbered(&text) {
            match parse(line) {
                Ok(Some(listed)) => self.add(path, number, listed),
                Ok(None) => {}
                Err(what) => self.bad(path, number, what),
            }
        }
    }

    fn add(&mut self, path: &Bytes, line: u32, listed: Listed) {
        let is_pattern = listed.name.contains('*');
        if is_pattern && self.patterns == PATTERNS_CAP {
            if !std::mem::replace(&mut self.has_too_many_patterns, true) {
                let what = format!("lists of packages hold more than {PATTERNS_CAP} names with *");
                self.bad(path, line, &what);
            }
            return;
        }
        self.patterns += usize::from(is_pattern);
        if self.entries.len() < ENTRIES_CAP {
            self.entries.push(Listed {
                source: path.clone(),
                line: Some(line),
                ..listed
            });
        } else if !std::mem::replace(&mut self.is_full, true) {
            let what = format!("lists of packages hold more than {ENTRIES_CAP} entries");
            self.bad(path, line, &what);
        }
    }

    /// Notes a line that is not understood. The others count.
    fn bad(&self, path: &Bytes, line: u32, what: &str) {
        let why = WhyNot::Failed(format!("line {line}: {what}"));
        self.files.note("read", path.as_slice(), why);
    }
}

/// Lines and their numbers, from 1.
fn numbered(text: &[u8]) -> impl Iterator<Item = (u32, &[u8])> {
    (1..).zip(text.split(|&b| b == b'\n'))
}

/// The text of a line.
fn text(line: &[u8]) -> Result<&str, &'static str> {
    std::str::from_utf8(line).map_err(|_| "it is no text")
}

fn inside(directory: &str, name: &Bytes) -> Bytes {
    Bytes([directory.as_bytes(), b"/", name.as_slice()].concat())
}

/// A line of `needs-restarting.d`: a name, blanks at the end taken off. dnf takes comments and blank lines for names, and
/// warns of them; we pass over them.
fn parse_dnf_line(line: &[u8]) -> Parsed {
    let name = text(line)?.trim_end();
    let is_name = !name.is_empty() && !name.starts_with('#');
    Ok(is_name.then(|| Listed {
        name: name.to_owned(),
        by: ListedBy::NameOrProvides,
        level: Level::Reboot,
        installs_count: true,
        ..Listed::default()
    }))
}
