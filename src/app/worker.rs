//! The hidden command: one plugin, behind its wall.

use std::process::ExitCode;

use rustix::process::Pid;
use rustix::stdio::stdin;

use super::talk;
use crate::cli::{PluginForm, PluginWorkerFlags};
use crate::confine::worker::{Guest, arrange, build};
use crate::plugins::{loader, worker};

/// A worker ends with this status if it could not speak with its host.
const MUTE: u8 = 101;

pub(super) fn run(flags: &PluginWorkerFlags) -> ExitCode {
    serve(flags).map_or_else(
        |why| {
            talk(&why);
            MUTE.into()
        },
        |()| ExitCode::SUCCESS,
    )
}

fn serve(flags: &PluginWorkerFlags) -> Result<(), String> {
    let guest = match flags.form {
        PluginForm::Library => Guest::Library,
        PluginForm::Executable => Guest::Program,
    };
    let parent = Pid::from_raw(flags.parent).ok_or("there is no such parent")?;
    let plugin = arrange(guest)?;
    let loaded = build(guest, parent, &plugin).and_then(|()| match guest {
        Guest::Library => loader::load(plugin),
        Guest::Program => Err(loader::become_program(&plugin, &flags.name)),
    });
    worker::serve(stdin(), &flags.name, loaded)
}
