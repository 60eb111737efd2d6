//! GRUB: what `grub.cfg`, `grubenv` and the entries beside them say will boot.

use std::cell::{Cell, OnceCell};
use std::rc::Rc;

use super::bls::parse_snippet;
use super::grubenv::parse_grubenv;
use super::menu::PARSED;
use super::run::{Body, Item, Loads, Run, Sibling, Snippets, Stop, Surroundings, Value, WORK};
use super::script::parse_script;
use super::{Choice, Disk, Said, not_understood, unreadable};
use crate::model::Bytes;

/// A `grub.cfg` of two hundred kernels takes less than 1 MiB.
const CAP: u64 = 1024 * 1024;
/// GRUB makes it 1024 bytes; more is allowed.
const ENV_CAP: u64 = 64 * 1024;
/// Where the one that this system wrote is.
const DIRECTORIES: [&str; 2] = ["/boot/grub2", "/boot/grub"];
/// Where EFI programs are. RHEL up to 8 has its `grub.cfg` there; others have a few lines there that lead to /boot.
const ESP: [&str; 3] = ["/boot/efi/EFI", "/efi/EFI", "/boot/EFI"];
/// Directories of an ESP that are looked into: one for each system, and some of the firmware's.
const SYSTEMS: usize = 32;
/// Submenus in submenus.
const SUBMENUS: usize = 8;

/// Everything that a `grub.cfg` may refer to.
#[derive(Debug)]
pub struct Beside {
    /// Files in its directory, by name.
    files: Vec<(&'static str, Sibling)>,
    snippets: Rc<Snippets>,
}

impl Beside {
    /// As if these files were there: `grubenv`, `custom.cfg`, and entries by name.
    #[must_use]
    pub fn of(grubenv: Option<&[u8]>, custom: Option<&[u8]>, entries: &[(&[u8], &[u8])]) -> Self {
        let sibling = |text: Option<&[u8]>| {
            text.map_or(Sibling::Absent, |text| Sibling::Holds(text.to_vec()))
        };
        let snippet = |&(name, text): &(&[u8], &[u8])| Rc::new(parse_snippet(text, name));
        Self {
            files: vec![
                ("grubenv", sibling(grubenv)),
                ("custom.cfg", sibling(custom)),
            ],
            snippets: Rc::new(Ok(entries.iter().map(snippet).collect())),
        }
    }

    /// With what is left of the work that may be done.
    fn around<'a>(&'a self, left: &'a Cell<usize>) -> Surroundings<'a> {
        Surroundings {
            files: &self.files,
            snippets: &self.snippets,
            left,
        }
    }
}

impl Surroundings<'_> {
    /// What somebody asked for the next boot alone.
    fn next_entry(&self) -> Option<Vec<u8>> {
        let Sibling::Holds(text) = self.file(b"grubenv") else {
            return None;
        };
        let pairs = parse_grubenv(text)?;
        let (_, value) = pairs.into_iter().find(|(name, _)| name == b"next_entry")?;
        (!value.is_empty()).then_some(value)
    }
}

/// What would boot.
#[derive(Debug, PartialEq, Eq)]
pub struct Default {
    /// The id of the entry.
    pub id: Vec<u8>,
    /// Its title.
    pub title: Vec<u8>,
    /// The kernel as GRUB names it.
    pub image: Vec<u8>,
    /// Of an entry of the Boot Loader Specification: its version, and its file.
    pub snippet: Option<(Option<Vec<u8>>, Vec<u8>)>,
    /// What is to be said of the choice.
    pub notes: Vec<String>,
}

