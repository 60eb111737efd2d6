#!/bin/bash
# Makes newer versions of installed Debian packages out of the same files, in a local apt repository inside a lab
# machine, and upgrades to them: an upgrade that does not depend on what the archive holds today.
#   bump-deb.sh [-w WORKDIR] [-v SUFFIX] [-c|-r] [-b] NAME PACKAGE...
#   -v  version suffix (default +lab1)
#   -r  the very same version instead: apt-get install --reinstall
#   -c  changed code: every ELF file gets another build-id (and one more byte at its end). Without -c the new package
#       holds the very same bytes: new inodes, same code
#   -b  build them only, and let apt know of them: somebody else upgrades
# They are rebuilt from the installed files; conffiles are kept, maintainer scripts too.
set -u
suffix=+lab1 changed=0 how=--only-upgrade build=0
while getopts w:v:crbh o; do
	case $o in
	w) export LAB_WORK=$OPTARG ;; v) suffix=$OPTARG ;; c) changed=1 ;;
	r) suffix='' how=--reinstall ;;
	b) build=1 ;;
	*) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0"; exit 2 ;;
	esac
done
shift $((OPTIND - 1))
# shellcheck source=lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"
change_code() { # DIR: another build-id for each 64-bit little-endian ELF file below it
	python3 - "$1" <<'PY'
import os
import struct
import sys

for base, _, names in os.walk(sys.argv[1]):
    for name in names:
        path = os.path.join(base, name)
        if os.path.islink(path) or not os.path.isfile(path):
            continue
        with open(path, "rb") as f:
            data = bytearray(f.read())
        if data[:6] != b"\x7fELF\x02\x01":
            continue
        phoff, = struct.unpack_from("<Q", data, 32)
        phentsize, phnum = struct.unpack_from("<HH", data, 54)
        for i in range(phnum):
            kind, _flags, offset, _va, _pa, size = struct.unpack_from("<IIQQQQ", data, phoff + i * phentsize)
            if kind != 4:  # PT_NOTE
                continue
            at = offset
            while at + 12 <= offset + size:
                namesz, descsz, note = struct.unpack_from("<III", data, at)
                desc = at + 12 + (namesz + 3) // 4 * 4
                if note == 3 and data[at + 12:at + 16] == b"GNU\0":
                    for k in range(desc, desc + descsz):
                        data[k] ^= 0xA5
                at = desc + (descsz + 3) // 4 * 4
        data.append(0)
        keep = os.stat(path)
        os.unlink(path)
        with open(path, "wb") as f:
            f.write(data)
        os.chown(path, keep.st_uid, keep.st_gid)
        os.chmod(path, keep.st_mode & 0o7777)
PY
}
[[ $# -ge 2 ]] || usage
name=$1
shift
lab_need python3:python3-minimal
lab_leader "$name" >/dev/null || die "machine $name is not up"
root=$WORK/run/$name/root
out=$root/srv/lab-apt
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
trap 'exit 143' INT TERM HUP
mkdir -p "$out"
for p; do
	read -r ver arch < <(chroot "$root" dpkg-query -W -f "\${Version} \${Architecture}\n" "$p") || die "$p is not installed"
	t=$tmp/$p
	mkdir -p "$t/DEBIAN"
	# control data and files as they are installed
	base=$root/var/lib/dpkg/info/$p
	[[ -e $base.list ]] || base=$base:$arch
	for f in conffiles preinst postinst prerm postrm triggers shlibs symbols md5sums; do
		[[ -e $base.$f ]] && cp -p "$base.$f" "$t/DEBIAN/$f"
	done
	chroot "$root" dpkg-query -s "$p" |
		sed -e '/^Status:/d' -e '/^Config-Version:/d' -e '/^Conffiles:/,/^[^ ]/{/^Conffiles:/d; /^ /d}' \
			-e "s/^Version: .*/Version: $ver$suffix/" >"$t/DEBIAN/control"
	while IFS= read -r f; do
		[[ $f = /. || ! -e $root$f && ! -L $root$f ]] && continue
		if [[ -d $root$f && ! -L $root$f ]]; then
			mkdir -p "$t$f" && chmod --reference="$root$f" "$t$f" && chown --reference="$root$f" "$t$f"
		elif [[ -L $root$f && -d $root$f && $f =~ ^/(bin|sbin|lib|lib32|lib64|libx32)$ ]]; then
			mkdir -p "$t$f"
		else
			mkdir -p "$t${f%/*}" && cp -a "$root$f" "$t$f"
		fi
	done <"$base.list"
	if [[ $changed = 1 ]]; then
		change_code "$t" || die "cannot change the code of $p"
		(cd "$t" && find . -path ./DEBIAN -prune -o -type f -printf '%P\0' | sort -z | xargs -0r md5sum >DEBIAN/md5sums)
	fi
	dpkg-deb -Znone --build "$t" "$out/" >/dev/null || die "cannot build $p"
	rm -rf "$t"
done
(cd "$out" && {
	for deb in *.deb; do
		dpkg-deb -f "$deb"
		printf 'Filename: ./%s\nSize: %s\nSHA256: %s\n\n' "$deb" "$(stat -c %s "$deb")" "$(sha256sum "$deb" | cut -d' ' -f1)"
	done
} >Packages)
echo 'deb [trusted=yes] file:/srv/lab-apt ./' >"$root/etc/apt/sources.list.d/lab.list"
# the pins of the old versions would refuse the new ones
rm -f "$root/etc/apt/preferences.d/00lab-old"
only=(-o Dir::Etc::sourcelist=/etc/apt/sources.list.d/lab.list -o Dir::Etc::sourceparts=- -o APT::Get::List-Cleanup=0)
if [[ $build = 1 ]]; then
	in_lab apt-get -q "${only[@]}" update >"$WORK/run/$name/bump.log" 2>&1 || die "apt-get update failed: $(tail -n 5 "$WORK/run/$name/bump.log")"
	exit 0
fi
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
chmod 755 "$root/usr/sbin/policy-rc.d"
export NEEDRESTART_SUSPEND=1
{
	in_lab apt-get -q "${only[@]}" update &&
		in_lab apt-get -y -q "${only[@]}" "$how" -o Dpkg::Options::=--force-confold install "$@"
} >"$WORK/run/$name/bump.log" 2>&1 || die "upgrade failed: $(tail -n 5 "$WORK/run/$name/bump.log")"
