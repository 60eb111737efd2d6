//! Which script a process runs: from its arguments, and from the name by which it was executed.

#![forbid(unsafe_code)]

use unstale_plugin::script::{self, Script};
use unstale_plugin::{FileView, Process};

use crate::options::{Options, parse_options};

const LANGUAGE: &[u8] = b"perl";

/// The command line of a process and its script. `Options` are empty where a title was written over the arguments.
pub(crate) fn read_script(process: &Process, files: &dyn FileView) -> (Script, Options) {
    if script::is_title(process, LANGUAGE) {
        let script = script::behind_title(process, files, LANGUAGE);
        return (script, Options::default());
    }
    let mut options = parse_options(process.argv.get(1..).unwrap_or_default());
    let program = std::mem::take(&mut options.program);
    let script = script::named(process, files, LANGUAGE, program, options.search);
    (script, options)
}
