#!/bin/bash
# Makes a scene on a lab machine and brings back what `unstale record` says of it: a bundle for testdata/scenarios.
#   capture.sh [-w WORKDIR] [-u UNSTALE] SCENE FILE
#   -u  the program to record with (default: target/release/unstale of this checkout)
# Scenes: debian12-clean, debian12-upgrade, debian12-restarted (upgrade, then every service restarted),
# debian12-reinstall (same bytes), debian13-upgrade, rpm-upgrade.
set -u
while getopts w:u:h o; do
	case $o in
	w) export LAB_WORK=$OPTARG ;; u) program=$OPTARG ;;
	*) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0"; exit 2 ;;
	esac
done
shift $((OPTIND - 1))
# shellcheck source=lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"
[[ $# = 2 ]] || usage
scene=$1 file=$2 name=capture-$$
program=${program:-$here/../../target/release/unstale}
[[ -x $program ]] || die "no $program: cargo build --release"
case $scene in
debian12-*) boot=(-s bookworm) ;;
debian13-*) boot=(-s trixie) ;;
rpm-*) boot=(-N private -f "$("$here/rpm-world.sh")") || exit 1 ;;
*) die "no scene $scene" ;;
esac
# shellcheck disable=SC2317,SC2329
cleanup() { local rc=$?; lab_stop "$name"; exit "$rc"; }
trap cleanup EXIT
trap 'exit 143' INT TERM HUP
"$here/boot.sh" -p $$ "${boot[@]}" "$name" || exit 1
root=$WORK/run/$name/root
dnf_merged() { # VERSION install|upgrade
	local rpm
	rpm=$("$here/merged-rpm.sh" "$name" "$1") || exit 1
	in_lab dnf -y -q "$2" "$rpm" >/dev/null || die "cannot $2 lab-merged"
}
install -m 755 "$program" "$root/usr/local/bin/unstale"
if [[ $scene = rpm-* ]]; then
	dnf_merged 1 install
	in_lab sh -c 'systemctl daemon-reload; systemctl start lab-merged.service' || die "lab-merged does not start"
else
	in_lab sh -euc "$(<"$here/services.sh")" || die "the services do not start"
fi
case $scene in
*-clean) ;;
debian12-reinstall) "$here/bump-deb.sh" -r "$name" libc6 libssl3 nginx-light cron || exit 1 ;;
rpm-upgrade)
	dnf_merged 2 upgrade
	in_lab dnf -y -q --enablerepo=lab-updates upgrade >/dev/null || die "upgrade failed"
	;;
*-upgrade | *-restarted) "$here/upgrade.sh" "$name" || exit 1 ;;
*) die "no scene $scene" ;;
esac
if [[ $scene = *-restarted ]]; then
	# shellcheck disable=SC2016
	in_lab sh -euc 'systemctl daemon-reexec; systemctl restart dbus.service
		systemctl restart $(systemctl list-units --type=service --state=running --plain --no-legend | cut -d" " -f1 | grep -v ^dbus)'
fi
in_lab /usr/local/bin/unstale record /root/bundle
rc=$?
# a bundle of an incomplete check is a bundle too
[[ $rc = 0 || $rc = 3 ]] || die "unstale record: exit $rc"
cp "$root/root/bundle" "$file"
log "$file: $(stat -c %s "$file") bytes"
