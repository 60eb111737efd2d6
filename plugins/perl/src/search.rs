//! `@INC`: the directories in which a perl of some version and some distribution looks.

#![forbid(unsafe_code)]

use std::collections::HashMap;

use unstale_plugin::{FileView, Kind, Listings, Process, Root, directory_of, join};

use crate::options::Options;

/// A directory of `@INC`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Directory {
    pub(crate) path: Vec<u8>,
    /// Whether the process surely looks there: not if the version is not known, or a condition adds it.
    pub(crate) sure: bool,
}

/// Which perl it is, as far as what is mapped tells.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Build {
    /// `5.36.0`, `5.36`.
    versions: Vec<Vec<u8>>,
    /// Whether what is mapped names the version.
    known: bool,
    /// The directory of the architecture in Debian: `x86_64-linux-gnu`.
    triplet: Vec<u8>,
}

/// What is looked up once for several processes.
#[derive(Debug, Default)]
pub(crate) struct Search {
    /// Directories for versions and architectures inside a directory.
    inside: HashMap<(u64, Vec<u8>), Vec<Vec<u8>>>,
}

/// `5.36`, `5.36.0`: the version that a text is, if it is one.
fn version(text: &[u8]) -> Option<&[u8]> {
    let parts: Vec<&[u8]> = text.split(|&byte| byte == b'.').collect();
    let numbers = parts
        .iter()
        .all(|part| !part.is_empty() && part.len() < 4 && part.iter().all(u8::is_ascii_digit));
    ((2..=3).contains(&parts.len()) && parts[0] == b"5" && numbers).then_some(text)
}

/// The first two numbers.
fn short(version: &[u8]) -> &[u8] {
    let mut dots = version
        .iter()
        .enumerate()
        .filter(|(_, byte)| **byte == b'.');
    match dots.nth(1) {
        Some((at, _)) => &version[..at],
        None => version,
    }
}

/// The version that the mapped code and the name of the program tell.
fn mapped_version(process: &Process) -> Option<Vec<u8>> {
    let mut best: Option<Vec<u8>> = None;
    let paths = process.code.iter().map(|mapped| mapped.path.as_slice());
    let paths = paths.chain([process.exe.as_slice()]);
    for path in paths.filter(|path| path.windows(4).any(|four| four == b"perl")) {
        for part in path.split(|&byte| byte == b'/') {
            let text = part
                .strip_prefix(b"libperl.so.")
                .or_else(|| part.strip_prefix(b"perl"))
                .unwrap_or(part);
            let text = text.split(|&byte| byte == b'-').next().unwrap_or(text);
            // A longer one says more: 5.36.0 rather than 5.36.
            if let Some(found) = version(text)
                && best.as_ref().is_none_or(|best| best.len() < found.len())
            {
                best = Some(found.to_vec());
            }
        }
    }
    best
}

fn triplet(process: &Process) -> Option<Vec<u8>> {
    let mut paths = process.code.iter().map(|mapped| mapped.path.as_slice());
    paths.find_map(|path| {
        let rest = path.strip_prefix(b"/usr").unwrap_or(path);
        let name = rest
            .strip_prefix(b"/lib/")?
            .split(|&byte| byte == b'/')
            .next()?;
        name.windows(7)
            .any(|seven| seven == b"-linux-")
            .then(|| name.to_vec())
    })
}

fn names(files: &dyn FileView, directory: &[u8]) -> Vec<Vec<u8>> {
    let entries = files.list(Root::Process, directory).unwrap_or_default();
    let entries = entries.into_iter().filter(|entry| entry.kind != Kind::File);
    let mut names: Vec<Vec<u8>> = entries.map(|entry| entry.name).collect();
    names.sort();
    names
}

impl Search {
    /// The whole `@INC` with which the program begins, and what a person should know of it.
    pub(crate) fn begin(
        &mut self,
        process: &Process,
        files: &dyn FileView,
        listings: &mut Listings,
        options: &Options,
    ) -> (Vec<Directory>, Option<&'static str>) {
        let mut include = Vec::new();
        for directory in &options.includes {
            self.add(process, files, directory, &mut include);
        }
        if !options.taint {
            let list = process.env(b"PERL5LIB").or_else(|| process.env(b"PERLLIB"));
            for directory in list.unwrap_or_default().split(|&byte| byte == b':') {
                self.add(process, files, directory, &mut include);
            }
        }
        let build = build(process, files);
        for template in templates(&build, prefix(&process.exe)) {
            if listings.is_directory(process, files, &template.path) {
                include.push(template);
            }
        }
        let old = build.versions.first().is_some_and(|version| {
            let minor = short(version).strip_prefix(b"5.").unwrap_or_default();
            let minor = std::str::from_utf8(minor)
                .ok()
                .and_then(|text| text.parse::<u32>().ok());
            minor.is_some_and(|minor| minor < 26)
        });
        let asked = process.env(b"PERL_USE_UNSAFE_INC") == Some(b"1");
        if (old || asked)
            && !options.taint
            && let Some(cwd) = &process.cwd
        {
            include.push(Directory {
                path: cwd.clone(),
                sure: false,
            });
        }
        let note = (!build.known && build.versions.len() > 1).then_some(
            "several versions of perl are installed: modules of all are shown as possible",
        );
        (include, note)
    }

