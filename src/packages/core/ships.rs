//! What a package brings, told by the names and places of its files: pure, for nobody opens them.
//!
//! Code of a package is what processes show when they run an old one. What is in doubt counts as data: then nothing speaks
//! against the list that names the package.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use crate::model::Ships;

/// Files that belong to nothing that runs, by the directory of `share` that they lie in.
const DOCUMENTATION: [&str; 7] = [
    "bug", "doc", "doc-base", "info", "licenses", "lintian", "man",
];
/// Directories of `lib` that hold no code of processes, whatever their files are called. Kernels keep `vdso64.so` there.
const DATA: [&str; 5] = ["debug", "firmware", "locale", "modules", "terminfo"];

/// What a package of this name brings that owns these paths, directories among them.
pub(super) fn ships(package: &str, paths: &[PathBuf]) -> Ships {
    let above: HashSet<&Path> = paths.iter().filter_map(|path| path.parent()).collect();
    let is_file = |place: &&Place<'_>| !above.contains(place.path);
    let places: Vec<Place<'_>> = paths.iter().filter_map(|path| Place::of(path)).collect();
    let files: Vec<&Place<'_>> = places.iter().filter(is_file).collect();
    let is_text = paths.iter().all(|path| path.to_str().is_some());
    if is_text && files.iter().all(|file| file.is_documentation()) {
        return Ships::Nothing;
    }
    // What the kernel loads is the point of a package then: its programs put that in place, and run no longer
    // (microcode_ctl of RHEL).
    let is_for_kernel = || files.iter().any(|file| file.is_for_kernel());
    let has_helper = || files.iter().any(|file| file.is_helper(package));
    if files.iter().any(|file| file.is_run_or_linked()) || has_helper() && !is_for_kernel() {
        Ships::Code
    } else {
        Ships::Data
    }
}

/// Where a file lies.
struct Place<'a> {
    path: &'a Path,
    name: &'a str,
    /// From the top; `/usr` is left out, as it is merged or will be.
    directories: Vec<&'a str>,
}

impl<'a> Place<'a> {
    /// `None` if it is no path of a file, or not in UTF-8.
    fn of(path: &'a Path) -> Option<Self> {
        let text = path.to_str()?;
        let mut directories: Vec<&str> = text.split('/').filter(|part| !part.is_empty()).collect();
        let name = directories.pop()?;
        if directories.first() == Some(&"usr") {
            directories.remove(0);
        }
        Some(Self {
            path,
            name,
            directories,
        })
    }

    fn is_documentation(&self) -> bool {
        match self.directories[..] {
            ["share", below, ..] => DOCUMENTATION.contains(&below),
            // `/usr`, `/lib64`: no package has its files there.
            [] => true,
            _ => false,
        }
    }

    /// Firmware, microcode, modules, the kernel.
    fn is_for_kernel(&self) -> bool {
        matches!(
            self.directories[..],
            ["boot", ..] | ["lib", "firmware" | "modules", ..] | ["share", "microcode_ctl", ..]
        )
    }

    /// Whether nothing of it runs as a process, whatever it is called.
    fn is_data(&self) -> bool {
        match self.directories[..] {
            ["share" | "boot" | "etc", ..] => true,
            [top, below, ..] => {
                // `.build-id` has links to what has other names as well.
                is_library_directory(top) && (DATA.contains(&below) || below.starts_with('.'))
            }
            _ => false,
        }
    }

    /// A program where programs are, or a library that programs load. A link for linkers, `libx.so`, is not.
    fn is_run_or_linked(&self) -> bool {
        let last = self.directories.last().copied().unwrap_or_default();
        let is_linkers = || {
            let is_at_top = is_library_directory(last) || last.contains("-linux-");
            is_at_top && self.name.starts_with("lib")
        };
        let is_library =
            self.name.contains(".so.") || (self.name.ends_with(".so") && !is_linkers());
        let mut above = self.directories.iter();
        let is_run = matches!(last, "bin" | "sbin");
        !self.is_data() && (is_run || is_library && above.any(|part| is_library_directory(part)))
    }

    /// A program that other programs start: below `libexec`, or in a directory of its package below `lib`, as Debian has
    /// it: `/usr/lib/dbus-1.0/dbus-daemon-launch-helper`, `/usr/lib/x86_64-linux-gnu/glib-2.0/gio-launch-desktop`.
    fn is_helper(&self, package: &str) -> bool {
        // Rules, units, tables and texts have an ending, or shout.
        let is_program = !self.name.contains('.') && self.name.contains(|c: char| c.is_lowercase());
        let is_inside = match self.directories[..] {
            ["libexec", ..] => true,
            [top, arch, below, ..] if is_library_directory(top) && arch.contains("-linux-") => {
                is_directory_of(package, below)
            }
            [top, below, ..] => is_library_directory(top) && is_directory_of(package, below),
            _ => false,
        };
        is_program && is_inside && !self.is_data()
    }
}

