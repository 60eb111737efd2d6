//! What the machine would run after a reboot: kernel images, the boot loader's choice, microcode, live patches, images
//! of whole systems, flags, and the packages after which somebody wants a reboot.
//!
//! Reads files below the host's root, bounded and without waiting; runs nothing, mounts nothing, judges nothing. A
//! damaged file is a [`Problem`], or a reason beside the image: never a missing one.
#![forbid(unsafe_code)]

mod deployments;
mod files;
mod flags;
pub mod images;
mod kernel;
mod listed;
mod live;
pub mod loader;
pub mod microcode;
mod setting;

use std::path::PathBuf;

use crate::model::{Boot, Clock, Setting};
use crate::problem::Problem;
use crate::view::ProcRoot;
use files::Files;

/// Where to look.
#[derive(Debug, Clone)]
pub struct Options {
    /// `/proc`, or a recorded tree of one.
    pub proc: PathBuf,
    /// Another root than the reader's own.
    pub root: Option<PathBuf>,
    /// The relation of the clocks.
    pub clock: Clock,
    /// What the shipped list of packages says, and what settings add to it.
    pub listed: Vec<crate::model::Listed>,
}

/// Reads all of it.
#[must_use]
pub fn read(options: &Options) -> (Option<Boot>, Vec<Problem>) {
    let proc = match ProcRoot::open(&options.proc) {
        Ok(proc) => proc,
        // The scanner says so.
        Err(_) => return (None, Vec::new()),
    };
    let files = match Files::open(&proc, options.root.as_deref()) {
        Ok(files) => files,
        Err(problem) => return (None, vec![problem]),
    };
    let situation = setting::read(&proc, &files, options);
    let setting = situation.setting;
    let machine = setting == Setting::Machine;
    let boot = Boot {
        started: situation.started,
        earliest: situation.earliest,
        out_of_sight: situation.out_of_sight,
        kernel: machine.then(|| kernel::read(&proc, &files)).flatten(),
        live_patches: if machine {
            live::read(&proc, &files)
        } else {
            Vec::new()
        },
        microcode: machine.then(|| microcode::read(&proc, &files)).flatten(),
        deployments: if machine {
            deployments::read(&proc, &files)
        } else {
            Vec::new()
        },
        flags: flags::read(&files),
        listed: listed::read(&files, &options.listed),
        setting,
    };
    (Some(boot), files.into_problems())
}

#[cfg(test)]
mod tests;
