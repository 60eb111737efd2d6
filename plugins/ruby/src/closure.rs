//! From the script to all that it asks for, and what that asks for.

#![forbid(unsafe_code)]

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use unstale_plugin::script::Script;
use unstale_plugin::{
    Detector, FileView, How, Listings, Process, Refused, Report, Role, Root, Used, What,
    directory_of, join,
};

use crate::bundle::Lock;
use crate::expression::Path;
use crate::gems::Gems;
use crate::options::{Options, switches_of};
use crate::script::read_script;
use crate::search::Places;
use crate::source::{Reference, Source, Target, parse_source};

/// Possible files whose own requires are looked at, and possible files in all.
const POSSIBLE: usize = 256;
const LATER: usize = 8_192;
const PLACES: usize = 512;
const NAMES: usize = 8;

mod bundler;
mod finding;
mod rack;

use rack::Workers;

/// The detector. Sources are read once for all processes that see the same files.
#[derive(Debug, Default)]
pub struct Ruby {
    listings: Listings,
    gems: Gems,
    sources: HashMap<(u64, Vec<u8>), Rc<Read>>,
}

/// A file that was read.
#[derive(Debug)]
struct Read {
    source: Source,
    switches: Option<Vec<u8>>,
}

impl Detector for Ruby {
    fn inspect(&mut self, process: &Process, files: &dyn FileView, report: &mut dyn Report) {
        let name = process.exe_name();
        let rest = name.strip_prefix(b"ruby");
        if !rest.is_some_and(|rest| {
            rest.iter()
                .all(|byte| byte.is_ascii_digit() || *byte == b'.')
        }) {
            report.note("ruby is embedded in this program: its scripts are not judged");
            return;
        }
        let (script, mut options) = read_script(process, files);
        if let Some(switches) = process.env(b"RUBYOPT") {
            options.add_switches(switches);
        }
        let mut walk = Walk {
            detector: self,
            process,
            files,
            report,
            places: Places::default(),
            script: None,
            lock: None,
            seen: HashSet::new(),
            stack: Vec::new(),
            later: Vec::new(),
            missing: Vec::new(),
            unread: 0,
            workers: Workers::None,
        };
        walk.run(script, &mut options);
    }
}

/// A file whose requires are being followed. The interpreter goes into each one before it goes on.
struct Open {
    read: Rc<Read>,
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
    detector: &'a mut Ruby,
    process: &'a Process,
    files: &'a dyn FileView,
    report: &'a mut dyn Report,
    places: Places,
    script: Option<Vec<u8>>,
    /// The lock of Bundler, once it is in use.
    lock: Option<Lock>,
    seen: HashSet<Vec<u8>>,
    stack: Vec<Open>,
    later: Vec<Later>,
    missing: Vec<Vec<u8>>,
    unread: u32,
    workers: Workers,
}

