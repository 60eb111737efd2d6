//! Files by which somebody asks for a reboot.
//!
//! A file that exists asks, whatever it is: that is how all who read these files see it (kured, update-motd, zypper). What
//! we wrote ourselves into them is told apart by our own record, so that we do not take our own word for a reason.

use std::collections::HashSet;
use std::io::Read as _;

use super::files::{Files, Found, why_io};
use crate::model::{Bytes, FileStat, Flag, FlagRecord, Level, Mark, WhyNot};
use crate::model::{package_lines, parse_needed};

/// Where they are.
const DIRECTORIES: [&str; 2] = ["/run", "/var/run"];
const REQUIRED: &str = "/reboot-required";
const PACKAGES: &str = "/reboot-required.pkgs";
const NEEDED: &str = "/reboot-needed";
/// Amazon Linux, smart-restart(1).
const MARKER: &str = "/smart-restart/reboot-hint-marker";
const OURS: &str = "/run/unstale";
const RECORD: &str = "/run/unstale/flags.json";

const PACKAGES_CAP: u64 = 1024 * 1024;
const WORDS_CAP: u64 = 4096;
const RECORD_CAP: u64 = 1024 * 1024;
/// What is longer is no name of a package.
const NAME_CAP: usize = 256;
const NAMES_CAP: usize = 4096;

pub(super) fn read(files: &Files<'_>) -> Vec<Flag> {
    let record = read_record(files).unwrap_or_default();
    let mut flags = Vec::new();
    // One file may have several names: /var/run is a link on all but old systems, or a bind mount.
    let mut seen = HashSet::new();
    let [run, old] = DIRECTORIES.map(|directory| find(files, directory));
    let is_same = run.zip(old).is_some_and(|(run, old)| run.path == old.path);
    for directory in DIRECTORIES.into_iter().take(2 - usize::from(is_same)) {
        let mut found = |name: &str| {
            let path = [directory, name].concat();
            let found = find(files, &path)?;
            seen.insert((found.stat.device, found.stat.inode))
                .then_some(found)
        };
        if let Some(found) = found(REQUIRED) {
            let packages = read_packages(files, &[directory, PACKAGES].concat());
            flags.push(required(found, &packages, &record));
        }
        if let Some(found) = found(NEEDED) {
            flags.push(needed(files, found, &record));
        }
        if let Some(found) = found(MARKER) {
            flags.push(flag(found, Level::Reboot));
        }
    }
    flags
}

fn find(files: &Files<'_>, path: &str) -> Option<Found> {
    files.find(path).unwrap_or_else(|why| {
        files.note("look at", path, why);
        None
    })
}

fn flag(found: Found, level: Level) -> Flag {
    Flag {
        // Writers empty the file and write it anew each time: its birth is when somebody first asked.
        since: found.stat.btime.unwrap_or(found.stat.mtime),
        path: found.path,
        level,
        packages: Vec::new(),
        own: false,
    }
}

fn required(found: Found, packages: &[u8], record: &FlagRecord) -> Flag {
    let ours = record.required.contains(&mark(&found.stat));
    let lines = record.split(package_lines(packages));
    let mut flag = flag(found, Level::Reboot);
    flag.own = ours && lines.others.is_empty();
    // Of a flag that others want too, the reasons are theirs.
    let lines = if flag.own { lines.ours } else { lines.others };
    let mut known = HashSet::new();
    let first = lines.into_iter().filter(|line| known.insert(*line));
    flag.packages = first.map(Bytes::from).collect();
    flag
}