    /// Adds a directory that the user named, behind those of its versions and architectures.
    pub(crate) fn add(
        &mut self,
        process: &Process,
        files: &dyn FileView,
        directory: &[u8],
        to: &mut Vec<Directory>,
    ) {
        let path = match (directory.first(), &process.cwd) {
            (None, _) => return,
            (Some(b'/'), _) => join(b"/", directory),
            (Some(_), Some(cwd)) => join(cwd, directory),
            (Some(_), None) => return,
        };
        for inside in self.inside(process, files, &path) {
            to.push(Directory {
                path: inside,
                sure: true,
            });
        }
        to.push(Directory { path, sure: true });
    }

    /// `DIR/5.36.0/ARCH`, `DIR/5.36.0`, `DIR/ARCH`, which `-I`, `PERL5LIB` and lib(3perl) add where they exist.
    fn inside(&mut self, process: &Process, files: &dyn FileView, path: &[u8]) -> Vec<Vec<u8>> {
        let key = (process.view, path.to_vec());
        if let Some(known) = self.inside.get(&key) {
            return known.clone();
        }
        let architecture = |name: &[u8]| name.windows(6).any(|six| six == b"-linux");
        let current = mapped_version(process);
        let mut found = Vec::new();
        let inner = names(files, path);
        for name in inner.iter().filter(|name| version(name).is_some()) {
            if current
                .as_ref()
                .is_some_and(|current| short(current) != short(name))
            {
                continue;
            }
            let directory = join(path, name);
            for name in names(files, &directory) {
                if architecture(&name) {
                    found.push(join(&directory, &name));
                }
            }
            found.push(directory);
        }
        found.extend(
            inner
                .iter()
                .filter(|name| architecture(name))
                .map(|name| join(path, name)),
        );
        found.truncate(16);
        self.inside.insert(key, found.clone());
        found
    }
}

/// Where a perl is installed: `/usr` of `/usr/bin/perl`.
fn prefix(exe: &[u8]) -> &[u8] {
    match directory_of(directory_of(exe)) {
        b"/" => b"/usr",
        prefix => prefix,
    }
}

fn build(process: &Process, files: &dyn FileView) -> Build {
    let prefix = prefix(&process.exe);
    let triplet = triplet(process).unwrap_or_default();
    if let Some(found) = mapped_version(process) {
        let mut versions = vec![found.clone()];
        if short(&found).len() == found.len() {
            // Only `5.36` is known: the directories tell the third number.
            let begins = [found.as_slice(), b"."].concat();
            let full = present(files, prefix);
            let full = full.into_iter().filter(|name| name.starts_with(&begins));
            versions = full.collect();
            if versions.is_empty() {
                versions.push(found);
            }
        }
        return Build {
            versions,
            known: true,
            triplet,
        };
    }
    let mut versions = present(files, prefix);
    versions.reverse();
    versions.truncate(4);
    Build {
        known: versions.len() < 2,
        versions,
        triplet,
    }
}

/// The versions whose directories are there.
fn present(files: &dyn FileView, prefix: &[u8]) -> Vec<Vec<u8>> {
    let mut found: Vec<Vec<u8>> = Vec::new();
    for place in [&b"share/perl"[..], b"lib/perl5", b"lib"] {
        let names = names(files, &join(prefix, place));
        let full = |name: &Vec<u8>| version(name).is_some_and(|name| short(name) != name);
        found.extend(names.into_iter().filter(full));
        if !found.is_empty() {
            break;
        }
    }
    found.sort_by_key(|name| numbers(name));
    found.dedup();
    found
}

fn numbers(version: &[u8]) -> Vec<u32> {
    let parts = version.split(|&byte| byte == b'.');
    let texts = parts.map(|part| std::str::from_utf8(part).unwrap_or_default());
    texts.map(|text| text.parse().unwrap_or(0)).collect()
}

