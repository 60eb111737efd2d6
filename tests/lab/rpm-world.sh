#!/bin/bash
# A RPM system without a RPM distribution's mirror: every file of the root is owned by a real rpm database
# (/var/lib/rpm, sqlite), packages carry RHEL-like names, dnf installs and upgrades them from local repositories,
# systemd is PID 1. The RPMs are made from Debian 12's packages, in two versions of which the second is newer for real.
#   rpm-world.sh [-w WORKDIR]     prints the path of the tarball: boot.sh -f TARBALL NAME
# Inside: `dnf --enablerepo=lab-updates upgrade` is the upgrade. There are no scriptlets, hence no daemon-reexec.
set -u
suite=bookworm dist=.el9 ident=rhel release=9.4
# what must have an update even if the archive has no newer version
export BUMP=libc6,libssl3,systemd,libsystemd0,libsystemd-shared,dbus-daemon,openssh-server,zlib1g,nginx,cron,bash
while getopts w:h o; do
	case $o in
	w) export LAB_WORK=$OPTARG ;;
	*) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0"; exit 2 ;;
	esac
done
# shellcheck source=lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"
[[ $EUID = 0 ]] || die "must be root"
extra=rpm,dnf,dnf-plugins-core,curl,logrotate
mkdir -p "$WORK/cache" "$WORK/run"
key=$(printf '%s' "$LAB_BASE $extra $ident $release $BUMP" | cat - "$here/deb2rpm.py" | sha256sum | cut -c1-8)
tar=$WORK/cache/rpm-$suite-$key.tar
if [[ -s $tar ]]; then
	printf '%s\n' "$tar"
	exit 0
fi
lab_need createrepo_c:createrepo-c python3:python3-minimal
base=$(lab_tarball "$suite" "$extra") || exit 1
lab_lock bootstrap
tmp=$(mktemp -d "$WORK/cache/rpm.XXXXXX")
# shellcheck disable=SC2317,SC2329
cleanup() {
	local rc=$? m
	for m in "$tmp"/a/{proc,br,target/proc,target,repo} "$tmp"/b/{proc,br} "$tmp/target"; do
		mountpoint -q "$m" && umount "$m"
	done
	grep -q " $tmp/" /proc/mounts || rm -rf --one-file-system "$tmp"
	exit "$rc"
}
trap cleanup EXIT
trap 'exit 143' INT TERM HUP

in_root() { # ROOT COMMAND...
	local root=$1
	shift
	chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@" 9>&-
}

rebrand() { # ROOT
	local root=$1
	rm -f "$root/etc/os-release" "$root/etc/debian_version"
	printf 'NAME="Lab Linux"\nID="%s"\nID_LIKE="rhel fedora"\nVERSION_ID="%s"\nPRETTY_NAME="Lab Linux %s"\n' \
		"$ident" "$release" "$release" >"$root/usr/lib/os-release"
	ln -s ../usr/lib/os-release "$root/etc/os-release"
	mkdir -p "$root"/etc/{rpm,yum.repos.d,dnf} "$root/srv/lab"
	# Debian's rpm keeps root's database in ~/.rpmdb; other systems don't
	printf '%%_dbpath /var/lib/rpm\n%%dist %s\n' "$dist" >"$root/etc/rpm/macros.lab"
	cat >"$root/etc/yum.repos.d/lab.repo" <<-REPO
		[lab]
		name=lab
		baseurl=file:///srv/lab/base
		gpgcheck=0

		[lab-updates]
		name=lab-updates
		baseurl=file:///srv/lab/updates
		gpgcheck=0
		enabled=0
	REPO
	printf '[main]\ngpgcheck=0\nplugins=1\n' >"$root/etc/dnf/dnf.conf"
	# dnf's "local" plugin fails the upgrade's exit code
	sed -i '0,/^enabled *=.*/s//enabled = 0/' "$root/etc/dnf/plugins/local.conf"
}

