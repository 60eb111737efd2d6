//! The command line of ruby: ruby(1).

#![forbid(unsafe_code)]

use unstale_plugin::script::Program;

/// What a command line says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) program: Program,
    /// `-I`.
    pub(crate) includes: Vec<Vec<u8>>,
    /// `-r`.
    pub(crate) features: Vec<Vec<u8>>,
    /// `-x`: the program begins at its `#!` line.
    pub(crate) extract: bool,
    /// `-S`: the script is searched in `PATH`.
    pub(crate) search: bool,
    /// `--disable=gems`.
    pub(crate) no_gems: bool,
}

/// Long options whose value may be the next word.
const WITH_VALUE: [&[u8]; 8] = [
    b"enable",
    b"disable",
    b"encoding",
    b"external-encoding",
    b"internal-encoding",
    b"dump",
    b"parser",
    b"backtrace-limit",
];

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
        if let Some(long) = cluster.strip_prefix(b"-") {
            let value = WITH_VALUE.contains(&long).then(|| words.next()).flatten();
            options.long(long, value.map(Vec::as_slice));
            continue;
        }
        let mut rest = cluster;
        while let Some((&letter, tail)) = rest.split_first() {
            rest = match letter {
                b'e' | b'I' | b'r' | b'C' | b'X' | b'E' => {
                    let value = if tail.is_empty() {
                        words.next().map(Vec::as_slice)
                    } else {
                        Some(tail)
                    };
                    let value = value.unwrap_or_default();
                    if letter == b'e' {
                        let text = text.get_or_insert_default();
                        text.extend_from_slice(value);
                        text.push(b'\n');
                    } else {
                        options.value(letter, value);
                    }
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
    /// Adds the switches of a `#!` line, which the interpreter reads again, or of `RUBYOPT`.
    pub(crate) fn add_switches(&mut self, text: &[u8]) {
        let mut words = text
            .split(u8::is_ascii_whitespace)
            .filter(|word| !word.is_empty());
        while let Some(word) = words.next() {
            let cluster = word.strip_prefix(b"-").unwrap_or(word);
            if let Some(long) = cluster.strip_prefix(b"-") {
                let value = WITH_VALUE.contains(&long).then(|| words.next()).flatten();
                self.long(long, value);
                continue;
            }
            let mut rest = cluster;
            while let Some((&letter, tail)) = rest.split_first() {
                rest = match letter {
                    b'I' | b'r' | b'E' | b'C' | b'X' => {
                        let value = if tail.is_empty() {
                            words.next()
                        } else {
                            Some(tail)
                        };
                        self.value(letter, value.unwrap_or_default());
                        b""
                    }
                    b'e' => b"",
                    _ => self.letter(letter, tail),
                };
            }
        }
    }

    fn long(&mut self, long: &[u8], value: Option<&[u8]>) {
        let disabled = long
            .strip_prefix(b"disable=")
            .or_else(|| long.strip_prefix(b"disable-"));
        let disabled = disabled.or(if long == b"disable" { value } else { None });
        let mut names = disabled.unwrap_or_default().split(|&byte| byte == b',');
        self.no_gems |= names.any(|name| matches!(name, b"gems" | b"gem" | b"rubygems" | b"all"));
    }

    fn value(&mut self, letter: u8, value: &[u8]) {
        match letter {
            b'I' => {
                let directories = value
                    .split(|&byte| byte == b':')
                    .filter(|name| !name.is_empty());
                self.includes.extend(directories.map(<[u8]>::to_vec));
            }
            b'r' => self.features.push(value.to_vec()),
            _ => {}
        }
    }

    /// One switch that takes no other word; what is left of its word behind it.
    fn letter<'a>(&mut self, letter: u8, tail: &'a [u8]) -> &'a [u8] {
        let behind = |belongs: fn(&u8) -> bool| {
            let length = tail.iter().position(|byte| !belongs(byte));
            &tail[length.unwrap_or(tail.len())..]
        };
        match letter {
            b'0' | b'T' => behind(|byte| matches!(byte, b'0'..=b'7')),
            b'W' if tail.starts_with(b":") => b"",
            b'W' => behind(u8::is_ascii_digit),
            b'K' => tail.get(1..).unwrap_or_default(),
            b'i' | b'F' => b"",
            b'x' => {
                self.extract = true;
                b""
            }
            b'S' => {
                self.search = true;
                tail
            }
            // All that follows the interpreter in a `#!` line is one word.
            b' ' => {
                let tail = tail.trim_ascii_start();
                tail.strip_prefix(b"-").unwrap_or(tail)
            }
            _ => tail,
        }
    }
}

