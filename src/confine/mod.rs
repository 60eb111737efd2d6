//! Runs the scan where it can do no harm: in a child that is nobody, may read other processes, and can neither start a
//! program, nor open a socket, nor write a file.
//!
//! Landlock is not used for it: it denies `/proc/PID/{exe,root,maps}` of every process outside its domain, to root too.
#![expect(unsafe_code, reason = "fork(2) and _exit(2)")]

mod descriptors;
mod filter;
mod privileges;
mod signals;
pub mod worker;

pub use descriptors::hand_none_down;
pub use signals::take_signals_back;

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::mem::ManuallyDrop;
use std::os::fd::{AsRawFd as _, OwnedFd, RawFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, fcntl_dupfd_cloexec};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{
    Pid, Resource, Signal, WaitOptions, WaitStatus, kill_process, set_parent_process_death_signal,
    waitpid,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::Error;

/// An answer is at most this large: 10,000 processes take some 10 MiB.
const ANSWER_CAP: u64 = 512 * 1024 * 1024;

/// The length of the answer goes before it.
const LENGTH_SIZE: usize = size_of::<u64>();

/// The child may have so much memory. Not `RLIMIT_AS`: the C library sets 64 MiB of addresses aside for each of many
/// threads, and uses few of them. `RLIMIT_DATA` (since Linux 4.7) counts what can be written to; the filter allows no
/// other memory.
const MEMORY_CAP: u64 = 1024 * 1024 * 1024;

/// A child that gave its answer, or was killed, ends at once; if the kernel holds it, nobody waits longer than this.
const END_LIMIT: Duration = Duration::from_millis(200);

/// Set in what the child writes instead of a length: the rest is a number that the parent knows what to do with.
const REQUEST: u64 = 1 << 63;

/// By which the child asks its parent for what it may not do itself. Whoever asks, the number is all that crosses.
#[derive(Debug, Clone)]
pub struct Asker(Arc<Mutex<Option<ManuallyDrop<File>>>>);

impl Asker {
    /// Asks for one thing. Nothing is asked any more once the answer is on its way.
    pub fn ask(&self, number: u32) {
        let door = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(door) = &*door {
            let mut door: &File = door;
            door.write_all(&(REQUEST | u64::from(number)).to_le_bytes())
                .ok();
        }
    }

    fn close(&self) -> Option<ManuallyDrop<File>> {
        let mut door = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        door.take()
    }
}

/// Sockets that the child keeps, and may write to.
pub trait Sockets {
    /// Gives each of them the number that `renumber` chooses.
    fn renumber(
        &mut self,
        renumber: &mut dyn FnMut(OwnedFd) -> Result<OwnedFd, Errno>,
    ) -> Result<(), Errno>;
}

impl Sockets for () {
    fn renumber(
        &mut self,
        _: &mut dyn FnMut(OwnedFd) -> Result<OwnedFd, Errno>,
    ) -> Result<(), Errno> {
        Ok(())
    }
}

/// Runs `work` in a confined child and hands its result over. The caller must not have started threads.
///
/// # Errors
/// [`Error::Scanner`] if the child cannot be started, ends without an answer, or does not answer within `limit`.
pub fn run<T: Serialize + DeserializeOwned>(
    limit: Duration,
    work: impl FnOnce() -> T,
) -> Result<T, Error> {
    run_with(limit, (), |_| {}, |(), _| work())
}

/// As [`run`]; meanwhile, does what the child asks for. `sockets` are the child's.
///
/// # Errors
/// [`Error::Scanner`] if the child cannot be started, ends without an answer, or does not answer within `limit`.
pub fn run_with<T: Serialize + DeserializeOwned, S: Sockets>(
    limit: Duration,
    sockets: S,
    on_request: impl FnMut(u32),
    work: impl FnOnce(S, &Asker) -> T,
) -> Result<T, Error> {
    let (answer, door) =
        pipe_with(PipeFlags::CLOEXEC).map_err(|error| failed("make a pipe", error))?;
    let parent = rustix::process::getpid();
    // SAFETY: no other thread exists that could hold a lock in the child.
    match unsafe { libc::fork() } {
        -1 => Err(failed(
            "start the scanner",
            Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::NOMEM),
        )),
        0 => {
            drop(answer);
            // The other ends of the sockets are in it.
            drop(on_request);
            let work = || work_as_child(parent, door, sockets, work);
            let status = catch_unwind(AssertUnwindSafe(work)).unwrap_or(102);
            // SAFETY: ends the child at once: what the parent registered to run at exit is not the child's.
            unsafe { libc::_exit(status) }
        }
        child => {
            drop((door, sockets));
            let child = Pid::from_raw(child).expect("fork returned a positive number");
            let text = read_answer(answer, limit, on_request);
            if text.is_err() {
                kill_process(child, Signal::KILL).ok();
            }
            let status = wait_for_end(child);
            let answer = text?.and_then(|text| postcard::from_bytes(&text).ok());
            answer.ok_or_else(|| match status {
                Some(status) if status.exit_status() == Some(101) => {
                    Error::Scanner("it could not give up its privileges".to_owned())
                }
                Some(status) => Error::Scanner(format!("it ended without an answer ({status:?})")),
                None => Error::Scanner("it ended without an answer".to_owned()),
            })
        }
    }
}

