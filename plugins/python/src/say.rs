//! What the detector says: files, each once, and what could not be looked at.
#![forbid(unsafe_code)]

use std::collections::HashSet;

use unstale_plugin::{How, Refused, Report, Role, Used, What};

use crate::closure::Closure;
use crate::finder::Origin;

/// What is said of one process: each file once.
pub(crate) struct Saying<'a> {
    /// Where it is said.
    pub(crate) report: &'a mut dyn Report,
    said: HashSet<Vec<u8>>,
}

impl<'a> Saying<'a> {
    pub(crate) fn new(report: &'a mut dyn Report) -> Self {
        let said = HashSet::new();
        Self { report, said }
    }

    /// The process uses a file.
    pub(crate) fn file(&mut self, path: &[u8], role: Role, how: How, via: Option<Vec<u8>>) {
        let path = plain(path);
        if self.said.insert(path.clone()) {
            self.report.uses(Used {
                what: What::File(path),
                role,
                how,
                via,
            });
        }
    }
}

/// A path without `.` and empty components, which arguments and interpreters keep. What `..` means, links decide.
fn plain(path: &[u8]) -> Vec<u8> {
    let parts = path.split(|&byte| byte == b'/');
    let kept = parts.filter(|part| !part.is_empty() && *part != b".");
    kept.fold(Vec::with_capacity(path.len()), |mut plain, part| {
        plain.push(b'/');
        plain.extend_from_slice(part);
        plain
    })
}

/// Leaves it open how old the files are that only workers load: a deployment ends with a reload, which makes new workers.
/// After an upgrade of what the system itself ships there is none.
pub(crate) fn doubt_deployed(closure: &mut Closure, own: &Closure) {
    let own: HashSet<&[u8]> = own
        .steps
        .iter()
        .filter_map(|step| file_of(&step.found.origin))
        .collect();
    let system: [&[u8]; 3] = [b"/usr/lib/", b"/usr/lib64/", b"/usr/share/"];
    for step in &mut closure.steps {
        let path = file_of(&step.found.origin).unwrap_or_default();
        let shipped = system.iter().any(|prefix| path.starts_with(prefix));
        step.sure &= shipped || own.contains(path);
    }
}

/// Says what a program imports.
pub(crate) fn say_closure(closure: &Closure, saying: &mut Saying<'_>) {
    let mut unread = false;
    for step in &closure.steps {
        let how = if step.sure {
            How::Imported
        } else {
            How::Possible
        };
        let (path, role) = match &step.found.origin {
            Origin::Source(path) => (path, Role::Module),
            Origin::Bytecode(path) => {
                unread = true;
                (path, Role::Module)
            }
            Origin::Member(path, _) => (path, Role::Archive),
            Origin::Extension | Origin::Namespace | Origin::Frozen(_) => continue,
        };
        saying.file(path, role, how, step.via.clone());
    }
    if unread {
        saying
            .report
            .note("imports of modules that are there only in compiled form are not followed");
    }
    let mut untold = 0;
    for trouble in &closure.troubles {
        let path = trouble.path.escape_ascii();
        match trouble.why {
            Refused::Missing | Refused::Budget | Refused::NoAnswer => {}
            Refused::TooLarge => {
                let note = format!("imports beyond the first MiB of {path} are not followed");
                saying.report.note(&note);
            }
            _ if untold >= 10 => {}
            why => {
                untold += 1;
                let what = format!("imports of {path}: {}", reason(why));
                saying.report.unknown(&what);
            }
        }
    }
}

/// The file that holds a module.
pub(crate) fn file_of(origin: &Origin) -> Option<&[u8]> {
    match origin {
        Origin::Source(path) | Origin::Bytecode(path) | Origin::Member(path, _) => Some(path),
        _ => None,
    }
}

/// Whether a file was compiled from a source beside it: such are rewritten while the source stays (6.10).
pub(crate) fn is_compiled_cache(path: &[u8]) -> bool {
    let name = b"/__pycache__/";
    path.windows(name.len()).any(|part| part == name)
}

/// Whether a name is one of a module's.
pub(crate) fn is_source_name(path: &[u8]) -> bool {
    path.ends_with(b".py") || path.ends_with(b".pyc")
}

/// Why something was not shown, in words.
pub(crate) fn reason(refused: Refused) -> &'static str {
    match refused {
        Refused::Missing => "it is missing",
        Refused::WrongKind => "it is no regular file",
        Refused::Denied => "permission denied",
        Refused::TooLarge => "it is too large",
        Refused::Budget => "too much was read for this process",
        Refused::NoAnswer => "the file system did not answer",
        Refused::Failed => "it cannot be read",
    }
}
