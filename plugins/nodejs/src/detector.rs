//! One Node.js process: its script, and what that asks for.

#![forbid(unsafe_code)]

use unstale_plugin::{Detector, FileView, How, Process, Report, Role, Used, What, base_name, join};

use crate::closure::{Closure, Outcome, Sources};
use crate::option::{Command, Main};
use crate::resolve::{Packages, Resolver, shared_directories};
use crate::tree::{PATH, Tree};

/// The detector of Node.js programs.
#[derive(Debug, Default)]
pub struct NodeJs {
    tree: Tree,
    packages: Packages,
    sources: Sources,
}

/// As much of a name as stands in a line.
const SHOWN: usize = 200;

/// Programs that start the app in a process of its own, and restart it.
const SUPERVISORS: [&[u8]; 9] = [
    b"npm",
    b"npx",
    b"yarn",
    b"pnpm",
    b"corepack",
    b"pm2",
    b"nodemon",
    b"forever",
    b"lerna",
];

/// As much as is kept from one process to the next: about so many bytes.
const KEPT: usize = 64 * 1024 * 1024;

impl NodeJs {
    /// Forgets all if it has become much: sources come from anybody.
    fn forget_much(&mut self) {
        let packages = self.packages.values().flatten();
        // A value of JSON takes two bytes there and some thirty here.
        let packages: usize = packages.map(|package| package.size * 16).sum();
        let requests = self.sources.values().flat_map(|requests| requests.iter());
        let requests: usize = requests.map(|request| request.name.len() + 64).sum();
        if self.tree.size() + packages + requests > KEPT {
            *self = Self::default();
        }
    }
}

impl Detector for NodeJs {
    fn inspect(&mut self, process: &Process, files: &dyn FileView, report: &mut dyn Report) {
        self.forget_much();
        let command = command_of(process, report);
        let resolver = Resolver {
            process,
            files,
            tree: &mut self.tree,
            packages: &mut self.packages,
            conditions: command.conditions.clone(),
            shared: shared_directories(process),
        };
        let mut closure = Closure::new(resolver, &mut self.sources);
        let Some(script) = script_of(process, &command, &mut closure, report) else {
            return;
        };
        if let Some(script) = script {
            report.uses(Used {
                what: What::File(script.path),
                role: Role::Script,
                how: How::Loaded,
                via: None,
            });
            if let Some(real_path) = script.real_path {
                closure.begin(real_path);
            }
        }
        for name in &command.preloads {
            match &process.cwd {
                Some(cwd) => closure.preload(cwd, name),
                None => report
                    .unknown("its working directory is not known: what -r asks for is not found"),
            }
        }
        report_outcome(closure.run(), report);
    }
}

fn report_outcome(outcome: Outcome, report: &mut dyn Report) {
    for module in outcome.modules {
        report.uses(Used {
            what: What::File(module.path),
            role: Role::Module,
            how: module.how,
            via: module.via,
        });
    }
    if outcome.cut {
        report.note("not all that it may load was followed: it is too much");
    }
    for what in outcome.missed {
        report.unknown(&what);
    }
}

fn command_of(process: &Process, report: &mut dyn Report) -> Command {
    if process.environ.is_none() {
        report.note("its environment cannot be read: options and search paths in it are not known");
    }
    let mut command = Command::parse(process.argv.get(1..).unwrap_or_default());
    if let Some(text) = process.env(b"NODE_OPTIONS") {
        command.add_variable(text);
    }
    command
}

/// The script.
struct Script {
    /// As it was named.
    path: Vec<u8>,
    /// Where it is; `None` if it is gone.
    real_path: Option<Vec<u8>>,
}

/// The script, if there is one; `None` if the process is not to be looked at further.
fn script_of(
    process: &Process,
    command: &Command,
    closure: &mut Closure<'_>,
    report: &mut dyn Report,
) -> Option<Option<Script>> {
    if let Some(path) = script_of_pm2(process, command) {
        return Some(find(path, closure));
    }
    if has_title(process) {
        let script = script_by_name(process).and_then(|path| find(path, closure));
        if script.is_none() {
            report.note("a title was written over its arguments: its script is not known");
        }
        return script.map(Some);
    }
    let operand = match &command.main {
        Main::File(operand) => operand,
        Main::Nothing => return Some(None),
        Main::Supervisor => {
            report.note("it starts other processes with the scripts: those are judged");
            return None;
        }
    };
    let script = find_operand(process, operand, closure, report)?;
    if let Some(name) = supervisor(script.real_path.as_deref().unwrap_or(&script.path)) {
        let name = String::from_utf8_lossy(name);
        report.note(&format!(
            "it is {name}, which starts the app: the app is judged in its own process"
        ));
        return None;
    }
    Some(Some(script))
}

