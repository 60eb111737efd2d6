#!/bin/bash
# Builds, inside a lab machine of the RPM world, a tiny package whose file list says /lib64/... and /lib/... where the
# kernel says /usr/lib64/... and /usr/lib/...: the two spellings of a merged /usr. Its service runs from both libraries.
#   merged-rpm.sh [-w WORKDIR] NAME VERSION     prints the RPM's path inside the machine
set -u
while getopts w:h o; do
	case $o in
	w) export LAB_WORK=$OPTARG ;;
	*) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0"; exit 2 ;;
	esac
done
shift $((OPTIND - 1))
# shellcheck source=lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"
[[ $# = 2 ]] || usage
name=$1 version=$2
root=$WORK/run/$name/root
top=$root/srv/lab/merged
lab_need cc:gcc
rm -rf "$top/tree"
mkdir -p "$top"/tree/{lib64,lib,usr/libexec,lib/systemd/system} || die "no machine '$name'"
for n in one two; do
	dir=lib64
	[[ $n = one ]] || dir=lib
	printf 'int lab_%s(void) { return %d; }\n' "$n" "$version" |
		cc -shared -fPIC -Wl,--build-id -Wl,-soname,liblab$n.so.1 -o "$top/tree/$dir/liblab$n.so.1" -x c - || die "cc failed"
done
printf '%s\n' '#include <unistd.h>' 'int lab_one(void), lab_two(void);' \
	'int main(void) { int sum = lab_one() + lab_two(); for (;;) pause(); return sum; }' |
	cc -Wl,--build-id -Wl,-rpath,/lib64:/lib -o "$top/tree/usr/libexec/lab-merged" -x c - -x none \
		"$top/tree/lib64/liblabone.so.1" "$top/tree/lib/liblabtwo.so.1" || die "cc failed"
printf '[Service]\nExecStart=/usr/libexec/lab-merged\n' >"$top/tree/lib/systemd/system/lab-merged.service"
cat >"$top/merged.spec" <<SPEC
Name: lab-merged
Version: $version
Release: 1
Summary: both spellings of a merged /usr
License: MIT
AutoReqProv: no
%global debug_package %{nil}
%global __os_install_post %{nil}
%global _build_id_links none
%description
Both spellings of a merged /usr.
%install
cp -a /srv/lab/merged/tree/. %{buildroot}/
%files
/lib64/liblabone.so.1
/lib/liblabtwo.so.1
/lib/systemd/system/lab-merged.service
/usr/libexec/lab-merged
SPEC
in_lab rpmbuild -bb --define '_topdir /srv/lab/merged/top' --define '_rpmdir /srv/lab/merged/rpms' \
	/srv/lab/merged/merged.spec >"$top/log" 2>&1 || die "rpmbuild failed: $(tail -n 5 "$top/log")"
printf '/srv/lab/merged/rpms/x86_64/lab-merged-%s-1.x86_64.rpm\n' "$version"
