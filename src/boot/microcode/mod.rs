//! Microcode: what runs in each processor, and what is on disk for it.
//!
//! What runs is in `/proc/cpuinfo`. What would run is in the initrds, from where the kernel loads it before anything
//! else; what is in `/lib/firmware` alone waits for the next initrd to be made, or for somebody who loads it into the
//! running system (Documentation/arch/x86/microcode.rst in Linux).

pub mod amd;
pub mod early;
mod initrds;
pub mod intel;
pub mod processors;
pub mod ranges;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::time::{Duration, Instant};

use rustix::io::Errno;

use super::files::{Files, Found, why_io};
use super::images::stream::Compression;
use crate::model::{Bytes, Device, Microcode, Patch, Processor, WhyNot};
use crate::view::ProcRoot;
use ranges::{Damage, Ranges, Timed, in_time};

const COMMAND_LINE_CAP: usize = 64 * 1024;
/// Where the kernel looks for firmware, besides directories of a single release (`fw_path` in its firmware loader).
const FIRMWARE: [&str; 2] = ["/lib/firmware/updates", "/lib/firmware"];
/// How firmware may be packed (`CONFIG_FW_LOADER_COMPRESS`), by the ends of names.
const PACKED: [(&str, Option<Compression>); 3] = [
    ("", None),
    (".xz", Some(Compression::Xz)),
    (".zst", Some(Compression::Zstd)),
];
/// What is unpacked of a file. The largest of 2025 has 1.6 MiB.
const FIRMWARE_CAP: u64 = 16 * 1024 * 1024;
/// As much is unpacked at a time.
const PIECE: u64 = 256 * 1024;
/// What a file may hold for the processors of a machine, and all files. Those of 2025 hold a handful.
const UPDATES_CAP: usize = 10_000;
const PATCHES_CAP: usize = 50_000;
/// What reading all files may take. Headers are read, and most of the files is not.
const TIME: Duration = Duration::from_secs(2);

/// What a file holds for one processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Update {
    /// The signature that it is for.
    pub signature: u32,
    /// Intel: the mask of platforms that it is for.
    pub platforms: Option<u32>,
    /// Its revision.
    pub revision: u32,
}

/// `None` where nobody could renew it from here: other architectures, virtual machines.
pub(super) fn read(proc: &ProcRoot, files: &Files<'_>) -> Option<Microcode> {
    read_within(proc, files, TIME)
}

fn read_within(proc: &ProcRoot, files: &Files<'_>, time: Duration) -> Option<Microcode> {
    let processors = processors::read(proc, files)?;
    let command_line = command_line(proc, files);
    let mut search = Search::new(files, &processors, time);
    search.early();
    search.firmware();
    let Search {
        mut patches,
        mut unread,
        ..
    } = search;
    patches.sort();
    patches.dedup();
    unread.sort();
    unread.dedup();
    Some(Microcode {
        processors,
        patches,
        unread,
        disabled: parse_disabled(&command_line),
    })
}

/// The kernel's command line; empty where recorded trees have none.
fn command_line(proc: &ProcRoot, files: &Files<'_>) -> Vec<u8> {
    match proc.read(c"cmdline", COMMAND_LINE_CAP) {
        Ok(text) => text,
        Err(Errno::NOENT) => Vec::new(),
        Err(error) => {
            files.note("read", "cmdline", crate::view::why(error));
            Vec::new()
        }
    }
}

/// What on the command line keeps the kernel from loading any: `dis_ucode_ldr`, since Linux 6.18 also as one of the words
/// of `microcode=` (`early_parse_cmdline`); the last one counts.
#[must_use]
pub fn parse_disabled(command_line: &[u8]) -> Option<String> {
    let word = "dis_ucode_ldr";
    let mut words = command_line.split(u8::is_ascii_whitespace);
    let options = words
        .clone()
        .filter_map(|option| option.strip_prefix(b"microcode="))
        .next_back();
    if words.any(|option| option == word.as_bytes()) {
        return Some(word.to_owned());
    }
    let mut options = options?.split(|byte| *byte == b',');
    options
        .any(|option| option == word.as_bytes())
        .then(|| format!("microcode={word}"))
}

/// How a file is looked through.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    Intel,
    Amd,
}

impl Format {
    fn of(processor: &Processor) -> Self {
        match processor.vendor.as_slice() {
            b"GenuineIntel" => Self::Intel,
            _ => Self::Amd,
        }
    }

    /// The name of the file in an initrd.
    fn early_name(self) -> &'static [u8] {
        match self {
            Self::Intel => b"kernel/x86/microcode/GenuineIntel.bin",
            Self::Amd => b"kernel/x86/microcode/AuthenticAMD.bin",
        }
    }

    /// The name of the file in a directory of firmware (`request_microcode_fw`, `request_microcode_amd`).
    fn firmware_name(self, signature: u32) -> String {
        let (family, model, stepping) = processors::kind_of(signature);
        match self {
            Self::Intel => format!("intel-ucode/{family:02x}-{model:02x}-{stepping:02x}"),
            Self::Amd if family < 0x15 => "amd-ucode/microcode_amd.bin".to_owned(),
            Self::Amd => format!("amd-ucode/microcode_amd_fam{family:02x}h.bin"),
        }
    }

    /// Debian gives some files a name that hides them from the running kernel, but not from its maker of initrds.
    fn firmware_endings(self) -> &'static [&'static str] {
        match self {
            Self::Intel => &["", ".initramfs"],
            Self::Amd => &[""],
        }
    }
}