fn failed(what: &str, error: Errno) -> Error {
    Error::Scanner(format!("cannot {what}: {}", std::io::Error::from(error)))
}

/// The status of the child, if it ends soon: a thread of it that waits in the kernel, or a tracer, can keep it.
fn wait_for_end(child: Pid) -> Option<WaitStatus> {
    let end = Instant::now() + END_LIMIT;
    loop {
        match waitpid(Some(child), WaitOptions::NOHANG) {
            Ok(Some((_, status))) => return Some(status),
            Ok(None) | Err(Errno::INTR) if Instant::now() < end => sleep(Duration::from_millis(1)),
            _ => return None,
        }
    }
}

fn work_as_child<T: Serialize, S: Sockets>(
    parent: Pid,
    door: OwnedFd,
    mut sockets: S,
    work: impl FnOnce(S, &Asker) -> T,
) -> i32 {
    // It stays open to the end: the filter does not let it be closed.
    let door = ManuallyDrop::new(File::from(door));
    let Ok(kept) = line_up(&mut sockets) else {
        return 105;
    };
    // A last line: what runs away ends alone, and leaves no image of what it has read.
    let limits = [(Resource::Data, MEMORY_CAP), (Resource::Core, 0)];
    if privileges::give_up_for_scanner().is_err() || privileges::limit(&limits).is_err() {
        return 101;
    }
    // If the parent ends, nobody waits for an answer. A change of the user id would clear this.
    if set_parent_process_death_signal(Some(Signal::KILL)).is_err()
        || rustix::process::getppid() != Some(parent)
    {
        return 101;
    }
    if filter::apply(door.as_raw_fd(), kept).is_err() {
        return 101;
    }
    let asker = Asker(Arc::new(Mutex::new(Some(door))));
    let Ok(text) = postcard::to_allocvec(&work(sockets, &asker)) else {
        return 103;
    };
    let Some(mut door) = asker.close() else {
        return 104;
    };
    let length = (text.len() as u64).to_le_bytes();
    match door.write_all(&length).and_then(|()| door.write_all(&text)) {
        Ok(()) => 0,
        Err(_) => 104,
    }
}

