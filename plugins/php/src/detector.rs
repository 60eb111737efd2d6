//! One PHP process: a worker with a script of its own, or a server.

#![forbid(unsafe_code)]

use std::collections::HashMap;
use std::rc::Rc;

use unstale_plugin::{Detector, FileView, How, Process, Report, Role, Root, base_name};

use crate::closure::{Closure, Known};
use crate::ini::{Settings, absolute, read_settings};
use crate::option::{Command, Main};
use crate::place::Sapi;

/// As many settings as are kept from one process to the next.
const KEPT: usize = 100;
/// As much of a name as stands in a line.
const SHOWN: usize = 200;

/// The detector of PHP programs.
#[derive(Debug, Default)]
pub struct Php {
    known: Known,
    settings: HashMap<Key, Rc<Settings>>,
}

/// What the settings depend on: the workers of a pool share them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    view: u64,
    sapi: Sapi,
    exe: Vec<u8>,
    environ: Option<Vec<(Vec<u8>, Vec<u8>)>>,
    cwd: Option<Vec<u8>>,
    options: (Option<Vec<u8>>, bool, Vec<Vec<u8>>),
}

impl Detector for Php {
    fn inspect(&mut self, process: &Process, files: &dyn FileView, report: &mut dyn Report) {
        let Some(sapi) = Sapi::of(process) else {
            return;
        };
        let titled = has_title(process);
        // The words that a server was started with are its own, not those of `php`.
        let command = match sapi {
            Sapi::Cli if !titled => Command::parse(process.argv.get(1..).unwrap_or_default()),
            _ => Command::default(),
        };
        self.known.forget_much();
        if self.settings.len() > KEPT {
            self.settings.clear();
        }
        let settings = self.settings(process, files, sapi, &command);
        let include_path = settings.include_path.as_deref();
        let mut closure = Closure::new(process, files, &mut self.known, include_path);
        if let Some(file) = &settings.missed {
            let file = String::from_utf8_lossy(&file[..file.len().min(SHOWN)]);
            report.unknown(&format!("cannot read its configuration {file}"));
        }
        add_preloaded(&settings, sapi, &mut closure);
        if sapi != Sapi::Cli || command.main == Main::Server {
            note_server(sapi, &settings, report);
        } else {
            add_script(&command, titled, &settings, &mut closure, report);
        }
        closure.run();
        for used in closure.uses {
            report.uses(used);
        }
        for note in closure.notes {
            report.note(&note);
        }
        for what in closure.missed {
            report.unknown(&what);
        }
    }
}

impl Php {
    fn settings(
        &mut self,
        process: &Process,
        files: &dyn FileView,
        sapi: Sapi,
        command: &Command,
    ) -> Rc<Settings> {
        let key = Key {
            view: process.view,
            sapi,
            exe: process.exe.clone(),
            environ: process.environ.clone(),
            cwd: process.cwd.clone(),
            options: (
                command.ini.clone(),
                command.no_ini,
                command.settings.clone(),
            ),
        };
        let settings = self.settings.entry(key);
        let settings =
            settings.or_insert_with(|| Rc::new(read_settings(process, files, sapi, command)));
        Rc::clone(settings)
    }
}

/// `opcache.preload`: loaded when PHP starts, for as long as it runs.
fn add_preloaded(settings: &Settings, sapi: Sapi, closure: &mut Closure<'_>) {
    let on = match sapi {
        Sapi::Cli => settings.cache_cli.unwrap_or(false),
        _ => settings.cache.unwrap_or(true),
    };
    if on
        && settings.preload.starts_with(b"/")
        && let Some(path) = absolute(closure.process, &settings.preload)
    {
        closure.begin(path, Role::Module, How::Loaded);
    }
}

fn note_server(sapi: Sapi, settings: &Settings, report: &mut dyn Report) {
    let cached = settings.cache.unwrap_or(true) && settings.validate == Some(false);
    report.note(match sapi {
        Sapi::Embedded => "PHP is built into the program: which scripts it keeps is not known",
        Sapi::Cli => "its scripts are read again for each request",
        _ if cached => {
            "opcache.validate_timestamps is off: its scripts are cached until it is restarted, and which they are is not known"
        }
        _ => "its scripts are read again for each request",
    });
}

fn add_script(
    command: &Command,
    titled: bool,
    settings: &Settings,
    closure: &mut Closure<'_>,
    report: &mut dyn Report,
) {
    if titled {
        let process = closure.process;
        match script_by_name(process).and_then(|path| absolute(process, path)) {
            Some(path) => closure.begin(path, Role::Script, How::Loaded),
            None => report.note("a title was written over its arguments: its script is not known"),
        }
    }
    let Main::File(operand) = &command.main else {
        return;
    };
    match script_path(operand, closure) {
        Some(path) => closure.begin(path, Role::Script, How::Loaded),
        None => {
            let operand = String::from_utf8_lossy(&operand[..operand.len().min(SHOWN)]);
            report.unknown(&format!("its script {operand} is not found"));
        }
    }
    if !settings.prepend.is_empty()
        && let Some(path) = absolute(closure.process, &settings.prepend)
    {
        closure.begin(path, Role::Module, How::Imported);
    }
}

/// The path of the script. The working directory may have changed since the start: then the name leads nowhere, or is that
/// of a `#!` script.
fn script_path(operand: &[u8], closure: &Closure<'_>) -> Option<Vec<u8>> {
    if operand.starts_with(b"/") {
        return absolute(closure.process, operand);
    }
    let here = absolute(closure.process, operand);
    let here = here.filter(|path| closure.files.stat(Root::Process, path).is_ok());
    here.or_else(|| {
        let name = script_by_name(closure.process)?;
        let same = base_name(name) == base_name(operand);
        same.then(|| absolute(closure.process, name)).flatten()
    })
}

/// The name that a `#!` script was executed by.
fn script_by_name(process: &Process) -> Option<&[u8]> {
    let name = process.execfn.as_deref()?;
    let program = base_name(name);
    let is_program =
        program.starts_with(b"php") || program == b"env" || program == process.exe_name();
    (name.starts_with(b"/") && !is_program).then_some(name)
}

/// Whether `cli_set_process_title` was called: the title stands in place of all arguments.
fn has_title(process: &Process) -> bool {
    let Some((first, rest)) = process.argv.split_first() else {
        return false;
    };
    let program = base_name(first);
    let is_program = program == process.exe_name()
        || program
            .strip_prefix(b"php")
            .is_some_and(|rest| !rest.contains(&b' '));
    rest.iter().all(Vec::is_empty) && !is_program
}
