//! Regular expressions for names of packages, as zypp-boot-plugin's lists have them. Pure.
//!
//! A row of characters and sets, each with `?`, `*` or `+`: what such lists are made of (`libopenssl[0-9]?_?[0-9]?`).
//! Groups, alternatives and counts are not understood, and whoever reads a list says so.

/// A pattern that a whole name must fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamePattern(Vec<Part>);

/// One place of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Part {
    set: Set,
    /// Whether there may be none.
    optional: bool,
    /// Whether there may be several.
    repeated: bool,
}

/// Characters that fit one place.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Set {
    Any,
    One(u8),
    /// Ranges, both ends included; whether all others are meant.
    Ranges(Vec<(u8, u8)>, bool),
}

impl NamePattern {
    /// Parses a pattern of ECMAScript, as far as it is one of those; `^` and `$` at its ends say nothing new.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if !text.is_ascii() {
            return None;
        }
        let text = text.strip_prefix('^').unwrap_or(text);
        let mut rest = text.as_bytes();
        let mut parts = Vec::new();
        while let Some((&first, after)) = rest.split_first() {
            rest = after;
            let set = match first {
                b'$' if rest.is_empty() => break,
                b'.' => Set::Any,
                b'[' => parse_set(&mut rest)?,
                b'\\' => {
                    let (&escaped, after) = rest.split_first()?;
                    rest = after;
                    match escaped {
                        b'd' => Set::Ranges(vec![(b'0', b'9')], false),
                        _ if escaped.is_ascii_punctuation() => Set::One(escaped),
                        _ => return None,
                    }
                }
                b'(' | b')' | b'{' | b'}' | b'|' | b'^' | b'$' | b'?' | b'*' | b'+' | b']' => {
                    return None;
                }
                _ => Set::One(first),
            };
            let (optional, repeated) = match rest.first() {
                Some(b'?') => (true, false),
                Some(b'*') => (true, true),
                Some(b'+') => (false, true),
                _ => (false, false),
            };
            rest = &rest[usize::from(optional || repeated)..];
            parts.push(Part {
                set,
                optional,
                repeated,
            });
        }
        (!parts.is_empty()).then_some(Self(parts))
    }

    /// A name with `*` for any characters that every name is like which fits this, and whether no other one is.
    #[must_use]
    pub fn rough(&self) -> (String, bool) {
        let mut rough = Vec::new();
        let mut exact = true;
        for part in &self.0 {
            match part.set {
                // No name has a star in it.
                Set::One(byte) if !part.optional && !part.repeated && byte != b'*' => {
                    rough.push(byte);
                }
                _ => {
                    exact &= part.set == Set::Any && part.optional && part.repeated;
                    if rough.last() != Some(&b'*') {
                        rough.push(b'*');
                    }
                }
            }
        }
        (String::from_utf8_lossy(&rough).into_owned(), exact)
    }

    /// Whether a name fits as a whole.
    #[must_use]
    pub fn fits(&self, name: &str) -> bool {
        // Which places can come next, for each character read so far: no going back, however the pattern is made.
        let mut next = vec![false; self.0.len() + 1];
        next[0] = true;
        self.skip_optional(&mut next);
        for byte in name.bytes() {
            let mut after = vec![false; next.len()];
            for (place, part) in self.0.iter().enumerate() {
                if next[place] && part.set.has(byte) {
                    after[place + 1] = true;
                    after[place] |= part.repeated;
                }
            }
            self.skip_optional(&mut after);
            next = after;
        }
        next[self.0.len()]
    }

    fn skip_optional(&self, next: &mut [bool]) {
        for (place, part) in self.0.iter().enumerate() {
            // After the first of several, the place is open to more, and may be left as well.
            if next[place] && part.optional {
                next[place + 1] = true;
            }
        }
    }
}

impl Set {
    fn has(&self, byte: u8) -> bool {
        match self {
            Self::Any => true,
            Self::One(one) => *one == byte,
            Self::Ranges(ranges, others) => {
                ranges
                    .iter()
                    .any(|(from, to)| (*from..=*to).contains(&byte))
                    != *others
            }
        }
    }
}

