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
    /// The program's part of the path: there only when the interpreter has started.
    pub(crate) head: PathId,
    /// PYTHONPATH.
    pub(crate) environ: PathId,
    /// The rest.
    pub(crate) tail: PathId,
    /// Whether frozen modules are used.
    pub(crate) frozen: bool,
}

/// A module in a graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NodeId(usize);

#[derive(Debug)]
struct Node {
    name: Vec<u8>,
    found: Rc<Found>,
    /// Whether it is the main program, and then the package that it belongs to.
    main: Option<Vec<u8>>,
    edges: Option<Rc<Edges>>,
}

#[derive(Debug, Default)]
struct Edges {
    to: Vec<(NodeId, bool)>,
    trouble: Option<Trouble>,
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

/// The modules of one path.
#[derive(Debug)]
pub(crate) struct Graph {
    key: GraphKey,
    nodes: Vec<Node>,
    names: HashMap<Vec<u8>, Named>,
    /// Whether the program's part of the path is not there yet.
    early: bool,
    mains: HashMap<(Vec<u8>, Vec<u8>), NodeId>,
}

/// One module on the way.
#[derive(Debug)]
pub(crate) struct Step {
    /// What it is.
    pub(crate) found: Rc<Found>,
    /// Whether it is imported whenever the program runs.
    pub(crate) sure: bool,
    /// The file that asks for it.
    pub(crate) via: Option<Vec<u8>>,
}

/// All that a program imports.
#[derive(Debug, Default)]
pub(crate) struct Closure {
    /// In the order in which they were met.
    pub(crate) steps: Vec<Step>,
    /// Sources that could not be read.
    pub(crate) troubles: Vec<Trouble>,
}

/// Modules that are followed for one process. The host's budget is lower; this bounds what comes from the cache.
const STEPS: usize = 8192;
/// Parts of a dotted name.
const DEPTH: usize = 64;

impl Graph {
    /// An empty graph.
    pub(crate) fn new(key: GraphKey) -> Self {
        Self {
            key,
            nodes: Vec::new(),
            names: HashMap::new(),
            early: false,
            mains: HashMap::new(),
        }
    }

    /// The main program: a file that is no module of the path, in a package if it was started with `-m`.
    pub(crate) fn main(&mut self, origin: Origin, package: &[u8]) -> NodeId {
        let path = match &origin {
            Origin::Source(path) | Origin::Bytecode(path) => path.clone(),
            Origin::Member(archive, member) => below(archive, member),
            _ => Vec::new(),
        };
        let key = (path, package.to_vec());
        if let Some(&known) = self.mains.get(&key) {
            return known;
        }
        let found = Found {
            origin,
            package: None,
            area: Area::App,
        };
        let main = self.add(b"__main__", Rc::new(found), Some(package.to_vec()));
        self.mains.insert(key, main);
        main
    }

    fn add(&mut self, name: &[u8], found: Rc<Found>, main: Option<Vec<u8>>) -> NodeId {
        self.nodes.push(Node {
            name: name.to_vec(),
            found,
            main,
            edges: None,
        });
        NodeId(self.nodes.len() - 1)
    }