/// Gives the sockets numbers in a row, so that the filter can tell them by two. Like the door, none of them can be closed
/// after.
fn line_up(sockets: &mut impl Sockets) -> Result<Option<(RawFd, RawFd)>, Errno> {
    let mut count = 0;
    sockets.renumber(&mut |socket| {
        count += 1;
        Ok(socket)
    })?;
    let above = free_row(taken_descriptors(), count);
    let mut row: Option<(RawFd, RawFd)> = None;
    sockets.renumber(&mut |socket| {
        let from = row.map_or(above, |(_, last)| last + 1);
        let copy = fcntl_dupfd_cloexec(&socket, from)?;
        let number = copy.as_raw_fd();
        match &mut row {
            Some((_, last)) if number == *last + 1 => *last = number,
            Some(_) => return Err(Errno::MFILE),
            None => row = Some((number, number)),
        }
        Ok(copy)
    })?;
    Ok(row)
}

/// The numbers that are taken.
fn taken_descriptors() -> Vec<RawFd> {
    let numbers = std::fs::read_dir("/proc/self/fd").into_iter().flatten();
    let names = numbers.flatten().map(|entry| entry.file_name());
    names
        .filter_map(|name| name.to_str()?.parse().ok())
        .collect()
}

/// From where on so many numbers are free. Not simply above all: a caller may have left the highest open that there may be.
fn free_row(mut taken: Vec<RawFd>, count: RawFd) -> RawFd {
    taken.sort_unstable();
    let mut from = libc::STDERR_FILENO + 1;
    for number in taken {
        if number.saturating_sub(from) >= count {
            break;
        }
        from = from.max(number.saturating_add(1));
    }
    from
}

/// The answer, if the child gave one. It is whole at its length: a thread that waits in the kernel holds the pipe open.
fn read_answer(
    answer: OwnedFd,
    limit: Duration,
    mut on_request: impl FnMut(u32),
) -> Result<Option<Vec<u8>>, Error> {
    let end = Instant::now() + limit;
    let mut file = File::from(answer);
    let mut text = Vec::new();
    let mut buffer = vec![0; 256 * 1024];
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(late(limit));
        }
        let wait = Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: left.subsec_nanos().into(),
        };
        match poll(&mut [PollFd::new(&file, PollFlags::IN)], Some(&wait)) {
            Ok(0) => return Err(late(limit)),
            Err(Errno::INTR) => continue,
            Err(error) => return Err(failed("wait for the scanner", error)),
            Ok(_) => {}
        }
        match file.read(&mut buffer) {
            Ok(0) => return Ok(None),
            Ok(size) => text.extend_from_slice(&buffer[..size]),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Error::Scanner(format!("cannot read its answer: {error}"))),
        }
        while let Some(number) = request(&text) {
            on_request(number);
            text.drain(..LENGTH_SIZE);
        }
        let length = text.first_chunk().copied().map(u64::from_le_bytes);
        let sent = text.len().saturating_sub(LENGTH_SIZE) as u64;
        if length.unwrap_or(sent) > ANSWER_CAP || sent > ANSWER_CAP {
            return Err(Error::Scanner(
                "its answer is longer than it can sensibly be".to_owned(),
            ));
        }
        if length.is_some_and(|length| sent >= length) {
            return Ok(Some(text.split_off(LENGTH_SIZE)));
        }
    }
}

fn late(limit: Duration) -> Error {
    Error::Scanner(format!("no answer within {} seconds", limit.as_secs()))
}

/// The number that a child asks for, if that is what it says next.
fn request(text: &[u8]) -> Option<u32> {
    let word = text.first_chunk().copied().map(u64::from_le_bytes)?;
    let number = word & REQUEST != 0;
    number.then(|| u32::try_from(word & !REQUEST).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_of_free_numbers() {
        let check = |taken: &[RawFd], count, from| {
            assert_eq!(free_row(taken.to_vec(), count), from, "{taken:?}");
        };
        check(&[], 4, 3);
        check(&[2, 1, 0, 7, 3], 4, 8);
        check(&[0, 1, 2, 3, 8], 4, 4);
        check(&[0, 1, 2, 1023], 12, 3);
        check(&[0, 1, 2, 3, 5, 1023], 12, 6);
        check(&[0, 1, 2], 0, 3);
    }
}
