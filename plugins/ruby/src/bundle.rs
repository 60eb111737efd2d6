//! `Gemfile.lock`: which versions of which gems an application uses.

#![forbid(unsafe_code)]

/// What a lock says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Lock {
    /// Names and versions, with the platform if the version has one: `1.2.3`, `1.2.3-x86_64-linux`.
    pub(crate) gems: Vec<(Vec<u8>, Vec<u8>)>,
    /// Names of the gems that the application itself asks for.
    pub(crate) wanted: Vec<Vec<u8>>,
    /// Directories that are gems themselves, as the lock names them (`PATH`).
    pub(crate) directories: Vec<Vec<u8>>,
    /// Checkouts: `NAME-REVISION` below `bundler/gems` (`GIT`).
    pub(crate) checkouts: Vec<Vec<u8>>,
}

const ENTRIES: usize = 4_096;

/// Reads a lock file.
pub(crate) fn parse_lock(text: &[u8]) -> Lock {
    let mut lock = Lock::default();
    let mut section: &[u8] = b"";
    let mut remote: &[u8] = b"";
    for line in text.split(|&byte| byte == b'\n').take(16 * ENTRIES) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let content = line.trim_ascii_start();
        let indent = line.len() - content.len();
        if indent == 0 {
            section = content;
            continue;
        }
        if lock.gems.len() >= ENTRIES || lock.wanted.len() >= ENTRIES {
            break;
        }
        match (section, indent) {
            (b"PATH" | b"GIT", 2) => {
                if let Some(value) = content.strip_prefix(b"remote: ") {
                    remote = value;
                    if section == b"PATH" && lock.directories.len() < 64 {
                        lock.directories.push(value.to_vec());
                    }
                } else if let Some(revision) = content.strip_prefix(b"revision: ")
                    && lock.checkouts.len() < 256
                {
                    lock.checkouts.push(checkout(remote, revision));
                }
            }
            (b"GEM", 4) => {
                if let Some((name, version)) = entry(content) {
                    lock.gems.push((name.to_vec(), version.to_vec()));
                }
            }
            (b"DEPENDENCIES", 2) => {
                let name = content.split(|&byte| byte == b' ' || byte == b'!').next();
                lock.wanted
                    .extend(name.filter(|name| is_name(name)).map(<[u8]>::to_vec));
            }
            _ => {}
        }
    }
    lock
}

/// `rack (2.2.6)`.
fn entry(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = line.iter().position(|&byte| byte == b' ')?;
    let version = line[at + 1..].strip_prefix(b"(")?.strip_suffix(b")")?;
    (is_name(&line[..at]) && is_name(version)).then_some((&line[..at], version))
}

/// A part of a path that cannot lead anywhere else.
pub(crate) fn is_name(name: &[u8]) -> bool {
    !name.is_empty()
        && !name.starts_with(b".")
        && name
            .iter()
            .all(|&byte| byte.is_ascii_alphanumeric() || b"-_.+".contains(&byte))
}

/// The directory of a checkout: the last part of its address, and twelve digits of the revision.
fn checkout(remote: &[u8], revision: &[u8]) -> Vec<u8> {
    let base = unstale_plugin::base_name(remote.strip_suffix(b"/").unwrap_or(remote));
    let base = base.strip_suffix(b".git").unwrap_or(base);
    [base, b"-", &revision[..revision.len().min(12)]].concat()
}

/// A name like `rack-test-2.1.0-java`: the name, and the version with its platform.
pub(crate) fn split_version(directory: &[u8]) -> Option<(&[u8], &[u8])> {
    let dashes = directory
        .iter()
        .enumerate()
        .filter(|(_, byte)| **byte == b'-');
    dashes
        .map(|(at, _)| at)
        .find(|&at| {
            directory.get(at + 1).is_some_and(u8::is_ascii_digit)
                && directory[at + 1..].contains(&b'.')
        })
        .map(|at| (&directory[..at], &directory[at + 1..]))
}