/// What is there to be read; `None` if there is no `grub.cfg`.
pub(super) fn read(disk: &Disk<'_, '_>) -> Option<Said> {
    let mut directories: Vec<Vec<u8>> = DIRECTORIES
        .iter()
        .map(|dir| dir.as_bytes().to_vec())
        .collect();
    let mut said = Said::default();
    let mut cut = false;
    if disk.is_efi() {
        for esp in ESP {
            let mut names = disk.list(esp.as_bytes(), &mut said.notes);
            if names.len() > SYSTEMS {
                names.truncate(SYSTEMS);
                cut = true;
                said.notes
                    .push(format!("there are more than {SYSTEMS} names in {esp}"));
            }
            directories.extend(
                names
                    .iter()
                    .map(|name| [esp.as_bytes(), b"/", name].concat()),
            );
        }
    }
    let scripts = Scripts {
        disk,
        left: Cell::new(WORK),
        snippets: OnceCell::new(),
    };
    let mut first: Option<Said> = None;
    for directory in directories {
        let Some(one) = scripts.read_in(&directory, &mut said.notes) else {
            continue;
        };
        let Some(first) = &mut first else {
            first = Some(one);
            continue;
        };
        let image = first.choice.as_ref().map(|choice| disk.image(choice));
        // Nothing is to be told any more, or that the image is not there.
        let Some(Ok(Some(_))) = image else {
            break;
        };
        if !disk.agree(first.choice.as_ref(), one.choice.as_ref()) {
            first.choice = None;
            let note = match one.notes.first() {
                Some(note) if one.choice.is_none() => note,
                _ => "several files grub.cfg name different kernels",
            };
            first.notes.push(note.to_owned());
        }
    }
    let first = first?;
    said.notes.extend(first.notes);
    said.choice = first.choice.filter(|_| !cut);
    Some(said)
}

/// Scripts of a machine, and what they share.
struct Scripts<'a, 'b, 'c> {
    disk: &'a Disk<'b, 'c>,
    left: Cell<usize>,
    snippets: OnceCell<Rc<Snippets>>,
}

impl Scripts<'_, '_, '_> {
    /// The `grub.cfg` of a directory; `None` if there is none, or if it only leads to another.
    fn read_in(&self, directory: &[u8], problems: &mut Vec<String>) -> Option<Said> {
        let disk = self.disk;
        let path = [directory, b"/grub.cfg"].concat();
        // A directory that cannot be reached is no sign of GRUB.
        if let Err(why) = disk.files.find(directory) {
            problems.push(unreadable(directory, &why));
            return None;
        }
        let text = match disk.files.read(&path, CAP) {
            Ok(text) => text?,
            Err(why) => {
                problems.push(unreadable(&path, &why));
                return Some(Said::default());
            }
        };
        let beside = self.read_beside(directory, &text);
        let mut said = Said::default();
        match parse(&text, beside.around(&self.left)) {
            Ok(None) => return None,
            Ok(Some(default)) => {
                said.notes = default.notes;
                let (release, source) = match default.snippet {
                    Some((version, source)) => (version, source),
                    None => (None, path),
                };
                said.choice = Some(Choice {
                    id: default.id,
                    title: default.title,
                    places: places(&default.image),
                    release,
                    source,
                });
            }
            Err(what) => said.notes.push(not_understood(&path, &what)),
        }
        Some(said)
    }

    fn read_beside(&self, directory: &[u8], text: &[u8]) -> Beside {
        let disk = self.disk;
        let file = |name: &'static str, cap: u64| {
            let path = [directory, b"/", name.as_bytes()].concat();
            let sibling = match disk.files.read(&path, cap) {
                Ok(None) => Sibling::Absent,
                Ok(Some(text)) => Sibling::Holds(text),
                Err(_) => Sibling::Unknown,
            };
            (name, sibling)
        };
        let has_snippets = text.windows(6).any(|window| window == b"blscfg");
        Beside {
            files: vec![file("grubenv", ENV_CAP), file("custom.cfg", CAP)],
            snippets: match has_snippets {
                true => Rc::clone(self.snippets.get_or_init(|| {
                    let snippets = disk.snippets(b"/boot");
                    Rc::new(snippets.map(|all| all.into_iter().map(Rc::new).collect()))
                })),
                false => Rc::new(Ok(Vec::new())),
            },
        }
    }
}

