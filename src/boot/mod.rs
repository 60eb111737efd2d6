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
    /// What settings add to the lists of packages.
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
    // What costs nothing comes first: what takes long, or is made to, is not to cost the rest.
    let flags = flags::read(&files);
    let listed = listed::read(&files, &options.listed);
    let mut boot = Boot {
        setting: situation.setting,
        started: situation.started,
        earliest: situation.earliest,
        out_of_sight: situation.out_of_sight,
        flags,
        listed,
        kernel: None,
        live_patches: Vec::new(),
        microcode: None,
        deployments: Vec::new(),
    };
    if boot.setting == Setting::Machine {
        boot.live_patches = live::read(&proc, &files);
        boot.deployments = deployments::read(&proc, &files);
        boot.kernel = kernel::read(&proc, &files, boot.earliest);
        boot.microcode = microcode::read(&proc, &files);
    }
    (Some(boot), files.into_problems())
}

#[cfg(test)]
mod tests;
