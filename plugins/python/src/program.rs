//! The program of an interpreter: which file it is, and which directories it is searched with.
#![forbid(unsafe_code)]

use unstale_plugin::{Kind, Refused, Root, base_name, directory_of, join};

use crate::command::{Command, Main, is_interpreter};
use crate::finder::{Area, Finder, Look, Origin, Place, below};
use crate::version::{V3_11, Version};

/// What runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Program {
    /// A script. It may be missing by now.
    Script(Vec<u8>),
    /// A directory with a `__main__`, which is the second path.
    Directory(Vec<u8>, Vec<u8>),
    /// An archive with a `__main__`, which is the member.
    Archive(Vec<u8>, Vec<u8>),
    /// A module of the path.
    Module(Vec<u8>),
    /// Nothing that is in a file, for this reason.
    None(&'static str),
    /// It is in a file, but which one cannot be told.
    Lost(String),
}

/// Finds the program. `shown` is the file that the process itself shows as its main module.
pub(crate) fn find_program(
    look: Look<'_>,
    finder: &mut Finder,
    command: &Command<'_>,
    shown: Option<&[u8]>,
) -> Program {
    match command.main {
        Main::Module(name) => Program::Module(name.to_vec()),
        Main::Nothing(why) => Program::None(why),
        Main::Rewritten => match shown
            .map(<[u8]>::to_vec)
            .or_else(|| executed_script(look, finder))
        {
            Some(path) => of_path(look, finder, path),
            None => Program::None("its arguments were written over with a title"),
        },
        Main::Operand(operand) => {
            let same = |path: &&[u8]| base_name(path) == base_name(operand);
            if let Some(path) = shown.filter(same).filter(|_| !operand.starts_with(b"/")) {
                // The interpreter kept the absolute path of when it started.
                return of_path(look, finder, path.to_vec());
            }
            if let Some(path) = locate(look, finder, operand) {
                return of_path(look, finder, path);
            }
            match shown {
                Some(path) => Program::Script(path.to_vec()),
                None => Program::Lost(format!(
                    "script {} is not in the working directory, which was changed since",
                    operand.escape_ascii()
                )),
            }
        }
    }
}

/// The path of an operand. One that is relative is looked for in the working directory of now, and is believed only if it
/// is there.
fn locate(look: Look<'_>, finder: &mut Finder, operand: &[u8]) -> Option<Vec<u8>> {
    if operand.starts_with(b"/") {
        return Some(operand.to_vec());
    }
    let mut plain = operand;
    while let Some(rest) = plain.strip_prefix(b"./") {
        plain = rest;
    }
    if let Some(cwd) = &look.process.cwd {
        let path = match plain {
            b"" | b"." => cwd.clone(),
            _ => below(cwd, plain),
        };
        if matches!(
            kind(look, finder, &path),
            Some(Kind::File | Kind::Directory)
        ) {
            return Some(path);
        }
    }
    let execfn = look.process.execfn.as_deref()?;
    let same = execfn.starts_with(b"/") && base_name(execfn) == base_name(operand);
    same.then(|| execfn.to_vec())
}

/// The script by whose `#!` the interpreter was started.
fn executed_script(look: Look<'_>, finder: &mut Finder) -> Option<Vec<u8>> {
    let execfn = look.process.execfn.as_deref()?;
    if !execfn.starts_with(b"/") || is_interpreter(base_name(execfn)) || execfn == look.process.exe
    {
        return None;
    }
    if kind(look, finder, execfn) != Some(Kind::File) {
        return None;
    }
    let start = look.files.read_at(Root::Process, execfn, 0, 2);
    (start.as_deref() == Ok(b"#!")).then(|| execfn.to_vec())
}

fn of_path(look: Look<'_>, finder: &mut Finder, path: Vec<u8>) -> Program {
    match kind(look, finder, &path) {
        Some(Kind::Directory) => {
            let mains = [&b"__main__.py"[..], b"__main__.pyc"].map(|name| below(&path, name));
            let [source, compiled] = mains;
            let compiled_only = kind(look, finder, &source) != Some(Kind::File)
                && kind(look, finder, &compiled) == Some(Kind::File);
            Program::Directory(path, if compiled_only { compiled } else { source })
        }
        Some(Kind::File) => {
            let archive = finder.archive(look, &path);
            let mains = [&b"__main__.pyc"[..], b"__main__.py"];
            let main = archive.and_then(|archive| mains.into_iter().find(|main| archive.has(main)));
            match main {
                Some(main) => Program::Archive(path, main.to_vec()),
                None => Program::Script(path),
            }
        }
        _ => Program::Script(path),
    }
}

