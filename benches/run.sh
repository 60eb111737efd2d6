#!/usr/bin/env bash
# How long a whole check takes, against `cat /proc/[0-9]*/maps` and against the programs that do the same job; and what
# detector plugins add to it.
#
#   benches/run.sh [-n TURNS] [-N TURNS] [-f] [-s] [-o FILE] [-b BINARY]
#
#   -n  turns with 1,000 processes (15)       -N  turns with 10,000 (5)
#   -f  fetch needrestart and checkrestart with apt where they are missing: unpacked aside, never installed
#   -s  small: no scene of 10,000 processes   -o  write the table there too
#   -b  measure this binary instead of building one
#
# Each scene has PID, mount and control-group namespaces of its own: nothing else is in its /proc, its libraries are
# replaced on an overlay that ends with it, and the machine stays as it was. Needs root for that, and a C compiler.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly UNITS_OF=5
readonly STALE=400
readonly SERVICES=40
readonly QUIET=200
# A check with plugins may cost so much of one without, where that many services are in Python.
readonly BUDGET=3

say() { printf 'bench: %s\n' "$*" >&2; }
skip() { say "SKIPPED: $*"; }
die() { say "$*"; exit 1; }

usage() { sed -n '2,/^set/{s/^# \{0,1\}//;t p;d;:p p}' "$0" >&2; exit 2; }

# ---- inside a scene -------------------------------------------------------------------------------------------------

# /usr with the fetched programs in it, where libraries can be replaced.
overlay() {
    local work=$1 lower=/usr
    [ ! -d "$work/fetched/usr" ] || lower=$work/fetched/usr:/usr
    mkdir -p "$work/over"
    mount -t tmpfs tmpfs "$work/over" || return 1
    mkdir "$work/over/upper" "$work/over/under"
    mount -t overlay overlay -o "lowerdir=$lower,upperdir=$work/over/upper,workdir=$work/over/under" /usr || return 1
    [ ! -d "$work/fetched/etc" ] ||
        mount -t overlay overlay -o "lowerdir=$work/fetched/etc:/etc" /etc
}

wait_for() {
    local file=$1 word=$2 pid=$3
    until grep -q "^$word" "$file"; do
        kill -0 "$pid" 2>/dev/null || die "the spawner ended: $(cat "$file")"
        sleep 0.1
    done
}

# The measurements of one state of a scene, as lines of pace with its name in front.
measure() {
    local work=$1 scene=$2 turns=$3 slow=$4 maps
    # The names are found before the clock starts: `cat` is not charged for looking them up.
    maps=(/proc/[0-9]*/maps)
    local unstale=("$work/unstale" --mapping-source)
    local fast=(++ text "${unstale[@]}" text)
    if "${unstale[@]}" ioctl >/dev/null 2>&1; then
        fast+=(++ ioctl "${unstale[@]}" ioctl)
    else
        skip "$scene: --mapping-source ioctl: $("${unstale[@]}" ioctl 2>&1 | head -n 1)"
    fi
    say "$scene: against cat of ${#maps[@]} maps"
    "$work/pace" "$turns" "${fast[@]}" ++ cat cat "${maps[@]}" | sed "s/^/$scene\t/" >>"$work/results"
    others "$work" "$scene" "$slow"
    "$work/unstale" --json >"$work/$scene.json" 2>"$work/$scene.err" || say "$scene: exit $?: $(head -n 3 "$work/$scene.err")"
}

