//! The command line of an awk: POSIX awk(1p), gawk(1), mawk(1). Pure.
#![forbid(unsafe_code)]

/// A file that the command line names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Named<'a> {
    /// By `-f` or `-E`: (a part of) the program.
    Program(&'a [u8]),
    /// By `-i`: a library.
    Include(&'a [u8]),
}

/// Short options that take an argument, in the same word or as the next one.
const WITH_ARGUMENT: &[u8] = b"FvfieElW";
/// Short options of gawk that may have an argument in the same word.
const WITH_OPTIONAL: &[u8] = b"dDLop";
/// Long options that take an argument, and what they are in short.
const LONG: [(&[u8], u8); 7] = [
    (b"file", b'f'),
    (b"exec", b'E'),
    (b"include", b'i'),
    (b"source", b'e'),
    (b"assign", b'v'),
    (b"load", b'l'),
    (b"field-separator", b'F'),
];

/// Files that the command line names, in order.
pub(crate) fn named(argv: &[Vec<u8>]) -> Vec<Named<'_>> {
    let mut found = Vec::new();
    let mut words = argv.iter().skip(1).map(Vec::as_slice);
    while let Some(word) = words.next() {
        let (option, argument) = match word {
            b"-" | b"--" => break,
            [b'-', b'-', name @ ..] => long(name),
            [b'-', letters @ ..] => short(letters),
            _ => break,
        };
        if !WITH_ARGUMENT.contains(&option) {
            continue;
        }
        let Some(argument) = argument.or_else(|| words.next()) else {
            break;
        };
        match option {
            b'f' | b'E' => found.push(Named::Program(argument)),
            b'i' => found.push(Named::Include(argument)),
            _ => {}
        }
        // What follows it are arguments of the program.
        if option == b'E' {
            break;
        }
    }
    found
}

/// The first option with an argument in a word of short ones, and the argument if it is in that word.
fn short(letters: &[u8]) -> (u8, Option<&[u8]>) {
    for (at, letter) in letters.iter().enumerate() {
        let rest = &letters[at + 1..];
        if WITH_ARGUMENT.contains(letter) {
            return (*letter, (!rest.is_empty()).then_some(rest));
        }
        if WITH_OPTIONAL.contains(letter) {
            break;
        }
    }
    (0, None)
}

/// A long option by its letter, and its argument if it is in the same word.
fn long(text: &[u8]) -> (u8, Option<&[u8]>) {
    let mut parts = text.splitn(2, |&byte| byte == b'=');
    let name = parts.next().unwrap_or_default();
    let known = LONG.iter().find(|(long, _)| *long == name);
    (known.map_or(0, |(_, letter)| *letter), parts.next())
}
