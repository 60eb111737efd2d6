//! From the script to all that it asks for, and what that asks for.

#![forbid(unsafe_code)]

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use unstale_plugin::script::Script;
use unstale_plugin::{
    Detector, FileView, How, Listings, Process, Refused, Report, Role, Root, Used, What,
    directory_of, join,
};

use crate::options::{Options, module_of};
use crate::script::read_script;
use crate::search::{Directory, Search};
use crate::source::{Place, Reference, Source, Target, library, parse_source};
use crate::words::{Part, PathText};

/// Possible files whose own imports are looked at: enough to show, and never worth the budget of the sure ones.
const POSSIBLE: usize = 256;
/// Possible files in all.
const LATER: usize = 8_192;
/// Directories in `@INC`, and names of modules in one note.
const INCLUDES: usize = 256;
const NAMES: usize = 8;

/// The detector. Sources are read once for all processes that see the same files.
#[derive(Debug, Default)]
pub struct Perl {
    listings: Listings,
    search: Search,
    sources: HashMap<(u64, Vec<u8>), Rc<Source>>,
}

impl Detector for Perl {
    fn inspect(&mut self, process: &Process, files: &dyn FileView, report: &mut dyn Report) {
        let name = process.exe_name();
        if !(name == b"perl" || name.starts_with(b"perl5")) {
            report.note("perl is embedded in this program: its scripts are not judged");
            return;
        }
        let (script, mut options) = read_script(process, files);
        if let Some(switches) = process.env(b"PERL5OPT").filter(|_| !options.taint) {
            options.add_switches(switches);
        }
        let mut walk = Walk {
            detector: self,
            process,
            files,
            report,
            include: Vec::new(),
            script: None,
            seen: HashSet::new(),
            stack: Vec::new(),
            later: Vec::new(),
            missing: Vec::new(),
            unread: 0,
        };
        walk.run(script, &mut options);
    }
}

/// A file whose imports are being followed. The interpreter goes into each one before it goes on.
struct Open {
    source: Rc<Source>,
    path: Option<Vec<u8>>,
    next: usize,
}

/// What may be used: looked at after all that surely is.
struct Later {
    target: Target,
    via: Option<Vec<u8>>,
}

/// One process.
struct Walk<'a> {
    detector: &'a mut Perl,
    process: &'a Process,
    files: &'a dyn FileView,
    report: &'a mut dyn Report,
    include: Vec<Directory>,
    /// The script, and what it is without links.
    script: Option<(Vec<u8>, Vec<u8>)>,
    seen: HashSet<Vec<u8>>,
    stack: Vec<Open>,
    later: Vec<Later>,
    missing: Vec<Vec<u8>>,
    unread: u32,
}

