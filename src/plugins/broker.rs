//! Lets workers look at processes: hands processes over, serves files, collects what is said, and believes none of it
//! before it is checked.
//!
//! A plugin has a few workers, one after the other: whoever crashes, hangs or lies is given up, and the next one goes on
//! with the next process. That process, and others of the same user, are passed over: no user's files cost the findings
//! on another's processes.

mod queue;

use std::os::fd::OwnedFd;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use unstale_plugin::FileView;

use super::manifest::Wants;
use super::said::{Said, Saying, size_of_uses};
use super::talk::{Broken, Talk};
use super::wire::{self, FromWorker, ToWorker, Uses};
use crate::model::Bytes;
use queue::{Cost, Queue};

/// A process to look at.
pub struct Visit {
    /// What the worker is told.
    pub process: wire::Process,
    /// Its files, and nobody else's.
    pub files: Box<dyn FileView + Send>,
    /// Whose costs are counted together; `None` for the host's own root, who is bounded by time alone.
    pub payer: Option<Payer>,
}

/// A user; root of another pid namespace is one for each.
pub type Payer = (u32, u64);

impl std::fmt::Debug for Visit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Visit").field(&self.process.pid).finish()
    }
}

/// How long things may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Starting a worker and loading the plugin.
    pub start: Duration,
    /// One process.
    pub process: Duration,
    /// All processes of one user but the host's root.
    pub user: Duration,
    /// All processes.
    pub total: Duration,
    /// So many bytes of what was said of all processes but those of the host's root are kept, and of one user's half of
    /// it: worker after worker may say again, in a few bytes, what was long.
    pub kept: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            start: Duration::from_secs(5),
            process: Duration::from_secs(1),
            user: Duration::from_secs(3),
            total: Duration::from_secs(10),
            kept: 64 * 1024 * 1024,
        }
    }
}

/// What is told to a worker before all, and what it may be shown.
#[derive(Debug, Clone, Default)]
pub struct Terms {
    /// Options of the plugin from the configuration.
    pub options: Vec<(String, String)>,
    /// What its manifest asks to see.
    pub wants: Wants,
}

/// A socket to a worker that is started when it is needed.
#[derive(Debug)]
pub struct Line {
    /// The host's end; it does not block.
    pub socket: OwnedFd,
    /// The number by which the worker behind it is asked for.
    pub worker: u32,
}

/// How a visit went.
#[derive(Debug)]
pub struct Visited {
    /// To which process.
    pub pid: u32,
    /// What the plugin said of it.
    pub said: Result<Said, Failure>,
}

/// Why the plugin's word on a process does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// In words.
    pub why: String,
    /// Which worker it was, if one was started for it.
    pub worker: Option<u32>,
}

/// Lets one plugin look at all these processes, in their order. `start` starts the worker of a line. Lines that were not
/// needed come back.
pub fn visit_all(
    visits: Vec<Visit>,
    lines: Vec<Line>,
    terms: &Terms,
    limits: Limits,
    start: impl Fn(u32),
) -> (Vec<Visited>, Vec<Line>) {
    let end = Instant::now() + limits.total;
    let mut lines = lines.into_iter();
    let queue = Arc::new(Mutex::new(Queue::new(visits, limits)));
    let mut visited = Vec::new();
    while !lock(&queue).waiting.is_empty() && Instant::now() < end {
        let Some(line) = lines.next() else { break };
        let worker = line.worker;
        lock(&queue).talker = Some(worker);
        start(worker);
        let (events, heard) = channel();
        let (queue_, terms) = (Arc::clone(&queue), terms.clone());
        let talk = move || talk_through(line, &queue_, &terms, limits, &events);
        // Whoever waits for a file that does not answer is left behind.
        if std::thread::Builder::new().spawn(talk).is_err() {
            break;
        }
        match listen(&heard, &queue, (worker, limits, end), &mut visited) {
            Next::Line => {}
            Next::Nothing(why) => {
                pass_over_all(&queue, &mut visited, why, Some(worker));
                return (visited, lines.collect());
            }
        }
    }
    pass_over_all(
        &queue,
        &mut visited,
        "its workers failed, or took too long, before it came to this process",
        None,
    );
    (visited, lines.collect())
}

/// What may be said again of one process.
const AGAIN_CAP: usize = 8 * 1024 * 1024;

fn lock(queue: &Mutex<Queue>) -> MutexGuard<'_, Queue> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the thread that talks has to tell.
enum Event {
    /// The plugin is loaded: it lives.
    Alive,
    /// A process is done.
    Visited(u32, Box<Said>),
    /// The plugin says that it failed at a process, and goes on.
    Failed(u32, String),
    /// The conversation broke, at a process or before the first.
    Broken(Broken),
    /// The plugin cannot be used at all.
    Unusable(String),
    /// Nothing is left to look at.
    Over,
}

