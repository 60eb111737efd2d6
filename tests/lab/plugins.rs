//! Services in Python and Perl, upgraded by apt: whose scripts and modules are old is found out by the detectors.

use std::collections::BTreeMap;

use crate::detectors;
use crate::machine::{Clock, Image, Machine, lab_is_here};
use crate::report::{Item, Owner, Package, Report};

/// Services as Debian has them, and packages beside them whose modules they do not import.
const INSTALL: &str = "export DEBIAN_FRONTEND=noninteractive
    systemctl -q mask --now apt-daily.timer apt-daily-upgrade.timer
    apt-get -q update >/dev/null
    apt-get -y -q install --no-install-recommends unattended-upgrades python3-dbus python3-gi fail2ban python3-six \
        munin-node libtimedate-perl >/dev/null
    printf '[sshd]\\nenabled = false\\n' >/etc/fail2ban/jail.d/lab.local
    systemctl restart fail2ban munin-node unattended-upgrades
    systemctl is-active fail2ban munin-node unattended-upgrades";

const UNATTENDED: &str = "unattended-upgrades.service";
const FAIL2BAN: &str = "fail2ban.service";
const MUNIN: &str = "munin-node.service";

/// What is said of the services.
fn of_services(report: &Report) -> BTreeMap<&'static str, &Item> {
    report.assert_complete();
    let item = |name| Some((name, report.items.get(&Owner::Unit(String::from(name)))?));
    [UNATTENDED, FAIL2BAN, MUNIN]
        .into_iter()
        .filter_map(item)
        .collect()
}

#[track_caller]
fn assert_current(machine: &Machine, when: &str) {
    let report = machine.check(&[]);
    let said = of_services(&report);
    assert!(said.is_empty(), "{when}: {said:#?}");
}

/// A new version of a package, in which these files have another content.
fn upgrade(machine: &Machine, package: &str, files: &[&str]) -> Package {
    let version = || machine.versions()[package].clone();
    let running = version();
    for file in files {
        // The next version is made of what is there; the file itself is replaced by that.
        machine.shell(&format!("test -f {file}; echo '# changed' >>{file}"));
    }
    machine.script("bump-deb.sh", &[], &[package]);
    assert_ne!(running, version(), "{package} was not upgraded");
    Package {
        backend: "dpkg".to_owned(),
        name: package.to_owned(),
        running: Some(running),
        installed: Some(version()),
    }
}

/// This service alone is to be restarted, for this package alone and for these files among others.
#[track_caller]
fn assert_old(machine: &Machine, unit: &str, package: &Package, files: &[&str]) {
    let report = machine.check(&[]);
    let said = of_services(&report);
    assert_eq!(said.keys().collect::<Vec<_>>(), [&unit], "{said:#?}");
    let item = said[unit];
    // The shipped policy leaves the moment of the one that installs packages to a person.
    let verdict = if unit == UNATTENDED {
        "defer"
    } else {
        "restart"
    };
    assert_eq!(item.verdict, verdict, "{item:#?}");
    assert_eq!(
        item.packages.iter().collect::<Vec<_>>(),
        [package],
        "{item:#?}"
    );
    for file in files {
        assert!(item.paths.contains_key(*file), "{file}: {item:#?}");
    }
}

#[test]
fn debian12_modules_of_services_upgraded_by_apt() {
    if lab_is_here() {
        modules_of_services_upgraded_by_apt("plugins12", Image::Bookworm, "3.11");
    }
}

/// From Python 3.13 on, its own list of modules is read.
#[test]
fn debian13_modules_of_services_upgraded_by_apt() {
    if lab_is_here() {
        modules_of_services_upgraded_by_apt("plugins13", Image::Trixie, "3.13");
    }
}

fn modules_of_services_upgraded_by_apt(name: &str, image: Image, python: &str) {
    let machine = Machine::boot(name, image, Clock::OwnBoot);
    // Where packages install them: nobody has to name that.
    let shipped = machine.root().join("usr/lib/unstale/plugins");
    detectors::build_into(&shipped, &["python", "perl"]);
    machine.shell(INSTALL);
    assert_current(&machine, "before anything");

    let used = ["fail2ban", "python3-dbus", "libnet-server-perl"];
    machine.script("bump-deb.sh", &["-r"], &used);
    assert_current(&machine, "installed again in the same version");

    upgrade(
        &machine,
        "python3-six",
        &["/usr/lib/python3/dist-packages/six.py"],
    );
    upgrade(
        &machine,
        "libtimedate-perl",
        &["/usr/share/perl5/Date/Parse.pm"],
    );
    assert_current(&machine, "other packages upgraded");

    for (unit, package, files) in [
        (
            MUNIN,
            "libnet-server-perl",
            &["/usr/share/perl5/Net/Server/Fork.pm"][..],
        ),
        (
            UNATTENDED,
            "python3-dbus",
            &["/usr/lib/python3/dist-packages/dbus/proxies.py"],
        ),
        (
            FAIL2BAN,
            "fail2ban",
            &[
                "/usr/bin/fail2ban-server",
                "/usr/lib/python3/dist-packages/fail2ban/server/server.py",
            ],
        ),
    ] {
        let package = upgrade(&machine, package, files);
        assert_old(&machine, unit, &package, files);
        machine.shell(&format!("systemctl restart {unit}"));
        assert_current(&machine, "after the restart");
    }
    the_standard_library(&machine, python);
}

/// 6.14: what the archive has newer of Python itself; the interpreter goes with it.
fn the_standard_library(machine: &Machine, python: &str) {
    let package = &*format!("libpython{python}-stdlib");
    let running = machine.versions()[package].clone();
    machine.shell(&format!("DEBIAN_FRONTEND=noninteractive apt-get -y -q install --only-upgrade python{python} >/dev/null"));
    let installed = machine.versions()[package].clone();
    if installed == running {
        eprintln!("the archive has nothing newer than {package} {running} today");
        return;
    }
    let report = machine.check(&[]);
    let said = of_services(&report);
    assert_eq!(
        said.keys().collect::<Vec<_>>(),
        [&FAIL2BAN, &UNATTENDED],
        "{said:#?}"
    );
    for (unit, item) in said {
        let of_library = |old: &&Package| old.name == package;
        let old = item.packages.iter().find(of_library);
        let versions = old.map(|old| (old.running.clone(), old.installed.clone()));
        let expected = (Some(running.clone()), Some(installed.clone()));
        assert_eq!(versions, Some(expected), "{unit}: {item:#?}");
        let sources = item.paths.keys().filter(|path| path.ends_with(".py"));
        assert_ne!(sources.count(), 0, "{unit}: {item:#?}");
    }
}
