#!/bin/bash
# A real `apt-get upgrade` inside a booted lab machine, with restarts held back as on a host whose admin wants them so
# (policy-rc.d says 101, needrestart is suspended). What it does is in WORKDIR/run/NAME/upgrade.log.
#   upgrade.sh [-w WORKDIR] NAME
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
[[ -d $WORK/run/$name/root ]] || die "no machine '$name'"
d=$WORK/run/$name root=$WORK/run/$name/root debs=$WORK/cache/debs-$(<"$WORK/run/$name/suite")
mkdir -p "$debs"
# packages fetched once serve every later run: links, not copies
find "$debs" -name '*.deb' -exec ln -f -t "$root/var/cache/apt/archives/" {} +
rm -f "$root/etc/apt/preferences.d/00lab-old"
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
chmod 755 "$root/usr/sbin/policy-rc.d"
export NEEDRESTART_SUSPEND=1
in_lab apt-get -q -o Acquire::Check-Valid-Until=false update >"$d/update.log" 2>&1 ||
	die "apt-get update failed: $(tail -n 3 "$d/update.log")"
in_lab apt-get -y -q -o APT::Keep-Downloaded-Packages=true -o Dpkg::Options::=--force-confold upgrade >"$d/upgrade.log" 2>&1 ||
	die "upgrade failed: $(tail -n 5 "$d/upgrade.log")"
find "$root/var/cache/apt/archives" -maxdepth 1 -name '*.deb' -exec ln -f -t "$debs/" {} +
log "$name: $(grep -E '^[0-9]+ upgraded' "$d/upgrade.log")"
