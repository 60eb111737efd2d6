# shellcheck shell=bash
# Starts containers and a virtual machine of each engine, from files of this machine alone: no registry. For each engine
# there is one called …web. Run inside a machine that has the engines' packages; tests/lab/containers.rs does.

# The control groups of a lab machine have no controllers.
mkdir -p /etc/containers/containers.conf.d
printf '[containers]\npids_limit = 0\n' >/etc/containers/containers.conf.d/lab.conf

# --- a small system: a program, a shell, and the libraries of both
small=/srv/small
programs() { # ROOT PROGRAM... - with their libraries
	local root=$1 program file
	shift
	for program; do
		for file in "$program" $(ldd "$program" | grep -oE '/(usr/)?lib[^ ]+'); do
			mkdir -p "$root${file%/*}"
			cp -L "$file" "$root$file"
		done
	done
}
mkdir -p $small/usr/{bin,sbin,lib,lib64} $small/{etc,proc,sys,dev,run,tmp,var}
for top in bin sbin lib lib64; do ln -s usr/$top $small/$top; done
programs $small /usr/bin/sleep /usr/bin/dash /usr/bin/busybox
ln -s dash $small/usr/bin/sh
# as PID 1, sleep would not heed the signal to end
printf '#!/bin/sh\ntrap "exit 0" TERM\nsleep infinity &\nwait\n' >$small/usr/bin/web
chmod 755 $small/usr/bin/web
echo 'root:x:0:0:root:/root:/bin/sh' >$small/etc/passwd
tar -C $small -cf /srv/small.tar .

# --- Docker and Podman
for _ in $(seq 50); do docker info >/dev/null 2>&1 && break; sleep 0.2; done
docker import -c 'CMD ["web"]' /srv/small.tar lab/small:1 >/dev/null
podman import -q -c 'CMD ["web"]' /srv/small.tar localhost/lab/small:1 >/dev/null
docker run -d --name dweb --network none lab/small:1 >/dev/null
podman run -d --name pweb --network none localhost/lab/small:1 >/dev/null

# --- LXC: an init that can reboot
lxc=/var/lib/lxc/lweb
mkdir -p $lxc/rootfs
cp -a $small/. $lxc/rootfs
ln -s ../bin/busybox $lxc/rootfs/usr/sbin/init
ln -s busybox $lxc/rootfs/usr/bin/reboot
printf '::respawn:/usr/bin/sleep infinity\n::ctrlaltdel:/bin/reboot\n' >$lxc/rootfs/etc/inittab
printf '%s\n' 'lxc.include = /usr/share/lxc/config/common.conf' "lxc.rootfs.path = dir:$lxc/rootfs" \
	'lxc.net.0.type = empty' 'lxc.apparmor.profile = unconfined' 'lxc.uts.name = lweb' >$lxc/config
lxc-start -n lweb

# --- systemd-nspawn: a system with systemd, started by hand and by its unit
units=/usr/lib/systemd/system
web=/var/lib/machines/mweb
mkdir -p $web
cp -a $small/. $web
programs $web /usr/lib/systemd/systemd /usr/lib/systemd/systemd-executor /usr/lib/systemd/systemd-shutdown
ln -s ../lib/systemd/systemd $web/usr/sbin/init
echo 'ID=lab' >$web/usr/lib/os-release
: >$web/etc/machine-id
mkdir -p $web$units
cp -a $units/{sysinit,basic,local-fs,swap,ctrl-alt-del,shutdown,umount,final,halt,reboot,poweroff}.target \
	$units/systemd-{halt,reboot,poweroff}.service $web$units/
printf '[Unit]\nAllowIsolate=yes\nWants=web.service\n' >$web$units/default.target
printf '[Service]\nExecStart=/usr/bin/sleep infinity\n' >$web$units/web.service
cp -a $web /var/lib/machines/munit
systemd-run -q --unit=by-hand -p KillMode=mixed systemd-nspawn -q -b -D $web -M mweb --private-network
machinectl start munit

# --- QEMU: a machine that waits, in the scope that machined makes for libvirt
/srv/engines-qemu.sh 1 vmweb