/// Where a path of GRUB may be in the root: its file system may be mounted as `/boot`, or hold the root in a subvolume.
///
/// `/boot/vmlinuz`, `/vmlinuz` of a separate /boot, `($root)/vmlinuz`, `/@/boot/vmlinuz` and
/// `/@/.snapshots/1/snapshot/boot/vmlinuz` of btrfs, `/ROOT/debian@/boot/vmlinuz` and `/BOOT/debian@/vmlinuz` of ZFS.
pub(super) fn places(path: &[u8]) -> Vec<Vec<u8>> {
    let path = match path {
        [b'(', rest @ ..] => rest
            .splitn(2, |&byte| byte == b')')
            .nth(1)
            .unwrap_or_default(),
        path => path,
    };
    if !path.starts_with(b"/") {
        return Vec::new();
    }
    let mut places = Vec::new();
    let boot = path.windows(6).rposition(|window| window == b"/boot/");
    places.extend(boot.map(|at| path[at..].to_vec()));
    let dataset = path.windows(2).rposition(|window| window == b"@/");
    if let Some(at) = dataset {
        places.push([b"/boot", &path[at + 1..]].concat());
        places.push(path[at + 1..].to_vec());
    }
    places.push([b"/boot", path].concat());
    places.push(path.to_vec());
    places
}

/// What a `grub.cfg` boots; `None` if it only leads to another. The error says what keeps from telling.
///
/// # Errors
/// What was not understood, or depends on what no file tells.
pub fn parse_grub_cfg(text: &[u8], beside: &Beside) -> Result<Option<Default>, String> {
    parse(text, beside.around(&Cell::new(WORK)))
}

fn parse(text: &[u8], around: Surroundings<'_>) -> Result<Option<Default>, String> {
    let told = |stop| match stop {
        Stop::Elsewhere => "it leads to another file".to_owned(),
        Stop::NotUnderstood(what) => what,
    };
    around.spend(PARSED * text.len()).map_err(told)?;
    let script = parse_script(text)?;
    let mut run = Run::new(around);
    match run.run(&script) {
        Ok(()) => {}
        Err(Stop::Elsewhere) => return Ok(None),
        Err(Stop::NotUnderstood(what)) => return Err(what),
    }
    let wanted = run.variable(b"default");
    let mut found = select(&mut run, wanted.clone()).map_err(told)?;
    if let Some(next) = around.next_entry()
        && wanted == Some(next)
    {
        let note = "the entry was chosen for the next boot alone (next_entry of grubenv)";
        found.notes.push(note.to_owned());
    }
    Ok(Some(found))
}

/// Follows a default through submenus to a kernel.
fn select(run: &mut Run<'_>, mut wanted: Value) -> Result<Default, Stop> {
    let mut notes = Vec::new();
    for _ in 0..SUBMENUS {
        let (item, rest) = pick(run, wanted, &mut notes)?;
        let (id, title) = (item.id, item.title);
        // What os-prober found on other disks has a root of its own.
        if id.starts_with(b"osprober-") {
            return stop("the default entry belongs to another system");
        }
        let (image, snippet) = match item.body {
            Body::Submenu(block) => {
                if rest.is_none() && run.has_snippets {
                    // Fedora's GRUB looks for the same default in the submenu, others take its first entry.
                    return stop("the default is a submenu");
                }
                run.enter(&block)?;
                wanted = Some(rest.unwrap_or_default());
                continue;
            }
            Body::Commands(block) => match run.load(&block)? {
                Loads::Kernel(image) => (image, None),
                Loads::Other(command) => {
                    let command = String::from_utf8_lossy(&command).into_owned();
                    return stop(&format!("the default entry boots no Linux, but: {command}"));
                }
            },
            Body::Snippet(snippet) => {
                let image = snippet.linux.clone().unwrap_or_default();
                let said = (snippet.version.clone(), snippet.source.clone());
                (image, Some(said))
            }
        };
        return Ok(Default {
            id,
            title,
            image,
            snippet,
            notes,
        });
    }
    stop("submenus inside one another, too deep")
}