fn needed(files: &Files<'_>, found: Found, record: &FlagRecord) -> Flag {
    let text = match read_capped(files, &found, WORDS_CAP) {
        Ok(text) => text,
        Err(why) => {
            files.note("read", found.path.as_slice(), why);
            return flag(found, Level::Reboot);
        }
    };
    let ours = record.needed.contains(&mark(&found.stat));
    // What another had asked for before we asked for more is still his word, and the rest is ours.
    let (text, own) = match (ours, &record.before) {
        (true, Some(before)) => (before.as_slice(), false),
        (ours, _) => (text.as_slice(), ours),
    };
    let (level, known) = parse_needed(text);
    if !known {
        let why = "it holds a word other than reboot, kexec and soft-reboot; taken as reboot";
        files.note("understand", found.path.as_slice(), failed(why));
    }
    let mut flag = flag(found, level);
    flag.own = own;
    flag
}

/// The lines that can be names of packages; what is left out is noted.
fn read_packages(files: &Files<'_>, path: &str) -> Vec<u8> {
    let Some(found) = find(files, path) else {
        return Vec::new();
    };
    let mut text = match read_start(files, &found, PACKAGES_CAP) {
        Ok(text) => text,
        Err(why) => {
            files.note("read", path, why);
            return Vec::new();
        }
    };
    let whole = text.len() as u64 <= PACKAGES_CAP;
    if !whole {
        // The last line may be the beginning of a name.
        let end = text.iter().rposition(|&byte| byte == b'\n');
        text.truncate(end.unwrap_or_default());
    }
    let mut kept = Vec::new();
    let (mut names, mut left_out) = (0, !whole);
    for line in package_lines(&text) {
        if line.len() > NAME_CAP || names == NAMES_CAP {
            left_out = true;
            continue;
        }
        names += 1;
        kept.extend_from_slice(line);
        kept.push(b'\n');
    }
    if left_out {
        let what = format!("only {names} names of packages were taken, it is too long");
        files.note("read", path, WhyNot::Failed(what));
    }
    kept
}

/// What we wrote; `None` if nothing, or if others could have written it.
fn read_record(files: &Files<'_>) -> Option<FlagRecord> {
    let found = find(files, RECORD)?;
    if let Err(why) = check_ours(files, &found) {
        files.note("trust", RECORD, failed(why));
        return None;
    }
    let text = read_capped(files, &found, RECORD_CAP).map_err(|why| {
        files.note("read", RECORD, why);
    });
    let record = FlagRecord::parse(&text.ok()?);
    if record.is_none() {
        files.note(
            "understand",
            RECORD,
            failed("it is no record of this version"),
        );
    }
    record
}

/// Only who owns `/run` may say what is ours: that is root.
fn check_ours(files: &Files<'_>, record: &Found) -> Result<(), &'static str> {
    if record.path.as_slice() != RECORD.as_bytes() || !record.is_file() {
        return Err("it is no regular file at that path");
    }
    let above = ["/run", OURS].map(|path| files.find(path).ok().flatten());
    let [Some(run), Some(directory)] = above else {
        return Err("its directory is gone");
    };
    let stats = [&directory.stat, &record.stat];
    if stats.iter().any(|stat| stat.uid != run.stat.uid) {
        return Err("it or its directory belongs to somebody else than /run");
    }
    if stats.iter().any(|stat| stat.mode & 0o022 != 0) {
        return Err("it or its directory is writable by others than its owner");
    }
    Ok(())
}

fn read_capped(files: &Files<'_>, found: &Found, cap: u64) -> Result<Vec<u8>, WhyNot> {
    let bytes = read_start(files, found, cap)?;
    if bytes.len() as u64 > cap {
        return Err(failed(&format!("it is longer than {cap} bytes")));
    }
    Ok(bytes)
}

/// One byte more than `cap` at most.
fn read_start(files: &Files<'_>, found: &Found, cap: u64) -> Result<Vec<u8>, WhyNot> {
    let mut bytes = Vec::new();
    files
        .open_found(found)?
        .take(cap + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| why_io(&error))?;
    Ok(bytes)
}

fn mark(stat: &FileStat) -> Mark {
    Mark {
        device: stat.device,
        inode: stat.inode,
        mtime: stat.mtime,
    }
}

fn failed(why: &str) -> WhyNot {
    WhyNot::Failed(why.to_owned())
}

#[cfg(test)]
mod tests;
