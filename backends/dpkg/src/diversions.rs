//! Files that a package's list calls by another name than the one they have on disk.
//!
//! `diversions` is triples of lines: the name in the lists, the name on disk, and the package that claimed the first
//! for itself (`:` = the administrator, who has it against every package).

use std::collections::HashMap;
use std::path::Path;

use crate::damage::Damages;
use crate::root::Root;

/// The database of diversions.
pub const DIVERSIONS: &str = "/var/lib/dpkg/diversions";
const CAP: u64 = 4 << 20;

/// One diversion, under the name in the lists.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Diversion {
    to: Vec<u8>,
    /// The package whose file keeps the name; `None` for a local diversion.
    by: Option<Vec<u8>>,
}

/// All diversions.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Diversions(HashMap<Vec<u8>, Diversion>);

impl Diversions {
    /// Where a file that the list of `package` calls `listed` is on disk.
    pub fn on_disk<'a>(&'a self, listed: &'a [u8], package: &[u8]) -> &'a [u8] {
        match self.0.get(listed) {
            Some(diversion) if diversion.by.as_deref() != Some(package) => &diversion.to,
            _ => listed,
        }
    }

    /// The names in lists whose files may be on disk under one of `names`.
    pub fn listed_as(&self, names: impl Fn(&[u8]) -> bool) -> impl Iterator<Item = &[u8]> {
        let led = self
            .0
            .iter()
            .filter(move |(_, diversion)| names(&diversion.to));
        led.map(|(from, _)| from.as_slice())
    }
}

/// Parses the triples. After a line that cannot be where it is, it looks for the next whole triple.
pub fn parse_diversions(text: &[u8], file: &Path, damages: &mut Damages) -> Diversions {
    let mut found = HashMap::new();
    let whole = text.is_empty() || text.ends_with(b"\n");
    let mut lines: Vec<&[u8]> = text.split(|&b| b == b'\n').collect();
    let cut = lines.pop().filter(|_| !whole);
    let (mut at, mut in_step) = (0, true);
    while at < lines.len() {
        let triple = lines.get(at..at + 3).filter(|t| is_triple(t));
        if let Some(triple) = triple {
            let by = triple[2];
            // dpkg takes the package's name, whatever its architecture.
            let name = by.split(|&b| b == b':').next().unwrap_or_default();
            found
                .entry(triple[0].to_vec())
                .or_insert_with(|| Diversion {
                    to: triple[1].to_vec(),
                    by: (by != b":").then(|| name.to_vec()),
                });
            at += 3;
            in_step = true;
        } else {
            if in_step {
                damages.line(
                    file,
                    at as u64 + 1,
                    "no triple of original, diverted and package",
                );
            }
            at += 1;
            in_step = false;
        }
    }
    if cut.is_some() && in_step {
        damages.line(
            file,
            lines.len() as u64 + 1,
            "the file ends within this line",
        );
    }
    Diversions(found)
}

fn is_triple(lines: &[&[u8]]) -> bool {
    let absolute = |line: &[u8]| line.starts_with(b"/");
    absolute(lines[0]) && absolute(lines[1]) && !lines[2].is_empty() && !absolute(lines[2])
}

/// Reads the diversions; what cannot be read is noted, and then no file counts as diverted.
pub fn read_diversions(root: &Root, damages: &mut Damages) -> Diversions {
    let file = Path::new(DIVERSIONS);
    match root.read(file, CAP) {
        Ok(Some((text, _))) => parse_diversions(&text, file, damages),
        Ok(None) => Diversions::default(),
        Err(error) => {
            damages.whole(file, format!("cannot be read: {error}"));
            Diversions::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> (Diversions, Vec<String>) {
        let mut damages = Damages::default();
        let found = parse_diversions(text.as_bytes(), Path::new("/d"), &mut damages);
        (
            found,
            damages.into_vec().iter().map(ToString::to_string).collect(),
        )
    }

    #[test]
    fn who_has_which_name_on_disk() {
        let (diversions, damage) =
            parse("/bin/sh\n/bin/sh.distrib\ndash\n/bin/x\n/bin/x.orig\n:\n");
        assert_eq!(damage, [""; 0]);
        #[track_caller]
        fn check(diversions: &Diversions, listed: &str, package: &str, disk: &str) {
            let got = diversions.on_disk(listed.as_bytes(), package.as_bytes());
            assert_eq!(got, disk.as_bytes());
        }
        check(&diversions, "/bin/sh", "dash", "/bin/sh");
        check(&diversions, "/bin/sh", "bash", "/bin/sh.distrib");
        check(&diversions, "/bin/x", "dash", "/bin/x.orig");
        check(&diversions, "/bin/y", "dash", "/bin/y");
    }

    #[test]
    fn damaged_triples_are_named_and_the_rest_stands() {
        #[track_caller]
        fn check(text: &str, whole: usize, expected: &[&str]) {
            let (diversions, damage) = parse(text);
            assert_eq!(
                (diversions.0.len(), &damage[..]),
                (whole, &expected.map_owned()[..])
            );
        }
        trait Owned {
            fn map_owned(&self) -> Vec<String>;
        }
        impl Owned for &[&str] {
            fn map_owned(&self) -> Vec<String> {
                self.iter().map(|text| (*text).to_string()).collect()
            }
        }
        const NO_TRIPLE: &str = "no triple of original, diverted and package";
        check("", 0, &[]);
        check("/a\n/b\np\n", 1, &[]);
        check("/a\n/b\np", 0, &[&format!("/d:1: {NO_TRIPLE}")]);
        check("/a\n/b\n/c\n/d\np\n", 1, &[&format!("/d:1: {NO_TRIPLE}")]);
        check(
            "/a\n/b\np\n/c\np\n/e\n/f\nq\n",
            2,
            &[&format!("/d:4: {NO_TRIPLE}")],
        );
        check(
            "/a\n/b\np\n/c",
            1,
            &["/d:4: the file ends within this line"],
        );
        check("\0\0\0\0", 0, &["/d:1: the file ends within this line"]);
    }
}
