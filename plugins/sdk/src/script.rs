//! Which script an interpreter runs, where its arguments name one and the kernel may have been asked for it by its `#!`
//! line: the same for languages whose command line is `NAME [OPTION…] SCRIPT`.

use crate::{FileView, Process, Refused, Root, base_name, join};

/// What a command line tells an interpreter to run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Program {
    /// What comes in from standard input.
    #[default]
    Input,
    /// Text among the arguments.
    Text(Vec<u8>),
    /// A file, as it is named there.
    File(Vec<u8>),
}

/// What a process runs.
#[derive(Debug, PartialEq, Eq)]
pub enum Script {
    /// A file, by its absolute path.
    File(Vec<u8>),
    /// Text from the command line.
    Text(Vec<u8>),
    /// Nothing that is to be judged, and why.
    None(&'static str),
    /// What should have been found.
    Unknown(String),
}

/// The script that a command line names. `language` is how names of the interpreter begin; with `search`, a name without a
/// slash is looked for in `PATH` first.
#[must_use]
pub fn named(
    process: &Process,
    files: &dyn FileView,
    language: &[u8],
    program: Program,
    search: bool,
) -> Script {
    match program {
        Program::Input => Script::None("the program came from standard input"),
        Program::Text(text) => Script::Text(text),
        Program::File(path) => place(process, files, language, &path, search),
    }
}

/// The script of a process that wrote a title over its arguments.
#[must_use]
pub fn behind_title(process: &Process, files: &dyn FileView, language: &[u8]) -> Script {
    match executed(process, files, language) {
        Some(path) => Script::File(path),
        None => Script::None("the arguments were replaced by a title: the script is not known"),
    }
}

/// Whether the process wrote a title over its arguments, as an assignment to `$0` and setproctitle(3) do.
#[must_use]
pub fn is_title(process: &Process, language: &[u8]) -> bool {
    let Some(first) = process.argv.first() else {
        return true;
    };
    let name = base_name(first);
    let name = name.strip_prefix(b"-").unwrap_or(name);
    // What is left of the old arguments behind a short title is empty.
    let alone = process.argv[1..].iter().all(|word| word.is_empty());
    if alone && first.contains(&b' ') {
        return true;
    }
    // The kernel puts the interpreter's name first, and that needs a second word to run anything that is a file.
    alone && !name.starts_with(language) && name != process.exe_name()
}

/// The script that the kernel was asked to execute, by its `#!` line: then the name is not the interpreter's.
fn executed(process: &Process, files: &dyn FileView, language: &[u8]) -> Option<Vec<u8>> {
    let name = process.execfn.as_ref()?;
    if !name.starts_with(b"/") || is_device(name) {
        return None;
    }
    let path = join(b"/", name);
    let real = files.stat(Root::Process, &path).ok()?.real_path;
    let interpreter = path == process.exe
        || real == process.exe
        || base_name(&path) == process.exe_name()
        || base_name(&path) == language;
    (!interpreter).then_some(path)
}

/// `perl /dev/fd/3`, `ruby <(…)`: no file that could be replaced.
fn is_device(path: &[u8]) -> bool {
    path.starts_with(b"/dev/") || path.starts_with(b"/proc/")
}

fn place(
    process: &Process,
    files: &dyn FileView,
    language: &[u8],
    path: &[u8],
    search: bool,
) -> Script {
    if is_device(path) {
        return Script::None("the program came from a descriptor");
    }
    if path.starts_with(b"/") {
        return Script::File(join(b"/", path));
    }
    if search && !path.contains(&b'/') {
        let directories = process.env(b"PATH").unwrap_or_default();
        for directory in directories.split(|&byte| byte == b':') {
            let candidate = join(directory, path);
            if directory.starts_with(b"/") && files.stat(Root::Process, &candidate).is_ok() {
                return Script::File(candidate);
            }
        }
    }
    if let Some(cwd) = &process.cwd {
        let candidate = join(cwd, path);
        match files.stat(Root::Process, &candidate) {
            Err(Refused::Missing) => {}
            _ => return Script::File(candidate),
        }
    }
    match executed(process, files, language) {
        Some(path) => Script::File(path),
        None => Script::Unknown(format!(
            "script {}: its path is relative and leads nowhere from the present working directory",
            String::from_utf8_lossy(path)
        )),
    }
}
