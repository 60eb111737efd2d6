//! What imports what: the modules that one `sys.path` leads to, each resolved once, and the way through them.
#![forbid(unsafe_code)]

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use unstale_plugin::Refused;

use crate::finder::{Area, Finder, Found, Look, Origin, PathId, below};
use crate::source::{Import, Names, When};
use crate::sources::Sources;
use crate::version::{is_builtin, may_be_builtin};

/// What a graph depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct GraphKey {
    /// The program's part of the path, where nothing can be shared with other programs.
    pub(crate) alone: Option<PathId>,
    /// PYTHONPATH.
    pub(crate) environ: PathId,
    /// The rest.
    pub(crate) tail: PathId,
    /// Whether frozen modules are used.
    pub(crate) frozen: bool,
}

/// A module in a graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct NodeId(pub(crate) usize);

#[derive(Debug)]
struct Node {
    name: Vec<u8>,
    found: Rc<Found>,
    /// Whether the program's part of the path is searched for what it imports, before what all programs share.
    own: bool,
    /// Whether it is the main program, and then the package that it belongs to.
    main: Option<Vec<u8>>,
    edges: Option<Rc<Edges>>,
}

#[derive(Debug, Default)]
pub(crate) struct Edges {
    /// Modules, and whether for sure.
    pub(crate) to: Vec<(NodeId, bool)>,
    /// Why these may not be all.
    pub(crate) trouble: Option<Trouble>,
}

/// A source that could not be read, or not to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trouble {
    /// The file.
    pub(crate) path: Vec<u8>,
    /// Why.
    pub(crate) why: Refused,
}

#[derive(Debug, Clone, Copy)]
enum Named {
    Module(NodeId),
    /// Part of the interpreter.
    Builtin,
    Missing,
}

/// The program's part of the path: there only when the interpreter has started.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    /// The path.
    pub(crate) path: PathId,
    /// The names that may be found there; `None` if that cannot be told.
    pub(crate) names: Option<Rc<HashSet<Vec<u8>>>>,
}

/// The modules of one path. Programs differ in the first part of theirs, and share the modules that are found behind it:
/// as long as none of these asks for a name that the program's own part may answer. Where one does, the program has a
/// graph alone.
#[derive(Debug)]
pub(crate) struct Graph {
    key: GraphKey,
    nodes: Vec<Node>,
    /// What all programs share, or the one that is alone has.
    names: HashMap<Vec<u8>, Named>,
    /// What is found by names of a program's part.
    own: HashMap<PathId, HashMap<Vec<u8>, Named>>,
    /// What shared modules ask for.
    asked: HashSet<Vec<u8>>,
    head: Head,
    /// Whether the program's part of the path is not there yet.
    early: bool,
    mains: HashMap<(PathId, Vec<u8>, Vec<u8>), NodeId>,
}

/// Parts of a dotted name.
const DEPTH: usize = 64;

impl Graph {
    /// An empty graph.
    pub(crate) fn new(key: GraphKey, head: Head) -> Self {
        Self {
            key,
            nodes: Vec::new(),
            names: HashMap::new(),
            own: HashMap::new(),
            asked: HashSet::new(),
            head,
            early: false,
            mains: HashMap::new(),
        }
    }

    /// How many modules are known.
    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether a module is a main program.
    pub(crate) fn is_main(&self, node: NodeId) -> bool {
        self.nodes[node.0].main.is_some()
    }

    /// Turns to a program.
    pub(crate) fn enter(&mut self, head: Head) {
        self.head = head;
    }

    /// Whether shared modules have asked for what the program's own part may answer.
    pub(crate) fn clashes(&self) -> bool {
        if self.key.alone.is_some() {
            return false;
        }
        match &self.head.names {
            None => true,
            Some(names) if names.len() < self.asked.len() => !names.is_disjoint(&self.asked),
            Some(names) => !self.asked.is_disjoint(names),
        }
    }

    /// The main program: a file that is no module of the path, in a package if it was started with `-m`.
    pub(crate) fn main(&mut self, origin: Origin, package: &[u8]) -> NodeId {
        let path = match &origin {
            Origin::Source(path) | Origin::Bytecode(path) => path.clone(),
            Origin::Member(archive, member) => below(archive, member),
            _ => Vec::new(),
        };
        let key = (self.head.path, path, package.to_vec());
        if let Some(&known) = self.mains.get(&key) {
            return known;
        }
        let found = Found {
            origin,
            package: None,
            area: Area::App,
        };
        let main = self.add(b"__main__", Rc::new(found), true);
        self.nodes[main.0].main = Some(package.to_vec());
        self.mains.insert(key, main);
        main
    }

