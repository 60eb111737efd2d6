#!/bin/bash
# Stops lab machines in order (SIGRTMIN+3 to their PID 1) and removes what they left.
#   stop.sh [-w WORKDIR] NAME... | -a
#   -a  every machine of this work dir, and what killed builds left behind
# Cached tarballs stay; remove WORKDIR/cache by hand.
set -u
all=0
while getopts w:ah o; do
	case $o in
	w) export LAB_WORK=$OPTARG ;; a) all=1 ;;
	*) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0"; exit 2 ;;
	esac
done
shift $((OPTIND - 1))
# shellcheck source=lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"
names=("$@")
if [[ $all = 1 ]]; then
	names=()
	for d in "$WORK"/run/*/; do [[ -d $d ]] && names+=("$(basename "$d")"); done
	lab_lock bootstrap # no build is under way now
	for d in "$WORK"/cache/{mk,rpm}.*/; do
		[[ -d $d ]] || continue
		d=$(readlink -f "$d")
		awk -v d="$d/" 'index($2, d) == 1 {print $2}' /proc/mounts | sort -r | xargs -r umount -l
		rm -rf --one-file-system "$d"
	done
	rm -f "$WORK"/cache/*.part
	lab_unlock
fi
for n in "${names[@]}"; do
	lab_stop "$n"
	log "$n: stopped"
done
