//! `reboot-hint` on whole systems: a kernel that is upgraded, booted, rebuilt and removed; core packages under running
//! services; flags; clocks that move.
//!
//! The kernels are real: a virtual machine boots what its boot loader chooses, and what was said to be next is held
//! against what comes up. Where no machine is booted, the running kernel is a recorded `/proc`, and the root is one in
//! which apt installed, upgraded and removed kernels.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, io};

use serde_json::Value;

use crate::dialects::assert_kernel;
use crate::machine::{Clock, Ended, Image, Machine, finish, lab_is_here, must, work};
use crate::vm::{Vm, program, root_tarball};

const PROGRAM: &str = "/usr/local/bin/unstale";
const HINT: [&str; 3] = [PROGRAM, "reboot-hint", "--json"];

/// What `reboot-hint --json` said.
#[derive(Debug)]
struct Hint {
    code: Option<i32>,
    complete: bool,
    problems: Value,
    reboot: Value,
}

impl Hint {
    #[track_caller]
    fn read(ended: &Ended) -> Self {
        let mut json: Value = serde_json::from_str(&ended.stdout).unwrap_or_else(|error| {
            panic!(
                "exit {:?}, not JSON ({error}):\n{}\n{}",
                ended.code, ended.stdout, ended.stderr
            )
        });
        assert_eq!(json["schema"], 1, "schema of {json}");
        Self {
            code: ended.code,
            complete: json["complete"] == true,
            problems: json["problems"].take(),
            reboot: json["reboot"].take(),
        }
    }

    #[track_caller]
    fn assert_complete(&self) {
        assert!(self.complete, "incomplete: {:#}", self.problems);
        assert_eq!(self.code, Some(0), "exit code of a complete answer");
    }

    fn level(&self) -> &str {
        self.reboot["level"].as_str().unwrap_or("?")
    }

    fn kernel(&self) -> &str {
        self.reboot["kernel"]["verdict"].as_str().unwrap_or("?")
    }

    /// The release that would boot.
    fn next(&self) -> Option<&str> {
        self.reboot["kernel"]["next"]["release"].as_str()
    }

    fn causes(&self) -> &[Value] {
        self.reboot["causes"].as_array().map_or(&[], Vec::as_slice)
    }

    fn notes(&self) -> &[Value] {
        self.reboot["notes"].as_array().map_or(&[], Vec::as_slice)
    }

    /// The causes of a rule, or of all whose name begins so.
    fn of_rule<'a>(&'a self, rule: &'a str) -> impl Iterator<Item = &'a Value> + 'a {
        let begins = move |cause: &&Value| {
            cause["rule"].as_str().is_some_and(|name| {
                name == rule
                    || name
                        .strip_prefix(rule)
                        .is_some_and(|rest| rest.starts_with('.'))
            })
        };
        self.causes().iter().filter(begins)
    }

    /// Everything that is said of a package: rule, level, version before and after, time.
    fn of_package<'a>(&'a self, name: &'a str) -> impl Iterator<Item = Named<'a>> + 'a {
        self.causes()
            .iter()
            .chain(self.notes())
            .flat_map(move |cause| {
                let packages = cause["packages"].as_array().map_or(&[][..], Vec::as_slice);
                packages
                    .iter()
                    .filter(move |package| package["name"] == name)
                    .map(move |package| Named { cause, package })
            })
    }

    /// What must not depend on how and when somebody asks: levels, verdicts, rules and packages. Sentences may; so may
    /// what a log says of an older version, which it does by a clock that was another one then.
    fn verdicts(&self) -> BTreeSet<String> {
        let mut all = BTreeSet::from([
            format!("level {}", self.level()),
            format!("kernel {} next {:?}", self.kernel(), self.next()),
            format!("microcode {}", self.reboot["microcode"]["verdict"]),
        ]);
        for (kind, list) in [("cause", self.causes()), ("note", self.notes())] {
            all.extend(list.iter().map(|cause| {
                let packages = cause["packages"].as_array().into_iter().flatten();
                let packages =
                    packages.map(|package| format!(" {} {}", package["name"], package["new"]));
                let packages: String = packages.collect();
                format!("{kind} {} {}{packages}", cause["rule"], cause["level"])
            }));
        }
        all
    }
}