# The programs that do the same job, each in turn with a check.
others() {
    local work=$1 scene=$2 turns=$3 name
    local -A command=(
        [needrestart]="needrestart -b -l"
        [checkrestart]="checkrestart"
        [dnf]="dnf needs-restarting"
        [zypper]="zypper ps"
    )
    [ "$turns" -gt 0 ] || return 0
    for name in needrestart checkrestart dnf zypper; do
        if ! command -v "$name" >/dev/null; then
            skip "$scene: $name is not installed"
            printf '%s\tskipped\t%s\tnot installed\n' "$scene" "${command[$name]}" >>"$work/results"
        elif [ "$name" = dnf ] && ! dnf needs-restarting >/dev/null 2>&1; then
            skip "$scene: dnf needs-restarting does not run here"
            printf '%s\tskipped\t%s\tdoes not run\n' "$scene" "${command[$name]}" >>"$work/results"
        else
            say "$scene: against ${command[$name]}"
            # shellcheck disable=SC2086 # words of a command line
            "$work/pace" "$turns" ++ "${command[$name]}" ${command[$name]} ++ check "$work/unstale" | sed "s/^/$scene\t/" >>"$work/results"
        fi
    done
}

# A check with plugins and one without, in turn; and which detectors had something to look at.
plugins() {
    local work=$1 scene=$2 turns=$3 directory=$4
    say "$scene: with plugins and without"
    "$work/pace" "$turns" ++ plugins "$work/unstale" --plugin-dir "$directory" ++ plain "$work/unstale" |
        sed "s/^/$scene\t/" >>"$work/results"
    "$work/unstale" --json --plugin-dir "$directory" >"$work/$scene.detectors.json" || say "$scene: exit $?"
}

# Programs that no detector is for. This script runs in a shell, so that of shells is left out.
quiet() {
    local work=$1 turns=$2 number
    mount -t proc proc /proc
    for ((number = 0; number < QUIET; number++)); do
        sleep 1000000 &
    done
    plugins "$work" no-interpreters "$turns" "$work/plugins-but-shell"
}

# Services in Python: alone, and among 1,000 processes of other kinds.
services() {
    local work=$1 turns=$2 number spawner
    mount -t proc proc /proc
    /usr/bin/python3 benches/services.py "$work/services" "$SERVICES"
    for ((number = 0; number < SERVICES; number++)); do
        /usr/bin/python3 "$work/services/$number/main.py" >>"$work/served" 2>&1 &
    done
    until [ "$(grep -c '^ready' "$work/served")" = "$SERVICES" ]; do
        [ "$(jobs -r | wc -l)" = "$SERVICES" ] || die "a service ended: $(grep -v '^ready' "$work/served")"
        sleep 0.2
    done
    plugins "$work" services "$turns" "$work/plugins"
    "$work/spawn" -n 1000 -p "$UNITS_OF" -u 0 >"$work/spawned" 2>&1 &
    spawner=$!
    wait_for "$work/spawned" ready "$spawner"
    plugins "$work" services-among-1000 "$turns" "$work/plugins"
}

# Makes the scene's own mounts, and starts over: what runs from here on has its files from them.
enter() {
    local staged=yes
    mount -t proc proc /proc
    overlay "$1" || staged=no
    exec "$BASH" benches/run.sh --inside "$staged" "$@"
}

inside() {
    local staged=$1 work=$2 cgroup=$3 processes=$4 turns=$5 slow=$6 stale=$7 options=() spawner
    [ "$cgroup" = none ] || options=(-c "$cgroup")
    : >"$work/spawned"
    "$work/spawn" -n "$processes" -p "$UNITS_OF" -u "$stale" "${options[@]}" >"$work/spawned" 2>&1 &
    spawner=$!
    wait_for "$work/spawned" ready "$spawner"
    cat /proc/[0-9]*/maps 2>/dev/null | wc -l >"$work/$processes.lines"
    measure "$work" "$processes-clean" "$turns" "$slow"
    if [ "$stale" = 0 ]; then
        :
    elif [ "$staged" = no ]; then
        skip "$processes processes with $stale stale: /usr cannot be overlaid here"
    else
        kill -USR1 "$spawner"
        wait_for "$work/spawned" replaced "$spawner"
        measure "$work" "$processes-stale" "$turns" "$slow"
    fi
    kill "$spawner"
    wait "$spawner" || true
}