impl Walk<'_> {
    fn run(&mut self, script: Script, options: &mut Options) {
        let main = match script {
            Script::File(path) => self.main(path, options),
            Script::Text(text) => {
                self.report.note("the program is in the arguments");
                Some((Rc::new(parse_source(&text, false)), None))
            }
            Script::None(why) => {
                self.report.note(why);
                None
            }
            Script::Unknown(what) => {
                self.report.unknown(&what);
                None
            }
        };
        let (include, note) = self.detector.search.begin(
            self.process,
            self.files,
            &mut self.detector.listings,
            options,
        );
        self.include = include;
        if let Some(note) = note {
            self.report.note(note);
        }
        if let Some((source, path)) = main {
            self.stack.push(Open {
                source,
                path,
                next: 0,
            });
        }
        // Before the script itself, thus on top of it.
        self.stack.push(Open {
            source: Rc::new(asked_by(options)),
            path: None,
            next: 0,
        });
        self.follow(How::Imported);
        self.follow_possible();
        self.say_missing();
    }

    /// The main script: named, and read.
    fn main(
        &mut self,
        path: Vec<u8>,
        options: &mut Options,
    ) -> Option<(Rc<Source>, Option<Vec<u8>>)> {
        let real = self
            .files
            .stat(Root::Process, &path)
            .map(|stat| stat.real_path);
        self.script = Some((path.clone(), real.unwrap_or_else(|_| path.clone())));
        self.seen.insert(path.clone());
        self.report.uses(Used {
            what: What::File(path.clone()),
            role: Role::Script,
            how: How::Loaded,
            via: None,
        });
        match self.source(&path, options.extract) {
            Ok(source) => {
                if let Some(switches) = &source.switches {
                    options.add_switches(switches);
                }
                Some((source, Some(path)))
            }
            Err(Refused::Missing) => {
                self.report
                    .note("the script is gone: what it used cannot be told");
                None
            }
            Err(refused) => {
                self.say_unread(&path, refused);
                None
            }
        }
    }

    /// Goes through what the files on the stack ask for.
    fn follow(&mut self, how: How) {
        while let Some(open) = self.stack.last_mut() {
            let at = open.next;
            open.next += 1;
            let source = Rc::clone(&open.source);
            let compiled = source.compiled.len();
            let found = match at.checked_sub(compiled) {
                None => source.compiled.get(at),
                Some(at) => source.run.get(at),
            };
            let Some(reference) = found else {
                self.stack.pop();
                continue;
            };
            let via = open.path.clone();
            self.take(reference, via, how);
        }
    }

    fn take(&mut self, reference: &Reference, via: Option<Vec<u8>>, how: How) {
        match &reference.target {
            Target::Include(paths, place) => {
                self.change_include(paths, *place, reference.sure, via.as_deref());
            }
            target if reference.sure || how == How::Possible => self.load(target, via, how),
            target => self.put_off(target.clone(), via),
        }
    }

    fn put_off(&mut self, target: Target, via: Option<Vec<u8>>) {
        if self.later.len() < LATER {
            self.later.push(Later { target, via });
        }
    }

    fn follow_possible(&mut self) {
        let mut read = 0;
        let mut done = 0;
        while done < self.later.len() {
            let target = self.later[done].target.clone();
            let via = self.later[done].via.take();
            done += 1;
            self.load(&target, via, How::Possible);
            while let Some(open) = self.stack.pop() {
                read += 1;
                if read > POSSIBLE {
                    continue;
                }
                for reference in open.source.compiled.iter().chain(&open.source.run) {
                    // Directories that only a possible file would add are left out.
                    if !matches!(reference.target, Target::Include(..)) {
                        let (target, via) = (reference.target.clone(), open.path.clone());
                        self.put_off(target, via);
                    }
                }
            }
        }
    }

    /// Finds a file, names it, and puts it on the stack.
    fn load(&mut self, target: &Target, via: Option<Vec<u8>>, how: How) {
        let found = match target {
            Target::Library(name) => self.library(name),
            Target::File(text) => self.file(text, via.as_deref()),
            Target::Include(..) => None,
        };
        let Some((path, sure)) = found else {
            if let Target::Library(name) = target
                && how == How::Imported
                && !self.missing.contains(name)
                && self.missing.len() <= NAMES
            {
                self.missing.push(name.clone());
            }
            return;
        };
        if how == How::Imported && !sure {
            self.put_off(target.clone(), via);
            return;
        }
        if !self.seen.insert(path.clone()) {
            return;
        }
        self.report.uses(Used {
            what: What::File(path.clone()),
            role: Role::Module,
            how,
            via,
        });
        match self.source(&path, false) {
            Ok(source) => {
                let implied = match target {
                    Target::Library(name) => {
                        if source.loads_itself {
                            self.split_parts(&path, name);
                        }
                        implied(name)
                    }
                    _ => None,
                };
                self.stack.push(Open {
                    source,
                    path: Some(path.clone()),
                    next: 0,
                });
                if let Some(name) = implied {
                    self.load(&Target::Library(name.to_vec()), Some(path), how);
                }
            }
            Err(refused) if how == How::Imported => self.say_unread(&path, refused),
            Err(_) => {}
        }
    }

    fn source(&mut self, path: &[u8], extract: bool) -> Result<Rc<Source>, Refused> {
        let key = (self.process.view, path.to_vec());
        let known = self.detector.sources.get(&key).filter(|_| !extract);
        let source = match known {
            Some(source) => Rc::clone(source),
            None => Rc::new(parse_source(
                &self.files.read(Root::Process, path)?,
                extract,
            )),
        };
        if source.computed > 0 {
            let path = String::from_utf8_lossy(path);
            self.report
                .note(&format!("{path} searches in directories that it computes"));
        }
        if !extract {
            self.detector.sources.insert(key, Rc::clone(&source));
        }
        Ok(source)
    }

    fn is_file(&mut self, path: &[u8]) -> bool {
        self.detector
            .listings
            .is_file(self.process, self.files, path)
    }

    /// Whether the directories that a name leads through are there: what is above is known where it is not.
    fn is_reachable(&mut self, directory: &[u8], name: &[u8]) -> bool {
        let slashes = name.iter().enumerate().filter(|(_, byte)| **byte == b'/');
        slashes.take(16).all(|(at, _)| {
            let path = join(directory, &name[..at]);
            self.detector
                .listings
                .is_directory(self.process, self.files, &path)
        })
    }

    /// A file in `@INC`, and whether it is surely that one.
    fn library(&mut self, name: &[u8]) -> Option<(Vec<u8>, bool)> {
        for at in 0..self.include.len() {
            let Directory { path, sure } = self.include[at].clone();
            if !self.is_reachable(&path, name) {
                continue;
            }
            let candidate = join(&path, name);
            if name.ends_with(b".pm") {
                let compiled = [candidate.as_slice(), b"c"].concat();
                if self.is_file(&compiled) {
                    return Some((compiled, sure));
                }
            }
            if self.is_file(&candidate) {
                return Some((candidate, sure));
            }
        }
        None
    }

    /// `require "name"`, `do "name"`.
    fn file(&mut self, text: &PathText, via: Option<&[u8]>) -> Option<(Vec<u8>, bool)> {
        let path = self.value(text, via)?;
        let here = path.starts_with(b"./") || path.starts_with(b"../");
        if path.starts_with(b"/") || here {
            let path = if here {
                join(self.process.cwd.as_ref()?, &path)
            } else {
                join(b"/", &path)
            };
            // Settings in the form of a program are settings: they are read once, and nobody asks for a restart.
            let sure = !path.starts_with(b"/etc/");
            return self.is_file(&path).then_some((path, sure));
        }
        self.library(&path)
    }

    fn value(&self, text: &PathText, via: Option<&[u8]>) -> Option<Vec<u8>> {
        let mut path = Vec::new();
        for part in text {
            match part {
                Part::Text(text) => path.extend_from_slice(text),
                Part::Bin => path.extend_from_slice(directory_of(&self.script.as_ref()?.0)),
                Part::RealBin => path.extend_from_slice(directory_of(&self.script.as_ref()?.1)),
                Part::ThisFile => path.extend_from_slice(via?),
                Part::ThisDirectory => path.extend_from_slice(directory_of(via?)),
            }
        }
        (!path.is_empty() && path.len() < 4096 && !path.contains(&0)).then_some(path)
    }

    fn change_include(&mut self, paths: &[PathText], place: Place, sure: bool, via: Option<&[u8]>) {
        let mut directories = Vec::new();
        for text in paths {
            if let Some(path) = self.value(text, via) {
                self.detector
                    .search
                    .add(self.process, self.files, &path, &mut directories);
            }
        }
        if place == Place::Removed {
            self.include
                .retain(|known| directories.iter().all(|gone| gone.path != known.path));
            return;
        }
        for directory in &mut directories {
            directory.sure &= sure;
        }
        // What a condition adds is searched last: it may not be there.
        let at = if place == Place::Front && sure {
            0
        } else {
            self.include.len()
        };
        if self.include.len() + directories.len() <= INCLUDES {
            self.include.splice(at..at, directories);
        }
    }

    /// Parts that AutoSplit cut off: `auto/A/B/*.al`, loaded when they are called.
    fn split_parts(&mut self, path: &[u8], name: &[u8]) {
        let Some(base) = path.strip_suffix(name) else {
            return;
        };
        let stem = name.strip_suffix(b".pm").unwrap_or(name);
        let directory = join(base, &[b"auto/", stem].concat());
        let index = join(&directory, b"autosplit.ix");
        if !self.is_file(&index) {
            return;
        }
        let parts = self
            .files
            .list(Root::Process, &directory)
            .unwrap_or_default();
        let mut names: Vec<Vec<u8>> = parts.into_iter().map(|entry| entry.name).collect();
        names.retain(|name| name.ends_with(b".al") || name == b"autosplit.ix");
        names.sort();
        for name in names {
            let part = join(&directory, &name);
            if self.seen.insert(part.clone()) {
                self.report.uses(Used {
                    what: What::File(part),
                    role: Role::Module,
                    how: How::Possible,
                    via: Some(path.to_vec()),
                });
            }
        }
    }

    fn say_unread(&mut self, path: &[u8], refused: Refused) {
        let why = match refused {
            Refused::Missing => return,
            Refused::WrongKind => "it is no regular file",
            Refused::Denied => "it may not be read",
            Refused::TooLarge => "it is too large",
            Refused::Budget => "the files of this process are too many",
            Refused::NoAnswer => "its file system does not answer",
            Refused::Failed => "it cannot be read",
        };
        self.unread += 1;
        if self.unread <= 4 {
            let path = String::from_utf8_lossy(path);
            self.report.unknown(&format!("what {path} imports: {why}"));
        }
    }

    fn say_missing(&mut self) {
        if self.missing.is_empty() {
            return;
        }
        let more = self.missing.len() > NAMES;
        let names = self.missing.iter().take(NAMES);
        let names: Vec<_> = names.map(|name| String::from_utf8_lossy(name)).collect();
        let tail = if more { " and more" } else { "" };
        self.report
            .note(&format!("not found: {}{tail}", names.join(", ")));
    }
}

/// What a module of perl itself loads by a name that it computes, on every system with this kernel.
fn implied(name: &[u8]) -> Option<&'static [u8]> {
    match name {
        b"File/Spec.pm" => Some(b"File/Spec/Unix.pm"),
        _ => None,
    }
}

/// What the options ask for, as if it stood before the script.
fn asked_by(options: &Options) -> Source {
    let mut source = Source::default();
    let mut add = |target| source.compiled.push(Reference { target, sure: true });
    if options.debugger
        && options
            .modules
            .iter()
            .all(|name| !name.starts_with(b"Devel::"))
    {
        add(Target::Library(b"perl5db.pl".to_vec()));
    }
    for text in &options.modules {
        if let Some(path) = library(module_of(text)) {
            add(Target::Library(path));
        }
    }
    source
}
