//! The processors and the microcode that runs in them: `/proc/cpuinfo`, and what sysfs tells of each kind.

use std::collections::BTreeMap;

use crate::boot::files::Files;
use crate::model::{Bytes, Processor, WhyNot};
use crate::view::{self, ProcRoot};

/// A logical CPU takes one or two kilobytes; the kernel's limit is 8192 of them.
const CPUINFO_CAP: usize = 32 * 1024 * 1024;
const NUMBER_CAP: u64 = 64;
const SYSFS: &str = "/sys/devices/system/cpu";
/// The processors that Linux has a loader for, each from the family on that has one (`load_ucode_bsp`).
const VENDORS: [(&[u8], u32); 2] = [(b"GenuineIntel", 6), (b"AuthenticAMD", 0x10)];

/// A logical CPU, as `/proc/cpuinfo` prints it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cpu {
    /// Its number.
    pub number: u32,
    /// `vendor_id`.
    pub vendor: Bytes,
    /// Family, model and stepping as CPUID packs them.
    pub signature: u32,
    /// `microcode`; none where it is zero.
    pub revision: Option<u32>,
    /// `physical id`; none on some machines of one socket.
    pub package: Option<u32>,
}

/// What `/proc/cpuinfo` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CpuInfo {
    /// Nobody could renew anything from here: a guest, another architecture, a vendor without a loader.
    NotOurs,
    /// The CPUs, by number.
    Cpus(Vec<Cpu>),
    /// The text of a CPU whose kind cannot be told, from its number on.
    Unclear(Bytes),
}

/// The processors; `None` where nobody could renew their microcode from here. What cannot be read is noted.
pub(super) fn read(proc: &ProcRoot, files: &Files<'_>) -> Option<Vec<Processor>> {
    let path = "/proc/cpuinfo";
    let text = match proc.read(c"cpuinfo", CPUINFO_CAP) {
        Ok(text) => text,
        // A recorded tree, or a /proc of processes alone.
        Err(rustix::io::Errno::NOENT) => return None,
        Err(error) => {
            files.note("read", path, view::why(error));
            return None;
        }
    };
    match parse_cpuinfo(&text) {
        CpuInfo::NotOurs => None,
        CpuInfo::Cpus(cpus) => Some(group(files, cpus)),
        CpuInfo::Unclear(cpu) => {
            let what = format!("no family, model or stepping of CPU {}", cpu.escaped());
            files.note("read", path, WhyNot::Failed(what));
            None
        }
    }
}

/// Groups alike CPUs. Sysfs is asked of one of each kind and package: what it tells is the package's.
fn group(files: &Files<'_>, cpus: Vec<Cpu>) -> Vec<Processor> {
    let mut kinds = BTreeMap::new();
    for cpu in cpus {
        let kind = (cpu.vendor.clone(), cpu.signature, cpu.revision, cpu.package);
        kinds.entry(kind).or_insert(cpu.number);
    }
    let mut processors: BTreeMap<_, Vec<u32>> = BTreeMap::new();
    for ((vendor, signature, revision, package), cpu) in kinds {
        // Both are the kernel's word of the same thing; this one is there on kernels that print no other.
        let revision = sysfs(files, cpu, "version").or(revision).unwrap_or(0);
        let platform = match vendor.as_slice() {
            b"GenuineIntel" => sysfs(files, cpu, "processor_flags"),
            _ => None,
        };
        let alike = processors.entry((vendor, signature, platform, revision));
        alike.or_default().extend(package);
    }
    let processors = processors.into_iter().map(|(kind, mut packages)| {
        packages.sort_unstable();
        packages.dedup();
        let (vendor, signature, platform, revision) = kind;
        Processor {
            vendor,
            signature,
            platform,
            revision,
            packages,
        }
    });
    processors.collect()
}

/// A number in a CPU's directory. Who may not read it (`processor_flags` is root's) knows less, and the judge says so
/// where it matters.
fn sysfs(files: &Files<'_>, cpu: u32, name: &str) -> Option<u32> {
    let path = format!("{SYSFS}/cpu{cpu}/microcode/{name}");
    let text = files.read(path, NUMBER_CAP).ok().flatten()?;
    hexadecimal(text.trim_ascii())
}

