//! Web servers that run an application from a rackup file.

#![forbid(unsafe_code)]

use std::rc::Rc;

use unstale_plugin::{base_name, join};

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
        let references = vec![Reference {
            target,
            sure: *sure,
        }];
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