fn find_operand(
    process: &Process,
    operand: &[u8],
    closure: &mut Closure<'_>,
    report: &mut dyn Report,
) -> Option<Script> {
    let script = if operand.starts_with(b"/") {
        find(&join(b"/", operand), closure)
    } else {
        // The working directory may have changed since: then the name leads nowhere, or is that of a `#!` script.
        let here = process.cwd.as_ref().map(|cwd| join(cwd, operand));
        let here = here.and_then(|path| find(&path, closure));
        here.filter(|script| script.real_path.is_some())
            .or_else(|| {
                let path = script_by_name(process)?;
                let same = base_name(path) == base_name(operand);
                same.then(|| find(path, closure)).flatten()
            })
    };
    if script.is_some() {
        return script;
    }
    let operand = String::from_utf8_lossy(&operand[..operand.len().min(SHOWN)]);
    report.unknown(&format!("its script {operand} is not found"));
    None
}

fn find(path: &[u8], closure: &mut Closure<'_>) -> Option<Script> {
    if path.len() > PATH || path.contains(&0) {
        return None;
    }
    let real_path = match closure.resolver.path(path) {
        Ok(real_path) => real_path,
        Err(refused) => {
            closure.miss("cannot look at its script", path, refused);
            None
        }
    };
    Some(Script {
        path: match &real_path {
            // `node app` and `node DIR` name no file.
            Some(real) if closure.resolver.is_no_file(path) => real.clone(),
            _ => path.to_vec(),
        },
        real_path,
    })
}

/// The name that a `#!` script was executed by.
fn script_by_name(process: &Process) -> Option<&[u8]> {
    let name = process.execfn.as_deref()?;
    let program = base_name(name);
    let is_program =
        program == process.exe_name() || matches!(program, b"node" | b"nodejs" | b"env");
    (name.starts_with(b"/") && !is_program).then_some(name)
}

/// Whether `process.title` was set: it is written over the arguments, and what is left of them is filled with NUL.
fn has_title(process: &Process) -> bool {
    let Some((first, rest)) = process.argv.split_first() else {
        return false;
    };
    let program = base_name(first);
    let is_program = program == process.exe_name() || matches!(program, b"node" | b"nodejs");
    rest.iter().all(Vec::is_empty) && !is_program
}

/// The script that pm2 has a process run: it starts a container of its own that loads the script, and writes the name of the
/// script over the arguments. What the script starts in turn has the same variable.
fn script_of_pm2<'a>(process: &'a Process, command: &Command) -> Option<&'a [u8]> {
    let path = process.env(b"pm_exec_path")?;
    let is_container = match (&command.main, process.argv.first()) {
        (_, Some(title)) if has_title(process) => title.ends_with(path),
        (Main::File(file), _) => {
            base_name(file).starts_with(b"ProcessContainer") && supervisor(file).is_some()
        }
        _ => false,
    };
    (is_container && path.starts_with(b"/")).then_some(path)
}

/// The supervisor that a script is part of, by the directory of its package.
fn supervisor(path: &[u8]) -> Option<&'static [u8]> {
    let parts: Vec<&[u8]> = path.split(|&byte| byte == b'/').collect();
    let modules = parts
        .iter()
        .rposition(|part| matches!(*part, b"node_modules" | b"nodejs"))?;
    let package = parts.get(modules + 1)?;
    SUPERVISORS.into_iter().find(|name| name == package)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t6_22_supervisors() {
        let name = |path: &str| supervisor(path.as_bytes());
        assert_eq!(
            name("/usr/lib/node_modules/npm/bin/npm-cli.js"),
            Some(b"npm".as_slice())
        );
        assert_eq!(
            name("/usr/share/nodejs/npm/bin/npm-cli.js"),
            Some(b"npm".as_slice())
        );
        assert_eq!(name("/srv/npm/app.js"), None);
        assert_eq!(name("/srv/node_modules/npm/node_modules/x/y.js"), None);
    }
}
