# shellcheck shell=bash
# Shared by the lab's scripts: sourced, not run.
# A "lab machine" NAME is a root directory booted with a real systemd as PID 1 in a container of its own
# (systemd-nspawn, which needs no systemd on the host). Everything lives below one directory:
#   WORK/cache/    root file systems as tarballs and downloaded packages, kept between runs
#   WORK/run/NAME  one directory per machine that is up (or was left behind)

WORK=${LAB_WORK:-/var/tmp/unstale-lab}
here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")

die() { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 1; }
log() { [[ ${LAB_QUIET:-0} = 1 ]] || printf '[lab] %s\n' "$*" >&2; }
usage() { sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0"; exit 2; }

# lab_need COMMAND:PACKAGE... - installs the packages whose commands are missing
lab_need() {
	local pair missing=()
	for pair; do
		command -v "${pair%%:*}" >/dev/null 2>&1 || missing+=("${pair##*:}")
	done
	((${#missing[@]})) || return 0
	command -v apt-get >/dev/null 2>&1 || die "missing here, and no apt-get to install them with: ${missing[*]}"
	log "installing: ${missing[*]}"
	apt_install() {
		DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends \
			-o DPkg::Lock::Timeout=300 "${missing[@]}" >/dev/null
	}
	apt_install 2>/dev/null || { apt-get -q update >/dev/null && apt_install; } ||
		die "cannot install ${missing[*]}"
}

# One at a time, whoever asks: a bootstrap keeps all cores busy.
lab_lock() { # NAME
	mkdir -p "$WORK/cache" "$WORK/run"
	exec 9>"$WORK/cache/$1.lock"
	flock 9
}
lab_unlock() { exec 9>&-; }

# --- archives ---
# The mirror is taken from the host's own apt configuration.
lab_mirror() { # main|security
	local want=$1 uri rel
	while IFS='|' read -r uri rel; do
		case $want:$rel in
		security:*-security) printf '%s\n' "${uri%/}"; return ;;
		main:*-security | main:*-updates | main:*-backports) ;;
		main:*) printf '%s\n' "${uri%/}"; return ;;
		esac
	done < <(apt-get indextargets --format "\$(REPO_URI)|\$(RELEASE)" 'Created-By: Packages' 'Component: main' |
		sort -u | grep '/debian')
	die "no $want Debian archive in this host's apt sources (set LAB_MIRROR and LAB_SECURITY_MIRROR)"
}

lab_sources() { # SUITE -> sources.list lines
	local suite=$1 m s
	m=${LAB_MIRROR:-$(lab_mirror main)} || exit 1
	s=${LAB_SECURITY_MIRROR:-$(lab_mirror security)} || exit 1
	printf 'deb %s %s main\n' "$m" "$suite"
	printf 'deb %s %s-updates main\n' "$m" "$suite"
	printf 'deb %s %s-security main\n' "$s" "$suite"
}

# A private apt state for look-ups in any suite, without touching the host's.
lab_apt_dir() { # SUITE
	local suite=$1 d=$WORK/cache/apt-$1 key=/usr/share/keyrings/debian-archive-keyring.gpg
	[[ -e $d/ready && -z $(find "$d/ready" -mmin +720) ]] && return 0
	[[ -e $key ]] || die "no $key: install debian-archive-keyring"
	mkdir -p "$d"/etc/{preferences.d,apt.conf.d} "$d"/state/lists/partial "$d"/cache/archives/partial
	lab_sources "$suite" | sed "s#^deb #&[signed-by=$key] #" >"$d/etc/sources.list"
	lab_apt "$suite" apt-get -q update >"$d/update.log" 2>&1 || die "apt-get update for $suite failed: $d/update.log"
	touch "$d/ready"
}
lab_apt() { # SUITE apt-xxx ARG...
	local d=$WORK/cache/apt-$1 cmd=$2
	shift 2
	"$cmd" -o Dir::Etc="$d/etc" -o Dir::Etc::sourcelist="$d/etc/sources.list" -o Dir::Etc::sourceparts=- \
		-o Dir::State="$d/state" -o Dir::Cache="$d/cache" -o Dir::State::status=/dev/null \
		-o Acquire::Check-Valid-Until=false -o Acquire::Languages=none "$@"
}

# Pins that make the first install take the OLDEST version in reach of some source packages, so that a later plain
# `apt-get upgrade` has work to do. The archive moves within a day: versions are asked for, never written down.
lab_old_pins() { # SUITE
	local suite=$1 pair src bin low v main rel
	lab_apt_dir "$suite"
	printf 'Package: *\nPin: release n=%s\nPin-Priority: 900\n\n' "$suite"
	for pair in glibc:libc6 systemd:systemd openssl:openssl openssh:openssh-server curl:curl \
		util-linux:util-linux libxml2:libxml2 glib2.0:libglib2.0-data sudo:sudo; do
		src=${pair%%:*} bin=${pair##*:} low='' main=''
		while IFS='|' read -r _ v rel; do
			v=${v// /}
			[[ $rel = *" $suite/"* ]] && main=$v
			if [[ -z $low ]] || dpkg --compare-versions "$v" lt "$low"; then low=$v; fi
		done < <(lab_apt "$suite" apt-cache madison "$bin" 2>/dev/null | grep Packages)
		[[ -n $low && $low != "$main" ]] &&
			printf 'Package: src:%s\nPin: version %s*\nPin-Priority: 1001\n\n' "$src" "$low"
	done
	return 0
}

LAB_BASE=systemd,systemd-sysv,dbus,libpam-systemd,dbus-user-session,libnss-systemd,procps,iproute2,ca-certificates
LAB_BASE+=,netbase,openssh-server,openssh-client,nginx-light,cron,python3-minimal,openssl
# shellcheck disable=SC2034  # for boot.sh
LAB_DEBIAN=php-fpm,redis-server,needrestart

# lab_tarball SUITE PACKAGES -> path of the cached tarball of an old system of that suite
lab_tarball() {
	local suite=$1 incl=$LAB_BASE,$2 key tar tmp
	key=$(printf '%s' "$incl" | sha256sum | cut -c1-8)
	tar=$WORK/cache/root-$suite-$key.tar
	lab_lock bootstrap
	if [[ ! -s $tar ]]; then
		lab_need mmdebstrap:mmdebstrap
		tmp=$(mktemp -d "$WORK/cache/mk.XXXXXX")
		lab_sources "$suite" >"$tmp/sources.list"
		lab_old_pins "$suite" >"$tmp/pins"
		log "bootstrapping $suite: $incl"
		# force-unsafe-io stays in the tarball: an upgrade in a throw-away root need not sync to disk
		if ! mmdebstrap --variant=minbase --format=tar --aptopt='Acquire::Check-Valid-Until "false"' \
			--dpkgopt=force-unsafe-io --include="$incl" \
			--setup-hook="mkdir -p \"\$1/etc/apt/preferences.d\" && cp '$tmp/pins' \"\$1/etc/apt/preferences.d/00lab-old\"" \
			"$suite" "$tar.part" "$tmp/sources.list" >"$tmp/log" 2>&1; then
			tail -n 40 "$tmp/log" >&2
			rm -rf "$tmp" "$tar.part"
			die "mmdebstrap $suite failed"
		fi
		rm -rf "$tmp"
		mv "$tar.part" "$tar"
	fi
	lab_unlock
	printf '%s\n' "$tar"
}

# --- control groups: works on a v2-only host and on the hybrid v1 layout ---
lab_cgroot_v2() {
	if [[ $(stat -fc %T /sys/fs/cgroup) = cgroup2fs ]]; then echo /sys/fs/cgroup
	elif [[ -d /sys/fs/cgroup/unified ]]; then echo /sys/fs/cgroup/unified
	else return 1; fi
}
lab_cgroots() { # every hierarchy that a machine's processes are moved in
	lab_cgroot_v2 || true
	[[ -d /sys/fs/cgroup/systemd ]] && echo /sys/fs/cgroup/systemd
	return 0
}
lab_cg_clean() { # NAME
	local r
	for r in $(lab_cgroots); do
		[[ -d $r/lab-$1 ]] || continue
		[[ -w $r/lab-$1/cgroup.kill ]] && echo 1 >"$r/lab-$1/cgroup.kill" 2>/dev/null
		for _ in 1 2 3 4 5 6 7 8 9 10; do
			find "$r/lab-$1" -depth -type d -exec rmdir {} + 2>/dev/null && break
			sleep 0.1
		done
	done
}

# --- network: a namespace per machine, with NAT to the package archive or with nothing ---
lab_net_up() { # NAME MODE(nat|private)
	local name=$1 mode=$2 d=$WORK/run/$1 n ns=lab-$1
	ip netns add "$ns" || die "name taken: another work dir has a machine $name"
	: >"$d/netns"
	ip -n "$ns" link set lo up
	[[ $mode = private ]] && return 0
	lab_need nft:nftables
	exec 8>/run/lab-net.lock # one pool of addresses for all work dirs
	flock 8
	for n in $(seq 1 254); do [[ -e /sys/class/net/labv$n ]] || break; done
	ip link add "labv$n" mtu 1400 type veth peer name host0 mtu 1400 netns "$ns" || die "no network for $name"
	sysctl -qw net.ipv4.ip_forward=1
	nft list table ip lab >/dev/null 2>&1 || nft 'add table ip lab;
		add chain ip lab post { type nat hook postrouting priority 100; };
		add rule ip lab post ip saddr 10.97.0.0/16 ip daddr != 10.97.0.0/16 masquerade'
	exec 8>&-
	echo "$n" >"$d/link"
	ip addr add "10.97.$n.1/30" dev "labv$n"
	ip link set "labv$n" up
	ip -n "$ns" addr add "10.97.$n.2/30" dev host0
	ip -n "$ns" link set host0 up
	ip -n "$ns" route add default via "10.97.$n.1"
}
lab_net_down() { # NAME
	local d=$WORK/run/$1
	[[ -e $d/netns ]] || return 0
	ip netns del "lab-$1" 2>/dev/null
	[[ -s $d/link ]] && ip link del "labv$(<"$d/link")" 2>/dev/null
	rm -f "$d/netns" "$d/link"
	exec 8>/run/lab-net.lock
	flock 8
	compgen -G '/sys/class/net/labv*' >/dev/null || nft delete table ip lab 2>/dev/null
	exec 8>&-
	return 0
}

# --- machines ---
lab_leader() { # NAME -> host PID of the machine's PID 1
	local d=$WORK/run/$1 np c
	np=$(cat "$d/nspawn.pid" 2>/dev/null) || return 1
	[[ -r /proc/$np/task/$np/children && $(cat "/proc/$np/comm" 2>/dev/null) = systemd-nspawn ]] || return 1
	for c in $(<"/proc/$np/task/$np/children"); do
		[[ $(awk '/^NSpid:/{print (NF > 2 && $NF == 1)}' "/proc/$c/status" 2>/dev/null) = 1 ]] && { echo "$c"; return 0; }
	done
	return 1
}

lab_exec() { # NAME COMMAND...  (replaces this process)
	local name=$1 l r cg
	shift
	l=$(lab_leader "$name") || die "machine $name is not up"
	# Join the machine's control group too: nsenter alone would leave the command in the caller's, seen inside as
	# 0::/../..
	cg=$(sed -n 's/^0:://p' "/proc/$l/cgroup")
	cg=${cg%/init.scope}
	r=$(lab_cgroot_v2) && mkdir -p "$r$cg/lab-exec" && echo $BASHPID >"$r$cg/lab-exec/cgroup.procs"
	cg=$(sed -n 's/^[0-9]*:name=systemd://p' "/proc/$l/cgroup")
	if [[ -n $cg && -d /sys/fs/cgroup/systemd ]]; then
		if [[ $cg = */init.scope ]]; then
			cg=${cg%/init.scope}/lab-exec
			mkdir -p "/sys/fs/cgroup/systemd$cg"
		fi
		echo $BASHPID >"/sys/fs/cgroup/systemd$cg/cgroup.procs"
	fi
	# --wdns, not --wd: the latter leaves a working directory outside the root
	exec nsenter -t "$l" -a --wdns=/root env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
		HOME=/root USER=root LOGNAME=root SHELL=/bin/bash TERM="${TERM:-dumb}" LANG=C.UTF-8 \
		DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND="${NEEDRESTART_SUSPEND-}" "$@"
}
in_lab() { (lab_exec "$name" "$@"); }

lab_boot() { # NAME CGROUPS(unified|hybrid) NET(nat|private); root at WORK/run/NAME/root
	local name=$1 cgroups=$2 net=$3 d=$WORK/run/$1 r np envs=() state='' i
	lab_need systemd-nspawn:systemd-container ip:iproute2 unshare:util-linux nsenter:util-linux
	case $cgroups in
	unified) envs+=(SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1) ;;
	hybrid) ;;
	*) die "control groups: unified or hybrid, not '$cgroups'" ;;
	esac
	lab_net_up "$name" "$net"
	(
		# a control group of its own: nspawn makes payload/ and supervisor/ below the one it runs in, and two machines
		# must not share them
		for r in $(lab_cgroots); do
			mkdir -p "$r/lab-$name"
			echo $BASHPID >"$r/lab-$name/cgroup.procs"
		done
		# a time namespace: uptime, btime and process start times count from this machine's boot, as on a real
		# machine. Without one (LAB_TIMENS=0) they count from the host's, as in most containers.
		up=$(cut -d. -f1 /proc/uptime)
		tns=()
		[[ ${LAB_TIMENS:-1} = 1 && -e /proc/self/ns/time ]] &&
			tns=(unshare --time --boottime "-$up" --monotonic "-$up" --fork --kill-child=TERM)
		# shellcheck disable=SC2016
		exec env -u NOTIFY_SOCKET "${envs[@]}" setsid "${tns[@]}" \
			bash -c 'echo $$ >"$0"; exec "$@"' "$d/nspawn.pid" systemd-nspawn --quiet --register=no --keep-unit \
			--directory="$d/root" --machine="$name" --hostname="$name" --resolv-conf=copy-host \
			--timezone=off --console=read-only "--network-namespace-path=/run/netns/lab-$name" \
			--boot </dev/null >"$d/console.log" 2>&1
	) &
	np=$!
	for ((i = 0; i < ${LAB_BOOT_TIMEOUT:-60} * 5; i++)); do
		sleep 0.2
		kill -0 "$np" 2>/dev/null || break
		lab_leader "$name" >/dev/null || continue
		state=$( (lab_exec "$name" systemctl is-system-running) 2>/dev/null)
		[[ $state = running || $state = degraded ]] && break
	done
	if [[ $state != running && $state != degraded ]]; then
		tail -n 15 "$d/console.log" >&2
		die "machine $name did not come up (state: ${state:-none})"
	fi
	log "$name: $state, PID 1 is host PID $(lab_leader "$name")"
}

