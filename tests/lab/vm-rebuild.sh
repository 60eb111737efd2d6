#!/bin/bash
# Makes a rebuild of an installed kernel package for a root: the same release, another build, as a security update makes
# it that keeps the ABI. (The archive has no such pair: Debian gives each upload a name of its own.) The package of the
# installed version must lie in the root's apt cache. What differs is the version of the package and the build in the
# image's header: `apt-get upgrade` with the list lab.list below the root then is the upgrade.
#   vm-rebuild.sh ROOT PACKAGE
set -eu
[[ $# = 2 ]] || { sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0"; exit 2; }
root=$1 package=$2
out=$root/srv/lab-apt
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
trap 'exit 143' INT TERM HUP
version=$(chroot "$root" dpkg-query -W -f "\${Version}" "$package")
unpack() { dpkg-deb -R "$root/var/cache/apt/archives/${1}_${version}_amd64.deb" "$tmp/$1"; }
unpack "$package"
unpack linux-image-cloud-amd64
# the last digit of the revision is another one: the length stays
digit=${version: -1}
newer=${version%?}$(((digit + 1) % 10))
[[ $digit = 9 ]] && newer=${version%?}9+lab1
python3 - "$tmp/$package/boot/vmlinuz-${package#linux-image-}" "$version" <<'PY'
import struct
import sys

path, version = sys.argv[1:]
with open(path, "rb") as f:
    data = bytearray(f.read())
assert data[0x202:0x206] == b"HdrS", "no x86 image"
start = 0x200 + struct.unpack_from("<H", data, 0x20E)[0]
end = data.index(0, start)
at = data.index(b"Debian " + version.encode(), start, end) + len(b"Debian " + version.encode()) - 1
data[at] = ord("0") + (data[at] - ord("0") + 1) % 10
with open(path, "wb") as f:
    f.write(data)
PY
mkdir -p "$out"
for p in "$package" linux-image-cloud-amd64; do
	sed -i -e "s/^Version: .*/Version: $newer/" -e "/^Depends:/s/(= $version)/(= $newer)/" "$tmp/$p/DEBIAN/control"
	(cd "$tmp/$p" && find . -path ./DEBIAN -prune -o -type f -printf '%P\0' | sort -z | xargs -0r md5sum >DEBIAN/md5sums)
	dpkg-deb -Znone --build "$tmp/$p" "$out/" >/dev/null
done
(cd "$out" && for deb in *.deb; do
	dpkg-deb -f "$deb"
	printf 'Filename: ./%s\nSize: %s\nSHA256: %s\n\n' "$deb" "$(stat -c %s "$deb")" "$(sha256sum "$deb" | cut -d' ' -f1)"
done >Packages)
echo 'deb [trusted=yes] file:/srv/lab-apt ./' >"$root/etc/apt/sources.list.d/lab.list"
echo "$newer"