/// `lib`, `lib64`, `libx32`.
fn is_library_directory(name: &str) -> bool {
    name.starts_with("lib") && name != "libexec"
}

/// Whether a directory is called as a package or its source is: `dbus-1.0` of dbus, `udev` of systemd-udev.
fn is_directory_of(package: &str, directory: &str) -> bool {
    let end = directory.find(|c: char| !c.is_ascii_alphabetic());
    let stem = &directory[..end.unwrap_or(directory.len())];
    !stem.is_empty() && package.contains(stem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(package: &str, paths: &str, expected: Ships) {
        let paths: Vec<PathBuf> = paths.split_whitespace().map(PathBuf::from).collect();
        assert_eq!(ships(package, &paths), expected, "{package}");
    }

    #[test]
    fn t9_17_what_is_code() {
        #[track_caller]
        fn check_one(path: &str, expected: bool) {
            let expected = if expected { Ships::Code } else { Ships::Data };
            check("x", path, expected);
        }
        check_one("/usr/lib64/libc.so.6", true);
        check_one("/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2", true);
        check_one("/lib/x86_64-linux-gnu/security/pam_unix.so", true);
        check_one("/usr/lib64/libssl.so", false);
        check_one("/usr/lib/x86_64-linux-gnu/libssl.so", false);
        check_one("/usr/lib64/engines-3/afalg.so", true);
        check_one("/usr/sbin/sshd", true);
        check_one("/opt/x/bin/xd", true);
        check_one("/usr/libexec/dbus/dbus-daemon-launch-helper", true);
        check_one("/usr/lib/modules/6.1/kernel/fs/ext4.ko", false);
        check_one("/usr/lib/modules/6.1/vmlinuz", false);
        check_one("/lib/modules/6.1/vdso/vdso64.so", false);
        check_one("/usr/lib/firmware/a.bin", false);
        check_one("/usr/lib/debug/usr/bin/x", false);
        check_one("/usr/lib/.build-id/0a/bd7c01", false);
        check_one("/usr/share/x/libc.so.6", false);
        check_one("/etc/dbus-1/system.conf", false);
        check_one("/etc/init.d/x", false);
    }

    #[test]
    fn t9_17_helpers_lie_in_directories_of_their_package() {
        check("polkitd", "/usr/lib/polkit-1/polkitd", Ships::Code);
        check(
            "openssh-server",
            "/usr/lib/openssh/sftp-server",
            Ships::Code,
        );
        check("systemd-udev", "/usr/lib/udev/ata_id", Ships::Code);
        let in_arch = "/usr/lib/aarch64-linux-gnu/glib-2.0/gio-launch-desktop";
        check("libglib2.0-0t64", in_arch, Ships::Code);
        check(
            "systemd",
            "/usr/lib/systemd/system/dbus.service",
            Ships::Data,
        );
        check("systemd", "/usr/lib/sysctl.d/README", Ships::Data);
        check("systemd", "/usr/lib/systemd/README", Ships::Data);
        check("filesystem", "/usr/lib/games", Ships::Data);
        check(
            "glibc-locale",
            "/usr/lib/locale/de_DE/measurement",
            Ships::Data,
        );
        check("x", "/usr/lib/1/y", Ships::Data);
    }

    /// As `dpkg -L` shows them, of Debian 12, each kind of file once.
    #[test]
    fn t9_17_packages_of_debian() {
        check("dbus",
            "/. /etc /etc/default /etc/default/dbus /etc/init.d /etc/init.d/dbus /lib /lib/systemd /lib/systemd/system
             /lib/systemd/system/dbus.service /lib/systemd/system/multi-user.target.wants /usr /usr/lib /usr/lib/dbus-1.0
             /usr/lib/dbus-1.0/dbus-daemon-launch-helper /usr/share /usr/share/bug /usr/share/bug/dbus
             /usr/share/bug/dbus/control /usr/share/doc /usr/share/doc/dbus /usr/share/doc/dbus/copyright /var /var/lib
             /var/lib/dbus /lib/systemd/system/multi-user.target.wants/dbus.service", Ships::Code);
        check("dbus-daemon",
            "/. /usr /usr/bin /usr/bin/dbus-daemon /usr/bin/dbus-run-session /usr/lib /usr/lib/tmpfiles.d
             /usr/lib/tmpfiles.d/dbus.conf /usr/share /usr/share/doc /usr/share/doc/dbus-daemon/copyright", Ships::Code);
        check("systemd",
            "/. /bin /bin/systemctl /lib /lib/lsb/init-functions.d/40-systemd /lib/systemd /lib/systemd/systemd
             /lib/systemd/system-generators/systemd-fstab-generator /lib/systemd/network/80-wifi-adhoc.network", Ships::Code);
        check("udev",
            "/. /lib /lib/systemd/network/99-default.link /lib/udev /lib/udev/ata_id /lib/modprobe.d/fbdev-blacklist.conf
             /usr/share/initramfs-tools/hooks/udev", Ships::Code);
        check("libc6",
            "/. /etc /etc/ld.so.conf.d /etc/ld.so.conf.d/x86_64-linux-gnu.conf /lib /lib/x86_64-linux-gnu
             /lib/x86_64-linux-gnu/libc.so.6 /lib64 /lib64/ld-linux-x86-64.so.2 /usr/lib/x86_64-linux-gnu/gconv/BRF.so",
            Ships::Code);
        check("linux-image-6.1.0-56-cloud-amd64",
            "/. /boot /boot/System.map-6.1.0-56-cloud-amd64 /boot/config-6.1.0-56-cloud-amd64
             /boot/vmlinuz-6.1.0-56-cloud-amd64 /lib /lib/modules /lib/modules/6.1.0-56-cloud-amd64
             /lib/modules/6.1.0-56-cloud-amd64/modules.builtin /lib/modules/6.1.0-56-cloud-amd64/kernel/fs/ext4/ext4.ko
             /usr /usr/share /usr/share/bug/linux-image-6.1.0-56-cloud-amd64/script", Ships::Data);
        check(
            "linux-image-6.1.0-56-arm64",
            "/boot/vmlinuz-6.1.0-56-arm64 /usr/lib/linux-image-6.1.0-56-arm64/broadcom/bcm2711-rpi-4-b.dtb",
            Ships::Data,
        );
        check("linux-image-cloud-amd64",
            "/. /usr /usr/share /usr/share/bug /usr/share/bug/linux-image-cloud-amd64
             /usr/share/bug/linux-image-cloud-amd64/presubj /usr/share/doc /usr/share/doc/linux-image-cloud-amd64",
            Ships::Nothing);
    }

    /// As packages of EL 9 and Fedora ship them, from memory: each kind of file once.
    #[test]
    fn t9_17_packages_of_rhel() {
        // Without files, since dbus-broker: rpm says nothing.
        check("dbus", "", Ships::Nothing);
        check(
            "dbus-daemon",
            "/usr/bin/dbus-daemon /usr/lib/.build-id /usr/lib/.build-id/1f /usr/lib/.build-id/1f/ab
             /usr/libexec/dbus-1 /usr/libexec/dbus-1/dbus-daemon-launch-helper",
            Ships::Code,
        );
        check("dbus-common",
            "/etc/dbus-1 /etc/dbus-1/system.conf /usr/lib/systemd/system/dbus.socket /usr/lib/sysusers.d/dbus.conf
             /usr/share/dbus-1/system.conf", Ships::Data);
        check(
            "linux-firmware",
            "/usr/lib/firmware /usr/lib/firmware/amd-ucode /usr/lib/firmware/amd-ucode/README
             /usr/lib/firmware/amd-ucode/microcode_amd.bin.xz /usr/lib/firmware/rtl_bt/rtl8723b_fw
             /usr/share/licenses/linux-firmware/GPL-2",
            Ships::Data,
        );
        check("kernel", "", Ships::Nothing);
        check("kernel-core",
            "/boot/.vmlinuz-5.14.0-427.el9.x86_64.hmac /etc/ld.so.conf.d/kernel-5.14.0-427.el9.x86_64.conf
             /lib/modules/5.14.0-427.el9.x86_64 /lib/modules/5.14.0-427.el9.x86_64/vmlinuz
             /lib/modules/5.14.0-427.el9.x86_64/kernel/fs/ext4/ext4.ko.xz
             /lib/modules/5.14.0-427.el9.x86_64/vdso /lib/modules/5.14.0-427.el9.x86_64/vdso/vdso64.so
             /usr/share/licenses/kernel-core/COPYING-5.14.0-427.el9", Ships::Data);
        check("microcode_ctl",
            "/etc/microcode_ctl /etc/microcode_ctl/ucode_with_caveats /usr/lib/dracut/dracut.conf.d/01-microcode.conf
             /usr/lib/dracut/modules.d/99microcode_ctl-fw_dir_override/module-setup.sh
             /usr/lib/systemd/system-preset/40-microcode.preset /usr/lib/systemd/system/microcode.service
             /usr/libexec/microcode_ctl /usr/libexec/microcode_ctl/check_caveats /usr/libexec/microcode_ctl/update_ucode
             /usr/share/doc/microcode_ctl/README
             /usr/share/microcode_ctl/ucode_with_caveats/intel/intel-ucode/06-55-04", Ships::Data);
        check(
            "gnutls",
            "/usr/lib/.build-id/12/34 /usr/lib64/libgnutls.so.30 /usr/lib64/libgnutls.so.30.37.1
             /usr/share/licenses/gnutls/LICENSE",
            Ships::Code,
        );
        check("openssl-libs",
            "/etc/pki/tls /etc/pki/tls/openssl.cnf /usr/lib64/engines-3/afalg.so /usr/lib64/libssl.so.3
             /usr/lib64/.libssl.so.3.0.7.hmac", Ships::Code);
    }
}