/// Where perls look, first first. `{p}` prefix, `{t}` triplet, `{v}` version, `{s}` its first two numbers. Debian (perl
/// -V there), Fedora, SUSE, Arch and Alpine, then what the sources install by themselves; those of another layout
/// are not there.
const PLACES: [&str; 47] = [
    "/etc/perl",
    "/usr/local/lib/{t}/perl/{v}",
    "/usr/local/share/perl/{v}",
    "{p}/lib/{t}/perl5/{s}",
    "/usr/local/lib64/perl5/{s}",
    "/usr/local/lib64/perl5",
    "/usr/local/share/perl5/{s}",
    "/usr/local/lib/perl5/site_perl",
    "/usr/local/share/perl5/site_perl",
    "{p}/lib/perl5/site_perl/{v}/{t}-thread-multi",
    "{p}/lib/perl5/site_perl/{v}/{m}-linux-thread-multi",
    "{p}/lib/perl5/site_perl/{v}/{m}-linux-gnu",
    "{p}/lib/perl5/site_perl/{v}/{m}-linux",
    "{p}/lib/perl5/site_perl/{v}",
    "{p}/lib/site_perl/{v}/{m}-linux-thread-multi",
    "{p}/lib/site_perl/{v}/{m}-linux",
    "{p}/lib/site_perl/{v}",
    "{p}/lib/perl5/{s}/site_perl",
    "{p}/share/perl5/site_perl",
    "{p}/lib64/perl5/vendor_perl",
    "{p}/share/perl5/vendor_perl",
    "{p}/lib/perl5/vendor_perl/{v}/{m}-linux-thread-multi",
    "{p}/lib/perl5/vendor_perl/{v}/{m}-linux-gnu",
    "{p}/lib/perl5/vendor_perl/{v}/{m}-linux",
    "{p}/lib/perl5/vendor_perl/{v}",
    "{p}/lib/perl5/{s}/vendor_perl",
    "{p}/lib/perl5/vendor_perl",
    "{p}/lib64/perl5",
    "{p}/share/perl5",
    "{p}/lib/{t}/perl-base",
    "{p}/lib/{t}/perl/{s}",
    "{p}/lib/{t}/perl/{v}",
    "{p}/share/perl/{s}",
    "{p}/share/perl/{v}",
    "{p}/lib/perl5/{v}/{m}-linux-thread-multi",
    "{p}/lib/perl5/{v}/{m}-linux-gnu",
    "{p}/lib/perl5/{v}/{m}-linux",
    "{p}/lib/perl5/{v}",
    "{p}/lib/perl5/{s}/core_perl",
    "{p}/lib/perl5/core_perl",
    "{p}/share/perl5/core_perl",
    "{p}/lib/{v}/{m}-linux-thread-multi",
    "{p}/lib/{v}/{m}-linux-gnu",
    "{p}/lib/{v}/{m}-linux",
    "{p}/lib/{v}",
    "{p}/lib/perl5/site_perl",
    "/usr/local/lib/site_perl",
];

fn templates(build: &Build, prefix: &[u8]) -> Vec<Directory> {
    let system = prefix == b"/usr";
    let machine = build
        .triplet
        .split(|&byte| byte == b'-')
        .next()
        .unwrap_or_default();
    let machine = if machine.is_empty() {
        std::env::consts::ARCH.as_bytes()
    } else {
        machine
    };
    let mut directories: Vec<Directory> = Vec::new();
    for place in PLACES {
        // What a perl of one's own looks at lies below it.
        if !system && !place.starts_with("{p}") {
            continue;
        }
        let versioned = place.contains("{v}") || place.contains("{s}");
        let versions = if versioned {
            build.versions.as_slice()
        } else {
            &[Vec::new()][..]
        };
        for version in versions {
            let values: [(&str, &[u8]); 5] = [
                ("{p}", prefix),
                ("{t}", &build.triplet),
                ("{m}", machine),
                ("{v}", version),
                ("{s}", short(version)),
            ];
            let Some(path) = filled(place, &values) else {
                continue;
            };
            let sure = build.known || !versioned;
            if directories.iter().all(|known| known.path != path) {
                directories.push(Directory { path, sure });
            }
        }
    }
    directories
}

/// A template with its values; `None` if one of them is not known.
fn filled(template: &str, values: &[(&str, &[u8])]) -> Option<Vec<u8>> {
    let mut path = template.as_bytes().to_vec();
    for (key, value) in values {
        let Some(at) = path.windows(3).position(|three| three == key.as_bytes()) else {
            continue;
        };
        if value.is_empty() {
            return None;
        }
        path.splice(at..at + 3, value.iter().copied());
    }
    Some(path)
}