/// What comes after a worker.
enum Next {
    /// Another one.
    Line,
    /// None: nothing is left, or no worker would do better.
    Nothing(&'static str),
}

/// Follows one worker's conversation, until it is over or has to be given up.
fn listen(
    heard: &Receiver<Event>,
    queue: &Mutex<Queue>,
    (worker, limits, end): (u32, Limits, Instant),
    visited: &mut Vec<Visited>,
) -> Next {
    // The talk has the same limits; this one is for a thread that is stuck in a file.
    let mut patience = limits.start + Duration::from_millis(500);
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let event = heard.recv_timeout(patience.min(left));
        patience = limits.process + Duration::from_millis(500);
        let broken = match event {
            Ok(Event::Alive) => continue,
            Ok(Event::Visited(pid, said)) => {
                let said = Ok(*said);
                visited.push(Visited { pid, said });
                pass_over_users(queue, visited);
                continue;
            }
            Ok(Event::Failed(pid, why)) => {
                let worker = Some(worker);
                let said = Err(Failure { why, worker });
                visited.push(Visited { pid, said });
                continue;
            }
            Ok(Event::Over) => return Next::Line,
            Ok(Event::Unusable(why)) => {
                let mut queue = lock(queue);
                let first = queue.take(worker);
                queue.give_up();
                drop(queue);
                visited.extend(first.map(|visit| Visited {
                    pid: visit.process.pid,
                    said: Err(Failure { why, worker: None }),
                }));
                return Next::Nothing("it cannot be used");
            }
            Ok(Event::Broken(broken)) => broken,
            Err(RecvTimeoutError::Timeout) => Broken::Late,
            Err(RecvTimeoutError::Disconnected) => Broken::Ended,
        };
        let mut waiting = lock(queue);
        match waiting.give_up() {
            Some((pid, payer)) => {
                let why = broken.to_string();
                let worker = Some(worker);
                visited.push(Visited {
                    pid,
                    said: Err(Failure { why, worker }),
                });
                // One failure is what a user may cost.
                let cost = Cost {
                    time: waiting.limits.user + Duration::from_nanos(1),
                    kept: 0,
                };
                waiting.spend(payer, cost);
                drop(waiting);
                pass_over_users(queue, visited);
                return Next::Line;
            }
            // It did not even begin: the next one would not either.
            None => {
                drop(waiting);
                pass_over_all(queue, visited, &broken.to_string(), Some(worker));
                return Next::Nothing("");
            }
        }
    }
}

/// Says which processes of users that have cost too much were passed over.
fn pass_over_users(queue: &Mutex<Queue>, visited: &mut Vec<Visited>) {
    let over = std::mem::take(&mut lock(queue).aside);
    let why = "passed over: another process of its user had cost too much";
    visited.extend(over.into_iter().map(|pid| Visited {
        pid,
        said: Err(Failure {
            why: why.to_owned(),
            worker: None,
        }),
    }));
}

fn pass_over_all(queue: &Mutex<Queue>, visited: &mut Vec<Visited>, why: &str, worker: Option<u32>) {
    pass_over_users(queue, visited);
    let waiting = std::mem::take(&mut lock(queue).waiting);
    visited.extend(waiting.into_iter().map(|visit| Visited {
        pid: visit.process.pid,
        said: Err(Failure {
            why: why.to_owned(),
            worker,
        }),
    }));
}

/// Talks to one worker until nothing waits or something breaks. Runs on a thread of its own.
fn talk_through(
    line: Line,
    queue: &Mutex<Queue>,
    terms: &Terms,
    limits: Limits,
    events: &Sender<Event>,
) {
    let worker = line.worker;
    let mut talk = Talk::new(line.socket);
    let mut known = Vec::new();
    let last = match greet(&mut talk, terms, limits) {
        Err(event) => event,
        // Whoever listens may have given this one up.
        Ok(()) if events.send(Event::Alive).is_err() => return,
        Ok(()) => loop {
            let Some(visit) = lock(queue).take(worker) else {
                break Event::Over;
            };
            let (pid, begun) = (visit.process.pid, Instant::now());
            talk.begin(limits.process);
            let event = match visit_one(&mut talk, visit, terms, &mut known) {
                Ok(Ok(said)) => Event::Visited(pid, Box::new(said)),
                Ok(Err(why)) => Event::Failed(pid, why),
                Err(broken) => break Event::Broken(broken),
            };
            let kept = match &event {
                Event::Visited(_, said) => said.size(),
                _ => 0,
            };
            let time = begun.elapsed();
            lock(queue).finish(worker, Cost { time, kept });
            if events.send(event).is_err() {
                return;
            }
        },
    };
    events.send(last).ok();
}

fn greet(talk: &mut Talk, terms: &Terms, limits: Limits) -> Result<(), Event> {
    talk.begin(limits.start);
    let abi = unstale_plugin::abi::ABI_MAJOR;
    let hello = ToWorker::Hello {
        abi: format!("{abi}.{}", unstale_plugin::abi::ABI_MINOR),
        options: terms.options.clone(),
    };
    talk.say(&hello, &[]).map_err(Event::Broken)?;
    match talk.hear() {
        Ok(FromWorker::Ready { .. }) => Ok(()),
        Ok(FromWorker::Unusable(why)) => Err(Event::Unusable(super::said::one_line(&why))),
        Ok(_) => Err(Event::Broken(Broken::Nonsense(
            "something else than that it is ready".to_owned(),
        ))),
        Err(broken) => Err(Event::Broken(broken)),
    }
}