impl Walk<'_> {
    fn run(&mut self, script: Script, options: &mut Options) {
        let main = match script {
            Script::File(path) => self.main(path, options),
            Script::Text(text) => {
                self.report.note("the program is in the arguments");
                let read = Read {
                    source: parse_source(&text, false),
                    switches: None,
                };
                Some((Rc::new(read), None))
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
        self.places = Places::begin(
            self.process,
            self.files,
            &mut self.detector.listings,
            options,
        );
        if self.places.version.is_empty() {
            self.report
                .note("the version of ruby is not known: its own libraries are not judged");
        }
        let bundled = self
            .process
            .env(b"BUNDLE_GEMFILE")
            .is_some_and(|value| !value.is_empty());
        if bundled {
            self.bundle(How::Imported);
        }
        self.push_application();
        if let Some((read, path)) = main {
            self.stack.push(Open {
                read,
                path,
                next: 0,
            });
        }
        // Before the script itself, thus on top of it.
        let read = Read {
            source: asked_by(options),
            switches: None,
        };
        self.stack.push(Open {
            read: Rc::new(read),
            path: None,
            next: 0,
        });
        self.follow();
        self.follow_possible();
        self.say_missing();
    }

    /// The main script: named, and read.
    fn main(
        &mut self,
        path: Vec<u8>,
        options: &mut Options,
    ) -> Option<(Rc<Read>, Option<Vec<u8>>)> {
        self.script = Some(path.clone());
        self.seen.insert(self.real(&path));
        self.say(path.clone(), Role::Script, How::Loaded, None);
        match self.read(&path, options.extract) {
            Ok(read) => {
                if let Some(switches) = &read.switches {
                    options.add_switches(switches);
                }
                Some((read, Some(path)))
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

    fn say(&mut self, path: Vec<u8>, role: Role, how: How, via: Option<Vec<u8>>) {
        self.report.uses(Used {
            what: What::File(path),
            role,
            how,
            via,
        });
    }

    fn real(&self, path: &[u8]) -> Vec<u8> {
        let stat = self.files.stat(Root::Process, path);
        stat.map_or_else(|_| path.to_vec(), |stat| stat.real_path)
    }

    /// Goes through what the files on the stack surely ask for.
    fn follow(&mut self) {
        while let Some(open) = self.stack.last_mut() {
            let at = open.next;
            open.next += 1;
            let read = Rc::clone(&open.read);
            let Some(reference) = read.source.references.get(at) else {
                self.stack.pop();
                continue;
            };
            let via = open.path.clone();
            self.workers.enter(self.stack.len());
            if reference.sure {
                self.load(&reference.target, via, How::Imported);
            } else {
                self.put_off(reference.target.clone(), via);
            }
        }
    }

    fn put_off(&mut self, target: Target, via: Option<Vec<u8>>) {
        if self.later.len() < LATER {
            self.later.push(Later { target, via });
        }
    }

    fn follow_possible(&mut self) {
        // What RubyGems may load for its own commands is much, and no part of most programs: last, and not followed.
        let later = std::mem::take(&mut self.later);
        let by_gems = |later: &Later| {
            let via = later.via.as_deref().unwrap_or_default();
            via.windows(9).any(|nine| nine == b"/rubygems")
        };
        let (of_gems, own) = later.into_iter().partition(by_gems);
        self.later = own;
        self.load_later(POSSIBLE);
        self.later = of_gems;
        self.load_later(0);
    }

    /// Loads what was put off, and what `follow` of these ask for.
    fn load_later(&mut self, mut follow: usize) {
        let mut done = 0;
        while done < self.later.len() {
            let target = self.later[done].target.clone();
            let via = self.later[done].via.take();
            done += 1;
            self.load(&target, via, How::Possible);
            while let Some(open) = self.stack.pop() {
                let Some(left) = follow.checked_sub(1) else {
                    continue;
                };
                follow = left;
                for reference in &open.read.source.references {
                    self.put_off(reference.target.clone(), open.path.clone());
                }
            }
        }
    }

    fn value(&self, path: &Path, via: Option<&[u8]>) -> Option<Vec<u8>> {
        path.value(via, self.process.cwd.as_deref())
    }

    /// Finds what is asked for, names it, and puts it on the stack.
    fn load(&mut self, target: &Target, via: Option<Vec<u8>>, how: How) {
        match target {
            Target::Feature(path) => {
                if let Some(name) = self.value(path, via.as_deref()) {
                    self.require(&name, via, how);
                }
            }
            Target::Relative(path) => {
                let Some(file) = via.clone() else { return };
                let Some(name) = self.value(path, Some(&file)) else {
                    return;
                };
                // Beside the file itself, not beside a link to it.
                let path = join(directory_of(&self.real(&file)), &name);
                self.require(&path, via, how);
            }
            Target::Load(path) => {
                let Some(name) = self.value(path, via.as_deref()) else {
                    return;
                };
                if let Some(path) = self.loaded(&name) {
                    self.take(path, via, how);
                }
            }
            Target::Found(path) => self.take(path.clone(), via, how),
            Target::Include(path, front) => {
                let Some(path) = self.value(path, via.as_deref()) else {
                    return;
                };
                let path = match (&self.process.cwd, path.starts_with(b"/")) {
                    (_, true) => join(b"/", &path),
                    (Some(cwd), false) => join(cwd, &path),
                    (None, false) => return,
                };
                let list = &mut self.places.load_path;
                if list.len() < PLACES && !list.contains(&path) {
                    // What only may be searched is searched last.
                    let front = *front && how == How::Imported;
                    list.insert(if front { 0 } else { list.len() }, path);
                }
            }
            Target::Program(gem, program) => self.program(gem, program, via, how),
            Target::Bundle(all) => {
                self.bundle(how);
                let wanted = self
                    .lock
                    .as_ref()
                    .map(|lock| lock.wanted.clone())
                    .unwrap_or_default();
                for name in wanted.iter().filter(|_| *all) {
                    self.put_off(Target::Feature(Path::Text(name.clone())), via.clone());
                }
            }
        }
    }

    fn require(&mut self, name: &[u8], via: Option<Vec<u8>>, how: How) {
        if matches!(name, b"bundler/setup" | b"bundler") || name.ends_with(b"/bundler/setup") {
            self.bundle(how);
        }
        if name.ends_with(b".so") || name.is_empty() {
            return;
        }
        let file = if name.ends_with(b".rb") {
            name.to_vec()
        } else {
            [name, b".rb"].concat()
        };
        if name.starts_with(b"/") || name.starts_with(b"./") || name.starts_with(b"../") {
            let path = join(self.process.cwd.as_deref().unwrap_or(b"/"), &file);
            if self.is_file(&path) {
                self.take(path, via, how);
            }
            return;
        }
        let found = self.feature(&file, how == How::Imported);
        match found.as_slice() {
            [] if how == How::Imported => self.miss(name),
            [] => {}
            [path] => self.take(path.clone(), via, how),
            // Which of several versions was the newest when it was loaded is not known.
            several => {
                for path in several {
                    self.put_off(Target::Found(path.clone()), via.clone());
                }
            }
        }
    }

    /// Names a file that was found, and puts it on the stack.
    fn take(&mut self, path: Vec<u8>, via: Option<Vec<u8>>, how: How) {
        // The same file by two names is loaded once, as ruby does since 3.3; before, its parts are the same anyway.
        if !self.seen.insert(path.clone()) {
            return;
        }
        self.say(
            path.clone(),
            Role::Module,
            self.workers.how(how, &path),
            via,
        );
        match self.read(&path, false) {
            Ok(read) => self.stack.push(Open {
                read,
                path: Some(path),
                next: 0,
            }),
            Err(refused) if how == How::Imported => self.say_unread(&path, refused),
            Err(_) => {}
        }
    }

    fn read(&mut self, path: &[u8], extract: bool) -> Result<Rc<Read>, Refused> {
        let key = (self.process.view, path.to_vec());
        if let Some(read) = self.detector.sources.get(&key).filter(|_| !extract) {
            return Ok(Rc::clone(read));
        }
        let text = self.files.read(Root::Process, path)?;
        let read = Rc::new(Read {
            source: parse_source(&text, extract),
            switches: switches_of(&text).map(<[u8]>::to_vec),
        });
        if !extract {
            self.detector.sources.insert(key, Rc::clone(&read));
        }
        Ok(read)
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
            self.report.unknown(&format!("what {path} requires: {why}"));
        }
    }

    fn say_missing(&mut self) {
        if self.missing.is_empty() {
            return;
        }
        let tail = if self.missing.len() > NAMES {
            " and more"
        } else {
            ""
        };
        let names: Vec<_> = self
            .missing
            .iter()
            .take(NAMES)
            .map(|name| String::from_utf8_lossy(name))
            .collect();
        self.report
            .note(&format!("not found: {}{tail}", names.join(", ")));
    }
}

/// What the interpreter loads by itself, and what the options ask for, as if it stood before the script.
fn asked_by(options: &Options) -> Source {
    let mut references = Vec::new();
    let mut add = |name: &[u8], sure| {
        let target = Target::Feature(Path::Text(name.to_vec()));
        references.push(Reference { target, sure });
    };
    if !options.no_gems {
        // gem_prelude.rb, which is compiled in.
        add(b"rubygems", true);
        add(b"monitor", true);
        for optional in [
            &b"error_highlight"[..],
            b"did_you_mean",
            b"syntax_suggest/core",
        ] {
            add(optional, false);
        }
    }
    for name in &options.features {
        add(name, true);
    }
    Source { references }
}
