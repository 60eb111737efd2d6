#!/usr/bin/env python3
"""Turns a configured Debian root into the spec of one rpmbuild run that makes
an RPM of every package in it, under RHEL-like names.

  deb2rpm.py ROOT OUTDIR DIST [OLDROOT]

Writes OUTDIR/world.spec and OUTDIR/files.N. With OLDROOT only packages whose version differs
between the two roots are written (an update), and those named in BUMP (a
comma-separated list of Debian names) with a higher release where the archive
has no newer version of them.
"""
import os
import re
import stat
import sys

NAMES = {
    'libc6': 'glibc', 'libc-bin': 'glibc-common', 'libc-l10n': 'glibc-all-langpacks',
    'locales': 'glibc-locale-source', 'libssl3': 'openssl-libs', 'libssl3t64': 'openssl-libs',
    'libsystemd0': 'systemd-libs', 'libsystemd-shared': 'systemd-shared',
    'libpam-systemd': 'systemd-pam', 'udev': 'systemd-udev', 'libudev1': 'systemd-udev-libs',
    'dbus-bin': 'dbus-tools', 'libdbus-1-3': 'dbus-libs', 'dbus-system-bus-common': 'dbus-common',
    'zlib1g': 'zlib', 'libexpat1': 'expat', 'libgcrypt20': 'libgcrypt', 'libstdc++6': 'libstdc++',
    'libgcc-s1': 'libgcc', 'libcurl4': 'libcurl', 'libcurl4t64': 'libcurl',
    'libcurl3-gnutls': 'libcurl-gnutls', 'libcurl3t64-gnutls': 'libcurl-gnutls', 'cron': 'cronie',
    'nginx-light': 'nginx-core', 'nginx-common': 'nginx-filesystem',
    'openssh-client': 'openssh-clients', 'openssh-sftp-server': 'openssh',
    'libgnutls30': 'gnutls', 'libgnutls30t64': 'gnutls', 'libpcre2-8-0': 'pcre2',
    'libselinux1': 'libselinux', 'libpam0g': 'pam-libs', 'libpam-modules': 'pam',
    'libkrb5-3': 'krb5-libs', 'libsqlite3-0': 'sqlite-libs', 'liblzma5': 'xz-libs',
    'libzstd1': 'libzstd', 'liblz4-1': 'lz4-libs', 'libbz2-1.0': 'bzip2-libs', 'libcap2': 'libcap',
    'libaudit1': 'audit-libs', 'libacl1': 'libacl', 'libattr1': 'libattr', 'libblkid1': 'libblkid',
    'libmount1': 'libmount', 'libuuid1': 'libuuid', 'libsmartcols1': 'libsmartcols',
    'libfdisk1': 'libfdisk', 'libglib2.0-0': 'glib2', 'libglib2.0-0t64': 'glib2',
    'libgpgme11': 'gpgme', 'libgpgme11t64': 'gpgme', 'perl-base': 'perl-libs',
    'libpam-runtime': 'pam-config', 'libcrypt1': 'libxcrypt', 'procps': 'procps-ng',
    'iproute2': 'iproute', 'python3': 'python-unversioned-command', 'passwd': 'shadow-utils',
    'libdnf2': 'libdnf', 'libdnf2t64': 'libdnf', 'base-files': 'base-release',
}
# what a RPM system would not have
LEAVE_OUT = re.compile(r'^(apt|apt-utils|libapt-pkg.*|dpkg|debconf.*|debian-archive-keyring|'
                       r'init-system-helpers|sysvinit-utils|adduser|ucf|needrestart|debian-goodies|'
                       r'policy-rcd.*|alien|sqv)$')
SKIP_TREES = ('/proc', '/sys', '/dev', '/run', '/tmp', '/var/lib/dpkg', '/var/lib/apt', '/var/cache',
              '/etc/apt', '/var/lib/rpm', '/root/.rpmdb', '/usr/lib/sysimage', '/lab',
              '/var/lib/ucf', '/etc/dpkg', '/br', '/srv/lab')


def rpm_name(deb):
    if deb in NAMES:
        return NAMES[deb]
    m = re.fullmatch(r'python3\.(\d+)-minimal', deb)
    if m:
        return 'python3'
    m = re.fullmatch(r'libpython3\.(\d+)-(minimal|stdlib)', deb)
    if m:
        return 'python3-libs' if m[2] == 'minimal' else 'python3-stdlib'
    m = re.fullmatch(r'(librpm\w*?)\d+(t64)?', deb)
    if m:
        return m[1].replace('librpm', 'rpm-libs-') .rstrip('-')
    return deb


def evr(version, dist):
    epoch, _, rest = version.rpartition(':')
    up, _, rev = rest.rpartition('-')
    if not up:
        up, rev = rest, '1'
    return epoch, up.replace('-', '.'), rev.replace('-', '.') + dist


def status(root, left_out=False):
    out = {}
    with open(root + '/var/lib/dpkg/status', encoding='utf-8', errors='replace') as f:
        for block in f.read().split('\n\n'):
            d = dict(re.findall(r'^([A-Za-z-]+): ?(.*)$', block, re.M))
            if d.get('Status') != 'install ok installed' or \
                    bool(LEAVE_OUT.match(d['Package'])) != left_out:
                continue
            d['conffiles'] = set(re.findall(r'^ (/\S+) [0-9a-f]{32}', block, re.M))
            out[d['Package']] = d
    return out


