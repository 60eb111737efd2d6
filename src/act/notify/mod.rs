//! Tells users that their sessions run old code. Tells, and no more: nobody is logged out.
//!
//! Each way is tried for itself, with a deadline, and what does not work is said. A message is plain text of tame characters;
//! it goes to programs as an argument or on their standard input, never through a shell.

mod drop_ins;
mod memory;
mod terminal;

use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

pub use memory::Memory;

use super::runtime_dir::{self, RuntimeDir};
use super::services::{ServiceManager as _, Systemd};
use super::spawn::{self, Ended, How, Order, Program, Tool};
use crate::model::{Account, Device, Scope};

/// No way takes longer.
const LIMIT: Duration = Duration::from_secs(5);
const OUTPUT_CAP: usize = 4096;

/// By which ways users are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ways<'a> {
    /// On the terminals of their sessions.
    pub terminal: bool,
    /// By their desktop, org.freedesktop.Notifications.
    pub desktop: bool,
    /// By local mail.
    pub mail: bool,
    /// By the programs in this directory.
    pub drop_ins: &'a Path,
}

/// What one user is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Whom.
    pub uid: u32,
    /// The account, where passwd(5) has it.
    pub account: Option<Account>,
    /// The session that runs old code, if it is one.
    pub session: Option<String>,
    /// Terminals of the processes that do.
    pub terminals: Vec<Device>,
    /// One line that says it.
    pub summary: String,
    /// Lines that say what.
    pub details: Vec<String>,
}

/// What became of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Told {
    /// Ways that worked.
    pub ways: Vec<String>,
    /// What did not.
    pub failed: Vec<String>,
}

impl Told {
    fn add(&mut self, way: &str, result: Result<bool, String>) {
        match result {
            Ok(true) => self.ways.push(way.to_owned()),
            // Nobody is there to be told that way.
            Ok(false) => {}
            Err(why) => self.failed.push(format!("{way}: {why}")),
        }
    }
}

/// Tells one user by all ways that are wanted.
#[must_use]
pub fn tell(message: &Message, ways: &Ways<'_>) -> Told {
    let mut told = Told::default();
    if ways.terminal {
        told.add("terminal", terminal::tell(message));
    }
    if ways.desktop {
        told.add("desktop", tell_desktop(message));
    }
    if ways.mail {
        told.add("mail", tell_by_mail(message));
    }
    drop_ins::tell(message, ways.drop_ins, &mut told);
    told
}

impl Message {
    /// All of it, a line each.
    fn text(&self) -> String {
        let mut text = format!("{}\n", self.summary);
        for line in &self.details {
            text.push_str(line);
            text.push('\n');
        }
        text
    }
}

/// `Notify` of the Desktop Notifications Specification, as the user, on the user's bus. A notification server is not started for
/// it: without one there is no desktop.
fn tell_desktop(message: &Message) -> Result<bool, String> {
    let Some(account) = &message.account else {
        return Ok(false);
    };
    if !RuntimeDir::open(message.uid).is_some_and(|dir| dir.has_socket("bus")) {
        return Ok(false);
    }
    if !has_bus(message.uid) {
        return Ok(false);
    }
    let runtime = runtime_dir::path(message.uid).into_os_string();
    let mut bus = OsString::from("unix:path=");
    bus.push(&runtime);
    bus.push("/bus");
    let words = [
        "--user",
        "--auto-start=no",
        "--quiet",
        "--timeout=3",
        // What follows has words that begin with a dash, and older versions take options anywhere.
        "--",
        "call",
        "org.freedesktop.Notifications",
        "/org/freedesktop/Notifications",
        "org.freedesktop.Notifications",
        "Notify",
        "susssasa{sv}i",
        "unstale",
        "0",
        "",
    ];
    let mut args: Vec<OsString> = words.iter().map(OsString::from).collect();
    args.push(message.summary.clone().into());
    args.push(markup_free(&message.details.join("\n")).into());
    // No actions, no hints, and the server's own time.
    args.extend(["0", "0", "-1"].map(OsString::from));
    let ended = run(Order {
        program: Program::Tool(Tool::Busctl),
        args,
        env: vec![
            ("DBUS_SESSION_BUS_ADDRESS", bus),
            ("XDG_RUNTIME_DIR", runtime),
        ],
        stdin: Vec::new(),
        user: Some((message.uid, account.gid)),
        limit: LIMIT,
        output_cap: OUTPUT_CAP,
    })?;
    match ended.how {
        How::Exited(0) => Ok(true),
        // Nobody has that name on the bus, or there is no bus: no desktop.
        _ if is_nobody(&ended.stderr) => Ok(false),
        _ => Err(why(&ended)),
    }
}

/// Whether a bus of the user's runs. Its socket is there before it does, and whoever connects would start it: then nobody
/// is at a desktop.
fn has_bus(uid: u32) -> bool {
    let bus = Systemd.unit(Scope::User(uid), "dbus.service");
    bus.is_ok_and(|bus| bus.active == "active")
}

/// What busctl(1) says if nobody has the name and nobody may be started for it.
fn is_nobody(stderr: &[u8]) -> bool {
    let said = String::from_utf8_lossy(stderr);
    [
        "not activatable",
        "was not provided",
        "does not exist",
        "NameHasNoOwner",
        "not have owner",
        "Connection refused",
    ]
    .iter()
    .any(|words| said.contains(words))
}

/// Bodies of notifications may be read as markup (Desktop Notifications Specification).
fn markup_free(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// Local mail to the account, from whoever runs this.
fn tell_by_mail(message: &Message) -> Result<bool, String> {
    let Some(account) = &message.account else {
        return Err("the account is not in /etc/passwd".to_owned());
    };
    let mut mail = String::new();
    // Addresses and subjects are lines: neither a name in passwd nor a summary has a line feed.
    let headers = write!(
        mail,
        "To: {}\nSubject: {}\nAuto-Submitted: auto-generated\nContent-Type: text/plain; charset=utf-8\n\n{}",
        account.name,
        message.summary,
        message.text()
    );
    headers.map_err(|error| error.to_string())?;
    let ended = run(Order {
        program: Program::Tool(Tool::Sendmail),
        args: ["-oi", "--"]
            .iter()
            .map(OsString::from)
            .chain([account.name.clone().into()])
            .collect(),
        env: Vec::new(),
        stdin: mail.into_bytes(),
        user: None,
        limit: LIMIT,
        output_cap: OUTPUT_CAP,
    })?;
    match ended.how {
        How::Exited(0) => Ok(true),
        _ => Err(why(&ended)),
    }
}

fn run(order: Order<'_>) -> Result<Ended, String> {
    spawn::run(order).map_err(|error| error.to_string())
}

/// How a program failed, in its own first line where it has one.
fn why(ended: &Ended) -> String {
    let said = String::from_utf8_lossy(&ended.stderr);
    let said = said.lines().next().unwrap_or_default().trim();
    match said {
        "" => ended.how.to_string(),
        said => format!("{}: {said}", ended.how),
    }
}
