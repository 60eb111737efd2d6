//! Which script a process runs: from its arguments, and from the name by which it was executed.

#![forbid(unsafe_code)]

use unstale_plugin::{FileView, Process, Refused, Root, base_name, join};

use crate::options::{Options, Program, parse_options};

/// What a process runs.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Script {
    /// A file, by its absolute path.
    File(Vec<u8>),
    /// Text from the command line.
    Text(Vec<u8>),
    /// Nothing that is to be judged, and why.
    None(&'static str),
    /// What should have been found.
    Unknown(String),
}

/// The command line of a process and its script. `Options` are empty where a title was written over the arguments.
pub(crate) fn read_script(process: &Process, files: &dyn FileView) -> (Script, Options) {
    if is_title(process) {
        let script = match executed(process, files) {
            Some(path) => Script::File(path),
            None => Script::None("the arguments were replaced by a title: the script is not known"),
        };
        return (script, Options::default());
    }
    let mut options = parse_options(process.argv.get(1..).unwrap_or_default());
    let script = match std::mem::take(&mut options.program) {
        Program::Input => Script::None("the program came from standard input"),
        Program::Text(text) => Script::Text(text),
        Program::File(path) => place(process, files, &path, options.search),
    };
    (script, options)
}

/// Whether the process wrote a title over its arguments, as an assignment to `$0` and setproctitle do.
fn is_title(process: &Process) -> bool {
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
    // The kernel puts the interpreter's name first, and ruby needs a second word to run anything that is a file.
    alone && !name.starts_with(b"ruby") && name != process.exe_name()
}

/// The script that the kernel was asked to execute, by its `#!` line: then the name is not the interpreter's.
fn executed(process: &Process, files: &dyn FileView) -> Option<Vec<u8>> {
    let name = process.execfn.as_ref()?;
    if !name.starts_with(b"/") || is_device(name) {
        return None;
    }
    let path = join(b"/", name);
    let real = files.stat(Root::Process, &path).ok()?.real_path;
    let interpreter = path == process.exe
        || real == process.exe
        || base_name(&path) == process.exe_name()
        || base_name(&path) == b"ruby";
    (!interpreter).then_some(path)
}

/// `ruby /dev/fd/3`, `ruby <(…)`: no file that could be replaced.
fn is_device(path: &[u8]) -> bool {
    path.starts_with(b"/dev/") || path.starts_with(b"/proc/")
}

fn place(process: &Process, files: &dyn FileView, path: &[u8], search: bool) -> Script {
    if is_device(path) {
        return Script::None("the program came from a descriptor");
    }
    if path.starts_with(b"/") {
        return Script::File(join(b"/", path));
    }
    if search && !path.contains(&b'/') {
        for directory in process
            .env(b"PATH")
            .unwrap_or_default()
            .split(|&byte| byte == b':')
        {
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
    match executed(process, files) {
        Some(path) => Script::File(path),
        None => Script::Unknown(format!(
            "script {}: its path is relative and leads nowhere from the present working directory",
            String::from_utf8_lossy(path)
        )),
    }
}