/// A package where it is named.
struct Named<'a> {
    cause: &'a Value,
    package: &'a Value,
}

#[track_caller]
fn assert_same(a: &Hint, b: &Hint, when: &str) {
    assert_eq!(a.verdicts(), b.verdicts(), "another verdict {when}: {b:#?}");
}

/// Who sees no other processes can say nothing of them; what is said of the kernel is the same.
#[track_caller]
fn assert_kernel_same(a: &Hint, b: &Hint, when: &str) {
    let kernel = |hint: &Hint| {
        let rules: Vec<_> = hint.of_rule("kernel").cloned().collect();
        (
            hint.level().to_owned(),
            hint.reboot["kernel"].clone(),
            rules,
        )
    };
    assert_eq!(kernel(a), kernel(b), "another verdict {when}: {b:#?}");
}

// --- a virtual machine ---

fn hint_in(vm: &Vm) -> Hint {
    let hint = Hint::read(&vm.run(&HINT));
    eprintln!("{} {:?}: {:#}", hint.kernel(), hint.next(), hint.reboot);
    hint.assert_complete();
    hint
}

fn release(vm: &Vm) -> String {
    vm.shell("uname -r").trim().to_owned()
}

/// The version of an installed package.
fn version(vm: &Vm, package: &str) -> String {
    vm.shell(&format!("dpkg-query -W -f '${{Version}}' {package}"))
}

/// Reboots, and holds what was said to be next against what runs then.
#[track_caller]
fn reboot(vm: &Vm, before: &Hint) -> Hint {
    let said = before.next().map(str::to_owned);
    vm.reboot();
    assert_eq!(
        said,
        Some(release(vm)),
        "another kernel came up than was said"
    );
    let after = hint_in(vm);
    assert_eq!(
        after.reboot["kernel"]["running"]["release"].as_str(),
        said.as_deref()
    );
    after
}

#[test]
fn t9_05_a_kernel_is_upgraded_booted_and_removed() {
    if !lab_is_here() {
        return;
    }
    let vm = Vm::boot("kernel");
    vm.shell("update-grub 2>&1");
    let old = (release(&vm), version(&vm, "linux-image-cloud-amd64"));
    let fresh = hint_in(&vm);
    assert_eq!(
        (fresh.kernel(), fresh.level()),
        ("current", "none"),
        "{fresh:#?}"
    );

    vm.shell(
        "DEBIAN_FRONTEND=noninteractive apt-get -y -q install linux-image-cloud-amd64 libc6 2>&1",
    );
    let newer = newer_is_installed(&vm, &old);
    assert_kernel(&vm, "3", "CRIT");
    clocks_and_namespaces(&vm, &newer);

    let current = reboot(&vm, &newer);
    assert_eq!(current.kernel(), "current", "{current:#?}");
    assert_eq!(current.level(), "none", "{current:#?}");
    assert_kernel(&vm, "1", "OK");

    older_is_chosen(&vm, &old.0, &current);

    let running = release(&vm);
    vm.shell(&format!(
        "DEBIAN_FRONTEND=noninteractive apt-get -y -q purge linux-image-{running} 2>&1"
    ));
    let removed = hint_in(&vm);
    assert_eq!(
        (removed.kernel(), removed.level()),
        ("removed", "reboot"),
        "{removed:#?}"
    );
    assert_eq!(removed.next(), Some(old.0.as_str()));
    assert_eq!(removed.of_rule("kernel.removed").count(), 1, "{removed:#?}");
}

