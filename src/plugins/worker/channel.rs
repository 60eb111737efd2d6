//! The worker's end of the stream.

use std::collections::HashMap;
use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::os::fd::BorrowedFd;

use crate::plugins::wire::{FromWorker, KNOWN_CAP, ToWorker, Uses};

/// A line of the host is at most this long: a process with its arguments, variables and mappings.
const LINE_CAP: u64 = 16 * 1024 * 1024;

/// Content is at most this long; a host shows less.
const CONTENT_CAP: usize = 16 * 1024 * 1024;

/// What is to be said is kept until there is so much of it. A host that does not listen stops the plugin: nothing piles
/// up here.
const TALK_CAP: usize = 16 * 1024;

/// So many numbers are said in one line.
const AGAIN_CAP: usize = 2000;

/// Why there is nothing more to say.
#[derive(Debug)]
pub(super) enum Gone {
    /// The host has closed the stream.
    Ended,
    /// The stream failed, or what came is not what was asked for.
    Broken(String),
}

/// The descriptor itself, and no copy of it: the filter lets no other number be written to.
#[derive(Debug)]
struct Stream(BorrowedFd<'static>);

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(rustix::io::read(self.0, buffer)?)
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(rustix::io::write(self.0, bytes)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[derive(Debug)]
pub(super) struct Channel {
    stream: BufReader<Stream>,
    talk: Vec<u8>,
    /// What was said that processes use, with its number.
    known: HashMap<Uses, u32>,
    /// Numbers that the present process uses again.
    again: Vec<u32>,
    broken: bool,
}

impl Channel {
    pub(super) fn new(stream: BorrowedFd<'static>) -> Self {
        Self {
            stream: BufReader::new(Stream(stream)),
            talk: Vec::new(),
            known: HashMap::new(),
            again: Vec::new(),
            broken: false,
        }
    }

    /// The next line of the host.
    pub(super) fn hear(&mut self) -> Result<ToWorker, Gone> {
        let heard = self.read_line();
        self.broken |= heard.is_err();
        heard
    }

    fn read_line(&mut self) -> Result<ToWorker, Gone> {
        let mut line = Vec::new();
        let mut limited = (&mut self.stream).take(LINE_CAP);
        limited.read_until(b'\n', &mut line).map_err(broken)?;
        if line.is_empty() {
            return Err(Gone::Ended);
        }
        if line.pop() != Some(b'\n') {
            return Err(Gone::Broken("a line is not whole".to_owned()));
        }
        serde_json::from_slice(&line)
            .map_err(|error| Gone::Broken(format!("cannot understand the host: {error}")))
    }

    /// What follows a line.
    fn read_content(&mut self, size: usize) -> Result<Vec<u8>, Gone> {
        if size > CONTENT_CAP {
            return Err(Gone::Broken("the host shows too much".to_owned()));
        }
        let mut content = vec![0; size];
        self.stream.read_exact(&mut content).map_err(broken)?;
        Ok(content)
    }

    /// Says that the process uses a file, by its number if it was said before.
    pub(super) fn say_uses(&mut self, uses: Uses) -> Result<(), Gone> {
        if let Some(&number) = self.known.get(&uses) {
            self.again.push(number);
            return match self.again.len() < AGAIN_CAP {
                true => Ok(()),
                false => self.say_again(),
            };
        }
        let line = FromWorker::Uses(uses);
        let said = self.say_line(&line);
        if let (FromWorker::Uses(uses), true) = (line, self.known.len() < KNOWN_CAP) {
            let number = u32::try_from(self.known.len()).unwrap_or(u32::MAX);
            self.known.insert(uses, number);
        }
        said
    }

    fn say_again(&mut self) -> Result<(), Gone> {
        if self.again.is_empty() {
            return Ok(());
        }
        let again = std::mem::take(&mut self.again);
        self.say_line(&FromWorker::Again(again))
    }

    /// Says a line, soon.
    pub(super) fn say(&mut self, line: &FromWorker) -> Result<(), Gone> {
        self.say_again()?;
        self.say_line(line)
    }

    fn say_line(&mut self, line: &FromWorker) -> Result<(), Gone> {
        serde_json::to_writer(&mut self.talk, line).map_err(|error| broken(error.into()))?;
        self.talk.push(b'\n');
        if self.talk.len() < TALK_CAP {
            return Ok(());
        }
        self.flush()
    }

    /// Says what was kept.
    pub(super) fn flush(&mut self) -> Result<(), Gone> {
        if self.broken {
            return Err(Gone::Ended);
        }
        let result = self.stream.get_mut().write_all(&self.talk);
        self.talk.clear();
        self.broken |= result.is_err();
        result.map_err(broken)
    }

    /// Asks, and waits for the answer with what follows it.
    pub(super) fn ask(&mut self, question: &FromWorker) -> Result<(ToWorker, Vec<u8>), Gone> {
        self.say(question)?;
        self.flush()?;
        let answer = self.hear()?;
        let content = match answer {
            ToWorker::Bytes(size) => {
                let content = self.read_content(size);
                self.broken |= content.is_err();
                content?
            }
            _ => Vec::new(),
        };
        Ok((answer, content))
    }
}

fn broken(error: io::Error) -> Gone {
    match error.kind() {
        io::ErrorKind::BrokenPipe
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::UnexpectedEof => Gone::Ended,
        _ => Gone::Broken(error.to_string()),
    }
}
