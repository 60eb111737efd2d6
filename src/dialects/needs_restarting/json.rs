//! dnf5's JSON, as json-c lays it out: two spaces for each level, and none behind a colon.

use std::collections::BTreeSet;
use std::io::{self, Write};

use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::{Formatter, PrettyFormatter};

use super::hint::{Hint, MORE};
use crate::dialects::{OldPart, Stale};
use crate::model::{Bytes, is_tame};

/// The one object of a reboot hint.
#[derive(Serialize)]
struct Reboot<'a> {
    r#type: &'static str,
    reboot_required: bool,
    packages: Vec<&'a String>,
    documentation: &'static str,
}

/// A service.
#[derive(Serialize)]
struct Unit<'a> {
    r#type: &'static str,
    unit: &'a str,
}

/// A process.
#[derive(Serialize)]
struct Process<'a> {
    r#type: &'static str,
    pid: u32,
    cmdline: Vec<String>,
    package: &'a str,
}

/// The reboot hint.
pub(super) fn reboot(out: &mut dyn Write, hint: &Hint) -> io::Result<()> {
    let object = Reboot {
        r#type: "reboot",
        reboot_required: !hint.reasons.is_empty(),
        packages: hint.reasons.keys().collect(),
        documentation: MORE,
    };
    print(out, &[object])
}

/// Services.
pub(super) fn units(out: &mut dyn Write, services: &BTreeSet<String>) -> io::Result<()> {
    let object = |unit| Unit {
        r#type: "unit",
        unit,
    };
    let units: Vec<Unit<'_>> = services.iter().map(|unit| object(unit)).collect();
    print(out, &units)
}

/// Processes, with the package of each one's program.
pub(super) fn processes(out: &mut dyn Write, processes: &[&Stale]) -> io::Result<()> {
    let processes: Vec<Process<'_>> = processes.iter().map(|stale| process(stale)).collect();
    print(out, &processes)
}

fn process(stale: &Stale) -> Process<'_> {
    Process {
        r#type: "process",
        pid: stale.pid,
        cmdline: stale.argv.iter().map(text).collect(),
        package: package(stale),
    }
}

/// The package of the program; the one that it was of, if that is removed, and nothing if it never was of any.
fn package(stale: &Stale) -> &str {
    let program = stale
        .files
        .iter()
        .find(|file| file.part == OldPart::Program);
    let before = program.and_then(|file| file.packages.first());
    let package = stale.program_packages.first().or(before);
    package.map_or("", String::as_str)
}

/// JSON has text alone: bytes that are none become `\xNN`. What steers a terminal is escaped by JSON itself.
fn text(word: &Bytes) -> String {
    let mut text = String::new();
    for chunk in word.as_slice().utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    text
}

fn print<T: Serialize>(out: &mut dyn Write, objects: &[T]) -> io::Result<()> {
    let mut layout = Serializer::with_formatter(&mut *out, Layout::default());
    objects.serialize(&mut layout)?;
    writeln!(out)
}

/// That of json-c.
#[derive(Default)]
struct Layout(PrettyFormatter<'static>);

impl Formatter for Layout {
    fn begin_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_array(out)
    }

    fn end_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_array(out)
    }

    fn begin_array_value<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_array_value(out, first)
    }

    fn end_array_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_array_value(out)
    }

    fn begin_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_object(out)
    }

    fn end_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_object(out)
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_object_key(out, first)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        out.write_all(b":")
    }

    fn end_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_object_value(out)
    }

    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        out: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        // The same text to whoever parses it.
        for c in fragment.chars() {
            match is_tame(c) {
                true => write!(out, "{c}")?,
                false => {
                    let mut units = [0; 2];
                    let mut units = c.encode_utf16(&mut units).iter();
                    units.try_for_each(|unit| write!(out, "\\u{unit:04x}"))?;
                }
            }
        }
        Ok(())
    }
}
