#!/bin/bash
# Runs a command in a booted lab machine, as root.
#   exec.sh [-w WORKDIR] [-t SECONDS] NAME COMMAND [ARG...]
#   -t  give up after so many seconds
# `exec.sh NAME -pid` prints the host PID of the machine's PID 1.
set -u
limit=0
while getopts +w:t:h o; do
	case $o in
	w) export LAB_WORK=$OPTARG ;; t) limit=$OPTARG ;;
	*) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0"; exit 2 ;;
	esac
done
shift $((OPTIND - 1))
# shellcheck source=lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"
[[ $# -ge 2 ]] || usage
name=$1
shift
if [[ $1 = -pid ]]; then
	lab_leader "$name" || die "machine $name is not up"
	exit 0
fi
cmd=("$@")
[[ $limit != 0 ]] && cmd=(timeout "$limit" "${cmd[@]}")
lab_exec "$name" "${cmd[@]}"
