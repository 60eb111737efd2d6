//! The command line of perl: perlrun(1).

#![forbid(unsafe_code)]

use unstale_plugin::script::Program;

/// What a command line says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) program: Program,
    /// `-I`.
    pub(crate) includes: Vec<Vec<u8>>,
    /// `-M`, `-m` and `-d:`, as `use` statements take them.
    pub(crate) modules: Vec<Vec<u8>>,
    /// `-T`: the environment names no directories.
    pub(crate) taint: bool,
    /// `-x`: the program begins at its `#!` line.
    pub(crate) extract: bool,
    /// `-S`: the script is searched in `PATH`.
    pub(crate) search: bool,
    /// `-d`: under the debugger.
    pub(crate) debugger: bool,
}

/// Reads what follows the name of the program.
pub(crate) fn parse_options(arguments: &[Vec<u8>]) -> Options {
    let mut options = Options::default();
    let mut text: Option<Vec<u8>> = None;
    let mut words = arguments.iter();
    let mut operand = None;
    while let Some(word) = words.next() {
        let Some(cluster) = word.strip_prefix(b"-").filter(|rest| !rest.is_empty()) else {
            operand = Some(word);
            break;
        };
        if cluster == b"-" {
            operand = words.next();
            break;
        }
        let mut rest = cluster;
        while let Some((&letter, tail)) = rest.split_first() {
            rest = match letter {
                b'e' | b'E' => {
                    let line = if tail.is_empty() {
                        words.next().map(Vec::as_slice)
                    } else {
                        Some(tail)
                    };
                    let text = text.get_or_insert_default();
                    text.extend_from_slice(line.unwrap_or_default());
                    text.push(b'\n');
                    b""
                }
                b'I' if tail.trim_ascii_start().is_empty() => {
                    options.includes.extend(words.next().cloned());
                    b""
                }
                _ => options.letter(letter, tail),
            };
        }
    }
    options.program = match (text, operand) {
        (Some(text), _) => Program::Text(text),
        (None, Some(file)) if file != b"-" => Program::File(file.clone()),
        (None, _) => Program::Input,
    };
    options
}

impl Options {
    /// Adds the switches of a `#!` line, which the interpreter reads again, or of `PERL5OPT`.
    pub(crate) fn add_switches(&mut self, text: &[u8]) {
        let mut words = text
            .split(u8::is_ascii_whitespace)
            .filter(|word| !word.is_empty());
        while let Some(word) = words.next() {
            let Some(cluster) = word.strip_prefix(b"-") else {
                continue;
            };
            let mut rest = cluster;
            while let Some((&letter, tail)) = rest.split_first() {
                rest = match letter {
                    b'I' if tail.is_empty() => {
                        self.includes.extend(words.next().map(<[u8]>::to_vec));
                        b""
                    }
                    b'e' | b'E' | b'-' => b"",
                    _ => self.letter(letter, tail),
                };
            }
        }
    }

    /// One switch; what is left of its word behind it.
    fn letter<'a>(&mut self, letter: u8, tail: &'a [u8]) -> &'a [u8] {
        let behind = |belongs: fn(&u8) -> bool| {
            let length = tail.iter().position(|byte| !belongs(byte));
            &tail[length.unwrap_or(tail.len())..]
        };
        match letter {
            b'I' => {
                let tail = tail.trim_ascii_start();
                let length = tail.iter().position(u8::is_ascii_whitespace);
                let (directory, rest) = tail.split_at(length.unwrap_or(tail.len()));
                self.includes.push(directory.to_vec());
                rest
            }
            b'M' | b'm' => {
                self.modules.push(tail.to_vec());
                b""
            }
            b'd' => {
                self.debugger = true;
                // `-d:Name`, `-dt:Name`: Devel::Name instead of the debugger itself.
                let named = tail.strip_prefix(b"t").unwrap_or(tail).strip_prefix(b":");
                if let Some(name) = named {
                    let name = name.strip_prefix(b"-").unwrap_or(name);
                    self.modules.push([b"Devel::", name].concat());
                    return b"";
                }
                tail.strip_prefix(b"t").unwrap_or(tail)
            }
            b'C' | b'D' => behind(u8::is_ascii_alphanumeric),
            b'l' => behind(|byte| matches!(byte, b'0'..=b'7')),
            b'0' => match tail {
                [b'x' | b'X', ..] => behind(u8::is_ascii_alphanumeric),
                _ => behind(|byte| matches!(byte, b'0'..=b'7')),
            },
            b'i' => behind(|byte| !byte.is_ascii_whitespace()),
            b'F' | b'V' => b"",
            b'x' => {
                self.extract = true;
                b""
            }
            b'T' => {
                self.taint = true;
                tail
            }
            b'S' => {
                self.search = true;
                tail
            }
            // A blank and a `-` inside one word: the kernel hands over all that follows in a `#!` line as one.
            b' ' => {
                let tail = tail.trim_ascii_start();
                tail.strip_prefix(b"-").unwrap_or(tail)
            }
            _ => tail,
        }
    }
}

