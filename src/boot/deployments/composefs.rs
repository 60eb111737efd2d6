//! bootc without OSTree: the digest of the booted image is on the kernel's command line, that of a staged one in
//! `/run/composefs/staged-deployment`.

use serde::Deserialize;

use super::argument;
use crate::boot::files::Files;
use crate::model::{Bytes, Deployment, WhyNot};

const STAGED: &str = "/run/composefs/staged-deployment";
const TEXT_CAP: u64 = 64 * 1024;

/// As bootc writes it; more keys may follow.
#[derive(Debug, Deserialize)]
struct Staged {
    depl_id: String,
    /// Downloaded only: nothing will make it the default.
    #[serde(default)]
    finalization_locked: bool,
}

pub(super) fn read(files: &Files<'_>, command_line: &[u8]) -> Option<Deployment> {
    let booted = parse_booted(command_line)?;
    let found = files.find(STAGED).unwrap_or_else(|why| {
        files.note("look at", STAGED, why);
        None
    })?;
    let text = files.read_or_note(STAGED, TEXT_CAP)?;
    let Ok(staged) = serde_json::from_slice::<Staged>(&text) else {
        let why = "it is not of the form that bootc writes".to_owned();
        files.note("understand", STAGED, WhyNot::Failed(why));
        return None;
    };
    let differs = staged.depl_id.as_bytes() != booted && !staged.finalization_locked;
    differs.then(|| Deployment {
        kind: "bootc".to_owned(),
        booted: Bytes::from(booted),
        next: Bytes::from(staged.depl_id.as_str()),
        since: Some(found.stat.mtime),
        other_kernel: None,
    })
}

/// `composefs=DIGEST` or `composefs.digest=VERSION-HASH-BLOCK:DIGEST`; a `?` before it allows a disk without fs-verity.
fn parse_booted(command_line: &[u8]) -> Option<&[u8]> {
    let value = argument(command_line, b"composefs.digest")
        .or_else(|| argument(command_line, b"composefs"))?;
    let value = value.strip_prefix(b"?").unwrap_or(value);
    let digest = value.rsplit(|&byte| byte == b':').next()?;
    (!digest.is_empty()).then_some(digest)
}