    /// The modules that `import NAME` loads, outermost first, and whether all of them are there.
    pub(crate) fn load(
        &mut self,
        look: Look<'_>,
        finder: &mut Finder,
        name: &[u8],
    ) -> (Vec<NodeId>, bool) {
        let mut loaded = Vec::new();
        let ends = (0..name.len()).filter(|&at| name[at] == b'.');
        for end in ends.chain([name.len()]).take(DEPTH) {
            match self.named(look, finder, &name[..end], loaded.last().copied()) {
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
        let (loaded, _) = self.load(look, finder, name);
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
        name: &[u8],
        parent: Option<NodeId>,
    ) -> Named {
        if let Some(&known) = self.names.get(name) {
            return known;
        }
        let named = match self.search(look, finder, name, parent) {
            Some(found) => Named::Module(self.add(name, found, None)),
            None if is_builtin(name) => Named::Builtin,
            None => Named::Missing,
        };
        // What is not there early may be there later.
        let lasts = !(self.early && matches!(named, Named::Missing));
        if lasts && finder.stopped().is_none() {
            self.names.insert(name.to_vec(), named);
        }
        named
    }

    fn search(
        &self,
        look: Look<'_>,
        finder: &mut Finder,
        name: &[u8],
        parent: Option<NodeId>,
    ) -> Option<Rc<Found>> {
        let last = name.rsplit(|&byte| byte == b'.').next().unwrap_or(name);
        let frozen = self.key.frozen && look.version.is_frozen(name);
        if last.is_empty() || is_builtin(name) {
            return None;
        }
        let GraphKey {
            head,
            environ,
            tail,
            ..
        } = self.key;
        let found = match parent {
            Some(parent) => finder.find(look, &[self.found(parent).package?], last),
            None if last.len() < name.len() => None,
            None if frozen => finder.find(look, &[tail], last),
            None if self.early => finder.find(look, &[environ, tail], last),
            None => finder.find(look, &[head, environ, tail], last),
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

    fn edges(
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
        let (mut loaded, complete) = self.load(look, finder, &name);
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
                    if let Named::Module(child) = self.named(look, finder, &whole, Some(last)) {
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

    /// Goes through all that is imported from these modules on. `sure` says whether they are themselves.
    pub(crate) fn closure(
        &mut self,
        look: Look<'_>,
        (finder, sources): (&mut Finder, &mut Sources),
        roots: &[(NodeId, bool, Option<Vec<u8>>)],
        skip_first: bool,
    ) -> Closure {
        let mut closure = Closure::default();
        let mut seen = HashSet::new();
        let mut surely: Vec<(NodeId, Option<NodeId>)> = Vec::new();
        let mut perhaps: Vec<(NodeId, Option<NodeId>)> = Vec::new();
        let mut asked: HashMap<usize, &[u8]> = HashMap::new();
        for (node, sure, via) in roots {
            let list = if *sure { &mut surely } else { &mut perhaps };
            list.push((*node, None));
            asked.extend(via.as_deref().map(|via| (node.0, via)));
        }
        for sure in [true, false] {
            let mut list = std::mem::take(if sure { &mut surely } else { &mut perhaps });
            let mut at = 0;
            while let Some(&(node, from)) = list.get(at) {
                at += 1;
                if !seen.insert(node.0) || closure.steps.len() >= STEPS {
                    continue;
                }
                let found = Rc::clone(self.found(node));
                let via = match from {
                    Some(from) => self.file(from).map(<[u8]>::to_vec),
                    None => asked.get(&node.0).map(|via| via.to_vec()),
                };
                let follow = sure || found.area == Area::App;
                closure.steps.push(Step { found, sure, via });
                if !follow || finder.stopped().is_some() {
                    continue;
                }
                let skip = skip_first && self.nodes[node.0].main.is_some();
                let edges = self.edges(look, (&mut *finder, &mut *sources), node, skip);
                closure.troubles.extend(edges.trouble.clone());
                for &(to, surely) in &edges.to {
                    if sure && !surely {
                        perhaps.push((to, Some(node)));
                    } else if sure || self.found(to).area != Area::Library {
                        list.push((to, Some(node)));
                    }
                }
            }
        }
        closure
    }

    fn file(&self, node: NodeId) -> Option<&[u8]> {
        match &self.found(node).origin {
            Origin::Source(path) | Origin::Bytecode(path) | Origin::Member(path, _) => Some(path),
            Origin::Frozen(path) => path.as_deref(),
            Origin::Extension | Origin::Namespace => None,
        }
    }
}

fn parent_of(name: &[u8]) -> Option<&[u8]> {
    let dot = name.iter().rposition(|&byte| byte == b'.')?;
    Some(&name[..dot])
}
