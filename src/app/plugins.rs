//! `unstale plugins`: what there is, and how one does when it is tried.

use super::crew::directories;
use super::exit::Exit;
use super::{print, talk, try_plugin};
use crate::cli::{Color, PluginsCheckFlags, PluginsCommand, PluginsFlags, PluginsListFlags};
use crate::config::{self, Sources};
use crate::error::Error;
use crate::model::Bytes;
use crate::plugins::find::{self, Form, Found, How, Places, Plugin, Rejected, Why};
use crate::plugins::manifest::{Abi, Interest, Manifest};
use crate::report::plugins::{self as report, About, Listed, State};

pub(super) fn run(flags: &PluginsFlags) -> Result<Exit, Error> {
    match &flags.command {
        PluginsCommand::List(flags) => list(flags),
        PluginsCommand::Check(flags) => check(flags),
    }
}

/// Runs nothing: all that is said is read.
fn list(flags: &PluginsListFlags) -> Result<Exit, Error> {
    let euid = rustix::process::geteuid().as_raw();
    let settings = config::read(&Sources::of_machine(euid))?.plugins;
    let places = Places {
        directories: directories(&settings, &flags.plugin_dir),
        euid,
    };
    let found = find::find(&places, |name| settings.is_enabled(name));
    let all = listed(&found);
    print(Color::Never, flags.json, |out| {
        if flags.json {
            let directories: Vec<Bytes> = places
                .directories
                .iter()
                .filter(|directory| !directory.masks_only)
                .map(|directory| Bytes::from(directory.path.as_path()))
                .collect();
            report::json(out, &Abi::OURS.to_string(), &directories, &all)
        } else {
            report::text(out, &all)
        }
    })?;
    let is_there = |name: &&str| {
        let known = |one: &Listed| one.about.as_ref().is_some_and(|about| about.name == *name);
        all.iter().any(known)
    };
    for name in settings.named().filter(|name| !is_there(name)) {
        talk(&format!(
            "the configuration has options for {name}, and there is no such plugin"
        ));
    }
    Ok(exit_of(all.iter().any(|one| one.state.is_trouble())))
}

fn check(flags: &PluginsCheckFlags) -> Result<Exit, Error> {
    let euid = rustix::process::geteuid().as_raw();
    // A person names a file as it is seen from here; the gate asks for the whole way.
    let path = std::path::absolute(&flags.file)?;
    match find::open(&path, euid) {
        Ok(plugin) => {
            let one = of_plugin(&plugin);
            print(Color::Never, false, |out| report::text_of(out, &one))?;
            try_plugin::run(plugin, flags, euid)
        }
        Err(why) => {
            let one = of_rejected(&Rejected { path, why });
            print(Color::Never, false, |out| report::text_of(out, &one))?;
            Ok(Exit::Incomplete)
        }
    }
}

pub(super) fn exit_of(trouble: bool) -> Exit {
    if trouble {
        Exit::Incomplete
    } else {
        Exit::Complete
    }
}

/// All that was found, by path.
fn listed(found: &Found) -> Vec<Listed> {
    let aside = found.aside.iter().map(|aside| {
        let (state, by) = match &aside.how {
            How::Disabled => (State::Disabled, None),
            How::Masked(by) => (State::Masked, Some(by)),
            How::Replaced(by) => (State::Replaced, Some(by)),
            How::Outranked(by) => (State::Outranked, Some(by)),
        };
        let why = match by {
            Some(by) => format!("by {}", Bytes::from(by.as_path()).escaped()),
            None => "by the configuration".to_owned(),
        };
        Listed {
            path: Bytes::from(aside.path.as_path()),
            form: None,
            about: aside.manifest.as_ref().map(about),
            state,
            why: Some(why),
            marked: Vec::new(),
        }
    });
    let used = found.plugins.iter().map(of_plugin);
    let rejected = found.rejected.iter().map(of_rejected);
    used.chain(rejected).chain(aside).collect()
}

fn of_plugin(plugin: &Plugin) -> Listed {
    Listed {
        path: Bytes::from(plugin.path.as_path()),
        form: Some(match plugin.form {
            Form::Library => "library",
            Form::Executable => "executable",
        }),
        about: Some(about(&plugin.manifest)),
        state: State::Ready,
        why: None,
        marked: Vec::new(),
    }
}

fn of_rejected(rejected: &Rejected) -> Listed {
    let marked = match &rejected.why {
        Why::Manifest(error) => error.lines().split_off(1),
        _ => Vec::new(),
    };
    Listed {
        path: Bytes::from(rejected.path.as_path()),
        form: None,
        about: None,
        state: match rejected.why {
            Why::Untrusted(_) => State::Untrusted,
            _ => State::Rejected,
        },
        why: Some(rejected.why.to_string()),
        marked,
    }
}

fn about(manifest: &Manifest) -> About {
    let globs = |all: &[crate::plugins::glob::Glob]| -> Vec<String> {
        all.iter().map(|glob| glob.as_str().to_owned()).collect()
    };
    let Interest {
        exe,
        exe_path,
        code,
        cgroup,
        runtime,
    } = &manifest.interest;
    About {
        name: manifest.name.clone(),
        version: manifest.version.clone(),
        abi: manifest.abi.to_string(),
        kind: manifest.kind.as_str(),
        summary: manifest.summary.clone(),
        interest: vec![
            ("exe", globs(exe)),
            ("exe_path", globs(exe_path)),
            ("code", globs(code)),
            ("cgroup", globs(cgroup)),
            ("runtime", runtime.clone()),
        ],
        environ: manifest.wants.environ.clone(),
        files: manifest.wants.files,
        memory: manifest.wants.memory,
        host_files: globs(&manifest.wants.host_files),
        restart: manifest.restarts().map(str::to_owned).collect(),
    }
}
