#!/bin/bash
# Formatting, lints and shell scripts; installs shellcheck if it is missing and can be.
set -eu
cd "$(dirname "$(readlink -f "$0")")/.."
if ! command -v shellcheck >/dev/null; then
	if [[ $EUID = 0 ]] && command -v apt-get >/dev/null; then
		apt-get update -q >/dev/null
		DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends shellcheck >/dev/null
	else
		echo "SKIPPED: shellcheck is not installed" >&2
		[[ ${CI:-} != true ]]
	fi
fi
cargo fmt --all --check
cargo clippy --locked --workspace --all-targets -- -D warnings
if command -v shellcheck >/dev/null; then
	git ls-files '*.sh' .ci/run | xargs shellcheck -x
fi