/// One process: until the worker says that it is done.
fn visit_one(
    talk: &mut Talk,
    visit: Visit,
    terms: &Terms,
    known: &mut Vec<Uses>,
) -> Result<Result<Said, String>, Broken> {
    let (pid, files) = (visit.process.pid, visit.files);
    talk.say(&ToWorker::Inspect(Box::new(visit.process)), &[])?;
    let mut said = Saying::default();
    let mut again = 0;
    loop {
        match talk.hear()? {
            FromWorker::Done { pid: done } if done == pid => return Ok(Ok(said.into_said())),
            FromWorker::Failed(why) => return Ok(Err(super::said::one_line(&why))),
            FromWorker::Uses(uses) => {
                if known.len() < wire::KNOWN_CAP {
                    known.push(uses.clone());
                }
                said.uses(uses)?;
            }
            FromWorker::Again(numbers) => {
                for number in numbers {
                    let Some(uses) = known.get(number as usize) else {
                        return Err(Broken::Nonsense("a number of nothing".to_owned()));
                    };
                    again += size_of_uses(uses);
                    if again > AGAIN_CAP {
                        return Err(Broken::TooMuch);
                    }
                    said.uses(uses.clone())?;
                }
            }
            FromWorker::Instance(instance) => said.instance(instance)?,
            FromWorker::Note(text) => said.note(&text)?,
            FromWorker::Unknown(what) => said.unknown(&what)?,
            FromWorker::Done { .. } | FromWorker::Ready { .. } | FromWorker::Unusable(_) => {
                let what = "an answer to something that it was not asked";
                return Err(Broken::Nonsense(what.to_owned()));
            }
            question => {
                let about = subject(&question);
                let (line, bytes) = answer(&*files, terms, question);
                if let ToWorker::Refused(why) = line
                    && why != wire::Refused::Missing
                {
                    said.refused(about, why.in_words());
                }
                talk.say(&line, &bytes)?;
            }
        }
    }
}

/// What a question is about.
fn subject(question: &FromWorker) -> Bytes {
    match question {
        FromWorker::Read { path, .. }
        | FromWorker::ReadAt { path, .. }
        | FromWorker::Stat { path, .. }
        | FromWorker::List { path, .. }
        | FromWorker::ReadLink { path, .. } => path.clone(),
        FromWorker::Memory { address, .. } => format!("memory at {address:x}").as_str().into(),
        _ => Bytes::default(),
    }
}

/// The answer to a question about files.
fn answer(files: &dyn FileView, terms: &Terms, question: FromWorker) -> (ToWorker, Vec<u8>) {
    use unstale_plugin::Refused;
    let allowed = |root: wire::Root, path: &[u8]| {
        let sound = path.starts_with(b"/") && path.len() <= 4096 && !path.contains(&0);
        let shown = root == wire::Root::Process || terms.wants.shows_of_host(path);
        match sound && shown {
            true => Ok(root.into()),
            false => Err(Refused::Denied),
        }
    };
    let bytes = |result: Result<Vec<u8>, Refused>| match result {
        Ok(bytes) => (ToWorker::Bytes(bytes.len()), bytes),
        Err(refused) => (ToWorker::Refused(refused.into()), Vec::new()),
    };
    let line = |result: Result<ToWorker, Refused>| {
        let refused = |refused: Refused| ToWorker::Refused(refused.into());
        (result.unwrap_or_else(refused), Vec::new())
    };
    match question {
        FromWorker::Read { root, path } => {
            bytes(allowed(root, &path.0).and_then(|root| files.read(root, &path.0)))
        }
        FromWorker::ReadAt {
            root,
            path,
            offset,
            size,
        } => bytes(
            allowed(root, &path.0).and_then(|root| files.read_at(root, &path.0, offset, size)),
        ),
        FromWorker::Memory { address, size } => bytes(match terms.wants.memory {
            true => files.memory(address, size),
            false => Err(Refused::Denied),
        }),
        FromWorker::Stat { root, path } => line(
            allowed(root, &path.0)
                .and_then(|root| files.stat(root, &path.0))
                .map(|stat| {
                    ToWorker::Stat(wire::Stat {
                        kind: stat.kind.into(),
                        size: stat.size,
                        real_path: stat.real_path.into(),
                    })
                }),
        ),
        FromWorker::List { root, path } => line(
            allowed(root, &path.0)
                .and_then(|root| files.list(root, &path.0))
                .map(|entries| {
                    let pair =
                        |entry: unstale_plugin::Entry| (entry.name.into(), entry.kind.into());
                    ToWorker::Entries(entries.into_iter().map(pair).collect())
                }),
        ),
        FromWorker::ReadLink { root, path } => line(
            allowed(root, &path.0)
                .and_then(|root| files.read_link(root, &path.0))
                .map(|target| ToWorker::Link(target.into())),
        ),
        // Everything else is no question.
        _ => line(Err(Refused::Failed)),
    }
}

#[cfg(test)]
mod tests;
