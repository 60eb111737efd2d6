//! Containers of Kubernetes' pods, by the groups that the kubelet makes for them.

#![forbid(unsafe_code)]

use crate::model::{Bytes, Owner, Runtime, Scope};

use super::container::{booted, prefixed};
use super::path::{Parts, Pod};
use super::{contained_by, name};

/// Everything below a pod's slice is the pod's, whatever it is called.
pub(super) fn in_slice(uid: &[u8], mut parts: Parts<'_>, scope: Scope) -> Owner {
    let part = parts.next().unwrap_or_default();
    let text = part.strip_suffix(b".scope").unwrap_or(part);
    let id = prefixed(text).map_or(text, |(_, id)| id);
    kubernetes(uid, name::is_container_id(id).then_some(id), parts, scope)
}

/// `PARENT.slice:cri-containerd:ID`: the runtime was told to use systemd and did not.
pub(super) fn of_mismatch(part: &[u8], below: Parts<'_>, scope: Scope) -> Option<Owner> {
    let mut fields = part.splitn(3, |&byte| byte == b':');
    let (slice, prefix, id) = (fields.next()?, fields.next()?, fields.next()?);
    let stem = slice.strip_suffix(b".slice")?;
    let whole = [prefix, b"-", id].concat();
    let (runtime, id) = prefixed(&whole)?;
    Some(match Pod::of_slice(stem) {
        Some(Pod::Kubernetes(uid)) => kubernetes(uid, Some(id), below, scope),
        Some(Pod::Podman(_)) | None => booted(contained_by(runtime, id, scope), below),
    })
}

/// `kubepods[/burstable]/podUID/ID`, also below one group of the cluster's own (`/kubelet/kubepods/…`).
pub(super) fn of_group(first: &[u8], mut parts: Parts<'_>, scope: Scope) -> Option<Owner> {
    if first != b"kubepods" && parts.next()? != b"kubepods" {
        return None;
    }
    let mut part = parts.next()?;
    if matches!(part, b"burstable" | b"besteffort" | b"guaranteed") {
        part = parts.next()?;
    }
    let uid = part.strip_prefix(b"pod").filter(|uid| !uid.is_empty())?;
    let text = parts.peek().unwrap_or_default();
    let id = prefixed(text).map_or(text, |(_, id)| id);
    if !name::is_container_id(id) {
        return Some(kubernetes(uid, None, parts, scope));
    }
    parts.next();
    Some(kubernetes(uid, Some(id), parts, scope))
}

fn kubernetes(uid: &[u8], id: Option<&[u8]>, below: Parts<'_>, scope: Scope) -> Owner {
    let pod: Vec<u8> = uid
        .iter()
        .map(|&byte| if byte == b'_' { b'-' } else { byte })
        .collect();
    let mut owner = contained_by(Runtime::Kubernetes, id.unwrap_or(&pod), scope);
    owner.pod = Some(Bytes(pod));
    booted(owner, below)
}
