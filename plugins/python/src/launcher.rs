//! Programs that run an application named by an argument: web servers and task queues. Only what the argument says
//! plainly is taken. Pure.
#![forbid(unsafe_code)]

use unstale_plugin::base_name;

/// An application that arguments name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Launched {
    /// Its modules; the first is named, the others are where the launcher looks next.
    pub(crate) modules: Vec<Vec<u8>>,
    /// The directory that it is searched in first; `None`: the working directory.
    pub(crate) directory: Option<Vec<u8>>,
    /// More directories.
    pub(crate) paths: Vec<Vec<u8>>,
    /// Whether this very process loads it, and does so once: masters of servers leave that to the workers that they fork,
    /// and fork new ones when they are told to reload.
    pub(crate) sure: bool,
}

/// Options that name the directory.
const DIRECTORY: [&[u8]; 3] = [b"--chdir", b"--app-dir", b"--workdir"];
/// Options that name more directories, separated by commas or colons.
const PATHS: [&[u8]; 3] = [b"--pythonpath", b"--python-path", b"--pp"];

/// Whether a script or a module of this name is one that takes `package.module:object`.
fn takes_object(name: &[u8]) -> bool {
    let known: [&[u8]; 8] = [
        b"gunicorn",
        b"gunicorn3",
        b"uvicorn",
        b"hypercorn",
        b"daphne",
        b"granian",
        b"waitress-serve",
        b"waitress",
    ];
    known.contains(&name)
}

/// What an interpreter launches that runs this script, or this module.
pub(crate) fn launched(program: &[u8], arguments: &[Vec<u8>]) -> Option<Launched> {
    let name = base_name(program);
    let name = name.strip_suffix(b".py").unwrap_or(name);
    let mut launched = directories(arguments);
    if takes_object(name) {
        let plain = arguments.iter().find_map(|argument| object(argument));
        let module = plain.map(|(module, _)| module);
        let module = module.or_else(|| whole_module(name, arguments))?;
        launched.sure = plain.is_some() && !in_workers(name, arguments);
        launched.modules.push(module.to_vec());
    } else if name == b"flask" {
        let app = value(arguments, &[b"-A", b"--app"])?;
        let module = object(app).map_or(app, |(module, _)| module);
        let module = module.strip_suffix(b".py").unwrap_or(module);
        if !is_dotted(module) {
            return None;
        }
        launched.sure = !any(arguments, &[b"--debug", b"--debugger", b"--reload"]);
        launched.modules.push(module.to_vec());
    } else if name == b"celery" {
        let app = value(arguments, &[b"-A", b"--app"])?;
        let module = object(app).map_or(app, |(module, _)| module);
        if !is_dotted(module) {
            return None;
        }
        launched.modules.push(module.to_vec());
        launched.modules.push([module, b".celery"].concat());
        launched.sure = true;
    } else {
        return None;
    }
    Some(launched)
}

/// What a program that embeds Python (uWSGI and the like) is told to run, if that is said plainly.
pub(crate) fn embedded(arguments: &[Vec<u8>]) -> Option<Launched> {
    let mut launched = directories(arguments);
    let named = value(arguments, &[b"--module", b"-w", b"--wsgi"]);
    let module = match named {
        Some(named) => object(named).map_or(named, |(module, _)| module),
        None => arguments.iter().find_map(|argument| object(argument))?.0,
    };
    launched.modules.push(module.to_vec());
    is_dotted(module).then_some(launched)
}

/// Whether a server leaves it to other processes to load the application.
fn in_workers(name: &[u8], arguments: &[Vec<u8>]) -> bool {
    match name {
        b"gunicorn" | b"gunicorn3" => !any(arguments, &[b"--preload"]),
        b"uvicorn" => any(arguments, &[b"--workers", b"--reload"]),
        b"hypercorn" | b"granian" => true,
        _ => false,
    }
}

/// Whether one of these options is given.
fn any(arguments: &[Vec<u8>], options: &[&[u8]]) -> bool {
    arguments.iter().any(|argument| {
        let name = argument.split(|&byte| byte == b'=').next();
        name.is_some_and(|name| options.contains(&name))
    })
}

/// A module without an object, which gunicorn takes behind its options: the last word, unless it may belong to an option.
fn whole_module<'a>(name: &[u8], arguments: &'a [Vec<u8>]) -> Option<&'a [u8]> {
    if !matches!(name, b"gunicorn" | b"gunicorn3") {
        return None;
    }
    let (last, before) = arguments.split_last()?;
    let free = before
        .last()
        .is_none_or(|word| !word.starts_with(b"-") || word.contains(&b'='));
    (free && is_dotted(last)).then_some(last)
}

fn directories(arguments: &[Vec<u8>]) -> Launched {
    let mut launched = Launched {
        directory: value(arguments, &DIRECTORY).map(<[u8]>::to_vec),
        ..Launched::default()
    };
    if let Some(list) = value(arguments, &PATHS) {
        let paths = list.split(|byte| b",:".contains(byte)).take(16);
        launched
            .paths
            .extend(paths.filter(|path| !path.is_empty()).map(<[u8]>::to_vec));
    }
    launched
}

/// The value of an option: the next word, or attached to `=`, or to a single letter.
fn value<'a>(arguments: &'a [Vec<u8>], names: &[&[u8]]) -> Option<&'a [u8]> {
    arguments.iter().enumerate().find_map(|(at, argument)| {
        names.iter().find_map(|name| {
            let rest = argument.strip_prefix(*name)?;
            match rest {
                [] => arguments.get(at + 1).map(Vec::as_slice),
                [b'=', rest @ ..] => Some(rest),
                rest if name.len() == 2 => Some(rest),
                _ => None,
            }
        })
    })
}

/// `package.module:object`, `package.module:factory()`.
fn object(argument: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = argument.iter().position(|&byte| byte == b':')?;
    let (module, object) = (&argument[..colon], &argument[colon + 1..]);
    let object = match object.iter().position(|&byte| byte == b'(') {
        Some(at) if object.ends_with(b")") => &object[..at],
        _ => object,
    };
    (is_dotted(module) && is_dotted(object)).then_some((module, object))
}

fn is_dotted(name: &[u8]) -> bool {
    name.len() <= 255
        && name.split(|&byte| byte == b'.').all(|part| {
            let first = part.first().is_some_and(|byte| !byte.is_ascii_digit());
            first
                && part
                    .iter()
                    .all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
        })
}