    fn add(&mut self, name: &[u8], found: Rc<Found>, own: bool) -> NodeId {
        self.nodes.push(Node {
            name: name.to_vec(),
            found,
            own,
            main: None,
            edges: None,
        });
        NodeId(self.nodes.len() - 1)
    }

    /// The modules that `import NAME` of the program loads, outermost first, and whether all of them are there.
    pub(crate) fn load(
        &mut self,
        look: Look<'_>,
        finder: &mut Finder,
        name: &[u8],
    ) -> (Vec<NodeId>, bool) {
        let own = self.is_own(look, name, true);
        self.load_in(look, finder, name, own)
    }

    /// Whether a name that the program, or else a shared module, asks for is searched in the program's own part first.
    fn is_own(&mut self, look: Look<'_>, name: &[u8], by_program: bool) -> bool {
        if self.key.alone.is_some() {
            return false;
        }
        let top = name.split(|&byte| byte == b'.').next().unwrap_or(name);
        let everybodys = self.key.frozen && look.version.is_frozen(top) || is_builtin(top);
        if !by_program && !everybodys && !self.asked.contains(top) {
            self.asked.insert(top.to_vec());
        }
        let names = self.head.names.as_ref();
        by_program && !everybodys && names.is_some_and(|names| names.contains(top))
    }

    fn load_in(
        &mut self,
        look: Look<'_>,
        finder: &mut Finder,
        name: &[u8],
        own: bool,
    ) -> (Vec<NodeId>, bool) {
        let mut loaded = Vec::new();
        let ends = (0..name.len()).filter(|&at| name[at] == b'.');
        for end in ends.chain([name.len()]).take(DEPTH) {
            match self.named(look, finder, (&name[..end], own), loaded.last().copied()) {
                Named::Module(node) => loaded.push(node),
                Named::Builtin => return (loaded, true),
                Named::Missing => return (loaded, false),
            }
        }
        (loaded, true)
    }

    /// The same for what is imported while the interpreter starts.
    pub(crate) fn load_early(
        &mut self,
        look: Look<'_>,
        finder: &mut Finder,
        name: &[u8],
    ) -> Vec<NodeId> {
        self.early = true;
        let own = self.is_own(look, name, false);
        let (loaded, _) = self.load_in(look, finder, name, own);
        self.early = false;
        loaded
    }

    /// What a module is.
    pub(crate) fn found(&self, node: NodeId) -> &Rc<Found> {
        &self.nodes[node.0].found
    }

    /// A module by its whole name; `parent` is what the name without its last part led to.
    fn named(
        &mut self,
        look: Look<'_>,
        finder: &mut Finder,
        (name, own): (&[u8], bool),
        parent: Option<NodeId>,
    ) -> Named {
        let names = match own {
            true => self.own.get(&self.head.path),
            false => Some(&self.names),
        };
        if let Some(&known) = names.and_then(|names| names.get(name)) {
            return known;
        }
        let named = match self.search(look, finder, (name, own), parent) {
            Some(found) => Named::Module(self.add(name, found, own)),
            None if is_builtin(name) => Named::Builtin,
            None => Named::Missing,
        };
        // What is not there early may be there later.
        let lasts = !(self.early && matches!(named, Named::Missing));
        if lasts && finder.stopped().is_none() {
            let names = match own {
                true => self.own.entry(self.head.path).or_default(),
                false => &mut self.names,
            };
            names.insert(name.to_vec(), named);
        }
        named
    }

    fn search(
        &self,
        look: Look<'_>,
        finder: &mut Finder,
        (name, own): (&[u8], bool),
        parent: Option<NodeId>,
    ) -> Option<Rc<Found>> {
        let last = name.rsplit(|&byte| byte == b'.').next().unwrap_or(name);
        let frozen = self.key.frozen && look.version.is_frozen(name);
        if last.is_empty() || is_builtin(name) {
            return None;
        }
        let GraphKey { environ, tail, .. } = self.key;
        let shared = self.early || !(own || self.key.alone.is_some());
        let found = match parent {
            Some(parent) => finder.find(look, &[self.found(parent).package?], last),
            None if last.len() < name.len() => None,
            None if frozen => finder.find(look, &[tail], last),
            None if shared => finder.find(look, &[environ, tail], last),
            None => finder.find(look, &[self.head.path, environ, tail], last),
        };
        if !frozen {
            return found;
        }
        let file = found.and_then(|found| match &found.origin {
            Origin::Source(path) => Some(path.clone()),
            _ => None,
        });
        Some(Rc::new(Found {
            origin: Origin::Frozen(file),
            package: None,
            area: Area::Library,
        }))
    }

