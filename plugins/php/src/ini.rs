//! The settings of `php.ini` and its directory of more, as far as they say what is loaded.

#![forbid(unsafe_code)]

use unstale_plugin::{FileView, Kind, Process, Refused, Root, join};

use crate::option::Command;
use crate::place::{Sapi, places};

/// As many files of one directory as are read.
const FILES: usize = 200;

/// No path is longer (PATH_MAX).
const PATH: usize = 4096;

/// What is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Settings {
    /// `opcache.preload`.
    pub(crate) preload: Vec<u8>,
    /// `opcache.enable`, `opcache.enable_cli`, `opcache.validate_timestamps`; as they are by default: on, off, on.
    pub(crate) cache: Option<bool>,
    pub(crate) cache_cli: Option<bool>,
    pub(crate) validate: Option<bool>,
    /// `include_path`.
    pub(crate) include_path: Option<Vec<u8>>,
    /// `auto_prepend_file`.
    pub(crate) prepend: Vec<u8>,
    /// The first file that could not be read.
    pub(crate) missed: Option<Vec<u8>>,
}

impl Settings {
    fn take(&mut self, name: &[u8], value: &[u8]) {
        match name {
            b"opcache.preload" => self.preload = value.to_vec(),
            b"opcache.enable" => self.cache = Some(is_on(value)),
            b"opcache.enable_cli" => self.cache_cli = Some(is_on(value)),
            b"opcache.validate_timestamps" => self.validate = Some(is_on(value)),
            b"include_path" => self.include_path = Some(value.to_vec()),
            b"auto_prepend_file" => self.prepend = value.to_vec(),
            _ => {}
        }
    }

    /// Lines `NAME = VALUE`; `;` begins a comment. Sections for single hosts and paths are no use to the whole.
    pub(crate) fn parse(&mut self, text: &[u8]) {
        for line in text.split(|&byte| byte == b'\n') {
            let line = line.trim_ascii();
            if line.starts_with(b"[HOST=") || line.starts_with(b"[PATH=") {
                break;
            }
            self.parse_setting(line);
        }
    }

    fn parse_setting(&mut self, line: &[u8]) {
        let Some(at) = line.iter().position(|&byte| byte == b'=') else {
            return;
        };
        let (name, value) = (line[..at].trim_ascii(), line[at + 1..].trim_ascii());
        if name.starts_with(b";") || name.starts_with(b"#") {
            return;
        }
        let value = match value.first() {
            Some(&quote @ (b'"' | b'\'')) => value[1..]
                .split(|&byte| byte == quote)
                .next()
                .unwrap_or_default(),
            _ => value
                .split(|&byte| byte == b';')
                .next()
                .unwrap_or_default()
                .trim_ascii(),
        };
        self.take(name, value);
    }
}

fn is_on(value: &[u8]) -> bool {
    let off = [b"".as_slice(), b"0", b"off", b"no", b"false", b"none"];
    !off.contains(&value.to_ascii_lowercase().as_slice())
}

/// Reads all settings of a process.
pub(crate) fn read_settings(
    process: &Process,
    files: &dyn FileView,
    sapi: Sapi,
    command: &Command,
) -> Settings {
    let mut settings = Settings::default();
    if !command.no_ini {
        for file in ini_files(process, files, sapi, command) {
            match files.read(Root::Process, &file) {
                Ok(text) => settings.parse(&text),
                Err(Refused::Missing) => {}
                Err(_) => settings.missed = settings.missed.or(Some(file)),
            }
        }
    }
    for setting in &command.settings {
        settings.parse_setting(setting);
    }
    settings
}

/// The files in the order in which they are read; the last word counts.
fn ini_files(
    process: &Process,
    files: &dyn FileView,
    sapi: Sapi,
    command: &Command,
) -> Vec<Vec<u8>> {
    let is_there = |path: &[u8]| files.stat(Root::Process, path).is_ok();
    let places = places(process, sapi);
    let place = places
        .iter()
        .find(|place| is_there(&place.file) || is_there(&place.scan));
    let given = command.ini.as_deref().or_else(|| process.env(b"PHPRC"));
    let given = given
        .and_then(|given| absolute(process, given))
        .map(|given| {
            let is_directory = files
                .stat(Root::Process, &given)
                .is_ok_and(|stat| stat.kind == Kind::Directory);
            if is_directory {
                join(&given, b"php.ini")
            } else {
                given
            }
        });
    let mut found = Vec::new();
    found.extend(given.or_else(|| place.map(|place| place.file.clone())));
    for directory in scanned(process, place.map(|place| place.scan.as_slice())) {
        let Ok(entries) = files.list(Root::Process, &directory) else {
            continue;
        };
        let names = entries.into_iter().map(|entry| entry.name);
        let mut names: Vec<_> = names.filter(|name| name.ends_with(b".ini")).collect();
        names.sort_unstable();
        found.extend(names.iter().take(FILES).map(|name| join(&directory, name)));
    }
    found
}

/// `PHP_INI_SCAN_DIR` is a list; an empty word in it stands for the directory that was built in.
fn scanned(process: &Process, built_in: Option<&[u8]>) -> Vec<Vec<u8>> {
    let built_in = built_in.map(<[u8]>::to_vec);
    let Some(list) = process.env(b"PHP_INI_SCAN_DIR") else {
        return built_in.into_iter().collect();
    };
    if list.is_empty() {
        return Vec::new();
    }
    let words = list.split(|&byte| byte == b':').take(20);
    words
        .filter_map(|word| match word {
            b"" => built_in.clone(),
            word => absolute(process, word),
        })
        .collect()
}

/// A path against the working directory.
pub(crate) fn absolute(process: &Process, path: &[u8]) -> Option<Vec<u8>> {
    let whole = match &process.cwd {
        _ if path.starts_with(b"/") => join(b"/", path),
        Some(cwd) => join(cwd, path),
        None => return None,
    };
    is_path(&whole).then_some(whole)
}

/// Whether something can be the name of a file: what stands in files may be anything.
pub(crate) fn is_path(path: &[u8]) -> bool {
    path.len() <= PATH && !path.contains(&0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t6_23_settings() {
        let mut settings = Settings::default();
        settings.parse(
            b"[opcache]\n;opcache.preload=/no\nopcache.preload = \"/srv/a b.php\" ; why\r\nopcache.enable=1\n\
            opcache.validate_timestamps = Off ; x\nopcache.enable_cli=true\ninclude_path='.:/x'\nauto_prepend_file =\n\
            nothing\n[HOST=x]\nopcache.enable=0\n",
        );
        let expected = Settings {
            preload: b"/srv/a b.php".to_vec(),
            cache: Some(true),
            cache_cli: Some(true),
            validate: Some(false),
            include_path: Some(b".:/x".to_vec()),
            ..Settings::default()
        };
        assert_eq!(settings, expected);
    }
}
