//! Values of a manifest, checked while they are read: what is refused is told with its line. Pure.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use super::glob::Glob;
use super::template::Template;
use crate::model::is_tame;

/// What a list may hold.
const LIST_CAP: usize = 64;
const GLOB_CAP: usize = 256;
const NAME_CAP: usize = 32;
const VERSION_CAP: usize = 64;
const SUMMARY_CAP: usize = 200;
const VARIABLE_CAP: usize = 64;

/// Keys of `[plugins]` in the configuration, where options of a plugin stand under its name.
const TAKEN: [&str; 4] = ["enable", "disable", "etc", "directories"];

/// What the host's parser of control groups tells.
const RUNTIMES: [&str; 14] = [
    "docker",
    "podman",
    "containerd",
    "cri-o",
    "kubernetes",
    "lxc",
    "lxd",
    "incus",
    "nspawn",
    "libvirt",
    "qemu",
    "snap",
    "flatpak",
    "unknown",
];

/// In names of variables that hold secrets: no detector is shown those.
const SECRET: [&str; 8] = [
    "PASSW",
    "PASSPHRASE",
    "SECRET",
    "TOKEN",
    "CREDENTIAL",
    "PRIVATE_KEY",
    "API_KEY",
    "ACCESS_KEY",
];

/// Directories of the host of which nothing is shown: their files are no files.
const NO_FILES: [&str; 3] = ["proc", "sys", "dev"];

/// Files of the host that no detector has any business with.
const PRIVATE: [&str; 9] = [
    "/etc/shadow",
    "/etc/shadow-",
    "/etc/gshadow",
    "/etc/gshadow-",
    "/etc/sudoers",
    "/etc/ssh/ssh_host_ed25519_key",
    "/etc/ssl/private/server.key",
    "/root/.ssh/id_ed25519",
    "/home/user/.ssh/id_ed25519",
];

/// A word that names a plugin or a way to restart.
fn is_name(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    text.len() <= NAME_CAP
        && text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.bytes().all(plain)
}

/// Text of one line that a terminal prints as it is.
fn is_line(text: &str, cap: usize) -> bool {
    !text.is_empty() && text.len() <= cap && text.chars().all(is_tame) && text.trim() == text
}

/// An absolute path in which no component is empty, `.` or `..`.
pub(super) fn is_plain_path(path: &[u8]) -> bool {
    path.strip_prefix(b"/").is_some_and(|rest| {
        let plain = |part: &[u8]| !matches!(part, b"" | b"." | b"..") && !part.contains(&0);
        rest.split(|&byte| byte == b'/').all(plain)
    })
}

pub(super) fn name<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let text = String::deserialize(from)?;
    if !is_name(&text) {
        return Err(D::Error::custom(
            "a name is [a-z][a-z0-9-]*, at most 32 bytes",
        ));
    }
    if TAKEN.contains(&text.as_str()) {
        return Err(D::Error::custom("a key of the configuration has that name"));
    }
    Ok(text)
}

pub(super) fn version<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let text = String::deserialize(from)?;
    let printable = text.bytes().all(|byte| byte.is_ascii_graphic());
    if !printable || !is_line(&text, VERSION_CAP) {
        return Err(D::Error::custom(
            "a version is of printable ASCII without blanks, at most 64 bytes",
        ));
    }
    Ok(text)
}

pub(super) fn summary<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let text = String::deserialize(from)?;
    if !is_line(&text, SUMMARY_CAP) {
        return Err(D::Error::custom(
            "a summary is one line of printable text, at most 200 bytes",
        ));
    }
    Ok(text)
}

/// One value of a list.
macro_rules! value {
    ($name:ident($inner:ty) from $check:expr) => {
        #[derive(Deserialize)]
        #[serde(try_from = "String")]
        struct $name($inner);

        impl TryFrom<String> for $name {
            type Error = String;

            fn try_from(text: String) -> Result<Self, String> {
                // A list has one place for all of its values.
                let check: fn(&str) -> Result<$inner, String> = $check;
                check(&text)
                    .map(Self)
                    .map_err(|why| format!("`{text}`: {why}"))
            }
        }
    };
}

value!(Pattern(Glob) from checked_glob);
value!(HostFile(Glob) from checked_host_file);
value!(RuntimeWord(String) from checked_runtime);
value!(Variable(String) from checked_variable);

fn checked_glob(text: &str) -> Result<Glob, String> {
    if is_line(text, GLOB_CAP) {
        Ok(Glob::new(text))
    } else {
        Err("a pattern is one line of printable text, at most 256 bytes".to_owned())
    }
}

fn checked_host_file(text: &str) -> Result<Glob, String> {
    let glob = checked_glob(text)?;
    let path = glob.as_str();
    if !is_plain_path(path.as_bytes()) {
        return Err("a file of the host is an absolute path without `.` and `..`".to_owned());
    }
    let top = path.split('/').nth(1).unwrap_or_default();
    if top.contains(['*', '?']) {
        return Err("the first component of a host's file has no wildcards".to_owned());
    }
    if NO_FILES.contains(&top) {
        return Err(format!("nothing below /{top} is shown"));
    }
    match PRIVATE
        .iter()
        .find(|file| glob.matches_path(file.as_bytes()))
    {
        Some(file) => Err(format!("this would show {file}")),
        None => Ok(glob),
    }
}

fn checked_runtime(text: &str) -> Result<String, String> {
    if RUNTIMES.contains(&text) {
        Ok(text.to_owned())
    } else {
        Err(format!("a runtime is one of {}", RUNTIMES.join(", ")))
    }
}

fn checked_variable(text: &str) -> Result<String, String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let starts = !text.starts_with(|first: char| first.is_ascii_digit());
    if text.is_empty() || text.len() > VARIABLE_CAP || !starts || !text.bytes().all(plain) {
        return Err("a variable is [A-Za-z_][A-Za-z0-9_]*, at most 64 bytes".to_owned());
    }
    let upper = text.to_ascii_uppercase();
    match SECRET.iter().find(|word| upper.contains(*word)) {
        Some(word) => Err(format!(
            "variables with {word} in their names are not shown"
        )),
        None => Ok(text.to_owned()),
    }
}

/// A list of bounded length.
fn list<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Vec<T>, D::Error> {
    let all = Vec::<T>::deserialize(from)?;
    if all.len() > LIST_CAP {
        return Err(D::Error::custom("a list has at most 64 values"));
    }
    Ok(all)
}

pub(super) fn globs<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Glob>, D::Error> {
    Ok(list(from)?.into_iter().map(|Pattern(glob)| glob).collect())
}

pub(super) fn host_files<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Glob>, D::Error> {
    Ok(list(from)?.into_iter().map(|HostFile(glob)| glob).collect())
}

pub(super) fn runtimes<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    let words = list(from)?.into_iter();
    Ok(words.map(|RuntimeWord(word)| word).collect())
}

pub(super) fn variables<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    Ok(list(from)?.into_iter().map(|Variable(name)| name).collect())
}

pub(super) fn restarts<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<BTreeMap<String, Template>, D::Error> {
    let all = BTreeMap::<String, Template>::deserialize(from)?;
    if all.len() > LIST_CAP {
        return Err(D::Error::custom("there are at most 64 ways to restart"));
    }
    match all.keys().find(|key| !is_name(key)) {
        Some(_) => Err(D::Error::custom(
            "the name of a way to restart is [a-z][a-z0-9-]*, at most 32 bytes",
        )),
        None => Ok(all),
    }
}
