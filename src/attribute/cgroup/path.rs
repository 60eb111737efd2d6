//! The components of a group's path, and the slices it starts with.

#![forbid(unsafe_code)]

use super::name;

/// Components of a path, from the root downwards.
#[derive(Debug, Clone, Copy)]
pub(super) struct Parts<'a> {
    rest: &'a [u8],
}

impl<'a> Parts<'a> {
    pub(super) fn new(path: &'a [u8]) -> Self {
        let mut parts = Self { rest: path };
        parts.trim();
        parts
    }

    pub(super) fn is_empty(self) -> bool {
        self.rest.is_empty()
    }

    /// The next component, which stays.
    pub(super) fn peek(mut self) -> Option<&'a [u8]> {
        self.next()
    }

    /// Drops the leading components that are called so.
    pub(super) fn drop_leading(&mut self, name: &[u8]) {
        while self.peek() == Some(name) {
            self.next();
        }
    }

    fn trim(&mut self) {
        while let Some(rest) = self.rest.strip_prefix(b"/") {
            self.rest = rest;
        }
    }
}

impl<'a> Iterator for Parts<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.rest.is_empty() {
            return None;
        }
        let end = self.rest.iter().position(|&byte| byte == b'/');
        let (part, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        self.trim();
        Some(part)
    }
}

/// What the slices above the deciding component say.
#[derive(Debug, Default)]
pub(super) struct Slices<'a> {
    /// The innermost slice, without `.slice`.
    last: Option<&'a [u8]>,
    /// The pod whose slice it is.
    pub(super) pod: Option<Pod<'a>>,
}

/// A pod, as the name of its slice tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pod<'a> {
    /// The uid, in which `-` is written `_`.
    Kubernetes(&'a [u8]),
    /// The pod's id.
    Podman(&'a [u8]),
}

impl<'a> Slices<'a> {
    /// Takes all leading slices.
    pub(super) fn take(mut parts: Parts<'a>) -> (Self, Parts<'a>) {
        let mut slices = Self::default();
        while let Some(stem) = parts
            .peek()
            .and_then(|part| name::slice_stem(name::unescape_group(part)))
        {
            slices.last = Some(stem);
            slices.pod = slices.pod.or_else(|| Pod::of_slice(stem));
            parts.next();
        }
        (slices, parts)
    }

    /// The user whose slice it is.
    pub(super) fn user(&self) -> Option<u32> {
        name::uid(self.last?.strip_prefix(b"user-")?)
    }

    /// Whether the innermost slice is this one.
    pub(super) fn ends_in(&self, stem: &[u8]) -> bool {
        self.last == Some(stem)
    }
}

impl<'a> Pod<'a> {
    /// `kubepods-burstable-pod1234_5678`, `machine-libpod_pod_0123…`.
    pub(super) fn of_slice(stem: &'a [u8]) -> Option<Self> {
        let mut levels = stem.rsplit(|&byte| byte == b'-');
        let own = levels.next()?;
        if let Some(id) = own.strip_prefix(b"libpod_pod_") {
            return name::is_container_id(id).then_some(Self::Podman(id));
        }
        let uid = own.strip_prefix(b"pod").filter(|uid| !uid.is_empty())?;
        levels
            .any(|level| level == b"kubepods")
            .then_some(Self::Kubernetes(uid))
    }
}