/// apt has installed a newer kernel beside the running one.
fn newer_is_installed(vm: &Vm, old: &(String, String)) -> Hint {
    let new = version(vm, "linux-image-cloud-amd64");
    assert_ne!(old.1, new, "the archive has no newer kernel");
    let hint = hint_in(vm);
    assert_eq!(
        (hint.kernel(), hint.level()),
        ("newer", "reboot"),
        "{hint:#?}"
    );
    let next = hint.next().expect("a next kernel").to_owned();
    assert_ne!(next, old.0);
    let causes: Vec<_> = hint.of_rule("kernel.newer").collect();
    let [cause] = causes[..] else {
        panic!("one cause: {hint:#?}")
    };
    let packages = &cause["packages"];
    assert_eq!(
        packages[0]["name"],
        format!("linux-image-{next}"),
        "{cause:#}"
    );
    assert_eq!(packages[0]["old"], old.1.as_str(), "{cause:#}");
    assert_eq!(packages[0]["new"], new.as_str(), "{cause:#}");
    assert!(cause["since"].is_string(), "no time: {cause:#}");
    let libc = version(vm, "libc6");
    let named: Vec<_> = hint.of_package("libc6").collect();
    assert!(
        named
            .iter()
            .any(|named| named.package["new"] == libc.as_str()
                && named.package["old"].is_string()
                && named.cause["since"].is_string()),
        "libc6 with both versions and a time: {hint:#?}"
    );
    hint
}

/// The same machine, asked from elsewhere and at other times. An emulated processor may be too slow for the deadline of a
/// cold disk, and a program that was installed in the future may have been written to since: that is said, and changes no
/// verdict.
fn clocks_and_namespaces(vm: &Vm, before: &Hint) {
    let ask = |command: &[&str]| Hint::read(&vm.run(command));
    vm.shell("sync; echo 2 >/proc/sys/vm/drop_caches");
    assert_same(before, &ask(&HINT), "with dropped caches");
    let inside = ["unshare", "--pid", "--fork", "--mount-proc"];
    assert_kernel_same(
        before,
        &ask(&[&inside[..], &HINT[..]].concat()),
        "in a pid namespace",
    );
    for (when, by) in [
        ("a day later", "date -s '+1 day'"),
        ("a day earlier", "date -s '-2 days'"),
        (
            "with a clock chip in local time",
            "date -s '+1 day'; timedatectl set-timezone Asia/Tokyo; timedatectl set-local-rtc 1",
        ),
    ] {
        vm.shell(by);
        assert_same(before, &ask(&HINT), when);
    }
}

/// Somebody has GRUB boot the older kernel: that is what is next, and it is what comes up.
fn older_is_chosen(vm: &Vm, old: &str, current: &Hint) {
    let entry = "sed -n \"s/^\\tmenuentry .*'\\(gnulinux-$1-advanced-[^']*\\)' {/\\1/p\" /boot/grub/grub.cfg";
    let menu =
        "sed -n \"s/^submenu .*'\\(gnulinux-advanced-[^']*\\)' {/\\1/p\" /boot/grub/grub.cfg";
    vm.shell(&format!(
        "set -- {old}; grub-set-default \"$({menu})>$({entry})\"; cat /boot/grub/grubenv | head -n 3"
    ));
    let older = hint_in(vm);
    assert_eq!(older.kernel(), "older-default", "{older:#?}");
    assert_eq!(older.next(), Some(old), "{older:#?}");
    assert_eq!(older.level(), "none", "{older:#?}");
    vm.shell("grub-editenv - unset saved_entry");
    assert_same(current, &hint_in(vm), "after the choice was taken back");
}

// --- a root without a machine ---

/// A root in which apt does what it does on a machine, and a recorded `/proc`.
struct Root {
    dir: PathBuf,
}

impl Root {
    fn unpack() -> Self {
        let tarball = root_tarball();
        let dir = work()
            .join("vm")
            .join(format!("root-{}", std::process::id()));
        fs::create_dir_all(dir.join("proc")).expect("the work directory can be written");
        let root = Self { dir };
        let mut tar = Command::new("tar");
        tar.arg("-C")
            .arg(&root.dir)
            .args(["--numeric-owner", "-xpf"])
            .arg(tarball);
        must(tar);
        // There is no device below this root that grub-mkconfig could ask for.
        fs::remove_file(root.dir.join("boot/grub/grub.cfg")).expect("the tarball has one");
        root
    }

    fn shell(&self, text: &str) -> String {
        let mut chroot = Command::new("unshare");
        chroot
            .args([
                "--mount",
                "sh",
                "-euc",
                "mount -t proc proc \"$0/proc\"; exec chroot \"$0\" sh -euc \"$1\"",
            ])
            .arg(&self.dir)
            .arg(text)
            .env("DEBIAN_FRONTEND", "noninteractive");
        must(chroot)
    }

