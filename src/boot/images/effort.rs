//! What reading kernel images may cost, all of them together: a hostile one must not keep the rest of the boot from being
//! looked at.

use std::io;
use std::time::{Duration, Instant};

use crate::boot::files::Files;
use crate::model::WhyNot;

const MIB: u64 = 1024 * 1024;
/// What is unpacked of an image.
const UNPACK_CAP: u64 = 256 * MIB;
/// What is unpacked of all images.
const UNPACK_ALL_CAP: u64 = 2048 * MIB;

/// What may still be spent on all images.
#[derive(Debug)]
pub(super) struct Effort {
    bytes: u64,
    deadline: Deadline,
}

/// What may still be spent on an image, or on a part of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limit {
    /// As much is searched.
    pub(super) bytes: u64,
    pub(super) deadline: Deadline,
}

/// When it is too late, if it ever is.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Deadline(Option<Instant>);

impl Default for Effort {
    /// As long as it takes.
    fn default() -> Self {
        Self {
            bytes: UNPACK_ALL_CAP,
            deadline: Deadline::default(),
        }
    }
}

impl Effort {
    pub(super) fn within(time: Duration) -> Self {
        Self {
            deadline: Deadline(Instant::now().checked_add(time)),
            ..Self::default()
        }
    }

    /// Reads images of a machine; what they take is missing for those that are read later.
    pub(super) fn of<T>(files: &Files<'_>, read: impl FnOnce(&mut Self) -> T) -> T {
        let (left, start) = (files.time_for_images.get(), Instant::now());
        let result = read(&mut Self::within(left));
        files
            .time_for_images
            .set(left.saturating_sub(start.elapsed()));
        result
    }

    /// Reads one image.
    pub(super) fn spend<T>(&mut self, read: impl FnOnce(&mut Limit) -> T) -> T {
        let allowed = UNPACK_CAP.min(self.bytes);
        let mut limit = Limit {
            bytes: allowed,
            deadline: self.deadline,
        };
        let result = read(&mut limit);
        self.bytes -= allowed - limit.bytes;
        result
    }
}

impl Deadline {
    pub(super) fn has_passed(self) -> bool {
        self.0.is_some_and(|deadline| Instant::now() >= deadline)
    }

    /// An error once it is too late.
    pub(super) fn check(self) -> io::Result<()> {
        match self.has_passed() {
            true => Err(io::Error::new(io::ErrorKind::TimedOut, LATE)),
            false => Ok(()),
        }
    }
}

const LATE: &str = "it was not read in time: kernel images took too long altogether";

/// Why an image says nothing when it was too late for it.
pub(super) fn late() -> WhyNot {
    WhyNot::Failed(LATE.to_owned())
}