lab_stop() { # NAME
	local name=$1 d=$WORK/run/$1 np l i
	[[ -d $d ]] || return 0
	np=$(cat "$d/nspawn.pid" 2>/dev/null)
	l=$(lab_leader "$name")
	if [[ -n $l ]]; then
		kill -TERM "$np" 2>/dev/null # nspawn sends SIGRTMIN+3 on: an orderly poweroff
		for ((i = 0; i < 200; i++)); do kill -0 "$np" 2>/dev/null || break; sleep 0.1; done
		kill -0 "$np" 2>/dev/null && kill -KILL "$l" "$np" 2>/dev/null
	fi
	lab_cg_clean "$name"
	lab_net_down "$name"
	rmdir "/run/systemd/nspawn/propagate/$name" 2>/dev/null
	[[ -d $d/root ]] && rm -f "/run/systemd/nspawn/locks/$(stat -c 'inode-%d:%i' "$d/root")"
	rm -rf --one-file-system "$d"
	return 0
}

# Stops the machine when the process that asked for it is gone, however it went.
lab_watch() { # NAME OWNER-PID
	local name=$1 owner=$2
	(
		exec </dev/null >/dev/null 2>&1 9>&-
		while kill -0 "$owner" && [[ -d $WORK/run/$name ]]; do sleep 1; done
		LAB_QUIET=1 exec setsid "$here/stop.sh" -w "$WORK" "$name"
	) &
	disown
}