# ---- outside --------------------------------------------------------------------------------------------------------

# needrestart and checkrestart with what they need and the machine has not, unpacked below $1.
fetch() {
    local into=$1 package missing=() found
    mkdir -p "$into/debs"
    for package in needrestart libmodule-find-perl libmodule-scandeps-perl libproc-processtable-perl \
        libsort-naturally-perl libterm-readkey-perl libintl-perl debian-goodies; do
        found=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
        [ "$found" = installed ] || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    (cd "$into/debs" && apt-get download -q "${missing[@]}") >"$into/log" 2>&1 || { cat "$into/log" >&2; return 1; }
    for package in "$into"/debs/*.deb; do
        dpkg -x "$package" "$into"
    done
    rm -r "$into/debs"
}

# A control group of our own in the unified hierarchy, or "none".
make_cgroup() {
    local mount own
    mount=$(awk '{ for (i = 7; i < NF; i++) if ($i == "-" && $(i + 1) == "cgroup2") { print $5; exit } }' /proc/self/mountinfo)
    own=$(sed -n 's/^0:://p' /proc/self/cgroup)
    if [ -n "$mount" ] && mkdir "$mount${own%/}/unstale-bench-$$" 2>/dev/null; then
        echo "$mount${own%/}/unstale-bench-$$"
    else
        skip "units: no control group can be made here; stale processes have no unit"
        echo none
    fi
}

scene() (
    work=$1 cgroup=$2
    # The group is its root for all in the scene: units are found as on a machine of its own.
    [ "$cgroup" = none ] || echo "$BASHPID" >"$cgroup/cgroup.procs"
    shift 2
    exec unshare --mount --pid --cgroup --fork --kill-child -- "$BASH" benches/run.sh --enter "$work" "$cgroup" "$@"
)

# A scene of no processes but those that the function of that name starts.
small_scene() (
    exec unshare --mount --pid --fork --kill-child -- "$BASH" benches/run.sh "--$1" "${@:2}"
)

# How much processor time of one command for that of another: medians.
cpu_ratio() {
    awk -v a="$(took "$1" "$2" "$3" 7)" -v b="$(took "$1" "$2" "$4" 7)" 'BEGIN { if (b > 0) printf "%.2f", a / b }'
}

# A cell of the table: "median (min to max)".
spread() { awk -F '\t' -v digits="$1" '{ printf "%.*f (%.*f to %.*f)", digits, $2, digits, $1, digits, $3 }'; }

ratio() {
    awk -F '\t' -v s="$2" -v a="$3" -v b="$4" '$1 == s && $2 == "ratio" && $3 == a && $4 == b { print $5 FS $6 FS $7 }' "$1/results"
}

took() { awk -F '\t' -v s="$2" -v a="$3" -v f="$4" '$1 == s && $2 == "took" && $3 == a { print $f }' "$1/results"; }

rows() {
    local work=$1 scene=$2 source other cells
    grep -q "^$scene	took	" "$work/results" || return 0
    for source in ioctl text; do
        cells=$(ratio "$work" "$scene" "$source" cat)
        [ -n "$cells" ] || continue
        printf '| %s | check, %s / cat | %s | %s | %.1f | %.1f |\n' "$scene" "$source" "$(spread 2 <<<"$cells")" \
            "$(cpu_ratio "$work" "$scene" "$source" cat)" \
            "$(took "$work" "$scene" "$source" 5)" "$(took "$work" "$scene" "$source" 8 | awk '{ print $1 / 1024 }')"
    done
    printf '| %s | cat /proc/[0-9]*/maps | | | %.1f | %.1f |\n' "$scene" "$(took "$work" "$scene" cat 5)" \
        "$(took "$work" "$scene" cat 8 | awk '{ print $1 / 1024 }')"
    for other in "needrestart -b -l" checkrestart "dnf needs-restarting" "zypper ps"; do
        cells=$(ratio "$work" "$scene" "$other" check)
        if [ -n "$cells" ]; then
            printf '| %s | %s / check | %s | %s | %.1f | %.1f |\n' "$scene" "$other" "$(spread 1 <<<"$cells")" \
                "$(cpu_ratio "$work" "$scene" "$other" check)" \
                "$(took "$work" "$scene" "$other" 5)" "$(took "$work" "$scene" "$other" 8 | awk '{ print $1 / 1024 }')"
        elif grep -q "^$scene	skipped	$other	" "$work/results"; then
            printf '| %s | %s / check | SKIPPED: %s | | | |\n' "$scene" "$other" \
                "$(awk -F '\t' -v s="$scene" -v o="$other" '$1 == s && $2 == "skipped" && $3 == o { print $4 }' "$work/results")"
        fi
    done
}