/// The package that `-M` and `-m` name: `-MA::B=c`, `-M-strict`, `-M'A qw(b)'`.
pub(crate) fn module_of(text: &[u8]) -> &[u8] {
    let text = text.strip_prefix(b"-").unwrap_or(text).trim_ascii_start();
    let in_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':' | b'\'');
    let length = text.iter().position(|byte| !in_name(byte));
    &text[..length.unwrap_or(text.len())]
}

/// The switches of a `#!` line, if it names perl.
pub(crate) fn switches_of(text: &[u8]) -> Option<&[u8]> {
    let line = text.strip_prefix(b"#!")?;
    let line = line.split(|&byte| byte == b'\n').next()?;
    let at = line.windows(4).position(|four| four == b"perl")?;
    let rest = &line[at..];
    let blank = rest.iter().position(u8::is_ascii_whitespace)?;
    Some(&rest[blank..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(line: &str) -> Options {
        let words: Vec<Vec<u8>> = line
            .split(',')
            .map(|word| word.as_bytes().to_vec())
            .collect();
        parse_options(&words)
    }

    #[track_caller]
    fn check(line: &str, script: &str) {
        let expected = Program::File(script.as_bytes().to_vec());
        assert_eq!(options(line).program, expected, "{line}");
    }

    #[track_caller]
    fn check_text(line: &str, text: &str) {
        let expected = Program::Text(text.as_bytes().to_vec());
        assert_eq!(options(line).program, expected, "{line}");
    }

    #[test]
    fn t6_15_script_among_options() {
        check("/srv/a.pl,-e,x", "/srv/a.pl");
        check("-w,/srv/a.pl", "/srv/a.pl");
        check("-w -T,/srv/a.pl", "/srv/a.pl");
        check("-I,/lib,a.pl", "a.pl");
        check("-I/lib,a.pl", "a.pl");
        check("-wI,/lib,a.pl", "a.pl");
        check("-Mstrict,a.pl", "a.pl");
        check("-MFoo=e,a.pl", "a.pl");
        check("-mFoo,a.pl", "a.pl");
        check("-C,a.pl", "a.pl");
        check("-CSDe,a.pl", "a.pl");
        check("-Dtls,a.pl", "a.pl");
        check("-F:,a.pl", "a.pl");
        check(
            "-ane,print,a.pl".replace("-ane,print", "-an").as_str(),
            "a.pl",
        );
        check("-i,a.pl", "a.pl");
        check("-i.bake,a.pl", "a.pl");
        check("-pi,a.pl", "a.pl");
        check("-l,a.pl", "a.pl");
        check("-l012,a.pl", "a.pl");
        check("-0777,a.pl", "a.pl");
        check("-0xFFe,a.pl", "a.pl");
        check("-V:version,a.pl", "a.pl");
        check("-x/dir,a.pl", "a.pl");
        check("-d:NYTProf,a.pl", "a.pl");
        check("--,-e", "-e");
        check("-T,-S,tool", "tool");
    }

    #[test]
    fn t6_15_program_in_the_arguments() {
        check_text("-e,print 1,a.pl", "print 1\n");
        check_text("-wle,print 1", "print 1\n");
        check_text("-eprint,x", "print\n");
        check_text("-E,say 1", "say 1\n");
        check_text("-e,one,-e,two,arg", "one\ntwo\n");
        check_text("-l012e,x", "x\n");
        assert_eq!(options("-").program, Program::Input);
        assert_eq!(options("-w").program, Program::Input);
    }

    #[test]
    fn t6_15_what_options_say() {
        let said = options("-T,-I,/a,-I/b,-MX=y,-m-Z,-d:Q,-x,f");
        assert_eq!(said.includes, [b"/a", b"/b"]);
        let modules: Vec<&[u8]> = said.modules.iter().map(|text| module_of(text)).collect();
        assert_eq!(modules, [&b"X"[..], b"Z", b"Devel::Q"]);
        assert!(said.taint && said.extract && said.debugger);
        let mut said = Options::default();
        said.add_switches(switches_of(b"#!/usr/bin/perl -wT -I/c -I /d\nuse X;").unwrap());
        assert!(said.taint);
        assert_eq!(said.includes, [b"/c", b"/d"]);
        assert_eq!(switches_of(b"#!/bin/sh -x\n"), None);
    }
}