/// The switches of a `#!` line, if it names ruby.
pub(crate) fn switches_of(text: &[u8]) -> Option<&[u8]> {
    let line = text.strip_prefix(b"#!")?;
    let line = line.split(|&byte| byte == b'\n').next()?;
    let at = line.windows(4).position(|four| four == b"ruby")?;
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

    #[test]
    fn t6_18_script_among_options() {
        check("/srv/a.rb,-e,x", "/srv/a.rb");
        check("-w,a.rb", "a.rb");
        check("-I,/lib,a.rb", "a.rb");
        check("-I/lib,a.rb", "a.rb");
        check("-wI,/lib,a.rb", "a.rb");
        check("-r,json,a.rb", "a.rb");
        check("-rjson,a.rb", "a.rb");
        check("-C,/srv,a.rb", "a.rb");
        check("-X,/srv,a.rb", "a.rb");
        check("-E,UTF-8,a.rb", "a.rb");
        check("-EUTF-8:e,a.rb", "a.rb");
        check("-F:,a.rb", "a.rb");
        check("-i,a.rb", "a.rb");
        check("-i.bake,a.rb", "a.rb");
        check("-x,a.rb", "a.rb");
        check("-x/dir,a.rb", "a.rb");
        check("-W,a.rb", "a.rb");
        check("-W0,a.rb", "a.rb");
        check("-W:no-deprecated,a.rb", "a.rb");
        check("-T1,a.rb", "a.rb");
        check("-Ku,a.rb", "a.rb");
        check("-0777,a.rb", "a.rb");
        check("-ane,x".replace("-ane,x", "-an,a.rb").as_str(), "a.rb");
        check("-S,rake", "rake");
        check("--disable,gems,a.rb", "a.rb");
        check("--disable=gems,a.rb", "a.rb");
        check("--disable-gems,a.rb", "a.rb");
        check("--yjit,a.rb", "a.rb");
        check("--encoding,UTF-8,a.rb", "a.rb");
        check("--,-e", "-e");
    }

    #[test]
    fn t6_18_program_in_the_arguments() {
        let text = |line: &str| options(line).program;
        assert_eq!(text("-e,p 1,a.rb"), Program::Text(b"p 1\n".to_vec()));
        assert_eq!(text("-wep,x"), Program::Text(b"p\n".to_vec()));
        assert_eq!(text("-e,1,-e,2"), Program::Text(b"1\n2\n".to_vec()));
        assert_eq!(text("-"), Program::Input);
        assert_eq!(text("-w"), Program::Input);
    }

    #[test]
    fn t6_18_what_options_say() {
        let said = options(
            "-I,/a:/b,-rjson,-r,set,--disable=did_you_mean,gems,a.rb"
                .replace(",gems", "")
                .as_str(),
        );
        assert_eq!(said.includes, [b"/a", b"/b"]);
        assert_eq!(said.features, [&b"json"[..], b"set"]);
        assert!(!said.no_gems);
        assert!(options("--disable=did_you_mean").program == Program::Input);
        assert!(options("--disable,gems,a.rb").no_gems && options("--disable-gems,a.rb").no_gems);
        let mut said = Options::default();
        said.add_switches(switches_of(b"#!/usr/bin/ruby -w -I/c -rset\n").unwrap());
        said.add_switches(b"-rbundler/setup -W0");
        assert_eq!(said.features, [&b"set"[..], b"bundler/setup"]);
        assert_eq!(said.includes, [b"/c"]);
    }
}