    fn version(&self, package: &str) -> String {
        self.shell(&format!("dpkg-query -W -f '${{Version}}' {package}"))
    }

    /// The releases of the installed images.
    fn releases(&self) -> BTreeSet<String> {
        let found = fs::read_dir(self.dir.join("boot")).expect("there is a /boot");
        let names = found.map(|entry| entry.expect("it can be read").file_name());
        let release =
            |name: std::ffi::OsString| name.to_str()?.strip_prefix("vmlinuz-").map(str::to_owned);
        names.filter_map(release).collect()
    }

    /// What a kernel of this image would say of itself in `/proc/version`. Its header (Documentation/arch/x86/boot.rst)
    /// says it without the compiler.
    fn banner(&self, release: &str) -> String {
        let image =
            fs::read(self.dir.join(format!("boot/vmlinuz-{release}"))).expect("it is there");
        assert_eq!(&image[0x202..0x206], b"HdrS");
        let start = usize::from(u16::from_le_bytes([image[0x20e], image[0x20f]])) + 0x200;
        let text = image[start..]
            .split(|&byte| byte == 0)
            .next()
            .expect("one at least");
        let text = String::from_utf8(text.to_vec()).expect("a version is ASCII");
        let (who, build) = text.split_once(") #").expect("RELEASE (BUILDER) #BUILD");
        format!(
            "Linux version {who}) (gcc-12 (Debian 12.2.0-14+deb12u1) 12.2.0, GNU ld (GNU Binutils for Debian) 2.40) #{build}\n"
        )
    }

    /// What is said where that kernel runs.
    fn hint(&self, banner: &str) -> Hint {
        let proc = self.dir.join("srv/proc");
        record(&proc, banner).expect("the root can be written");
        let mut unstale = Command::new(program());
        unstale
            .args(["reboot-hint", "--json", "--root"])
            .arg(&self.dir)
            .arg("--proc")
            .arg(&proc);
        let hint = Hint::read(&finish(unstale));
        eprintln!(
            "{banner}{} {:?}: {:#}",
            hint.kernel(),
            hint.next(),
            hint.reboot
        );
        hint.assert_complete();
        hint
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.dir).ok();
    }
}

/// A `/proc` of a machine that runs this kernel and nothing else.
fn record(proc: &Path, banner: &str) -> io::Result<()> {
    let release = banner.split(' ').nth(2).unwrap_or_default();
    fs::create_dir_all(proc.join("sys/kernel/random"))?;
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |now| now.as_secs());
    for (name, text) in [
        ("version", banner.to_owned()),
        ("cmdline", "root=/dev/vda ro quiet\n".to_owned()),
        (
            "cpuinfo",
            "processor\t: 0\nflags\t\t: fpu hypervisor\n".to_owned(),
        ),
        (
            "stat",
            format!("cpu  1 1 1 1 0 0 0 0 0 0\nbtime {}\n", now - 3600),
        ),
        ("uptime", "3600.00 7200.00\n".to_owned()),
        ("sys/kernel/osrelease", format!("{release}\n")),
        (
            "sys/kernel/random/boot_id",
            "3f1c7e52-2c5e-4a3f-9f4e-0d1f5a9b7c11\n".to_owned(),
        ),
    ] {
        fs::write(proc.join(name), text)?;
    }
    Ok(())
}

