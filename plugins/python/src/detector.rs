//! The detector: one process from its command line to the files that it runs.
#![forbid(unsafe_code)]

use std::collections::HashMap;
use std::rc::Rc;

use unstale_plugin::{
    Detector, FileView, How, Kind, Process, Refused, Report, Role, base_name, join,
};

use crate::closure::Closure;
use crate::command::{Command, Main, command_of, is_interpreter};
use crate::entry::Entry;
use crate::finder::{Finder, Look, Origin, PathId, Place};
use crate::graph::{Graph, GraphKey, Head, NodeId};
use crate::launcher::{Launched, embedded, launched};
use crate::layout::{Layout, Layouts};
use crate::loaded::{Loaded, Runtimes, Without};
use crate::program::{Program, find_program, head_of, origin_of, places, startup};
use crate::remember::{Remembering, Stats};
use crate::say::{
    Saying, doubt_deployed, file_of, is_compiled_cache, is_source_name, reason, say_closure,
};
use crate::source::{Names, When};
use crate::sources::Sources;
use crate::version::{V3_11, Version, version_of};

/// Finds the scripts and modules of Python programs.
#[derive(Debug, Default)]
pub struct Python {
    finder: Finder,
    layouts: Layouts,
    sources: Sources,
    graphs: HashMap<GraphKey, Graph>,
    runtimes: Runtimes,
    stats: Stats,
}

/// What the imports start from.
struct Roots {
    /// Modules, whether for sure, and the file that names them.
    nodes: Vec<(NodeId, bool, Option<Vec<u8>>)>,
    /// Something that was named and is not there.
    missing: Option<String>,
    /// Something to say of them.
    note: Option<String>,
    /// Which of the modules only workers load.
    in_workers: std::ops::Range<usize>,
}

impl Detector for Python {
    fn inspect(&mut self, process: &Process, files: &dyn FileView, report: &mut dyn Report) {
        let interpreter = is_interpreter(process.exe_name());
        let embeds = process
            .code
            .iter()
            .any(|mapped| base_name(&mapped.path).starts_with(b"libpython"));
        if !interpreter && !embeds {
            return;
        }
        self.finder.begin();
        let files = Remembering::new(process, files, std::mem::take(&mut self.stats));
        self.look(process, &files, report, interpreter);
        self.stats = files.into_stats();
    }
}

impl Python {
    fn look(
        &mut self,
        process: &Process,
        files: &dyn FileView,
        report: &mut dyn Report,
        interpreter: bool,
    ) {
        let version = version_of(process);
        let look = Look {
            process,
            files,
            version: version.unwrap_or(V3_11),
        };
        let mut saying = Saying::new(report);
        let loaded = self.loaded(look, version, &mut saying);
        if interpreter {
            self.interpreter(look, loaded.as_ref(), &mut saying);
        } else {
            self.embedding(look, loaded.as_ref(), &mut saying);
        }
        match self.finder.stopped() {
            Some(Refused::Budget) => saying
                .report
                .unknown("imports beyond the files that may be read for one process"),
            Some(_) => saying
                .report
                .unknown("imports: a file system did not answer"),
            None => {}
        }
    }

    /// The process's own list of modules, where there is one.
    fn loaded(
        &mut self,
        look: Look<'_>,
        version: Option<Version>,
        saying: &mut Saying<'_>,
    ) -> Option<Loaded> {
        // Programs whose name does not tell the version are asked as well: it costs one question.
        if version.is_some_and(|version| (version.major, version.minor) < (3, 13)) {
            return None;
        }
        let why = match self.runtimes.loaded(look.process, look.files) {
            Ok(loaded) => return Some(loaded),
            Err(Without::NotOffered) => return None,
            Err(Without::Strange) => "does not look as it should".to_owned(),
            Err(Without::Unreadable(refused)) => format!("cannot be read: {}", reason(refused)),
        };
        let note = format!("the process's own list of modules {why}");
        saying.report.note(&note);
        None
    }

