//! Spellings of one path where directories were merged: `/lib` → `usr/lib`, `/usr/sbin` → `bin`.
//!
//! Which of these links a root has is read from that root, never assumed: mixtures of all kinds are in use.

use std::os::unix::ffi::OsStrExt;

use crate::root::Root;

/// Directories that distributions have turned into links.
const CANDIDATES: [&str; 9] = [
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/libo32",
    "/usr/sbin",
    "/usr/lib64",
];

/// The aliasing links of one root.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Aliases(Vec<(Vec<u8>, Vec<u8>)>);

impl Aliases {
    /// Reads the links of `root`.
    pub fn read(root: &Root) -> Self {
        let mut links = Vec::new();
        for link in CANDIDATES {
            if let Some(target) = root.link(link) {
                links.extend(
                    parse_alias(link, target.as_os_str().as_bytes()).map(|to| (link.into(), to)),
                );
            }
        }
        Self(links)
    }

    /// Every spelling of `path`, the given one first.
    pub fn spellings(&self, path: &[u8]) -> Vec<Vec<u8>> {
        let mut all = vec![path.to_vec()];
        let mut next = 0;
        while next < all.len() {
            for (from, to) in &self.0 {
                for (a, b) in [(from, to), (to, from)] {
                    let Some(other) = respell(&all[next], a, b) else {
                        continue;
                    };
                    if !all.contains(&other) {
                        all.push(other);
                    }
                }
            }
            next += 1;
        }
        all
    }
}

/// The absolute directory that `link` stands for, if its target is one of the merges this module is about.
pub fn parse_alias(link: &str, target: &[u8]) -> Option<Vec<u8>> {
    let mut parts: Vec<&[u8]> = Vec::new();
    if !target.starts_with(b"/") {
        parts.extend(
            link.as_bytes()
                .split(|&b| b == b'/')
                .filter(|part| !part.is_empty()),
        );
        parts.pop();
    }
    for part in target.split(|&b| b == b'/') {
        match part {
            b"" | b"." => {}
            b".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    let merged = matches!(
        parts[..],
        [
            b"usr",
            b"bin" | b"sbin" | b"lib" | b"lib32" | b"lib64" | b"libx32" | b"libo32"
        ]
    ) || matches!(parts[..], [b"bin" | b"lib"]);
    let to = [&b"/"[..], &parts.join(&b"/"[..])].concat();
    (merged && to != link.as_bytes()).then_some(to)
}

/// `path` with the directory `from` at its start replaced by `to`.
fn respell(path: &[u8], from: &[u8], to: &[u8]) -> Option<Vec<u8>> {
    let rest = path.strip_prefix(from)?;
    (rest.is_empty() || rest.starts_with(b"/")).then(|| [to, rest].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links() {
        #[track_caller]
        fn check(link: &str, target: &str, expected: Option<&str>) {
            let got = parse_alias(link, target.as_bytes());
            assert_eq!(
                got.as_deref(),
                expected.map(str::as_bytes),
                "{link} -> {target}"
            );
        }
        check("/lib", "usr/lib", Some("/usr/lib"));
        check("/lib", "/usr/lib", Some("/usr/lib"));
        check("/lib", "./usr//lib/", Some("/usr/lib"));
        check("/usr/sbin", "bin", Some("/usr/bin"));
        check("/usr/sbin", "../bin", Some("/bin"));
        check("/sbin", "usr/bin", Some("/usr/bin"));
        check("/sbin", "bin", Some("/bin"));
        check("/lib", "lib", None);
        check("/lib", "opt/lib", None);
        check("/lib", "", None);
        check("/lib", "../../..", None);
    }

    #[test]
    fn spellings_through_two_links() {
        let pair = |a: &str, b: &str| (a.as_bytes().to_vec(), b.as_bytes().to_vec());
        let aliases = Aliases(vec![
            pair("/sbin", "/usr/sbin"),
            pair("/usr/sbin", "/usr/bin"),
        ]);
        #[track_caller]
        fn check(aliases: &Aliases, path: &str, expected: &[&str]) {
            let expected: Vec<_> = expected
                .iter()
                .map(|path| path.as_bytes().to_vec())
                .collect();
            assert_eq!(aliases.spellings(path.as_bytes()), expected);
        }
        check(
            &aliases,
            "/usr/bin/x",
            &["/usr/bin/x", "/usr/sbin/x", "/sbin/x"],
        );
        check(
            &aliases,
            "/sbin/x",
            &["/sbin/x", "/usr/sbin/x", "/usr/bin/x"],
        );
        check(&aliases, "/sbinx", &["/sbinx"]);
        check(&aliases, "/bin/x", &["/bin/x"]);
    }
}