    /// What a module imports.
    pub(crate) fn edges(
        &mut self,
        look: Look<'_>,
        (finder, sources): (&mut Finder, &mut Sources),
        node: NodeId,
        skip_first: bool,
    ) -> Rc<Edges> {
        if let Some(edges) = &self.nodes[node.0].edges {
            return Rc::clone(edges);
        }
        let found = Rc::clone(self.found(node));
        let (source, why) = sources.of(look, finder, &found.origin, skip_first);
        let mut edges = Edges::default();
        if let (
            Some(why),
            Origin::Source(path) | Origin::Frozen(Some(path)) | Origin::Member(path, _),
        ) = (why, &found.origin)
        {
            let path = path.clone();
            edges.trouble = Some(Trouble { path, why });
        }
        if let Some(source) = source {
            let mut failed = HashSet::new();
            for import in &source.imports {
                self.follow(
                    look,
                    (finder, sources),
                    node,
                    import,
                    &mut failed,
                    &mut edges.to,
                );
                if finder.stopped().is_some() {
                    break;
                }
            }
            let mut seen = HashSet::new();
            edges.to.retain(|edge| seen.insert(*edge));
        }
        let edges = Rc::new(edges);
        if finder.stopped().is_none() {
            self.nodes[node.0].edges = Some(Rc::clone(&edges));
        }
        edges
    }

    /// The dotted name that an import of a module means.
    fn absolute(&self, node: NodeId, import: &Import) -> Option<Vec<u8>> {
        if import.level == 0 {
            return Some(import.module.clone());
        }
        let node = &self.nodes[node.0];
        let mut base = match &node.main {
            Some(package) => package.as_slice(),
            None if node.found.package.is_some() => &node.name,
            None => parent_of(&node.name)?,
        };
        for _ in 1..import.level {
            base = parent_of(base)?;
        }
        if base.is_empty() {
            return None;
        }
        Some(if import.module.is_empty() {
            base.to_vec()
        } else {
            [base, b".", &import.module].concat()
        })
    }

    fn follow(
        &mut self,
        look: Look<'_>,
        (finder, sources): (&mut Finder, &mut Sources),
        node: NodeId,
        import: &Import,
        failed: &mut HashSet<u32>,
        edges: &mut Vec<(NodeId, bool)>,
    ) {
        let main = self.nodes[node.0].main.is_some();
        if import.when == When::Main && !main {
            return;
        }
        let executed = (import.guard == 0 || !failed.contains(&import.guard))
            && (import.fallback == 0 || failed.contains(&import.fallback));
        let sure = executed && import.when >= When::Main;
        let Some(name) = self.absolute(node, import) else {
            return;
        };
        let own = self.is_own(look, &name, self.nodes[node.0].own);
        let (mut loaded, complete) = self.load_in(look, finder, &name, own);
        let top = name.split(|&byte| byte == b'.').next().unwrap_or(&name);
        if !complete && sure && import.guard > 0 && !may_be_builtin(top) {
            failed.insert(import.guard);
        }
        if complete && let Some(&last) = loaded.last() {
            let names = match &import.names {
                Names::Module => Vec::new(),
                Names::These(names) => names.clone(),
                Names::All => {
                    let found = Rc::clone(self.found(last));
                    let package = found.package.is_some();
                    let source = package.then(|| sources.of(look, finder, &found.origin, false).0);
                    source
                        .flatten()
                        .map_or_else(Vec::new, |source| source.exported.clone())
                }
            };
            if self.found(last).package.is_some() {
                for part in names {
                    let whole = [&name[..], b".", &part].concat();
                    if let Named::Module(child) =
                        self.named(look, finder, (&whole, own), Some(last))
                    {
                        loaded.push(child);
                    }
                }
            }
        }
        for to in loaded {
            // What the library may import somewhere concerns nobody.
            if sure || self.found(to).area != Area::Library {
                edges.push((to, sure));
            }
        }
    }
}

fn parent_of(name: &[u8]) -> Option<&[u8]> {
    let dot = name.iter().rposition(|&byte| byte == b'.')?;
    Some(&name[..dot])
}
