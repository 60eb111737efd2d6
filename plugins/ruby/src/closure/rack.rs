//! Web servers that run an application from a rackup file.

#![forbid(unsafe_code)]

use std::rc::Rc;

use unstale_plugin::{How, base_name, join};

use super::{Open, Read, Walk};
use crate::source::{Reference, Source, Target};

/// Servers, and whether the process that was started loads the application itself, and once. The others may leave it to
/// workers, of which a reload makes new ones.
const SERVERS: [(&[u8], bool); 6] = [
    (b"falcon", false),
    (b"puma", false),
    (b"rackup", true),
    (b"thin", true),
    (b"unicorn", false),
    (b"unicorn_rails", false),
];

/// Whether what is looked at is loaded by workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Workers {
    /// The process itself loads all.
    None,
    /// They load the application, which is at the bottom of the stack.
    Later,
    /// They load this.
    Now,
}

impl Workers {
    pub(super) fn enter(&mut self, stack: usize) {
        if *self == Self::Later && stack == 1 {
            *self = Self::Now;
        }
    }

    /// A deployment ends with a reload, which makes new workers, so it is open how old its files are. After an upgrade of
    /// what the system itself ships there is none.
    pub(super) fn how(self, how: How, path: &[u8]) -> How {
        let system: [&[u8]; 3] = [b"/usr/lib/", b"/usr/lib64/", b"/usr/share/"];
        let shipped = system.iter().any(|prefix| path.starts_with(prefix));
        if self == Self::Now && how == How::Imported && !shipped {
            How::Possible
        } else {
            how
        }
    }
}

impl Walk<'_> {
    /// The application of a server, to be looked at after all that the server itself loads.
    pub(super) fn push_application(&mut self) {
        let (Some(script), Some(cwd)) = (&self.script, &self.process.cwd) else {
            return;
        };
        let name = base_name(script);
        let Some((_, sure)) = SERVERS.iter().find(|(server, _)| *server == name) else {
            return;
        };
        let mut words = self.process.argv.iter().skip(1);
        let named = words.find(|word| word.ends_with(b".ru"));
        let path = join(cwd, named.map_or(b"config.ru", Vec::as_slice));
        let via = Some(script.clone());
        if !self.is_file(&path) {
            return;
        }
        let target = Target::Found(path);
        let references = vec![Reference { target, sure: true }];
        if !sure {
            self.workers = Workers::Later;
        }
        let read = Read {
            source: Source { references },
            switches: None,
        };
        self.stack.push(Open {
            read: Rc::new(read),
            path: via,
            next: 0,
        });
    }
}