# How a result changes from one scene to another: of medians, each against the `cat` of its own scene.
against() {
    local work=$1 from=$2 to=$3 words=$4 source
    for source in ioctl text; do
        awk -F '\t' -v a="$from" -v b="$to" -v m="$source" -v words="$words" '
            $2 == "ratio" && $3 == m && $4 == "cat" { ratio[$1] = $6 }
            $2 == "took" && $3 == m { took[$1] = $5 }
            END { if (ratio[a] && ratio[b]) printf "- %s, %s: %.2f by the ratios to cat, %.2f by the clock\n", words, m, ratio[b] / ratio[a], took[b] / took[a] }
        ' "$work/results"
    done
}

# What plugins cost, against the budget where there is one.
of_plugins() {
    local work=$1 scene=$2 budget=$3 cells
    cells=$(ratio "$work" "$scene" plugins plain)
    [ -n "$cells" ] || return 0
    printf '| %s | with plugins / without%s | %s | %s | %.1f | %.1f |\n' "$scene" "${budget:+ (budget $budget)}" \
        "$(spread 2 <<<"$cells")" "$(cpu_ratio "$work" "$scene" plugins plain)" \
        "$(took "$work" "$scene" plugins 5)" "$(took "$work" "$scene" plugins 8 | awk '{ print $1 / 1024 }')"
    printf '| %s | without | | | %.1f | %.1f |\n' "$scene" "$(took "$work" "$scene" plain 5)" \
        "$(took "$work" "$scene" plain 8 | awk '{ print $1 / 1024 }')"
}

who_looked() {
    local work=$1 scene=$2 file=$1/$2.detectors.json
    [ -s "$file" ] || return 0
    python3 - "$file" "$scene" <<'PY' || true
import json, sys
plan = json.load(open(sys.argv[1]))
looked = [f"{one['name']} at {one['processes']} processes, {one['failed']} failed" for one in plan["detectors"]]
print(f"- {sys.argv[2]}, detectors that were started: {'; '.join(looked) or 'none'}; "
      f"complete: {str(plan['complete']).lower()}")
PY
}

what_was_stale() {
    local work=$1 scene=$2 file=$1/$2.json
    [ -s "$file" ] || return 0
    python3 - "$file" "$scene" <<'PY' || true
import json, sys
plan = json.load(open(sys.argv[1]))
items = plan["items"]
processes = [process for item in items for process in item["processes"]]
findings = [finding for process in processes for finding in process["findings"]]
packages = {finding["package"]["name"] for finding in findings if finding.get("package")}
owned = sum(1 for finding in findings if finding.get("package"))
print(f"- {sys.argv[2]}: {len(processes)} processes stale in {len(items)} items "
      f"({sum(item['owner']['kind'] == 'unit' for item in items)} units), {len(findings)} findings, "
      f"{owned} of them in {len(packages)} packages; complete: {str(plan['complete']).lower()}")
PY
}

