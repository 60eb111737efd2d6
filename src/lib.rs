//! Finds running programs that still use code from before an upgrade.
//!
//! The rooms are the way of the data, in reading order: [`snapshot`] sees who runs, [`boot`] what would run next, [`detect`]
//! judges, [`packages`] asks the package stores, [`attribute`] tells whose it is, [`decide`] what to do, [`report`] says it, or
//! one of [`dialects`] as another program would, and [`act`] changes what a policy lets it change. None imports another; all share [`model`], and [`app`] leads from one to
//! the next.

pub mod act;
pub mod app;
pub mod attribute;
pub mod boot;
pub mod bundle;
pub mod cli;
pub mod config;
pub mod confine;
pub mod decide;
pub mod detect;
pub mod dialects;
pub mod error;
pub mod model;
pub mod packages;
pub mod plugins;
pub mod problem;
pub mod report;
pub mod snapshot;
pub mod trust;
pub mod view;
