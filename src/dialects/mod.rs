//! The peers' voices: options, output and exit status of other programs, for the glue that parses those.
//!
//! Each dialect is one file (with a directory, where it is a long one) and one row of [`DIALECTS`]. None knows another, and none
//! looks at the machine by itself: it is given a [`Scene`], and asks for what it needs through [`Machine`]. Facts about the
//! peers are from their manuals and from recordings of what they print; see `docs/dialects.md`.
#![forbid(unsafe_code)]

mod application;
mod checkrestart;
mod katello;
mod machine;
mod needrestart;
mod needs_restarting;
mod salt;
mod scene;
mod tracer;
mod zypper;

use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

pub use machine::{
    Call, Errand, Machine, NotBegun, NotRestarted, Order, Own, Terminals, Voice, Wanted,
};
pub use scene::{Microcode, OldFile, OldPart, Scene, Script, Stale, Subject};

use crate::model::{Bytes, is_tame};

/// Speaks: prints what the peer would print, and says its exit status.
pub type Speak = fn(&Call, &mut dyn Machine, &mut Voice<'_>) -> io::Result<u8>;

/// A dialect.
#[derive(Debug, Clone, Copy)]
pub struct Dialect {
    /// Its name for `--as`.
    pub name: &'static str,
    /// Its generations for `--as NAME=VARIANT`; none, if there is only one.
    pub variants: &'static [&'static str],
    /// Whether a program of this name speaks it without `--as`: a link named like the peer.
    pub linked: bool,
    /// Who speaks so, for people.
    pub about: &'static str,
    /// What speaks it.
    pub speak: Speak,
}

/// All of them.
pub const DIALECTS: &[Dialect] = &[
    Dialect {
        name: "needrestart",
        variants: needrestart::VARIANTS,
        linked: true,
        about: "needrestart of Debian: lists, batch, Nagios and OpenMetrics output, restarts",
        speak: needrestart::speak,
    },
    Dialect {
        name: "checkrestart",
        variants: checkrestart::VARIANTS,
        linked: true,
        about: "checkrestart of debian-goodies, of Debian 12 and of Debian 13",
        speak: checkrestart::speak,
    },
    Dialect {
        name: "needs-restarting",
        variants: needs_restarting::VARIANTS,
        linked: true,
        about: "needs-restarting of yum-utils, dnf4 and dnf5, and zypper's wrapper",
        speak: needs_restarting_or_zypper,
    },
    Dialect {
        name: "zypper-ps",
        variants: zypper::VARIANTS,
        linked: false,
        about: "zypper ps",
        speak: zypper::ps,
    },
    Dialect {
        name: "zypper-needs-rebooting",
        variants: zypper::VARIANTS,
        linked: false,
        about: "zypper needs-rebooting",
        speak: zypper::needs_rebooting,
    },
    Dialect {
        name: "tracer",
        variants: &[],
        linked: true,
        about: "tracer: its list and its exit codes",
        speak: tracer::speak,
    },
    Dialect {
        name: "katello",
        variants: &[],
        linked: false,
        about: "traces as JSON, as katello-tracer-upload sends them",
        speak: katello::speak,
    },
    Dialect {
        name: "salt",
        variants: &[],
        linked: false,
        about: "the SERVICE: lines that Salt reads from checkrestart",
        speak: salt::speak,
    },
];

/// Four programs are called `needs-restarting`. That of SUSE is zypper by another name, and is spoken there.
fn needs_restarting_or_zypper(
    call: &Call,
    machine: &mut dyn Machine,
    voice: &mut Voice<'_>,
) -> io::Result<u8> {
    match needs_restarting::generation(call, machine) {
        needs_restarting::Generation::Zypper => zypper::wrapper(call, machine, voice),
        needs_restarting::Generation::Own(own) => {
            needs_restarting::speak(own, call, machine, voice)
        }
    }
}

/// Options by which a dialect is chosen: the first argument, or not at all.
const OPTIONS: [&[u8]; 2] = [b"--as", b"--dialect"];

/// What is wrong with the choice of a dialect.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotSpoken {
    /// No name after the option.
    #[error("--as takes the name of a dialect: {}", names())]
    NoName,
    /// A name that is none.
    #[error("there is no dialect called {0}: {names}", names = names())]
    Unknown(String),
    /// A generation that the dialect does not have.
    #[error("{name} is not spoken as {variant}: {known}")]
    UnknownVariant {
        /// The dialect.
        name: &'static str,
        /// What was asked for.
        variant: String,
        /// What there is.
        known: String,
    },
}

