#!/bin/bash
# Reboots a lab machine: an orderly end, then the same root with another first process, and a clock that counts from there.
# It has no network after that.
#   reboot.sh [-w WORKDIR] NAME
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
name=${1:-}
d=$WORK/run/$name
[[ -d $d/root ]] || die "no machine '$name'"
nspawn=$(cat "$d/nspawn.pid" 2>/dev/null)
# with --keep-unit nspawn leaves it to whoever started it to begin again after a reboot
in_lab systemctl reboot
for ((i = 0; i < 300; i++)); do kill -0 "$nspawn" 2>/dev/null || break; sleep 0.1; done
kill -0 "$nspawn" 2>/dev/null && die "$name does not go down"
lab_cg_clean "$name"
lab_net_down "$name"
rmdir "/run/systemd/nspawn/propagate/$name" 2>/dev/null
rm -f "$d/nspawn.pid" "/run/systemd/nspawn/locks/$(stat -c 'inode-%d:%i' "$d/root")"
lab_boot "$name" unified private