table() {
    local work=$1 scene
    printf '# %s\n\n' "$(date -u +%F)"
    # shellcheck disable=SC2016,SC1091 # Markdown, and a file of the machine
    printf 'Command: `%s`. Kernel %s, %s cores, %s.\n\n' "$2" "$(uname -r)" "$(nproc)" \
        "$(. /etc/os-release && echo "$PRETTY_NAME")"
    printf 'Ratios are of wall times in the same turn, programs one after the other in each turn: median (min to max).\n'
    printf 'Beside them the ratio of processor time, which other work on the machine disturbs less: of medians.\n'
    printf 'Times are for orientation. Peak memory is of the largest process, the confined scanner included.\n\n'
    printf '| scene | ratio | wall: median (min to max) | processor | median, ms | peak, MiB |\n|---|---|---|---|---|---|\n'
    for scene in 1000-clean 1000-stale 10000-clean; do
        rows "$work" "$scene"
    done
    of_plugins "$work" services "$BUDGET"
    of_plugins "$work" services-among-1000 "$BUDGET"
    of_plugins "$work" no-interpreters ''
    printf '\n'
    against "$work" 1000-clean 1000-stale "$STALE of 1,000 stale / nothing stale"
    against "$work" 1000-clean 10000-clean "10,000 processes / 1,000"
    for scene in 1000-clean 1000-stale 10000-clean; do
        [ ! -s "$work/${scene%-*}.lines" ] || [ "${scene#*-}" = stale ] ||
            printf -- '- %s: %s lines of maps\n' "$scene" "$(cat "$work/${scene%-*}.lines")"
        what_was_stale "$work" "$scene"
    done
    for scene in services services-among-1000 no-interpreters; do
        who_looked "$work" "$scene"
    done
}

main() {
    local turns=15 many_turns=5 with_fetch=no small=no out='' binary='' option work cgroup
    local line="benches/run.sh $*"
    while getopts n:N:fso:b: option; do
        case $option in
        n) turns=$OPTARG ;;
        N) many_turns=$OPTARG ;;
        f) with_fetch=yes ;;
        s) small=yes ;;
        o) out=$OPTARG ;;
        b) binary=$OPTARG ;;
        *) usage ;;
        esac
    done
    [ "$(id -u)" = 0 ] || die "needs root: the scenes have namespaces of their own"
    if [ -z "$binary" ]; then
        cargo build --release --locked --bin unstale
        binary=${CARGO_TARGET_DIR:-target}/release/unstale
    fi
    make -s plugins
    work=$(mktemp -d "${TMPDIR:-/tmp}/unstale-bench.XXXXXX")
    chmod 755 "$work"
    cgroup=$(make_cgroup)
    # shellcheck disable=SC2064 # now, not later
    trap "[ '$cgroup' = none ] || rmdir '$cgroup' || true; rm -rf '$work'" EXIT
    cp "$binary" "$work/unstale"
    cp -r "${CARGO_TARGET_DIR:-target}/plugins" "$work/plugins"
    cp -r "$work/plugins" "$work/plugins-but-shell"
    rm "$work/plugins-but-shell/shell.so"
    ${CC:-cc} -O2 -Wall -Wextra -o "$work/spawn" benches/spawn.c
    ${CC:-cc} -O2 -Wall -Wextra -o "$work/pace" benches/pace.c
    [ $with_fetch = no ] || fetch "$work/fetched" || skip "needrestart and checkrestart cannot be fetched"
    small_scene services "$work" "$turns"
    small_scene quiet "$work" "$turns"
    scene "$work" "$cgroup" 1000 "$turns" 5 "$STALE"
    if [ $small = yes ]; then
        skip "10,000 processes: -s"
    else
        scene "$work" "$cgroup" 10000 "$many_turns" 0 0
    fi
    table "$work" "${line% }" | tee ${out:+"$out"}
}

case ${1-} in
--enter) enter "${@:2}" ;;
--inside) inside "${@:2}" ;;
--services) services "${@:2}" ;;
--quiet) quiet "${@:2}" ;;
*) main "$@" ;;
esac
