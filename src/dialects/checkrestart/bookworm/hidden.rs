//! Which old files do not count.

use std::path::Path;

use super::{Flags, name_of, owns};
use crate::dialects::checkrestart::expression::Expression;
use crate::dialects::{Machine, OldFile, Scene};
use crate::model::Escaped;

/// Beginnings of names that are no code, or were made to be removed.
const BEGINNINGS: [&str; 20] = [
    "/var/log/",
    "/var/local/log/",
    "/var/run/",
    "/var/local/run/",
    "/tmp/",
    "/dev/",
    "/run/",
    "/drm",
    "/i915",
    "/var/tmp/",
    "/var/local/tmp/",
    "/usr/lib/locale/",
    "/home/",
    "/var/cache/fontconfig/",
    "/var/lib/nagios3/spool/",
    "/var/lib/postgresql/",
    "/var/lib/vdr/",
    "/[aio]",
    "/memfd:",
    "/var/lib/sss/mc/",
];

/// Ends of such names.
const ENDS: [&str; 3] = [
    "icon-theme.cache",
    "/dovecot.index",
    "/dovecot.index (deleted)",
];

/// Shared memory of System V: `/SYSV00000000`.
const SYSV: &[u8] = b"SYSV";

/// The filter of files.
#[derive(Debug)]
pub(super) struct Hidden {
    all: bool,
    packages_only: bool,
    expressions: Vec<Expression>,
}

impl Hidden {
    /// The filter that options and the files that they name make.
    ///
    /// # Errors
    /// A file that cannot be read, or an expression that is not understood.
    pub(super) fn read(
        flags: &Flags,
        packages_only: bool,
        machine: &dyn Machine,
    ) -> Result<Self, String> {
        let mut expressions = Vec::new();
        for file in &flags.blacklist {
            let file = Path::new(file);
            let text = machine
                .read(file)
                .map_err(|error| format!("cannot read {}: {error}", file.display()))?;
            let lines = text
                .split(|&byte| byte == b'\n')
                .map(<[u8]>::trim_ascii_end);
            let counts = |line: &&[u8]| !line.is_empty() && !line.starts_with(b"#");
            for line in lines.filter(counts) {
                let expression = Expression::parse(line)
                    .map_err(|why| format!("{}: {}: {why}", file.display(), Escaped(line)))?;
                expressions.push(expression);
            }
        }
        Ok(Self {
            all: flags.all,
            packages_only,
            expressions,
        })
    }

    /// Whether an old file counts.
    pub(super) fn shows(&self, scene: &Scene, file: &OldFile) -> bool {
        if self.all {
            return true;
        }
        let name = name_of(file).as_slice();
        let hidden = self.expressions.iter().any(|one| one.fits(name))
            || BEGINNINGS
                .iter()
                .any(|one| name.starts_with(one.as_bytes()))
            || ENDS.iter().any(|one| name.ends_with(one.as_bytes()))
            || name.windows(SYSV.len()).any(|part| part == SYSV);
        let owned = || {
            let mut packages = file.packages.iter();
            packages.any(|package| owns(scene, package, &file.path))
        };
        !hidden && (!self.packages_only || owned())
    }
}