/// The entry of the menu that a default means, and what of it is meant for the submenu.
///
/// As `get_entry_number` and `menuentry_eq` of grub-core/normal/menu.c: an id or a title up to `>` (`>>` is a `>`), or
/// an index; what is not there is the first entry.
fn pick<'a>(
    run: &Run<'a>,
    wanted: Value,
    notes: &mut Vec<String>,
) -> Result<(Item<'a>, Option<Vec<u8>>), Stop> {
    let menu = &run.menu;
    let Some(wanted) = wanted else {
        return stop("its default depends on what no file tells");
    };
    let (head, rest) = split(&wanted);
    let numeric = head.iter().all(u8::is_ascii_digit) && !head.is_empty();
    let found = menu.iter().position(|item| item.id == head);
    let by_title = menu.iter().position(|item| item.title == head);
    if let (Some(one), Some(two)) = (found, by_title)
        && one != two
    {
        return stop("its default names two entries");
    }
    let found = found.or(by_title).filter(|_| !head.is_empty());
    let index = match (found, numeric) {
        (Some(_), true) => return stop("its default is a number and a name"),
        (Some(at), false) => {
            let same = |item: &&Item<'_>| item.id == head || item.title == head;
            if menu.iter().filter(same).any(|item| item.uncertain) {
                return stop("whether the default entry is there depends on what no file tells");
            }
            // GRUB 2.06 takes any text that begins with a digit for a number, Fedora's does not.
            if head.first().is_some_and(u8::is_ascii_digit) && !run.has_snippets {
                return stop("its default begins with a digit");
            }
            return Ok((menu[at].clone(), rest));
        }
        (None, true) if rest.is_some() && run.has_snippets => {
            return stop("its default is a number inside a submenu");
        }
        // Octal, or too large.
        (None, true) if head.len() > 1 && (head[0] == b'0' || head.len() > 6) => {
            return stop("its default is an odd number");
        }
        (None, true) => std::str::from_utf8(&head)
            .ok()
            .and_then(|text| text.parse().ok())
            .unwrap_or(0),
        (None, false) if head.first().is_some_and(u8::is_ascii_digit) && !run.has_snippets => {
            return stop("its default begins with a digit");
        }
        (None, false) => {
            if !head.is_empty() {
                let head = Bytes::from(head);
                notes.push(format!(
                    "the default, {}, is not among the entries: the first is booted",
                    head.escaped()
                ));
            }
            0
        }
    };
    let index: usize = if index < menu.len() { index } else { 0 };
    if menu.iter().take(index + 1).any(|item| item.uncertain) {
        return stop("which entries there are depends on what no file tells");
    }
    if run.order_differs {
        return stop("versions of GRUB sort the entries differently");
    }
    match menu.get(index) {
        Some(item) => Ok((item.clone(), rest)),
        None => stop("it has no entries"),
    }
}

/// Up to the first `>` that is not doubled, and what follows it.
fn split(wanted: &[u8]) -> (Vec<u8>, Option<Vec<u8>>) {
    let mut head = Vec::new();
    let mut bytes = wanted.iter().enumerate().peekable();
    while let Some((at, &byte)) = bytes.next() {
        if byte == b'>' && bytes.next_if(|(_, next)| **next == b'>').is_none() {
            return (
                head,
                Some(wanted[at + 1..].to_vec()).filter(|rest| !rest.is_empty()),
            );
        }
        head.push(byte);
    }
    (head, None)
}

fn stop<T>(what: &str) -> Result<T, Stop> {
    Err(Stop::NotUnderstood(what.to_owned()))
}
