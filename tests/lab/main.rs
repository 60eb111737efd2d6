//! The lab: whole systems, booted, upgraded under running services, and judged.
//!
//! `cargo test --test lab -- --test-threads=1` as root on a Debian host. Each machine is a container with a real
//! systemd as PID 1; the scripts beside this file make it, and can be used by hand. Where the lab cannot run (no root,
//! no Debian, no control groups) a test says `SKIPPED` and passes, unless `CI=true`, where that is a failure.

#![forbid(unsafe_code)]
#![expect(
    clippy::print_stderr,
    reason = "the test harness shows it when a test fails"
)]

mod compare;
mod containers;
mod debian;
#[path = "../plugins.rs"]
mod detectors;
mod dialects;
mod hooks;
mod machine;
#[path = "../metrics.rs"]
mod metrics;
#[path = "../nagios.rs"]
mod nagios;
mod plugins;
mod readers;
mod reboot;
mod report;
mod restart;
mod restarted;
mod rpm;
mod runs;
mod truth;
mod vm;
