#!/bin/bash
# Installs what the tests need, runs all of them, and ends with a line that counts.
# Without root, or where there is no apt-get, tests whose tools are missing say SKIPPED and are counted as skipped; with
# CI=true a skip is a failure.
set -u
cd "$(dirname "$(readlink -f "$0")")/.." || exit 1
log=$(mktemp)
trap 'rm -f "$log"' EXIT

need=(rpm strace util-linux mount procps bsdutils binutils btrfs-progs libcap2-bin gcc libc6-dev mmdebstrap systemd-container
	qemu-system-x86 e2fsprogs openssh-client nftables iproute2 createrepo-c xz-utils tzdata time g++
	python3 python3-venv python3-prometheus-client perl ruby default-jdk-headless nodejs php-cli php-fpm gawk mawk zsh ksh mksh busybox)
# What stands in for some of them where it is there: Node.js from its makers, another JDK.
declare -A other=([nodejs]=/usr/bin/node [default-jdk-headless]=/usr/bin/javac)
missing=()
for package in "${need[@]}"; do
	dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed ||
		[[ -n ${other[$package]:-} && -x ${other[$package]} ]] || missing+=("$package")
done
if ((${#missing[@]})); then
	if [[ $EUID = 0 ]] && command -v apt-get >/dev/null; then
		echo "installing for the tests: ${missing[*]}"
		if ! { apt-get update -q >/dev/null &&
			DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends \
				-o DPkg::Lock::Timeout=300 "${missing[@]}" >/dev/null; }; then
			echo "cannot install ${missing[*]}" >&2
			exit 1
		fi
	else
		echo "NOT INSTALLED, and not root on a Debian system: ${missing[*]}; tests that need them are skipped" >&2
	fi
fi

status=0
run() {
	"$@" 2>&1 | tee -a "$log"
	[[ ${PIPESTATUS[0]} = 0 ]] || status=1
}
run cargo test --locked --workspace --no-fail-fast --lib --bins -- --show-output
for crate in unstale-dpkg unstale-rpm unstale-plugin unstale-example-awk $(sed -n 's/^DETECTORS = //p' Makefile | sed 's/[a-z][a-z]*/unstale-&/g'); do
	run cargo test --locked --no-fail-fast -p "$crate" --test '*' -- --show-output
done
run cargo test --locked --no-fail-fast --test integration -- --show-output
# The live tests look at the whole machine, and the lab boots machines on it: one at a time.
run cargo test --locked --no-fail-fast --test live -- --show-output --test-threads=1
run cargo test --locked --no-fail-fast --test lab -- --show-output --test-threads=1
tests/lab/stop.sh -a

sum() { awk -v word="$1" '/^test result:/ { for (i = 2; i <= NF; i++) if ($i ~ "^" word) n += $(i - 1) } END { print n + 0 }' "$log"; }
skipped=$(grep -c '^SKIPPED:' "$log")
if ((skipped)); then
	grep '^SKIPPED:' "$log" | sort | uniq -c >&2
fi
echo "$(($(sum passed) - skipped)) passed, $(sum failed) failed, $skipped skipped"
if [[ ${CI:-} = true ]] && ((skipped)); then
	echo "a skipped test is a failure here" >&2
	status=1
fi
exit "$status"