/// The CPUs in the text of `/proc/cpuinfo`.
#[must_use]
pub fn parse_cpuinfo(text: &[u8]) -> CpuInfo {
    let mut cpus = Vec::new();
    let lines = text.split(|byte| *byte == b'\n').filter_map(|line| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let (key, value) = line.split_at(colon);
        Some((key.trim_ascii_end(), value[1..].trim_ascii()))
    });
    let mut current = Block::default();
    for (key, value) in lines.chain([(b"processor".as_slice(), b"".as_slice())]) {
        if key == b"processor" {
            match std::mem::replace(&mut current, Block::of(value)).cpu() {
                Read::Nothing => {}
                Read::Cpu(cpu) => cpus.push(cpu),
                Read::NotOurs => return CpuInfo::NotOurs,
                Read::Unclear(number) => return CpuInfo::Unclear(number),
            }
        } else {
            current.take(key, value);
        }
    }
    match cpus.is_empty() {
        true => CpuInfo::NotOurs,
        false => CpuInfo::Cpus(cpus),
    }
}

/// The lines of one CPU.
#[derive(Default)]
struct Block<'a> {
    number: Option<&'a [u8]>,
    vendor: &'a [u8],
    family: Option<u32>,
    model: Option<u32>,
    stepping: Option<u32>,
    revision: Option<u32>,
    package: Option<u32>,
    is_guest: bool,
}

enum Read {
    Nothing,
    Cpu(Cpu),
    NotOurs,
    Unclear(Bytes),
}

impl<'a> Block<'a> {
    fn of(number: &'a [u8]) -> Self {
        Self {
            number: Some(number),
            ..Self::default()
        }
    }

    fn take(&mut self, key: &[u8], value: &'a [u8]) {
        match key {
            b"vendor_id" => self.vendor = value,
            b"cpu family" => self.family = decimal(value),
            b"model" => self.model = decimal(value),
            b"stepping" => self.stepping = decimal(value),
            b"microcode" => self.revision = hexadecimal(value),
            b"physical id" => self.package = decimal(value),
            b"flags" => {
                self.is_guest = value
                    .split(u8::is_ascii_whitespace)
                    .any(|flag| flag == b"hypervisor");
            }
            _ => {}
        }
    }

    fn cpu(self) -> Read {
        let Some(number) = self.number else {
            return Read::Nothing;
        };
        let vendor = VENDORS.iter().find(|(vendor, _)| *vendor == self.vendor);
        let Some((vendor, first)) = vendor else {
            return Read::NotOurs;
        };
        if self.is_guest || self.family.is_some_and(|family| family < *first) {
            return Read::NotOurs;
        }
        let signature = match (self.family, self.model, self.stepping) {
            (Some(family), Some(model), Some(stepping)) => signature(family, model, stepping),
            // Early steppings of the first processors of a family are printed so.
            _ => None,
        };
        match (decimal(number), signature) {
            (Some(number), Some(signature)) => Read::Cpu(Cpu {
                number,
                vendor: Bytes::from(*vendor),
                signature,
                revision: self.revision,
                package: self.package,
            }),
            _ => Read::Unclear(Bytes::from(number)),
        }
    }
}

/// CPUID leaf 1, EAX, of what the kernel took out of it (`x86_family`, `x86_model`): families from 15 on are a sum, and
/// the upper half of the model stands apart.
fn signature(family: u32, model: u32, stepping: u32) -> Option<u32> {
    let (base, extended) = match family {
        0..0xf => (family, 0),
        _ => (0xf, family - 0xf),
    };
    if extended > 0xff || model > 0xff || stepping > 0xf {
        return None;
    }
    Some(extended << 20 | (model >> 4) << 16 | base << 8 | (model & 0xf) << 4 | stepping)
}

/// Family, model and stepping of a signature.
pub(super) fn kind_of(signature: u32) -> (u32, u32, u32) {
    let family = match signature >> 8 & 0xf {
        0xf => 0xf + (signature >> 20 & 0xff),
        base => base,
    };
    let model = (signature >> 16 & 0xf) << 4 | (signature >> 4 & 0xf);
    (family, model, signature & 0xf)
}

fn decimal(text: &[u8]) -> Option<u32> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn hexadecimal(text: &[u8]) -> Option<u32> {
    let digits = std::str::from_utf8(text).ok()?.strip_prefix("0x")?;
    u32::from_str_radix(digits, 16).ok()
}
