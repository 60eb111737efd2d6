#!/bin/bash
# Takes promtool out of Debian's package of Prometheus, which would start a server where it is installed.
#   promtool.sh [-w WORKDIR]     prints the program's path
set -u
while getopts w:h o; do
	case $o in
	w) export LAB_WORK=$OPTARG ;;
	*) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0"; exit 2 ;;
	esac
done
# shellcheck source=lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"
suite=bookworm tool=$WORK/cache/promtool
lab_lock promtool
if [[ ! -x $tool ]]; then
	lab_apt_dir "$suite"
	tmp=$(mktemp -d "$WORK/cache/promtool.XXXXXX")
	trap 'rm -rf "$tmp"' EXIT
	trap 'exit 143' INT TERM HUP
	(cd "$tmp" && lab_apt "$suite" apt-get -q -o APT::Sandbox::User=root download prometheus >log 2>&1) ||
		die "cannot download prometheus: $(tail -n 3 "$tmp/log")"
	dpkg-deb --fsys-tarfile "$tmp"/prometheus_*.deb | tar -xO ./usr/bin/promtool >"$tmp/promtool" ||
		die "no promtool in it"
	chmod 755 "$tmp/promtool"
	mv "$tmp/promtool" "$tool"
fi
lab_unlock
printf '%s\n' "$tool"
