#!/bin/bash
# Installs packages in a booted lab machine and nothing that they only recommend. What was fetched once serves every later
# run.
#   engines-install.sh [-w WORKDIR] NAME PACKAGE...
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
[[ $# -ge 2 ]] || usage
name=$1
shift
[[ -d $WORK/run/$name/root ]] || die "no machine '$name'"
d=$WORK/run/$name root=$WORK/run/$name/root debs=$WORK/cache/debs-$(<"$WORK/run/$name/suite")
mkdir -p "$debs"
# links, not copies
find "$debs" -name '*.deb' -exec ln -f -t "$root/var/cache/apt/archives/" {} +
export NEEDRESTART_SUSPEND=1
{
	in_lab systemctl -q mask --now apt-daily.timer apt-daily-upgrade.timer
	in_lab apt-get -q -o Acquire::Check-Valid-Until=false update &&
		in_lab apt-get -y -q -o APT::Keep-Downloaded-Packages=true install --no-install-recommends "$@"
} >"$d/install.log" 2>&1 || die "cannot install $*: $(tail -n 5 "$d/install.log")"
find "$root/var/cache/apt/archives" -maxdepth 1 -name '*.deb' -exec ln -f -t "$debs/" {} +
log "$name: $(grep -E '^[0-9]+ upgraded' "$d/install.log")"