/// What stands between `[` and `]`, which are taken off.
fn parse_set(rest: &mut &[u8]) -> Option<Set> {
    let end = rest.iter().position(|&b| b == b']')?;
    let (inside, after) = rest.split_at(end);
    *rest = &after[1..];
    let (inside, others) = match inside.strip_prefix(b"^") {
        Some(inside) => (inside, true),
        None => (inside, false),
    };
    // Classes by name and escapes are not understood.
    if inside.is_empty() || inside.contains(&b'[') || inside.contains(&b'\\') {
        return None;
    }
    let mut ranges = Vec::new();
    let mut inside = inside;
    while let Some((&from, after)) = inside.split_first() {
        match after {
            [b'-', to, after @ ..] => {
                if from > *to {
                    return None;
                }
                ranges.push((from, *to));
                inside = after;
            }
            _ => {
                ranges.push((from, from));
                inside = after;
            }
        }
    }
    Some(Set::Ranges(ranges, others))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::NamePattern;

    #[track_caller]
    fn check(pattern: &str, rough: &str, exact: bool, fit: &[&str], others: &[&str]) {
        let parsed = NamePattern::parse(pattern).unwrap();
        assert_eq!(parsed.rough(), (rough.to_owned(), exact), "{pattern}");
        for name in fit {
            assert!(parsed.fits(name), "{pattern} {name}");
        }
        for name in others {
            assert!(!parsed.fits(name), "{pattern} {name}");
        }
    }

    #[test]
    fn t9_17_patterns_of_lists() {
        check(
            "glibc",
            "glibc",
            true,
            &["glibc"],
            &["glibc-32bit", "", "aglibc"],
        );
        check(
            "^kernel-.*$",
            "kernel-*",
            true,
            &["kernel-", "kernel-default"],
            &["kernel"],
        );
        check(
            r"python3\.11",
            "python3.11",
            true,
            &["python3.11"],
            &["python3x11"],
        );
        check("a.c", "a*c", false, &["abc"], &["ac", "abbc"]);
        check("a.+", "a*", false, &["ab", "abc"], &["a"]);
        check("ab*", "a*", false, &["a", "abbb"], &["abc"]);
        check(
            r"lib\d+",
            "lib*",
            false,
            &["lib1", "lib12"],
            &["lib", "libx"],
        );
        check(
            "[^a-c]x[_-]",
            "*x*",
            false,
            &["dx_", "dx-"],
            &["ax_", "dx.", "x_"],
        );
        // As shipped with zypp-boot-plugin.
        check(
            "libopenssl[0-9]?_?[0-9]?_?[0-9]?-32bit",
            "libopenssl*-32bit",
            false,
            &[
                "libopenssl-32bit",
                "libopenssl3-32bit",
                "libopenssl1_0_0-32bit",
            ],
            &[
                "libopenssl3",
                "libopenssl-devel-32bit",
                "libopenssl31_-32bitx",
            ],
        );
    }

    #[test]
    fn t9_17_what_is_not_understood() {
        for text in [
            "",
            "^",
            "^$",
            "a|b",
            "(a)",
            "a{2}",
            "a**",
            "*a",
            r"\w",
            r"a\",
            "[a",
            "[]",
            "[[:alpha:]]",
            "[z-a]",
            "a^b",
            "a$b",
            "a]",
            "é?",
        ] {
            assert_eq!(NamePattern::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_never_panics(text in "\\PC{0,20}", name in "[a-c]{0,8}") {
            if let Some(pattern) = NamePattern::parse(&text) {
                let like = unstale_packages::is_like(&pattern.rough().0, name.as_bytes());
                prop_assert!(like || !pattern.fits(&name));
            }
        }

        /// What fits is like the rough form.
        #[test]
        fn rough_forms_miss_nothing(text in "([ab.][?*+]?){1,6}", name in "[ab]{0,8}") {
            let pattern = NamePattern::parse(&text).unwrap();
            let (rough, exact) = pattern.rough();
            let like = unstale_packages::is_like(&rough, name.as_bytes());
            let fits = pattern.fits(&name);
            prop_assert!(like || !fits);
            prop_assert!(!exact || like == fits);
        }
    }
}
