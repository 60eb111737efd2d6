//! Patterns of a manifest: `*` for any bytes, `?` for one. Pure.
//!
//! Not the patterns of policy files: names of files are bytes, and in a path that a plugin may ask for, a wildcard must not
//! reach into another directory.
#![forbid(unsafe_code)]

/// A pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob(String);

impl Glob {
    /// A pattern as it is written.
    #[must_use]
    pub fn new(pattern: &str) -> Self {
        Self(pattern.to_owned())
    }

    /// As it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it matches the whole of `name`.
    #[must_use]
    pub fn matches(&self, name: &[u8]) -> bool {
        matches(self.0.as_bytes(), name, |_| true)
    }

    /// The same, but wildcards stand for no `/`.
    #[must_use]
    pub fn matches_path(&self, path: &[u8]) -> bool {
        matches(self.0.as_bytes(), path, |byte| byte != b'/')
    }
}

/// Only the last `*` is ever tried again: no pattern takes more steps than its length times that of the name.
fn matches(pattern: &[u8], name: &[u8], is_wild: impl Fn(u8) -> bool) -> bool {
    let (mut at, mut seen) = (0, 0);
    // Where to go on after the last `*`, and up to where it reaches so far.
    let mut again: Option<(usize, usize)> = None;
    while let Some(&byte) = name.get(seen) {
        match pattern.get(at) {
            Some(b'*') => {
                at += 1;
                again = Some((at, seen));
                continue;
            }
            Some(&wanted) if wanted == byte || (wanted == b'?' && is_wild(byte)) => {
                at += 1;
                seen += 1;
                continue;
            }
            _ => {}
        }
        let Some((after, reached)) = again.filter(|&(_, reached)| is_wild(name[reached])) else {
            return false;
        };
        again = Some((after, reached + 1));
        (at, seen) = (after, reached + 1);
    }
    pattern[at..].iter().all(|&rest| rest == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, yes: &[&str], no: &[&str]) {
        let glob = Glob::new(pattern);
        for name in yes {
            assert!(glob.matches(name.as_bytes()), "{pattern} {name}");
        }
        for name in no {
            assert!(!glob.matches(name.as_bytes()), "{pattern} {name}");
        }
    }

    #[track_caller]
    fn check_path(pattern: &str, yes: &[&str], no: &[&str]) {
        let glob = Glob::new(pattern);
        for path in yes {
            assert!(glob.matches_path(path.as_bytes()), "{pattern} {path}");
        }
        for path in no {
            assert!(!glob.matches_path(path.as_bytes()), "{pattern} {path}");
        }
    }

    #[test]
    fn names() {
        check("perl", &["perl"], &["", "per", "perl5", "xperl"]);
        check(
            "python3*",
            &["python3", "python3.11"],
            &["python", "xpython3"],
        );
        check(
            "libruby*.so*",
            &["libruby.so", "libruby-3.1.so.3.1"],
            &["libruby.a"],
        );
        check("*a*b", &["ab", "xaxbxb"], &["ba", "abc"]);
        check("p?rl", &["perl", "pxrl"], &["prl", "peerl"]);
        check("*", &["", "x", "a/b"], &[]);
        check("", &[""], &["x"]);
        check("**x", &["x", "yx"], &["xy"]);
        check(
            "*/libpod-*",
            &["0::/machine.slice/libpod-1.scope"],
            &["libpod-1"],
        );
        assert!(Glob::new("a?*").matches(b"a\xff\x00"));
    }

    #[test]
    fn paths() {
        check_path("/a/*/c", &["/a/b/c", "/a//c"], &["/a/b/b/c", "/a/c"]);
        check_path("/a/x*", &["/a/x", "/a/xyz"], &["/a/x/y"]);
        check_path("/a/?", &["/a/b"], &["/a//", "/a/"]);
        check_path("/a/*.json", &["/a/.json", "/a/b.json"], &["/a/b/c.json"]);
        check_path("/*/*/x", &["/a/b/x"], &["/a/b/c/x", "/a/x"]);
    }

    #[test]
    fn no_pattern_is_slow() {
        let glob = Glob::new(&"*a".repeat(128));
        let begun = std::time::Instant::now();
        assert!(!glob.matches(&[b'a'; 127]));
        let mut long = vec![b'a'; 64 * 1024];
        long.push(b'b');
        assert!(!glob.matches(&long));
        assert!(begun.elapsed().as_secs() < 10);
    }
}
