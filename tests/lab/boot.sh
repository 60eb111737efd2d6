#!/bin/bash
# Boots an old Debian (the oldest versions in reach of glibc, openssl, systemd, ...) with a real systemd as PID 1.
#   boot.sh [-w WORKDIR] [-s SUITE] [-c unified|hybrid] [-N nat|private] [-i pkg,pkg...] [-f TARBALL] [-p PID] NAME
#   -s  bookworm (default) or trixie
#   -c  what the machine sees at /sys/fs/cgroup (default unified)
#   -N  network: nat (default: a way to the package archive), private (none)
#   -i  packages besides the usual services
#   -f  boot the root in this tarball instead (rpm-world.sh makes some)
#   -p  stop the machine when this process ends, even by SIGKILL
# LAB_TIMENS=0: without a time namespace, so that times count from the host's boot.
# Then: exec.sh NAME COMMAND..., stop.sh NAME. The root is WORKDIR/run/NAME/root.
set -u
suite=bookworm cg=unified net=nat extra='' file='' owner=''
while getopts w:s:c:N:i:f:p:h o; do
	case $o in
	w) export LAB_WORK=$OPTARG ;; s) suite=$OPTARG ;; c) cg=$OPTARG ;; N) net=$OPTARG ;;
	i) extra=,$OPTARG ;; f) file=$OPTARG ;; p) owner=$OPTARG ;;
	*) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0"; exit 2 ;;
	esac
done
shift $((OPTIND - 1))
# shellcheck source=lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"
name=${1:-}
[[ $name =~ ^[a-z][a-z0-9-]{0,30}$ ]] || die "usage: $0 [options] NAME (lower case letters, digits, -)"
[[ $EUID = 0 ]] || die "must be root"
lab_cgroot_v2 >/dev/null || die "no cgroup v2 hierarchy mounted"
d=$WORK/run/$name
[[ -d $d || -e /run/netns/lab-$name ]] && die "a machine $name is there already: stop.sh $name (or another work dir's?)"
tar=$file
[[ -n $tar ]] || tar=$(lab_tarball "$suite" "$LAB_DEBIAN$extra") || exit 1
mkdir -p "$d/root"
# shellcheck disable=SC2317,SC2329
cleanup() { local rc=$?; [[ $rc = 0 ]] || lab_stop "$name"; exit "$rc"; }
trap cleanup EXIT
trap 'exit 143' INT TERM HUP
[[ -z $owner ]] || lab_watch "$name" "$owner"
printf '%s\n' "$suite" >"$d/suite"
tar -C "$d/root" --numeric-owner --xattrs --xattrs-include='*' -xpf "$tar" || die "cannot unpack $tar"
printf '127.0.0.1 localhost %s\n::1 localhost\n' "$name" >"$d/root/etc/hosts"
printf '%s\n' "$name" >"$d/root/etc/hostname" # mmdebstrap copies the host's
rm -f "$d/root/etc/machine-id"
: >"$d/root/etc/machine-id"
lab_boot "$name" "$cg" "$net"
