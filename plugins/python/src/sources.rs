//! Sources that were read, each once for all processes of a view.
#![forbid(unsafe_code)]

use std::collections::HashMap;
use std::rc::Rc;

use unstale_plugin::{Refused, Root};

use crate::finder::{Finder, Look, Origin, below};
use crate::source::{Source, parse_source};

/// Sources that were read, of all processes.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    known: HashMap<(u64, Vec<u8>), Read>,
}

/// What was read of a file, and why not all of it.
type Read = (Option<Rc<Source>>, Option<Refused>);

const MIB: u32 = 1024 * 1024;

impl Sources {
    /// What a module's source says. The error is of the file; what could be read of it may be known all the same.
    pub(crate) fn of(
        &mut self,
        look: Look<'_>,
        finder: &mut Finder,
        origin: &Origin,
        skip_first: bool,
    ) -> Read {
        let (path, member) = match origin {
            Origin::Source(path) | Origin::Frozen(Some(path)) => (path, None),
            Origin::Member(archive, member) if member.ends_with(b".py") => (archive, Some(member)),
            _ => return (None, None),
        };
        let mut name = member.map_or_else(|| path.clone(), |member| below(path, member));
        if skip_first {
            name.extend_from_slice(b"\0-x");
        }
        let key = (look.process.view, name);
        if let Some(known) = self.known.get(&key) {
            return known.clone();
        }
        let (text, trouble) = match read_text(look, finder, path, member.map(Vec::as_slice)) {
            Ok(read) => read,
            Err(refused) => {
                finder.heed(refused);
                if finder.stopped().is_none() {
                    self.known.insert(key, (None, Some(refused)));
                }
                return (None, Some(refused));
            }
        };
        let from = if skip_first {
            text.iter().position(|&byte| byte == b'\n').unwrap_or(0)
        } else {
            0
        };
        let source = Rc::new(parse_source(&text[from..]));
        let read = (Some(source), trouble);
        self.known.insert(key, read.clone());
        read
    }
}

fn read_text(
    look: Look<'_>,
    finder: &mut Finder,
    path: &[u8],
    member: Option<&[u8]>,
) -> Result<(Vec<u8>, Option<Refused>), Refused> {
    if let Some(member) = member {
        let Some(archive) = finder.archive(look, path) else {
            return Ok((Vec::new(), None));
        };
        let text = archive.read(look.files, path, member)?;
        return Ok((text.unwrap_or_default(), None));
    }
    match look.files.read(Root::Process, path) {
        Ok(text) => Ok((text, None)),
        // Imports stand in front.
        Err(Refused::TooLarge) => {
            let text = look.files.read_at(Root::Process, path, 0, MIB)?;
            Ok((text, Some(Refused::TooLarge)))
        }
        Err(refused) => Err(refused),
    }
}
