//! One virtual machine: what it holds first, then what its command line names beyond that.

#![forbid(unsafe_code)]

use std::collections::HashSet;

use unstale_plugin::{
    Detector, FileView, Handle, Held, How, Process, Report, Role, Root, Used, What, base_name,
    directory_of,
};

use crate::argfile::parse_variable;
use crate::class_path::{Archive, Jars, List, Search};
use crate::launcher::{Command, Main, expand};
use crate::option::Launcher;

/// Archives end in one of these. `.jsa` is a dump of loaded classes (CDS), `.jmod` a packed module.
const ARCHIVES: [&[u8]; 5] = [b".jar", b".jmod", b".jsa", b".war", b".ear"];
/// As many held files as are passed on for one process.
const HELD: usize = 4000;

/// The detector of Java programs.
#[derive(Debug, Default)]
pub struct Java {
    jars: Jars,
}

impl Detector for Java {
    fn inspect(&mut self, process: &Process, files: &dyn FileView, report: &mut dyn Report) {
        self.jars.forget_much();
        let mut search = Search::new(process, files, &mut self.jars);
        match Launcher::of(process.exe_name()) {
            Some(launcher) => search_command(launcher, &mut search, report),
            None => report.note(
                "the program starts the Java machine itself: of its class path only what it holds is judged",
            ),
        }
        let Search {
            archives,
            directories,
            unknown,
            ..
        } = search;
        report_uses(process, archives, report);
        if let Some(first) = directories.first() {
            let first = String::from_utf8_lossy(&first[..first.len().min(200)]);
            let more = match directories.len() - 1 {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            report.note(&format!(
                "classes in directories are not judged: {first}{more}"
            ));
        }
        for what in unknown {
            report.unknown(&what);
        }
    }
}

fn search_command(launcher: Launcher, search: &mut Search<'_>, report: &mut dyn Report) {
    let command = command_of(launcher, search, report);
    let main = match &command.main {
        Main::Jar(path) | Main::Source(path) => search.absolute(path),
        Main::Unknown | Main::Class | Main::Module => None,
    };
    if let Some(main) = main {
        search.add_archive(&main, Role::Script, How::Loaded);
    }
    for agent in &command.agents {
        if let Some(path) = search.absolute(agent) {
            search.add_archive(&path, Role::Archive, How::Imported);
        }
    }
    for list in &command.boot_paths {
        search.add_list(list, List::ClassPath);
    }
    if let Some(list) = class_path_of(launcher, &command, search.process) {
        search.add_list(&list, List::ClassPath);
    }
    // What a module path names may be automatic modules: of those, the manifest is not read for a class path.
    search.follow_manifests();
    for list in &command.module_paths {
        search.add_list(list, List::ModulePath);
    }
}

/// The command line, with what argument files and variables add to it.
fn command_of(launcher: Launcher, search: &mut Search<'_>, report: &mut dyn Report) -> Command {
    let process = search.process;
    if process.environ.is_none() {
        report.note("its environment cannot be read: options and class path in it are not known");
    }
    let given = process.argv.get(1..).unwrap_or_default();
    let mut arguments = Vec::new();
    if launcher == Launcher::Java {
        let more = process.env(b"JDK_JAVA_OPTIONS").map(parse_variable);
        arguments.extend(more.unwrap_or_default());
        arguments.extend_from_slice(given);
        arguments = expand(&arguments, &mut |name| read_argfile(name, search));
    } else {
        arguments.extend_from_slice(given);
    }
    let mut command = Command::parse(launcher, &arguments);
    for name in [b"JAVA_TOOL_OPTIONS".as_slice(), b"_JAVA_OPTIONS"] {
        if let Some(text) = process.env(name) {
            command.add_variable(text);
        }
    }
    command
}

fn read_argfile(name: &[u8], search: &mut Search<'_>) -> Option<Vec<u8>> {
    let path = search.absolute(name)?;
    match search.files.read(Root::Process, &path) {
        Ok(text) => Some(text),
        Err(_) => {
            search.cannot(&path, "the argument file cannot be read");
            None
        }
    }
}

/// The class path that is searched: of the command line, else of the environment, else the working directory.
fn class_path_of(launcher: Launcher, command: &Command, process: &Process) -> Option<Vec<u8>> {
    if matches!(command.main, Main::Jar(_) | Main::Unknown) {
        return None;
    }
    let given = command.class_path.clone();
    given
        .or_else(|| process.env(b"CLASSPATH").map(<[u8]>::to_vec))
        .or_else(|| {
            (command.main == Main::Class && launcher == Launcher::Java).then(|| b".".to_vec())
        })
}

/// Reports what is held, and of what is named only that which is not.
fn report_uses(process: &Process, archives: Vec<Archive>, report: &mut dyn Report) {
    let held = held_archives(process);
    if held.len() > HELD {
        report.unknown("it holds too many archives: not all are looked at");
    }
    let is_main = |path: &[u8]| {
        archives
            .iter()
            .any(|one| one.role == Role::Script && (one.real_path == path || one.path == path))
    };
    let mut paths: HashSet<&[u8]> = HashSet::new();
    for one in held.into_iter().take(HELD) {
        paths.insert(&one.path);
        report.uses(Used {
            what: What::Held(one.by),
            role: match is_main(&one.path) {
                true => Role::Script,
                false => Role::Archive,
            },
            how: How::Loaded,
            via: None,
        });
    }
    let mut named: HashSet<Vec<u8>> = HashSet::new();
    for archive in &archives {
        let is_held = paths.contains(archive.real_path.as_slice());
        if !is_held && named.insert(archive.path.clone()) {
            report.uses(Used {
                what: archive.what(),
                role: archive.role,
                how: archive.how,
                via: archive.via.clone(),
            });
        }
    }
}

/// What the process holds of archives: each descriptor (two may hold an old and a new object of the same name), and each
/// mapped one once.
fn held_archives(process: &Process) -> Vec<&Held> {
    let mut mapped = HashSet::new();
    process
        .held
        .iter()
        .filter(|held| is_archive(&held.path))
        .filter(|held| match held.by {
            Handle::Descriptor(_) => true,
            Handle::Mapping(_) => mapped.insert(held.path.as_slice()),
        })
        .collect()
}

/// The image of the JDK's own classes is `lib/modules`. `hsperfdata_USER/PID` and the rest that is mapped are data.
fn is_archive(path: &[u8]) -> bool {
    ARCHIVES.iter().any(|suffix| path.ends_with(suffix))
        || (base_name(path) == b"modules" && base_name(directory_of(path)) == b"lib")
}
