//! Entry points: the modules behind scripts that packaging tools make, which name a package and look its metadata up.
#![forbid(unsafe_code)]

use unstale_plugin::Root;

use crate::finder::{Finder, Look, PathId, below};

/// What `load_entry_point` is called with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The package, without a version.
    distribution: Vec<u8>,
    group: Vec<u8>,
    name: Vec<u8>,
}

/// Packages of one name that are looked into.
const PACKAGES: usize = 4;

/// How much of a script is looked at: tools make short ones.
const SCRIPT: u32 = 8192;

impl Entry {
    /// The first that a script loads, if tools made it (`setup.py install`, and Debian's packages).
    pub(crate) fn of_script(look: Look<'_>, finder: &mut Finder, script: &[u8]) -> Option<Self> {
        match look.files.read_at(Root::Process, script, 0, SCRIPT) {
            Ok(text) => text.split(|&byte| byte == b'\n').find_map(Self::in_line),
            Err(refused) => {
                finder.heed(refused);
                None
            }
        }
    }

    /// `load_entry_point('shop==1.0', 'console_scripts', 'shopd')` in a line that is no comment.
    fn in_line(line: &[u8]) -> Option<Self> {
        let line = line.trim_ascii_start();
        let call = b"load_entry_point(";
        let at = line.windows(call.len()).position(|part| part == call)?;
        if line.starts_with(b"#") {
            return None;
        }
        let (distribution, rest) = quoted(&line[at + call.len()..])?;
        let (group, rest) = quoted(rest.trim_ascii_start().strip_prefix(b",")?)?;
        let (name, _) = quoted(rest.trim_ascii_start().strip_prefix(b",")?)?;
        let version = distribution
            .iter()
            .position(|byte| b"=<>!~[ ".contains(byte));
        Some(Self {
            distribution: normal(&distribution[..version.unwrap_or(distribution.len())]),
            group: group.to_vec(),
            name: name.to_vec(),
        })
    }

    /// The module that it stands for, by the metadata of the first such package on a path.
    pub(crate) fn module(
        &self,
        look: Look<'_>,
        finder: &mut Finder,
        path: PathId,
    ) -> Option<Vec<u8>> {
        let mut found = Vec::new();
        finder.each_name(look, path, |place, name| {
            if found.len() < PACKAGES && self.is_of(name) {
                found.push(below(place, name));
            }
        });
        found.into_iter().find_map(|metadata| {
            let path = below(&metadata, b"entry_points.txt");
            match look.files.read(Root::Process, &path) {
                Ok(text) => self.in_text(&text),
                Err(refused) => {
                    finder.heed(refused);
                    None
                }
            }
        })
    }

    /// Whether a directory of this name (`Shop-1.0.dist-info`) has the metadata of the package.
    fn is_of(&self, directory: &[u8]) -> bool {
        let stem = directory
            .strip_suffix(b".dist-info")
            .or_else(|| directory.strip_suffix(b".egg-info"));
        let name = stem.and_then(|stem| stem.split(|&byte| byte == b'-').next());
        name.is_some_and(|name| normal(name) == self.distribution)
    }

    fn in_text(&self, text: &[u8]) -> Option<Vec<u8>> {
        let mut inside = false;
        for line in text.split(|&byte| byte == b'\n') {
            let line = line.trim_ascii();
            if let [b'[', group @ .., b']'] = line {
                inside = *group == self.group;
            } else if let Some(at) = line.iter().position(|&byte| byte == b'=')
                && inside
                && line[..at].trim_ascii() == self.name
            {
                let module = line[at + 1..].split(|byte| b":[ ".contains(byte));
                return module
                    .map(<[u8]>::trim_ascii)
                    .find(|part| !part.is_empty())
                    .map(<[u8]>::to_vec);
            }
        }
        None
    }
}

/// A plain string, and what follows it.
fn quoted(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let text = text.trim_ascii_start();
    let quote = *text
        .first()
        .filter(|&&byte| byte == b'\'' || byte == b'"')?;
    let end = 1 + text[1..].iter().position(|&byte| byte == quote)?;
    Some((&text[1..end], &text[end + 1..]))
}

/// A name of a package as all its spellings have it (PEP 503).
fn normal(name: &[u8]) -> Vec<u8> {
    let parts = name.split(|byte| b"-_.".contains(byte));
    let parts: Vec<&[u8]> = parts.filter(|part| !part.is_empty()).collect();
    parts.join(&b'-').to_ascii_lowercase()
}
