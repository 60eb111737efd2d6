//! The processor's microcode, in needrestart's numbers.

use super::names::Version;
use crate::dialects::{Microcode, Scene};

/// How it compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum UcodeState {
    /// It could not be told.
    Unknown,
    /// Nothing newer is there.
    Current,
    /// Something newer is.
    Obsolete,
}

/// Microcode, and what is expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ucode {
    /// How it compares.
    pub(super) state: UcodeState,
    /// The revision that runs; 3.6 has an empty text where none is known.
    pub(super) running: Option<String>,
    /// The revision that is expected; the same.
    pub(super) expected: Option<String>,
}

/// Judges the microcode; `None` where none can be renewed from here.
pub(super) fn judge(scene: &Scene, version: Version) -> Option<Ucode> {
    let microcode = match scene.microcode {
        Some(microcode) => microcode,
        None if scene.boot.is_none() => return Some(not_known()),
        None => return None,
    };
    let of_dpkg = scene.stores.iter().any(|store| store == "dpkg");
    Some(match version {
        Version::V3_6 => older(microcode),
        Version::V3_11 => newer(microcode, of_dpkg),
    })
}

/// As 3.6 does: what is not known to be obsolete is current, and what is not known is an empty text.
fn older(microcode: Microcode) -> Ucode {
    let obsolete = microcode.obsolete == Some(true);
    let running = microcode.running.map(|revision| match obsolete {
        false if microcode.amd => format!("{revision:#x}"),
        _ => shown(microcode, revision),
    });
    // Of AMD's it remembers what is available only if that is newer.
    let available = microcode.available.filter(|_| obsolete || !microcode.amd);
    let expected = available.map(|revision| shown(microcode, revision));
    Ucode {
        state: match obsolete {
            true => UcodeState::Obsolete,
            false => UcodeState::Current,
        },
        running: Some(running.unwrap_or_default()),
        expected: Some(expected.unwrap_or_default()),
    }
}

/// As 3.11 does. Debian's says *unavailable* where there is no firmware.
fn newer(microcode: Microcode, of_dpkg: bool) -> Ucode {
    let shown = |revision: u32| shown(microcode, revision);
    let (Some(running), Some(obsolete)) = (microcode.running, microcode.obsolete) else {
        return not_known();
    };
    let unavailable = || of_dpkg.then(|| "unavailable".to_owned());
    Ucode {
        state: match obsolete {
            true => UcodeState::Obsolete,
            false => UcodeState::Current,
        },
        running: Some(shown(running)),
        expected: microcode.available.map(shown).or_else(unavailable),
    }
}

fn not_known() -> Ucode {
    Ucode {
        state: UcodeState::Unknown,
        running: None,
        expected: None,
    }
}

/// At least four digits, of AMD's eight.
fn shown(microcode: Microcode, revision: u32) -> String {
    match microcode.amd {
        true => format!("0x{revision:08x}"),
        false => format!("0x{revision:04x}"),
    }
}
