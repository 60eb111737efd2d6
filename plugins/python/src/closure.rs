//! The way through a graph: all that one program imports.
#![forbid(unsafe_code)]

use std::collections::HashMap;
use std::rc::Rc;

use crate::finder::{Area, Finder, Found, Look, Origin};
use crate::graph::{Graph, NodeId, Trouble};
use crate::sources::Sources;

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

impl Graph {
    /// Goes through all that is imported from these modules on. `sure` says whether they are themselves.
    pub(crate) fn closure(
        &mut self,
        look: Look<'_>,
        (finder, sources): (&mut Finder, &mut Sources),
        roots: &[(NodeId, bool, Option<Vec<u8>>)],
        skip_first: bool,
    ) -> Closure {
        let mut closure = Closure::default();
        let mut seen = Vec::new();
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
                if seen.len() <= node.0 {
                    seen.resize(self.len(), false);
                }
                if std::mem::replace(&mut seen[node.0], true) || closure.steps.len() >= STEPS {
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
                let skip = skip_first && self.is_main(node);
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