#[test]
fn t9_05_verdicts_on_a_recorded_kernel() {
    if !lab_is_here() {
        return;
    }
    let root = Root::unpack();
    let old = root.releases().pop_first().expect("a kernel is installed");
    let (old_banner, old_version) = (root.banner(&old), root.version("linux-image-cloud-amd64"));
    assert_eq!(root.hint(&old_banner).kernel(), "current");

    root.shell("apt-get -y -q install linux-image-cloud-amd64 2>&1");
    let new = root
        .releases()
        .into_iter()
        .find(|name| *name != old)
        .expect("a newer kernel");
    let (new_banner, new_version) = (root.banner(&new), root.version("linux-image-cloud-amd64"));
    let newer = root.hint(&old_banner);
    assert_eq!(
        (newer.kernel(), newer.level(), newer.next()),
        ("newer", "reboot", Some(new.as_str()))
    );
    let package = format!("linux-image-{new}");
    let named = newer
        .of_package(&package)
        .next()
        .expect("the package is named");
    assert_eq!(named.package["old"], old_version.as_str());
    assert_eq!(named.package["new"], new_version.as_str());
    // it was booted
    let current = root.hint(&new_banner);
    assert_eq!(
        (current.kernel(), current.level()),
        ("current", "none"),
        "{current:#?}"
    );

    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lab");
    let mut rebuild = Command::new(here.join("vm-rebuild.sh"));
    rebuild.arg(&root.dir).arg(&package);
    let rebuilt_version = must(rebuild);
    root.shell("o='-o Dir::Etc::sourcelist=/etc/apt/sources.list.d/lab.list -o Dir::Etc::sourceparts=- -o APT::Get::List-Cleanup=0'
        apt-get -q $o update 2>&1; apt-get -y -q $o upgrade 2>&1");
    let rebuilt = root.hint(&new_banner);
    assert_eq!(
        (rebuilt.kernel(), rebuilt.level()),
        ("rebuilt", "reboot"),
        "{rebuilt:#?}"
    );
    let named = rebuilt
        .of_package(&package)
        .next()
        .expect("the package is named");
    assert_eq!(named.package["old"], new_version.as_str());
    assert_eq!(named.package["new"], rebuilt_version.trim());
    assert_eq!(
        root.hint(&root.banner(&new)).kernel(),
        "current",
        "the rebuild was booted"
    );

    root.shell(&format!("apt-get -y -q purge {package} 2>&1"));
    let removed = root.hint(&new_banner);
    assert_eq!(
        (removed.kernel(), removed.level()),
        ("removed", "reboot"),
        "{removed:#?}"
    );
    assert_eq!(removed.next(), Some(old.as_str()));
}

// --- containers ---

fn hint_of(machine: &Machine) -> Hint {
    let hint = Hint::read(&machine.run(&HINT));
    eprintln!("{:#}", hint.reboot);
    hint.assert_complete();
    assert_eq!(
        hint.kernel(),
        "not-applicable",
        "a container has no kernel of its own"
    );
    assert_eq!(hint.reboot["microcode"]["verdict"], "not-applicable");
    assert_eq!(
        hint.of_rule("kernel").count() + hint.of_rule("microcode").count(),
        0
    );
    hint
}

fn kured(machine: &Machine) -> Option<i32> {
    machine.run(&[PROGRAM, "reboot-hint", "--kured"]).code
}

/// Flags of others, from their making to their end.
fn flags(machine: &Machine) {
    assert_eq!(kured(machine), Some(1));
    machine.shell("echo '*** System restart required ***' >/run/reboot-required; printf 'linux-base\\nlibc6\\nlibc6\\n' >/run/reboot-required.pkgs");
    let hint = hint_of(machine);
    assert_eq!(hint.level(), "reboot");
    let flags: Vec<_> = hint.of_rule("flag").collect();
    let [flag] = flags[..] else {
        panic!("one flag: {hint:#?}")
    };
    let names: Vec<_> = flag["packages"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|one| one["name"].as_str())
        .collect();
    assert_eq!(
        names,
        [Some("linux-base"), Some("libc6")],
        "each once, in their order"
    );
    assert!(flag["since"].is_string(), "{flag:#}");
    assert_eq!(kured(machine), Some(0));
    machine.shell("rm /run/reboot-required /run/reboot-required.pkgs");
    assert_eq!(kured(machine), Some(1));
    assert_eq!(hint_of(machine).level(), "none");
}

/// The same container, asked from elsewhere.
fn asked_from_elsewhere(machine: &Machine, before: &Hint) {
    assert!(
        fs::write("/proc/sys/vm/drop_caches", "2").is_ok(),
        "root may drop caches"
    );
    assert_same(before, &hint_of(machine), "with dropped caches");
    for shift in ["86400", "-30"] {
        let ended = machine.run(&[
            "unshare",
            "--time",
            "--boottime",
            shift,
            "--fork",
            PROGRAM,
            "reboot-hint",
            "--json",
        ]);
        assert_same(before, &Hint::read(&ended), "with another boot time");
    }
}

/// What is said of a package must hold both of its versions and a time.
#[track_caller]
fn assert_upgraded(hint: &Hint, name: &str, old: Option<&String>, new: Option<&String>) {
    let named: Vec<_> = hint.of_package(name).collect();
    let whole = |named: &Named<'_>| {
        named.package["old"].as_str() == old.map(String::as_str)
            && named.package["new"].as_str() == new.map(String::as_str)
            && named.cause["since"].is_string()
    };
    assert!(
        named.iter().any(whole),
        "{name} {old:?} -> {new:?} with a time: {hint:#?}"
    );
}

