//! `config`: shows, checks and translates settings.

use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::exit::Exit;
use super::{now, print, talk};
use crate::cli::{Color, ConfigCommand, ConfigFlags, ConfigImportFlags, ImportFrom};
use crate::config::import::Program;
use crate::config::{self, ConfigError, Layer, Note, Origin, Settings, Sources, Users};
use crate::error::Error;
use crate::model::Escaped;
use crate::trust;

/// Does what is asked.
pub(super) fn run(flags: &ConfigFlags) -> Result<Exit, Error> {
    let sources = Sources::of_machine(rustix::process::geteuid().as_raw());
    match &flags.command {
        ConfigCommand::Show(flags) => show(&sources, flags.origin),
        ConfigCommand::Check(flags) if flags.files.is_empty() => check_machine(&sources),
        ConfigCommand::Check(flags) => check_files(&sources, &flags.files),
        ConfigCommand::Import(flags) => import(flags),
    }
}

/// What cannot be translated is never left out in silence: only who asks for that gets the rest.
fn import(flags: &ConfigImportFlags) -> Result<Exit, Error> {
    let program = match flags.program {
        ImportFrom::Needrestart => Program::Needrestart,
        ImportFrom::Checkrestart => Program::Checkrestart,
        ImportFrom::Tracer => Program::Tracer,
    };
    let imported = config::import::import(program, flags.path.as_deref())?;
    for note in &imported.notes {
        talk(&format!("note: {note}"));
    }
    for line in &imported.untranslated {
        talk(line);
    }
    let count = imported.untranslated.len();
    if count > 0 && !flags.lenient {
        talk(&format!(
            "nothing is printed, for what is named above ({count}) cannot be translated; --lenient leaves it out"
        ));
        return Ok(Exit::Failed);
    }
    print(Color::Never, true, |out| {
        out.write_all(imported.toml.as_bytes())
    })?;
    Ok(Exit::Complete)
}

fn show(sources: &Sources, origin: bool) -> Result<Exit, Error> {
    let layers = config::layers(sources)?;
    let (settings, _) = Settings::merged(&layers)?;
    let text = config::show(&layers, &settings, &Users::of(&sources.passwd), origin);
    print(Color::Never, true, |out| out.write_all(text.as_bytes()))?;
    Ok(Exit::Complete)
}

/// Whether what is in force here can be used, and what in it does nothing.
fn check_machine(sources: &Sources) -> Result<Exit, Error> {
    let layers = config::layers(sources)?;
    let (settings, notes) = Settings::merged(&layers)?;
    talk_of(&notes);
    talk_of_ended(&settings, |_| true);
    print(Color::Never, true, |out| {
        layers
            .iter()
            .try_for_each(|layer| writeln!(out, "{}: ok", layer.origin()))
    })?;
    Ok(Exit::Complete)
}

/// Each as the last layer of this machine's; whose it is does not matter here.
fn check_files(sources: &Sources, files: &[PathBuf]) -> Result<Exit, Error> {
    let users = Users::of(&sources.passwd);
    let below = below(sources);
    let mut exit = Exit::Complete;
    for file in files {
        match check_file(file, &below, &users) {
            Ok(notes) => {
                talk_of(&notes);
                talk_of_trust(file, sources.euid);
                let name = Escaped(file.as_os_str().as_bytes());
                print(Color::Never, true, |out| writeln!(out, "{name}: ok"))?;
            }
            Err(error) => {
                error.lines().iter().for_each(|line| talk(line));
                exit = Exit::Failed;
            }
        }
    }
    Ok(exit)
}

/// The layers whose rules a file may change: those of this machine, as far as they can be used.
fn below(sources: &Sources) -> Vec<Layer> {
    let layers = config::layers(sources).and_then(|layers| {
        Settings::merged(&layers)?;
        Ok(layers)
    });
    layers.unwrap_or_else(|_| Layer::shipped().into_iter().collect())
}

fn check_file(file: &Path, below: &[Layer], users: &Users) -> Result<Vec<Note>, ConfigError> {
    let layer = Layer::read(file, users)?;
    let origin = layer.origin().clone();
    // It may be in force already: what it takes away must still be there then.
    let itself = Origin::File(absolute(file));
    let others = below.iter().filter(|layer| *layer.origin() != itself);
    let layers: Vec<Layer> = others.chain([&layer]).cloned().collect();
    let (settings, mut notes) = Settings::merged(&layers)?;
    notes.retain(|note| note.origin == origin);
    talk_of_ended(&settings, |rule| layer.speaks_of(rule));
    Ok(notes)
}

fn talk_of(notes: &[Note]) {
    for note in notes {
        talk(&format!("{}: {}", note.origin, note.what));
    }
}

fn talk_of_ended(settings: &Settings, matters: impl Fn(&str) -> bool) {
    let now = now();
    for rule in &settings.policy.rules {
        if matters(&rule.name) && rule.until.is_some_and(|until| until <= now) {
            talk(&format!(
                "rule {} says nothing any more: its time is over",
                rule.name
            ));
        }
    }
}

fn talk_of_trust(file: &Path, euid: u32) {
    if let Err(untrusted) = trust::open_trusted(&absolute(file), euid) {
        talk(&format!("as it is, it would not be used: {untrusted}"));
    }
}

fn absolute(file: &Path) -> PathBuf {
    std::path::absolute(file).unwrap_or_else(|_| file.to_owned())
}