fn kind(look: Look<'_>, finder: &mut Finder, path: &[u8]) -> Option<Kind> {
    match look.files.stat(Root::Process, path) {
        Ok(stat) => Some(stat.kind),
        Err(refused) => {
            finder.heed(refused);
            None
        }
    }
}

/// The source of a program, for its imports.
pub(crate) fn origin_of(program: &Program) -> Option<Origin> {
    match program {
        Program::Script(path) | Program::Directory(_, path) => Some(if path.ends_with(b".pyc") {
            Origin::Bytecode(path.clone())
        } else {
            Origin::Source(path.clone())
        }),
        Program::Archive(path, member) => Some(Origin::Member(path.clone(), member.clone())),
        _ => None,
    }
}

/// The program's part of `sys.path`, where its script is, and PYTHONPATH. What is not there is left out.
pub(crate) fn head_of(
    look: Look<'_>,
    finder: &mut Finder,
    command: &Command<'_>,
    program: &Program,
) -> (Vec<Place>, Vec<Place>) {
    let process = look.process;
    let cwd = process.cwd.as_deref();
    let mut own: Vec<Vec<u8>> = Vec::new();
    let mut environ: Vec<Vec<u8>> = Vec::new();
    let variable = |name: &[u8]| {
        let value = process.env(name).filter(|_| !command.no_environ)?;
        (!value.is_empty()).then_some(value)
    };
    if let Program::Directory(path, _) | Program::Archive(path, _) = program {
        own.push(path.clone());
    } else if !command.safe_path && variable(b"PYTHONSAFEPATH").is_none() {
        match program {
            Program::Script(path) => own.push(script_directory(look, path)),
            _ => own.extend(cwd.map(<[u8]>::to_vec)),
        }
    }
    if let Some(list) = variable(b"PYTHONPATH") {
        let entries = list.split(|&byte| byte == b':').take(256);
        environ.extend(entries.filter_map(|entry| {
            let absolute = entry.starts_with(b"/");
            (absolute || cwd.is_some()).then(|| join(cwd.unwrap_or(b"/"), entry))
        }));
    }
    (places(look, finder, own), places(look, finder, environ))
}

/// The directory of the script that all links lead to (`_PyPathConfig_ComputeSysPath0`).
fn script_directory(look: Look<'_>, path: &[u8]) -> Vec<u8> {
    match look.files.stat(Root::Process, path) {
        Ok(stat) => directory_of(&stat.real_path).to_vec(),
        Err(_) => directory_of(path).to_vec(),
    }
}

/// Those directories and archives that exist, each once.
pub(crate) fn places(look: Look<'_>, finder: &mut Finder, paths: Vec<Vec<u8>>) -> Vec<Place> {
    let mut kept: Vec<Place> = Vec::new();
    for path in paths {
        let there = match finder.kind(look, &path) {
            Ok(Kind::Directory | Kind::File) => true,
            // Perhaps a directory inside an archive.
            Err(Refused::Missing) => in_archive(look, finder, &path),
            _ => false,
        };
        if there && !kept.iter().any(|place| place.path == path) {
            let area = Area::App;
            kept.push(Place { path, area });
        }
    }
    kept
}

fn in_archive(look: Look<'_>, finder: &mut Finder, path: &[u8]) -> bool {
    let mut outer = directory_of(path);
    for _ in 0..16 {
        match finder.kind(look, outer) {
            Ok(kind) => return kind == Kind::File,
            Err(Refused::Missing) if outer.len() > 1 => outer = directory_of(outer),
            Err(_) => return false,
        }
    }
    false
}

/// What every interpreter imports before its program.
pub(crate) fn startup(
    version: Version,
    command: &Command<'_>,
    program: &Program,
) -> Vec<&'static [u8]> {
    let mut names: Vec<&[u8]> = vec![b"encodings", b"encodings.aliases", b"encodings.utf_8"];
    if version < V3_11 {
        names.extend([&b"codecs"[..], b"io", b"abc"]);
    }
    if !command.no_site {
        names.extend([&b"site"[..], b"sitecustomize"]);
        if !command.no_user_site {
            names.push(b"usercustomize");
        }
    }
    if matches!(
        program,
        Program::Module(_) | Program::Directory(..) | Program::Archive(..)
    ) {
        names.push(b"runpy");
    }
    names
}