    fn interpreter(&mut self, look: Look<'_>, loaded: Option<&Loaded>, saying: &mut Saying<'_>) {
        let command = command_of(look.process);
        let shown = loaded.and_then(|loaded| loaded.main.as_deref());
        let program = find_program(look, &mut self.finder, &command, shown);
        match &program {
            Program::Script(path) | Program::Directory(_, path) => {
                saying.file(path, Role::Script, How::Loaded, None);
            }
            Program::Archive(path, _) => saying.file(path, Role::Archive, How::Loaded, None),
            Program::None(why) => saying.report.note(&format!("no script: {why}")),
            Program::Lost(what) => saying.report.unknown(what),
            Program::Module(_) => {
                if let Some(path) = shown {
                    saying.file(path, Role::Script, How::Loaded, None);
                }
            }
        }
        if let Some(loaded) = loaded {
            return self.say_loaded(look, loaded, saying);
        }
        if matches!(program, Program::None(_) | Program::Lost(_)) {
            return;
        }
        if look.version.major < 3 {
            return saying.report.note("imports of Python 2 are not followed");
        }
        match self.layouts.of(look, &mut self.finder, &command) {
            Ok(layout) => self.imports(look, &command, &program, &layout, saying),
            Err(why) if self.finder.stopped().is_none() => {
                saying.report.unknown(&format!("imports: {why}"));
            }
            Err(_) => {}
        }
    }

    fn say_loaded(&mut self, look: Look<'_>, loaded: &Loaded, saying: &mut Saying<'_>) {
        for file in &loaded.files {
            if file.in_archive {
                if let Some(archive) = self.enclosing(look, &file.path) {
                    saying.file(&archive, Role::Archive, How::Loaded, None);
                }
            } else if file.certain && !is_compiled_cache(&file.path) {
                saying.file(&file.path, Role::Module, How::Loaded, None);
            } else if !file.certain
                && is_source_name(&file.path)
                && self.finder.kind(look, &file.path) == Ok(Kind::File)
            {
                // Its word for it, and the file is there: used, but not to be missed.
                saying.file(&file.path, Role::Module, How::Imported, None);
            }
        }
        if loaded.cut {
            saying
                .report
                .unknown("modules beyond what may be read of the process's own list");
        }
        saying.report.note(&format!(
            "modules: those in the process's own list (CPython {})",
            loaded.version
        ));
    }

    /// The archive that a loaded member lies in.
    fn enclosing(&mut self, look: Look<'_>, path: &[u8]) -> Option<Vec<u8>> {
        let mut ends: Vec<usize> = (1..path.len()).filter(|&at| path[at] == b'/').collect();
        ends.truncate(64);
        let mut ends = ends.into_iter().rev();
        let end = ends.find(|&end| self.finder.kind(look, &path[..end]) == Ok(Kind::File))?;
        Some(path[..end].to_vec())
    }

    fn imports(
        &mut self,
        look: Look<'_>,
        command: &Command<'_>,
        program: &Program,
        layout: &Rc<Layout>,
        saying: &mut Saying<'_>,
    ) {
        let look = Look {
            version: layout.version,
            ..look
        };
        let (mut head, environ) = head_of(look, &mut self.finder, command, program);
        let launched = launch(command, program);
        if let Some(launched) = &launched {
            head = self.with_launched(look, launched, head);
        }
        if let Some(origin) = origin_of(program) {
            head = self.with_added(look, &origin, head, command.skip_first);
        }
        let head = self.finder.path(look, head);
        let environ = self.finder.path(look, environ);
        let program_ = (command, program, launched.as_ref());
        let mut followed = self.follow(look, (head, environ, false), layout, program_);
        if self.graphs.get(&followed.0).is_some_and(Graph::clashes) {
            followed = self.follow(look, (head, environ, true), layout, program_);
        }
        let (key, roots, closure) = followed;
        if let Some(missing) = &roots.missing {
            saying.report.unknown(missing);
        }
        if let Some(note) = &roots.note {
            saying.report.note(note);
        }
        let Some(graph) = self.graphs.get(&key) else {
            return;
        };
        if let Program::Module(_) = program {
            // The last root is the main module.
            if let Some((node, ..)) = roots.nodes.last().filter(|_| roots.missing.is_none())
                && let Some(path) = file_of(&graph.found(*node).origin)
            {
                saying.file(path, Role::Script, How::Loaded, None);
            }
        }
        say_closure(&closure, saying);
        for note in &layout.notes {
            saying.report.note(note);
        }
        saying
            .report
            .note("modules: those that its sources import, as its path leads to them now");
    }