fn core_packages(name: &str, image: Image, bus: &str, level: &str) {
    let machine = Machine::boot(name, image, Clock::OwnBoot);
    let fresh = hint_of(&machine);
    assert_eq!(fresh.level(), "none", "{fresh:#?}");
    flags(&machine);
    let old = machine.versions();
    machine.script("upgrade.sh", &[], &[]);
    let by_archive = machine.versions();
    let left = |package: &&str| old.get(*package) == by_archive.get(*package);
    let left: Vec<&str> = ["libc6", bus].into_iter().filter(left).collect();
    if !left.is_empty() {
        machine.script("bump-deb.sh", &["-c"], &left);
    }
    let new = machine.versions();
    let hint = hint_of(&machine);
    assert_eq!(hint.level(), level, "{hint:#?}");
    // systemd's packages want each other in the very same version: the archive has newer ones, or there are none
    for package in ["libc6", bus, "systemd"] {
        if old.get(package) == new.get(package) {
            assert_eq!(package, "systemd", "was not upgraded");
        } else {
            assert_upgraded(&hint, package, old.get(package), new.get(package));
        }
    }
    let asks = |cause: &&Value| {
        cause["level"] == level
            && cause["why"]
                .as_str()
                .is_some_and(|why| why.contains("dbus"))
    };
    assert!(
        hint.causes().iter().any(|cause| asks(&cause)),
        "dbus asks for it: {hint:#?}"
    );
    assert_eq!(kured(&machine), Some(i32::from(level != "reboot")));
    asked_from_elsewhere(&machine, &hint);

    machine.script("reboot.sh", &[], &[]);
    let after = hint_of(&machine);
    assert_eq!(after.level(), "none", "{after:#?}");
    assert_eq!(kured(&machine), Some(1));
}

#[test]
fn t9_17_core_packages_debian12() {
    if lab_is_here() {
        core_packages("hint12", Image::Bookworm, "dbus-daemon", "reboot");
    }
}

#[test]
fn t9_17_core_packages_debian13() {
    if lab_is_here() {
        core_packages("hint13", Image::Trixie, "dbus-daemon", "soft-reboot");
    }
}

#[test]
fn t9_17_core_packages_rpm() {
    if !lab_is_here() {
        return;
    }
    let machine = Machine::boot("hintrpm", Image::RpmWorld, Clock::OwnBoot);
    assert_eq!(hint_of(&machine).level(), "none");
    assert_eq!(kured(&machine), Some(1));
    let old = machine.versions();
    machine.ask(&["dnf", "-y", "-q", "--enablerepo=lab-updates", "upgrade"]);
    let new = machine.versions();
    let hint = hint_of(&machine);
    assert_eq!(hint.level(), "reboot", "{hint:#?}");
    for package in ["glibc", "systemd", "dbus-daemon"] {
        assert_ne!(
            old.get(package),
            new.get(package),
            "the repository has no newer {package}"
        );
        assert_upgraded(&hint, package, old.get(package), new.get(package));
    }
    assert_eq!(kured(&machine), Some(0));
    machine.script("reboot.sh", &[], &[]);
    assert_eq!(hint_of(&machine).level(), "none");
    assert_eq!(kured(&machine), Some(1));
}
