//! What is said to a program, what it says, and its end: in one loop that always ends.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::process::{Pid, Signal, kill_process_group};

use super::How;

/// What a program has printed is read after its end; but a daemon that it left behind may hold the pipe for ever.
const GRACE: Duration = Duration::from_secs(1);
/// Nothing tells of the end of a program whose pipes are held by others: it is looked at this often.
const LOOK: Duration = Duration::from_millis(20);
/// One that was killed ends at once; if the kernel holds it, nobody waits longer than this.
const END_LIMIT: Duration = Duration::from_millis(500);
const CHUNK: usize = 16 * 1024;

/// The three streams of a program.
#[derive(Debug)]
pub(super) struct Talk {
    to_say: Vec<u8>,
    stdin: Option<ChildStdin>,
    stdout: Heard<ChildStdout>,
    stderr: Heard<ChildStderr>,
}

/// One stream, and what came of it.
#[derive(Debug)]
struct Heard<R> {
    /// `None` after its end.
    pipe: Option<R>,
    kept: Vec<u8>,
    cap: usize,
    cut: bool,
}

impl Talk {
    /// Takes the streams of a program that was just started.
    pub(super) fn with(child: &mut Child, stdin: Vec<u8>, cap: usize) -> Self {
        Self {
            to_say: stdin,
            stdin: child.stdin.take(),
            stdout: Heard::from(child.stdout.take(), cap),
            stderr: Heard::from(child.stderr.take(), cap),
        }
    }

    /// Talks until the program has ended, or has been ended at the deadline.
    pub(super) fn until_end(&mut self, child: &mut Child, deadline: Instant) -> io::Result<How> {
        self.never_block()?;
        loop {
            if let Some(status) = child.try_wait()? {
                self.hear_rest();
                return super::ended(status).ok_or_else(nobody_saw);
            }
            let now = Instant::now();
            if now >= deadline {
                return self.kill(child);
            }
            self.turn(LOOK.min(deadline - now))?;
        }
    }

    /// What was kept of both, and whether there was more.
    pub(super) fn said(self) -> (Vec<u8>, Vec<u8>, bool) {
        let cut = self.stdout.is_cut() || self.stderr.is_cut();
        (self.stdout.kept, self.stderr.kept, cut)
    }

    /// Only our ends: those of the program are other open file descriptions, pipe(7).
    fn never_block(&self) -> io::Result<()> {
        let pipes = [
            self.stdin.as_ref().map(AsFd::as_fd),
            self.stdout.fd(),
            self.stderr.fd(),
        ];
        for pipe in pipes.into_iter().flatten() {
            fcntl_setfl(pipe, fcntl_getfl(pipe)? | OFlags::NONBLOCK)?;
        }
        Ok(())
    }

    /// Waits until something can be said or heard, and does that.
    fn turn(&mut self, limit: Duration) -> io::Result<()> {
        if self.wait(limit)? {
            self.say();
            self.stdout.hear();
            self.stderr.hear();
        }
        Ok(())
    }

    /// Whether one of the pipes is ready.
    fn wait(&self, limit: Duration) -> io::Result<bool> {
        let hear = [self.stdout.fd(), self.stderr.fd()].into_iter().flatten();
        let mut pipes: Vec<PollFd<'_>> = hear
            .map(|pipe| PollFd::from_borrowed_fd(pipe, PollFlags::IN))
            .collect();
        if let Some(pipe) = &self.stdin {
            pipes.push(PollFd::new(pipe, PollFlags::OUT));
        }
        if pipes.is_empty() {
            // It has closed all, and most likely is about to end.
            sleep(limit.min(Duration::from_millis(2)));
            return Ok(false);
        }
        let limit = Timespec::try_from(limit).map_err(|_| io::ErrorKind::InvalidInput)?;
        match poll(&mut pipes, Some(&limit)) {
            Ok(ready) => Ok(ready > 0),
            Err(rustix::io::Errno::INTR) => Ok(false),
            Err(errno) => Err(errno.into()),
        }
    }

    fn say(&mut self) {
        let Some(pipe) = &mut self.stdin else {
            return;
        };
        match pipe.write(&self.to_say) {
            Ok(said) => drop(self.to_say.drain(..said)),
            Err(error) if is_later(&error) => {}
            // It does not want to hear more (EPIPE; the runtime ignores SIGPIPE). That is its own affair.
            Err(_) => self.to_say.clear(),
        }
        if self.to_say.is_empty() {
            self.stdin = None;
        }
    }

    /// After its end: what it has printed is in the pipe, and is heard even if somebody else holds that open.
    fn hear_rest(&mut self) {
        self.stdin = None;
        let end = Instant::now() + GRACE;
        while self.stdout.pipe.is_some() || self.stderr.pipe.is_some() {
            let now = Instant::now();
            if now >= end || self.turn(LOOK.min(end - now)).is_err() {
                return;
            }
        }
    }

    /// Ends it, and all in its process group, before its pid can be another's.
    fn kill(&mut self, child: &mut Child) -> io::Result<How> {
        if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
            kill_process_group(group, Signal::KILL).ok();
        }
        let end = Instant::now() + END_LIMIT;
        while child.try_wait()?.is_none() && Instant::now() < end {
            sleep(Duration::from_millis(1));
        }
        // What it said before may tell why it took so long.
        self.turn(Duration::ZERO)?;
        Ok(How::TimedOut)
    }
}

impl<R: Read + AsFd> Heard<R> {
    fn from(pipe: Option<R>, cap: usize) -> Self {
        Self {
            pipe,
            kept: Vec::new(),
            cap,
            cut: false,
        }
    }

    fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.pipe.as_ref().map(AsFd::as_fd)
    }

    fn is_cut(&self) -> bool {
        self.cut || self.pipe.is_some()
    }

    /// Reads once: a program that prints without end must not keep us from looking at the clock. What is too much is
    /// read all the same, so that a program with much to say comes to its end.
    fn hear(&mut self) {
        let Some(pipe) = &mut self.pipe else {
            return;
        };
        let mut chunk = [0; CHUNK];
        match pipe.read(&mut chunk) {
            Ok(0) => self.pipe = None,
            Ok(read) => {
                let fits = read.min(self.cap - self.kept.len());
                self.kept.extend_from_slice(&chunk[..fits]);
                self.cut |= fits < read;
            }
            Err(error) if is_later(&error) => {}
            Err(_) => self.pipe = None,
        }
    }
}

fn is_later(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
    )
}

fn nobody_saw() -> io::Error {
    io::Error::other("nobody saw how it ended")
}
