//! The command lines of shells.

#![forbid(unsafe_code)]

use unstale_plugin::{Process, base_name};

/// What differs between shells here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// bash: moves its script to descriptor 255.
    Bash,
    /// zsh: the value of `-o` may be attached.
    Zsh,
    /// dash, ash, ksh, mksh and the rest.
    Other,
}

impl Kind {
    /// By the name of the program.
    pub(crate) fn of(exe_name: &[u8]) -> Self {
        if exe_name.starts_with(b"bash") || exe_name == b"rbash" {
            Self::Bash
        } else if exe_name.starts_with(b"zsh") {
            Self::Zsh
        } else {
            Self::Other
        }
    }
}

/// The script that a process was told to run; `None` for prompts, `-c` and standard input.
pub(crate) fn script_operand(process: &Process) -> Option<&[u8]> {
    let kind = Kind::of(process.exe_name());
    let mut words = process.argv.iter().map(Vec::as_slice);
    let mut name = base_name(words.next()?);
    if process.exe_name().starts_with(b"busybox") {
        if name.starts_with(b"busybox") {
            name = words.next()?;
        }
        let name = name.strip_prefix(b"-").unwrap_or(name);
        if !matches!(name, b"sh" | b"ash" | b"hush" | b"bash") {
            return None;
        }
    }
    operand(kind, &mut words)
}

fn operand<'a>(kind: Kind, words: &mut impl Iterator<Item = &'a [u8]>) -> Option<&'a [u8]> {
    while let Some(word) = words.next() {
        match word {
            b"-" | b"--" => return words.next(),
            [b'-', b'-', long @ ..] => {
                if matches!(long, b"rcfile" | b"init-file" | b"emulate") {
                    words.next();
                }
            }
            [sign @ (b'-' | b'+'), letters @ ..] if !letters.is_empty() => {
                if *sign == b'-' && is_no_script(kind, letters) {
                    return None;
                }
                for _ in 0..values(kind, letters) {
                    words.next();
                }
            }
            operand => return Some(operand),
        }
    }
    None
}

/// `-c` and `-s`, alone or among other letters.
fn is_no_script(kind: Kind, letters: &[u8]) -> bool {
    let letters = match (kind, letters.iter().position(|&letter| letter == b'o')) {
        // What follows is the name of an option.
        (Kind::Zsh, Some(at)) => &letters[..at],
        _ => letters,
    };
    letters.iter().any(|letter| matches!(letter, b'c' | b's'))
}

/// How many of the next words letters take: one for each `o`, and for each `O` of bash.
fn values(kind: Kind, letters: &[u8]) -> usize {
    match kind {
        Kind::Zsh => {
            usize::from(letters.ends_with(b"o") && !letters[..letters.len() - 1].contains(&b'o'))
        }
        Kind::Bash => letters
            .iter()
            .filter(|letter| matches!(letter, b'o' | b'O'))
            .count(),
        Kind::Other => letters.iter().filter(|&&letter| letter == b'o').count(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(exe: &str, line: &str, expected: Option<&str>) {
        let words = line.split(' ').filter(|word| !word.is_empty());
        let process = Process {
            exe: format!("/usr/bin/{exe}").into_bytes(),
            argv: words.map(|word| word.as_bytes().to_vec()).collect(),
            ..Process::default()
        };
        let found = script_operand(&process).map(|name| String::from_utf8(name.to_vec()).unwrap());
        assert_eq!(found.as_deref(), expected, "{line}");
    }

    #[test]
    fn t6_24_scripts() {
        check("dash", "sh x.sh -c y", Some("x.sh"));
        check("dash", "/bin/sh -e /x.sh", Some("/x.sh"));
        check("dash", "sh -eu -o pipefail x.sh", Some("x.sh"));
        check("dash", "sh -- x.sh", Some("x.sh"));
        check("dash", "sh - x.sh", Some("x.sh"));
        check("bash", "bash -euo pipefail x.sh", Some("x.sh"));
        check(
            "bash",
            "bash --norc --rcfile f +O extglob -O x x.sh",
            Some("x.sh"),
        );
        check("bash", "bash +c x.sh", Some("x.sh"));
        check("zsh", "zsh -o extendedglob x.sh", Some("x.sh"));
        check("zsh", "zsh -fonoclobber x.sh", Some("x.sh"));
        check("zsh", "zsh --emulate sh x.sh", Some("x.sh"));
        check("ksh93", "ksh -p x.sh", Some("x.sh"));
        check("busybox", "busybox sh x.sh", Some("x.sh"));
        check("busybox", "sh x.sh", Some("x.sh"));
        check("busybox", "/bin/ash -e x.sh", Some("x.sh"));
    }

    #[test]
    fn t6_24_no_scripts() {
        check("dash", "sh", None);
        check("bash", "-bash", None);
        check("bash", "bash -l -i", None);
        check("dash", "sh -c x.sh y", None);
        check("bash", "bash -lc x.sh", None);
        check("bash", "bash -s x", None);
        check("bash", "bash -ec x.sh", None);
        check("zsh", "zsh -c x", None);
        check("busybox", "busybox httpd -f", None);
        check("busybox", "-sh", None);
        check("busybox", "busybox", None);
        check("dash", "", None);
        check("bash", "bash -o", None);
    }
}
