//! One conversation with one worker, over one socket. Every wait has an end, every length a bound.

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::wire::{FromWorker, ToWorker};

/// A line of a worker is at most this long: a path, and what goes with it.
const LINE_CAP: usize = 64 * 1024;
/// What a worker may say of one process.
const SAID_CAP: usize = 8 * 1024 * 1024;

/// Why a conversation ended before its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Broken {
    /// The other side closed it.
    Ended,
    /// It did not answer in time, or did not listen.
    Late,
    /// It said something that no worker says.
    Nonsense(String),
    /// It said more than it may.
    TooMuch,
    /// What the system said.
    Failed(Errno),
}

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Ended => f.write_str("its worker ended"),
            Self::Late => f.write_str("its worker did not answer in time"),
            Self::Nonsense(what) => write!(f, "its worker said what no worker says: {what}"),
            Self::TooMuch => f.write_str("its worker said more than it may"),
            Self::Failed(error) => {
                write!(
                    f,
                    "its worker cannot be spoken to: {}",
                    io::Error::from(*error)
                )
            }
        }
    }
}

/// The host's end of the stream. The descriptor does not block.
#[derive(Debug)]
pub(super) struct Talk {
    socket: OwnedFd,
    /// What was read and not taken yet.
    heard: Vec<u8>,
    /// How much was heard since [`Self::begin`].
    said: usize,
    end: Instant,
}

impl Talk {
    pub(super) fn new(socket: OwnedFd) -> Self {
        Self {
            socket,
            heard: Vec::new(),
            said: 0,
            end: Instant::now(),
        }
    }

    /// Everything until the next of these calls has to be over by then.
    pub(super) fn begin(&mut self, limit: Duration) {
        self.end = Instant::now() + limit;
        self.said = 0;
    }

    /// Says a line, and bytes after it.
    pub(super) fn say(&mut self, line: &ToWorker, after: &[u8]) -> Result<(), Broken> {
        let mut text =
            serde_json::to_vec(line).map_err(|error| Broken::Nonsense(error.to_string()))?;
        text.push(b'\n');
        text.extend_from_slice(after);
        let mut rest = text.as_slice();
        while !rest.is_empty() {
            match rustix::io::write(&self.socket, rest) {
                Ok(count) => rest = &rest[count..],
                Err(Errno::AGAIN) => self.wait(PollFlags::OUT)?,
                Err(Errno::INTR) => {}
                Err(Errno::PIPE | Errno::CONNRESET) => return Err(Broken::Ended),
                Err(error) => return Err(Broken::Failed(error)),
            }
        }
        Ok(())
    }

    /// Hears a line.
    pub(super) fn hear(&mut self) -> Result<FromWorker, Broken> {
        let mut searched = 0;
        loop {
            if let Some(at) = self.heard[searched..]
                .iter()
                .position(|&byte| byte == b'\n')
            {
                let line: Vec<u8> = self.heard.drain(..=searched + at).collect();
                return parse(&line[..line.len() - 1]);
            }
            searched = self.heard.len();
            if searched > LINE_CAP || self.said > SAID_CAP {
                return Err(Broken::TooMuch);
            }
            self.heard.reserve(16 * 1024);
            match rustix::io::read(
                &self.socket,
                rustix::buffer::spare_capacity(&mut self.heard),
            ) {
                Ok(0) => return Err(Broken::Ended),
                Ok(count) => self.said += count,
                Err(Errno::AGAIN) => self.wait(PollFlags::IN)?,
                Err(Errno::INTR) => {}
                Err(Errno::CONNRESET) => return Err(Broken::Ended),
                Err(error) => return Err(Broken::Failed(error)),
            }
            // A worker that never stops must not keep this from seeing that its time is over.
            if Instant::now() > self.end {
                return Err(Broken::Late);
            }
        }
    }

    fn wait(&self, flags: PollFlags) -> Result<(), Broken> {
        let left = self.end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Broken::Late);
        }
        let wait = Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: left.subsec_nanos().into(),
        };
        match poll(
            &mut [PollFd::from_borrowed_fd(self.socket.as_fd(), flags)],
            Some(&wait),
        ) {
            Ok(0) => Err(Broken::Late),
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(Broken::Failed(error)),
        }
    }
}

/// A line of a worker.
fn parse(line: &[u8]) -> Result<FromWorker, Broken> {
    serde_json::from_slice(line).map_err(|error| Broken::Nonsense(error.to_string()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;
    use crate::model::Bytes;
    use crate::plugins::wire::Root;

    fn pair() -> (Talk, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let mut talk = Talk::new(ours.into());
        talk.begin(Duration::from_millis(200));
        (talk, theirs)
    }

    #[track_caller]
    fn check(said: &[u8], heard: Result<FromWorker, Broken>) {
        use std::io::Write as _;
        let (mut talk, mut theirs) = pair();
        theirs.write_all(said).unwrap();
        drop(theirs);
        match (talk.hear(), heard) {
            (Err(Broken::Nonsense(_)), Err(Broken::Nonsense(_))) => {}
            (is, should) => assert_eq!(is, should),
        }
    }

    #[test]
    fn lines() {
        let nonsense = || Err(Broken::Nonsense(String::new()));
        check(
            b"{\"done\":{\"pid\":7}}\n{",
            Ok(FromWorker::Done { pid: 7 }),
        );
        let read = FromWorker::Read {
            root: Root::Process,
            path: Bytes::from(&b"/\xff"[..]),
        };
        check(b"{\"read\":{\"path\":{\"base64\":\"L/8=\"}}}\n", Ok(read));
        check(b"{\"done\":{\"pid\":7}}", Err(Broken::Ended));
        check(b"", Err(Broken::Ended));
        check(b"\n", nonsense());
        check(b"{\"exec\":\"/bin/sh\"}\n", nonsense());
        check(b"\xff\xfe\n", nonsense());
        check(&vec![b'['; 60_000], Err(Broken::Ended));
        check(&[vec![b'['; 60_000], vec![b'\n']].concat(), nonsense());
    }

    #[test]
    fn silence_and_flood_end() {
        let (mut talk, theirs) = pair();
        assert_eq!(talk.hear(), Err(Broken::Late));
        let flood = std::thread::spawn(move || {
            use std::io::Write as _;
            let mut theirs = theirs;
            while theirs.write_all(&[b'x'; 4096]).is_ok() {}
        });
        talk.begin(Duration::from_secs(5));
        assert_eq!(talk.hear(), Err(Broken::TooMuch));
        drop(talk);
        flood.join().unwrap();
    }

    #[test]
    fn nobody_who_does_not_listen_is_waited_for() {
        let (mut talk, _theirs) = pair();
        let big = vec![0; 4 * 1024 * 1024];
        assert_eq!(
            talk.say(&ToWorker::Bytes(big.len()), &big),
            Err(Broken::Late)
        );
    }
}