fn names() -> String {
    let names: Vec<&str> = DIALECTS.iter().map(|dialect| dialect.name).collect();
    names.join(", ")
}

/// Which dialect the words of a command line ask for, and how it is called; `None` if they ask for none. `preset` is
/// `UNSTALE_AS`: the generation of a dialect that was chosen without one.
///
/// # Errors
/// [`NotSpoken`].
pub fn called(
    words: &[OsString],
    preset: Option<&OsStr>,
) -> Result<Option<(&'static Dialect, Call)>, NotSpoken> {
    let Some((program, args)) = words.split_first() else {
        return Ok(None);
    };
    let (choice, args) = match chosen(args)? {
        Some((choice, rest)) => (choice, rest),
        None => {
            let name = Path::new(program).file_name().unwrap_or_default();
            let linked = DIALECTS
                .iter()
                .find(|dialect| dialect.linked && name == dialect.name);
            match linked {
                Some(dialect) => (dialect.name.to_owned(), args),
                None => return Ok(None),
            }
        }
    };
    let (dialect, variant) = find(&choice)?;
    let preset = preset
        .and_then(OsStr::to_str)
        .filter(|preset| variant.is_none() && preset.split('=').next() == Some(dialect.name));
    let variant = match preset {
        Some(preset) => find(preset)?.1,
        None => variant,
    };
    let args = args.to_vec();
    Ok(Some((dialect, Call { variant, args })))
}

/// `--as NAME`, `--as=NAME`: the name, and the words after it.
fn chosen(args: &[OsString]) -> Result<Option<(String, &[OsString])>, NotSpoken> {
    let Some((first, rest)) = args.split_first() else {
        return Ok(None);
    };
    let option = |option: &&&[u8]| first.as_bytes().starts_with(option);
    let Some(option) = OPTIONS.iter().find(option) else {
        return Ok(None);
    };
    let text = |name: &OsStr| String::from_utf8_lossy(name.as_bytes()).into_owned();
    match first.as_bytes()[option.len()..].split_first() {
        None => {
            let (name, rest) = rest.split_first().ok_or(NotSpoken::NoName)?;
            Ok(Some((text(name), rest)))
        }
        Some((b'=', name)) => Ok(Some((text(OsStr::from_bytes(name)), rest))),
        Some(_) => Ok(None),
    }
}

/// A dialect by `NAME` or `NAME=VARIANT`.
fn find(choice: &str) -> Result<(&'static Dialect, Option<String>), NotSpoken> {
    let (name, variant) = match choice.split_once('=') {
        Some((name, variant)) => (name, Some(variant.to_owned())),
        None => (choice, None),
    };
    let found = DIALECTS.iter().find(|dialect| dialect.name == name);
    let dialect = found.ok_or_else(|| match name {
        "" => NotSpoken::NoName,
        _ => NotSpoken::Unknown(name.to_owned()),
    })?;
    let is_known = |variant: &String| dialect.variants.contains(&variant.as_str());
    match variant.as_ref().filter(|variant| !is_known(variant)) {
        None => Ok((dialect, variant)),
        Some(variant) => Err(NotSpoken::UnknownVariant {
            name: dialect.name,
            variant: variant.clone(),
            known: dialect.variants.join(", "),
        }),
    }
}

/// A name as the peers' readers take it: what steers a terminal, ends a line or hides, and bytes that are no text, become
/// `\xNN`, a byte each. Everything else stays, also a backslash.
#[must_use]
fn tame(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    let escape = |text: &mut String, bytes: &[u8]| {
        for byte in bytes {
            // Writing to a string does not fail.
            write!(text, "\\x{byte:02x}").ok();
        }
    };
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match is_tame(c) {
                true => text.push(c),
                false => escape(&mut text, c.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        escape(&mut text, chunk.invalid());
    }
    text
}

/// Arguments with one space between them.
fn joined(argv: &[Bytes]) -> String {
    let words: Vec<String> = argv.iter().map(|word| tame(word.as_slice())).collect();
    words.join(" ")
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
