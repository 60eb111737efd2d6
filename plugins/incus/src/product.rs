//! Incus and its elder, in which directories, with which command.

#![forbid(unsafe_code)]

use unstale_plugin::instance::{self, lxc};
use unstale_plugin::{FileView, Process, Refused, Root};

/// A daemon that may be installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Product {
    /// Its directory.
    pub(crate) directory: &'static str,
    /// Where it puts what belongs to a running virtual machine.
    run: &'static str,
    /// Its `[restart.NAME]`.
    pub(crate) template: &'static str,
}

/// All that there are.
pub(crate) const PRODUCTS: [Product; 3] = [
    Product {
        directory: "/var/lib/incus",
        run: "/run/incus",
        template: "incus",
    },
    Product {
        directory: "/var/snap/lxd/common/lxd",
        run: "/var/snap/lxd/common/lxd/logs",
        template: "lxd-snap",
    },
    Product {
        directory: "/var/lib/lxd",
        run: "/var/log/lxd",
        template: "lxd",
    },
];

/// What kind of instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sort {
    Container,
    VirtualMachine,
}

impl Sort {
    fn directory(self) -> &'static str {
        match self {
            Sort::Container => "containers",
            Sort::VirtualMachine => "virtual-machines",
        }
    }
}

impl Product {
    /// The path of an instance: a link into the storage pool.
    fn link(self, sort: Sort, full_name: &[u8]) -> Vec<u8> {
        let below = format!("{}/{}/", self.directory, sort.directory());
        [below.as_bytes(), full_name].concat()
    }

    /// Whether it has an instance of this name, its project included.
    pub(crate) fn has(self, sort: Sort, full_name: &[u8], files: &dyn FileView) -> bool {
        let link = files.read_link(Root::Host, &self.link(sort, full_name));
        !matches!(link, Err(Refused::Missing | Refused::Denied))
    }

    /// The instance's `backup.yaml`, which the daemon writes for itself.
    pub(crate) fn backup(
        self,
        sort: Sort,
        full_name: &[u8],
        files: &dyn FileView,
    ) -> Option<Vec<u8>> {
        let place = files
            .read_link(Root::Host, &self.link(sort, full_name))
            .ok()?;
        // Nowhere but to where the daemon would put it.
        let inside = place.strip_prefix(self.directory.as_bytes())?;
        if !inside.starts_with(b"/storage-pools/") || inside.windows(3).any(|part| part == b"/..") {
            return None;
        }
        let path = [place.as_slice(), b"/backup.yaml"].concat();
        files.read(Root::Host, &path).ok()
    }
}

/// The product and full name that a monitor's title tells: `[lxc monitor] /var/lib/incus/containers shop_web1`.
pub(crate) fn monitored(process: &Process) -> Option<(Product, &[u8])> {
    let (path, name) = lxc::monitored(process)?;
    let directory = path.strip_suffix(b"/containers")?;
    let product = PRODUCTS
        .into_iter()
        .find(|product| product.directory.as_bytes() == directory)?;
    Some((product, name))
}

/// The product and full name that QEMU's arguments tell: `-readconfig /run/incus/shop_vm1/qemu.conf`.
pub(crate) fn virtual_machine(process: &Process) -> Option<(Product, &[u8])> {
    let config = instance::option(&process.argv, b"-readconfig")?;
    let directory = config.strip_suffix(b"/qemu.conf")?;
    PRODUCTS.into_iter().find_map(|product| {
        let name = directory
            .strip_prefix(product.run.as_bytes())?
            .strip_prefix(b"/")?;
        (!name.contains(&b'/')).then_some((product, name))
    })
}

/// `shop_web1` → `shop` and `web1`; without a project it is `default`. Neither may hold a `_`.
pub(crate) fn split(full_name: &[u8]) -> (&[u8], &[u8]) {
    match full_name.iter().position(|&byte| byte == b'_') {
        Some(at) => (&full_name[..at], &full_name[at + 1..]),
        None => (b"default", full_name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t7_30_projects() {
        for (full, project, name) in [
            ("web1", "default", "web1"),
            ("shop_web1", "shop", "web1"),
            ("user-1000_c1", "user-1000", "c1"),
            ("a_b_c", "a", "b_c"),
            ("_x", "", "x"),
        ] {
            assert_eq!(
                split(full.as_bytes()),
                (project.as_bytes(), name.as_bytes())
            );
        }
    }
}