build_rpms() { # ROOT OUT-REPO [OLDROOT]
	local root=$1 repo=$2 rc
	mkdir -p "$root/lab" "$root/br" "$root/proc" "$repo"
	python3 "$here/deb2rpm.py" "$root" "$root/lab" "$dist" "${@:3}" || die "deb2rpm failed"
	# the root is its own build root, read-only: rpmbuild only reads it
	mount --bind "$root" "$root/br"
	mount -o remount,bind,ro "$root/br"
	mount -t proc proc "$root/proc"
	in_root "$root" rpmbuild -bb --noclean --nodebuginfo --buildroot /br --define '_topdir /lab/top' \
		--define '_rpmdir /lab/rpms' /lab/world.spec >"$root/lab/log" 2>&1
	rc=$?
	umount "$root/proc" "$root/br"
	[[ $rc = 0 ]] || { tail -n 20 "$root/lab/log" >&2; die "rpmbuild failed"; }
	find "$root/lab/rpms" -name '*.rpm' -exec mv -t "$repo" {} +
	createrepo_c -q "$repo"
}

mkdir "$tmp/a" "$tmp/b"
t=$SECONDS
tar -C "$tmp/a" --numeric-owner -xpf "$base" || die "cannot unpack $base"
rm -f "$tmp/a/etc/apt/preferences.d/00lab-old"
cp -a "$tmp/a/." "$tmp/b/"
log "making the second version of the packages"
printf '#!/bin/sh\nexit 101\n' >"$tmp/b/usr/sbin/policy-rc.d"
chmod 755 "$tmp/b/usr/sbin/policy-rc.d"
cp --remove-destination /etc/resolv.conf "$tmp/b/etc/resolv.conf"
mount -t proc proc "$tmp/b/proc"
in_root "$tmp/b" sh -c 'apt-get -q -o Acquire::Check-Valid-Until=false update &&
	apt-get -y -q -o Dpkg::Options::=--force-confnew upgrade' >"$tmp/upgrade.log" 2>&1 ||
	{ tail -n 40 "$tmp/upgrade.log" >&2; die "upgrade failed"; }
umount "$tmp/b/proc"
rm -f "$tmp/b/usr/sbin/policy-rc.d"
rebrand "$tmp/a"
rebrand "$tmp/b"
log "building RPMs ($((SECONDS - t)) s so far)"
build_rpms "$tmp/b" "$tmp/updates" "$tmp/a"
build_rpms "$tmp/a" "$tmp/base"
log "$(find "$tmp/base" -name '*.rpm' | wc -l) RPMs, $(find "$tmp/updates" -name '*.rpm' | wc -l) updates ($((SECONDS - t)) s); installing"
mkdir -p "$tmp/a/target" "$tmp/a/repo" "$tmp/target"
# in memory: rpm syncs to disk
mount -t tmpfs -o size=4G,mode=755 tmpfs "$tmp/target"
mount --bind "$tmp/base" "$tmp/a/repo"
mount --bind "$tmp/target" "$tmp/a/target"
mount -t proc proc "$tmp/a/proc"
mkdir -p "$tmp/target/proc" "$tmp/target/dev" "$tmp/target/etc/rpm"
cp "$tmp/a/etc/rpm/macros.lab" "$tmp/target/etc/rpm/"
in_root "$tmp/a" dnf -y -q --installroot=/target --releasever="$release" --repofrompath=lab0,file:///repo --repo=lab0 \
	--setopt=gpgcheck=0 --setopt=install_weak_deps=0 --setopt=keepcache=0 install '*' >"$tmp/install.log" 2>&1 ||
	{ tail -n 20 "$tmp/install.log" >&2; die "dnf --installroot failed"; }
umount "$tmp/a/proc" "$tmp/a/target" "$tmp/a/repo"
mkdir -p "$tmp/target"/{proc,sys,dev,run,tmp,var/log,var/cache,var/tmp} "$tmp/target/srv/lab"
chmod 1777 "$tmp/target/tmp" "$tmp/target/var/tmp"
rm -rf "$tmp/target/var/cache/dnf"
mv "$tmp/updates" "$tmp/target/srv/lab/"
mkdir -p "$tmp/target/srv/lab/base"
createrepo_c -q "$tmp/target/srv/lab/base"
tar -C "$tmp/target" --numeric-owner -cf "$tar.part" . || die "cannot write $tar"
umount "$tmp/target"
mv "$tar.part" "$tar"
lab_unlock
log "$tar made in $((SECONDS - t)) s"
printf '%s\n' "$tar"