/// What a file holds, and where it is damaged.
type Content = (Vec<Update>, Option<Damage>);

/// What was found so far.
struct Search<'a, 'b> {
    files: &'a Files<'b>,
    /// All processors of a machine are of one vendor.
    format: Format,
    signatures: BTreeSet<u32>,
    patches: Vec<Patch>,
    unread: Vec<Bytes>,
    /// Files that were looked through.
    seen: BTreeSet<(Device, u64)>,
    deadline: Instant,
}

impl<'a, 'b> Search<'a, 'b> {
    fn new(files: &'a Files<'b>, processors: &[Processor], time: Duration) -> Self {
        Self {
            files,
            format: processors.first().map_or(Format::Amd, Format::of),
            signatures: processors
                .iter()
                .map(|processor| processor.signature)
                .collect(),
            patches: Vec::new(),
            unread: Vec::new(),
            seen: BTreeSet::new(),
            deadline: Instant::now() + time,
        }
    }

    /// Looks through the initrds.
    fn early(&mut self) {
        for path in initrds::list(self.files) {
            if let Some(found) = self.fresh(&path) {
                if found.is_dir() {
                    continue;
                }
                let updates = self.early_in(&found);
                self.keep(&found.path, true, updates);
            }
        }
    }

    /// Looks through what the kernel would load when it is asked to.
    fn firmware(&mut self) {
        let names = self
            .signatures
            .iter()
            .map(|signature| self.format.firmware_name(*signature));
        let names: BTreeSet<String> = names.collect();
        for directory in FIRMWARE {
            for path in names.iter().map(|name| format!("{directory}/{name}")) {
                for ending in self.format.firmware_endings() {
                    self.firmware_at(&format!("{path}{ending}"));
                }
            }
        }
    }

    fn firmware_at(&mut self, path: &str) {
        for (ending, packed) in PACKED {
            if let Some(found) = self.fresh(format!("{path}{ending}").as_bytes()) {
                let updates = self.firmware_in(&found, packed);
                self.keep(&found.path, false, updates);
            }
        }
    }

    /// What is at a path, unless it was looked through before.
    fn fresh(&mut self, path: &[u8]) -> Option<Found> {
        match self.files.find(path) {
            Ok(found) => {
                found.filter(|found| self.seen.insert((found.stat.device, found.stat.inode)))
            }
            Err(why) => {
                self.files.note("look at", path, why);
                self.unread.push(Bytes::from(path));
                None
            }
        }
    }

    fn early_in(&self, found: &Found) -> Result<Content, WhyNot> {
        let file = self.files.open_found(found)?;
        let file = self.timed(&file);
        let part = match early::microcode_in(&file, self.format.early_name()) {
            Ok(Some(part)) => part,
            Ok(None) => return Ok((Vec::new(), None)),
            Err(damage) => return Ok((Vec::new(), Some(damage))),
        };
        let (updates, damage) = self.updates(&part);
        Ok((updates, damage.map(|damage| damage.behind(part.start))))
    }

    fn firmware_in(&self, found: &Found, packed: Option<Compression>) -> Result<Content, WhyNot> {
        let file = self.files.open_found(found)?;
        let Some(packed) = packed else {
            return Ok(self.updates(&self.timed(&file)));
        };
        let content = unpacked(file, packed, self.deadline).map_err(|error| why_io(&error))?;
        Ok(self.updates(&self.timed(&content.as_slice())))
    }

    fn timed<'c>(&self, whole: &'c dyn Ranges) -> Timed<'c> {
        Timed {
            whole,
            deadline: self.deadline,
        }
    }

    fn updates(&self, source: &dyn Ranges) -> Content {
        let wanted = |signature| self.signatures.contains(&signature);
        match self.format {
            Format::Intel => match intel::read_records(source, &wanted) {
                Ok(updates) => (updates, None),
                Err(damage) => (Vec::new(), Some(damage)),
            },
            Format::Amd => amd::read_containers(source, &wanted),
        }
    }

    fn keep(&mut self, path: &Bytes, early: bool, content: Result<Content, WhyNot>) {
        let (mut updates, mut why) = match content {
            Ok((updates, damage)) => (
                updates,
                damage.map(|damage| WhyNot::Failed(damage.to_string())),
            ),
            Err(why) => (Vec::new(), Some(why)),
        };
        let room = PATCHES_CAP - self.patches.len();
        if updates.len() > room {
            updates.truncate(room);
            let what = format!("more than {PATCHES_CAP} updates are in all files");
            why = Some(WhyNot::Failed(what));
        }
        if let Some(why) = why {
            self.files.note("read", path.as_slice(), why);
            self.unread.push(path.clone());
        }
        self.patches.extend(updates.iter().map(|update| Patch {
            file: path.clone(),
            early,
            signature: update.signature,
            platforms: update.platforms,
            revision: update.revision,
        }));
    }
}

/// All of a packed file.
fn unpacked(file: impl Read, packed: Compression, deadline: Instant) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    let mut reader = packed.unpack(file)?.take(FIRMWARE_CAP + 1);
    loop {
        in_time(deadline)?;
        let count = reader.by_ref().take(PIECE).read_to_end(&mut content)?;
        if count == 0 {
            break;
        }
    }
    match content.len() as u64 > FIRMWARE_CAP {
        true => Err(io::ErrorKind::FileTooLarge.into()),
        false => Ok(content),
    }
}