    /// Goes through all that a program imports, in a graph that it shares with others or has alone.
    fn follow(
        &mut self,
        look: Look<'_>,
        path: (PathId, PathId, bool),
        layout: &Layout,
        (command, program, launched): (&Command<'_>, &Program, Option<&Launched>),
    ) -> (GraphKey, Roots, Closure) {
        let key = self.graph(look, path, layout, command);
        let roots = self.roots(look, key, command, program, layout, launched);
        let mind = (&mut self.finder, &mut self.sources);
        let Some(graph) = self.graphs.get_mut(&key) else {
            return (key, roots, Closure::default());
        };
        let skip_first = command.skip_first;
        let mut closure = graph.closure(look, (mind.0, mind.1), &roots.nodes, skip_first);
        if !roots.in_workers.is_empty() {
            let mut own = roots.nodes.clone();
            own.drain(roots.in_workers.clone());
            let own = graph.closure(look, mind, &own, skip_first);
            doubt_deployed(&mut closure, &own);
        }
        (key, roots, closure)
    }

    fn graph(
        &mut self,
        look: Look<'_>,
        (head, environ, alone): (PathId, PathId, bool),
        layout: &Layout,
        command: &Command<'_>,
    ) -> GraphKey {
        let names = self.finder.names(look, head);
        let key = GraphKey {
            alone: (alone || names.is_none()).then_some(head),
            environ,
            tail: layout.path,
            frozen: !command.no_frozen,
        };
        let head = Head { path: head, names };
        let graph = self.graphs.entry(key);
        let graph = graph.or_insert_with(|| Graph::new(key, head.clone()));
        graph.enter(head);
        key
    }

    /// The head of the path with the directories of an application in front.
    fn with_launched(
        &mut self,
        look: Look<'_>,
        launched: &Launched,
        head: Vec<Place>,
    ) -> Vec<Place> {
        let cwd = look.process.cwd.as_deref();
        let absolute = |path: &[u8]| match cwd {
            Some(cwd) => Some(join(cwd, path)),
            None => path.starts_with(b"/").then(|| path.to_vec()),
        };
        let own = launched.directory.as_deref().unwrap_or(b".");
        let paths = std::iter::once(own).chain(launched.paths.iter().map(Vec::as_slice));
        let mut all = places(look, &mut self.finder, paths.filter_map(absolute).collect());
        all.extend(head);
        all
    }

    /// The head of the path with what the script adds to `sys.path` as plain strings.
    fn with_added(
        &mut self,
        look: Look<'_>,
        origin: &Origin,
        head: Vec<Place>,
        skip_first: bool,
    ) -> Vec<Place> {
        let (source, _) = self.sources.of(look, &mut self.finder, origin, skip_first);
        let Some(source) = source.filter(|source| !source.paths.is_empty()) else {
            return head;
        };
        let (mut front, mut back) = (Vec::new(), Vec::new());
        for (path, in_front) in &source.paths {
            let side = if *in_front { &mut front } else { &mut back };
            side.push(path.clone());
        }
        let mut all = places(look, &mut self.finder, front);
        all.extend(head);
        all.extend(places(look, &mut self.finder, back));
        all
    }

    fn roots(
        &mut self,
        look: Look<'_>,
        key: GraphKey,
        command: &Command<'_>,
        program: &Program,
        layout: &Layout,
        launched: Option<&Launched>,
    ) -> Roots {
        let mut roots = Roots {
            nodes: Vec::new(),
            missing: None,
            note: None,
            in_workers: 0..0,
        };
        let script = origin_of(program);
        let via = script.as_ref().and_then(file_of);
        let entry = via.and_then(|script| {
            let entry = Entry::of_script(look, &mut self.finder, script)?;
            entry.module(look, &mut self.finder, layout.path)
        });
        let Some(graph) = self.graphs.get_mut(&key) else {
            return roots;
        };
        let finder = &mut self.finder;
        let mut early = |graph: &mut Graph, name: &[u8], sure: bool, via: Option<&[u8]>| {
            for node in graph.load_early(look, finder, name) {
                roots.nodes.push((node, sure, via.map(<[u8]>::to_vec)));
            }
        };
        for name in startup(look.version, command, program) {
            early(graph, name, true, None);
        }
        for (path, import) in &layout.startup {
            let sure = import.when == When::Always;
            early(graph, &import.module, sure, Some(path));
            if let (Names::These(names), 0) = (&import.names, import.level) {
                for name in names {
                    let whole = [&import.module[..], b".", name].concat();
                    early(graph, &whole, sure, Some(path));
                }
            }
        }
        let mut load = |graph: &mut Graph, name: &[u8], via: Option<&[u8]>| {
            let (nodes, complete) = graph.load(look, finder, name);
            let root = |node| (node, true, via.map(<[u8]>::to_vec));
            let roots: Vec<_> = nodes.into_iter().map(root).collect();
            (roots, complete)
        };
        if let Some(name) = &entry {
            roots.nodes.extend(load(graph, name, via).0);
        }
        let sure = launched.is_none_or(|launched| launched.sure);
        if !sure {
            let text = "its application may be loaded by workers, newly after each reload: it is not certain how old";
            roots.note = Some(text.to_owned());
        }
        let first = roots.nodes.len();
        for name in launched.iter().flat_map(|launched| &launched.modules) {
            let (nodes, complete) = load(graph, name, via);
            if !complete
                && nodes.is_empty()
                && Some(name) == launched.and_then(|l| l.modules.first())
            {
                let text = format!(
                    "module {} that its arguments name was not found",
                    name.escape_ascii()
                );
                match sure {
                    true => roots.missing = Some(text),
                    false => roots.note = Some(text),
                }
            }
            roots.nodes.extend(nodes);
        }
        if !sure {
            roots.in_workers = first..roots.nodes.len();
        }
        if let Some(origin) = script {
            roots.nodes.push((graph.main(origin, b""), true, None));
        } else if let Program::Module(name) = program {
            let (mut nodes, mut complete) = load(graph, name, None);
            let mut package = name.as_slice();
            let last = nodes.last().map(|(node, ..)| Rc::clone(graph.found(*node)));
            if complete && last.is_some_and(|last| last.package.is_some()) {
                let main = [name, &b".__main__"[..]].concat();
                (nodes, complete) = load(graph, &main, None);
            } else {
                let dot = name.iter().rposition(|&byte| byte == b'.');
                package = dot.map_or(&b""[..], |dot| &name[..dot]);
            }
            match nodes.pop().filter(|_| complete) {
                Some((main, ..)) => {
                    let origin = graph.found(main).origin.clone();
                    roots.nodes.extend(nodes);
                    roots.nodes.push((graph.main(origin, package), true, None));
                }
                None => {
                    let text = format!("module {} of -m was not found", name.escape_ascii());
                    roots.missing = Some(text);
                }
            }
        }
        roots
    }

    /// A program that embeds Python: only what is certain, or plainly said.
    fn embedding(&mut self, look: Look<'_>, loaded: Option<&Loaded>, saying: &mut Saying<'_>) {
        if let Some(loaded) = loaded {
            return self.say_loaded(look, loaded, saying);
        }
        saying.report.note(
            "the program embeds Python: its extension modules are judged, its sources are not",
        );
        let arguments = look.process.argv.get(1..).unwrap_or_default();
        let Some(launched) = embedded(arguments) else {
            return;
        };
        let command = command_of(look.process).without_options();
        let Ok(layout) = self.layouts.of(look, &mut self.finder, &command) else {
            return;
        };
        let look = Look {
            version: layout.version,
            ..look
        };
        let head = self.with_launched(look, &launched, Vec::new());
        let head = self.finder.path(look, head);
        let environ = self.finder.path(look, Vec::new());
        let key = self.graph(look, (head, environ, true), &layout, &command);
        let Some(graph) = self.graphs.get_mut(&key) else {
            return;
        };
        let mut nodes = Vec::new();
        for name in &launched.modules {
            let (found, _) = graph.load(look, &mut self.finder, name);
            nodes.extend(found.into_iter().map(|node| (node, false, None)));
        }
        let mind = (&mut self.finder, &mut self.sources);
        say_closure(&graph.closure(look, mind, &nodes, false), saying);
    }
}

/// The application that a script or module is told to run.
fn launch(command: &Command<'_>, program: &Program) -> Option<Launched> {
    match (program, command.main) {
        (Program::Module(name), _) => launched(name, command.arguments),
        (Program::Script(path), Main::Operand(_)) => launched(path, command.arguments),
        _ => None,
    }
}