class Root:
    def __init__(self, root):
        self.root = root
        self.cache = {}

    def real_dir(self, d):
        """a directory's path with the symlinks of its parents resolved inside the root"""
        if d in ('/', ''):
            return '/'
        if d in self.cache:
            return self.cache[d]
        p = os.path.join(self.real_dir(os.path.dirname(d)), os.path.basename(d))
        for _ in range(20):
            if not os.path.islink(self.root + p):
                break
            p = os.path.normpath(os.path.join(os.path.dirname(p), os.readlink(self.root + p)))
            p = os.path.join(self.real_dir(os.path.dirname(p)), os.path.basename(p))
        self.cache[d] = p
        return p

    def canonical(self, path):
        return os.path.join(self.real_dir(os.path.dirname(path)), os.path.basename(path))

    def files_of(self, pkg, arch):
        base = self.root + '/var/lib/dpkg/info/'
        for name in (pkg, '%s:%s' % (pkg, arch)):
            if os.path.exists(base + name + '.list'):
                with open(base + name + '.list', encoding='utf-8') as f:
                    return [x.rstrip('\n') for x in f]
        return []


def quote(path):
    p = re.sub(r'([*?{}])', r'\\\1', path).replace('%', '%%')
    return '"%s"' % p if ' ' in p else p


def main():
    root, out, dist = sys.argv[1:4]
    old = status(sys.argv[4]) if len(sys.argv) > 4 else None
    bump = set(os.environ.get('BUMP', '').split(','))
    r, pkgs = Root(root.rstrip('/')), status(root)
    os.makedirs(out, exist_ok=True)
    spec = ['Name: world', 'Version: 1', 'Release: 1', 'Summary: all of it', 'License: various',
            'AutoReqProv: no', '%global debug_package %{nil}', '%global __os_install_post %{nil}',
            '%global _build_id_links none', '%global _binary_payload w1.gzdio',
            '%global __spec_install_pre %{nil}', '%global __spec_clean_body %{nil}',
            '%global __spec_build_pre %{nil}', '%global _unpackaged_files_terminate_build 0',
            '%description', 'world', '']
    lists, used, owned = [], set(), set()

    def add(name, epoch, ver, rel, arch, summary, lines, requires, provides=()):
        n = len(lists)
        lists.append(lines)
        spec.extend(['%%package -n %s' % name, 'Summary: %s' % summary.replace('%', '%%'),
                     'Version: %s' % ver, 'Release: %s' % rel, 'AutoReqProv: no'])
        if epoch:
            spec.append('Epoch: %s' % epoch)
        if arch == 'all':
            spec.append('BuildArch: noarch')
        spec.extend('Requires: %s' % x for x in requires)
        spec.extend('Provides: %s' % x for x in provides)
        spec.extend(['%%description -n %s' % name, 'Repackaged for tests.',
                     '%%files -n %s -f /lab/files.%d' % (name, n), ''])

    for deb in sorted(pkgs):
        d = pkgs[deb]
        name = rpm_name(deb)
        if name in used:
            name = deb
        used.add(name)
        lines, seen = [], set()
        for p in r.files_of(deb, d['Architecture']):
            if p in ('/.', '/'):
                continue
            c = r.canonical(p)
            if c in seen or any(c == t or c.startswith(t + '/') for t in SKIP_TREES):
                continue
            seen.add(c)
            try:
                st = os.lstat(r.root + c)
            except OSError:
                continue
            if stat.S_ISDIR(st.st_mode):
                lines.append('%dir ' + quote(c))
            elif p in d['conffiles']:
                lines.append('%config(noreplace) ' + quote(c))
            else:
                lines.append(quote(c))
            owned.add(c)
        e, v, rel = evr(d['Version'], dist)
        if old is not None:
            if deb not in old:
                continue
            if old[deb]['Version'] == d['Version']:
                if deb not in bump:
                    continue
                e, v, rel = evr(d['Version'], '.1' + dist)
        # every package needs the directories and users of the base first
        add(name, e, v, rel, d['Architecture'], d.get('Description', deb)[:70],
            lines, ['base-setup'])

    # files of the packages left out are nobody's, not the base's
    gone = set()
    for deb, d in status(root, left_out=True).items():
        for p in r.files_of(deb, d['Architecture']):
            c = r.canonical(p)
            if c not in owned and not os.path.isdir(r.root + c):
                gone.add(c)

    if old is None:  # what maintainer scripts made: users, alternatives, enabled units, base links
        lines = []
        for top, dirs, files in os.walk(r.root + '/'):
            rel = top[len(r.root):] if top != r.root + '/' else ''
            dirs[:] = [x for x in dirs if (rel + '/' + x) not in SKIP_TREES and x != '__pycache__']
            for x in dirs + files:
                c = (rel + '/' + x)
                if c in owned or c in gone or c in SKIP_TREES:
                    continue
                st = os.lstat(r.root + c)
                if c.startswith('/var/log/') and not stat.S_ISDIR(st.st_mode):
                    continue
                if stat.S_ISDIR(st.st_mode):
                    lines.append('%dir ' + quote(c))
                elif stat.S_ISLNK(st.st_mode):
                    lines.append(quote(c))
                elif stat.S_ISREG(st.st_mode):
                    lines.append(('%config(noreplace) ' if c.startswith('/etc/') else '') + quote(c))
        with open(r.root + '/usr/lib/os-release', encoding='utf-8') as f:
            rel_ver = re.search(r'^VERSION_ID="?([^"\n]*)', f.read(), re.M)[1]
        add('base-setup', '', '1', '1' + dist, 'amd64', 'Users, links and base directories', lines, [],
            ['system-release = ' + rel_ver, 'system-release(releasever) = ' + rel_ver.split('.')[0],
             'redhat-release = ' + rel_ver])

    with open(out + '/world.spec', 'w', encoding='utf-8') as f:
        f.write('\n'.join(spec) + '\n%install\n')
    for n, lines in enumerate(lists):
        with open('%s/files.%d' % (out, n), 'w', encoding='utf-8') as f:
            f.write('\n'.join(lines or ['%dir /usr']) + '\n')


main()
