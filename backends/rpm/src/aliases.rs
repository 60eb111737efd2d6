//! Directories with two names: `/lib64` where the root has it as a link to `/usr/lib64`.
//!
//! The kernel prints the name behind the links, a package may list the one in front. Only links that this root really
//! has count.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::root::Root;

/// Places where distributions have put such links: the merge of /usr, of sbin into bin, and ostree's.
const PLACES: [&str; 17] = [
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/libo32",
    "/opt",
    "/home",
    "/root",
    "/srv",
    "/usr/sbin",
    "/usr/lib64",
    "/usr/local",
    "/usr/tmp",
    "/var/run",
    "/var/lock",
];
/// Links that lead to links: `/sbin` to `/usr/sbin` to `/usr/bin`.
const LONGEST_CHAIN: usize = 8;

/// The aliasing links of one root.
#[derive(Debug, Default)]
pub(crate) struct Aliases {
    /// From and to, without slash at the end.
    links: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Aliases {
    /// Looks at the places where such links may be.
    pub(crate) fn read(root: &Root) -> Self {
        let link = |place: &&str| {
            let target = root.link(Path::new(place))?;
            parse_link(place, target.as_os_str().as_bytes())
        };
        Self {
            links: PLACES.iter().filter_map(link).collect(),
        }
    }

    /// The name that the kernel would print for a path.
    pub(crate) fn canonical<'a>(&self, path: &'a [u8]) -> Cow<'a, [u8]> {
        let mut path = Cow::Borrowed(path);
        for _ in 0..LONGEST_CHAIN {
            let mut links = self.links.iter();
            let Some(other) = links.find_map(|(from, to)| replaced(&path, from, to)) else {
                break;
            };
            path = Cow::Owned(other);
        }
        path
    }

    /// All names that lead to a path, itself included.
    pub(crate) fn spellings(&self, canonical: &[u8]) -> BTreeSet<Vec<u8>> {
        let mut all = BTreeSet::from([canonical.to_vec()]);
        for _ in 0..LONGEST_CHAIN {
            let backwards = |path: &Vec<u8>| {
                let links = self.links.iter();
                links
                    .filter_map(|(from, to)| replaced(path, to, from))
                    .collect::<Vec<_>>()
            };
            let more: Vec<_> = all.iter().flat_map(backwards).collect();
            let before = all.len();
            all.extend(more);
            if all.len() == before {
                break;
            }
        }
        all
    }
}

/// `path` with `to` in place of the leading directory `from`.
fn replaced(path: &[u8], from: &[u8], to: &[u8]) -> Option<Vec<u8>> {
    let rest = path.strip_prefix(from)?;
    let goes_on = rest.is_empty() || rest.starts_with(b"/");
    goes_on.then(|| [to, rest].concat())
}

/// The link at `place` as a pair of absolute names; `None` if it leads to the root or to itself.
fn parse_link(place: &str, target: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let mut parts: Vec<&[u8]> = place.as_bytes().split(|b| *b == b'/').collect();
    parts.pop();
    if target.starts_with(b"/") {
        parts.clear();
    }
    for part in target.split(|b| *b == b'/') {
        match part {
            b"" | b"." => {}
            b".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    let mut to = Vec::new();
    for part in parts.iter().filter(|part| !part.is_empty()) {
        to.push(b'/');
        to.extend_from_slice(part);
    }
    let of_use = !to.is_empty() && to != place.as_bytes();
    of_use.then(|| (place.as_bytes().to_vec(), to))
}

#[cfg(test)]
mod tests {
    use super::{Aliases, parse_link};

    fn aliases(links: &[(&str, &str)]) -> Aliases {
        let link = |(place, target): &(&str, &str)| parse_link(place, target.as_bytes());
        Aliases {
            links: links.iter().filter_map(link).collect(),
        }
    }

    #[track_caller]
    fn check(links: &[(&str, &str)], path: &str, canonical: &str) {
        let aliases = aliases(links);
        assert_eq!(
            String::from_utf8_lossy(&aliases.canonical(path.as_bytes())),
            canonical
        );
        let spellings = aliases.spellings(canonical.as_bytes());
        assert!(spellings.contains(path.as_bytes()), "{spellings:?}");
    }

    #[test]
    fn canonical_names() {
        let merged = &[
            ("/lib64", "usr/lib64"),
            ("/sbin", "usr/sbin"),
            ("/usr/sbin", "bin"),
            ("/opt", "/var/opt"),
        ];
        check(merged, "/lib64/", "/usr/lib64/");
        check(merged, "/lib64", "/usr/lib64");
        check(merged, "/lib64x/", "/lib64x/");
        check(merged, "/sbin/", "/usr/bin/");
        check(merged, "/usr/sbin/x/", "/usr/bin/x/");
        check(merged, "/opt/a/", "/var/opt/a/");
        check(&[], "/lib64/", "/lib64/");
        check(&[("/lib64", "lib64")], "/lib64/", "/lib64/");
        check(
            &[("/lib64", "../../usr//./lib64/")],
            "/lib64/",
            "/usr/lib64/",
        );
        check(&[("/opt", "/")], "/opt/", "/opt/");
    }

    #[test]
    fn circles_end() {
        let aliases = aliases(&[("/bin", "usr/bin"), ("/usr/bin", "../bin/x")]);
        aliases.canonical(b"/bin/y");
        aliases.spellings(b"/bin/x/x/x/x/y");
    }
}
