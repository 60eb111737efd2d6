#!/bin/bash
# A Debian 12 with a kernel of its own, which GRUB boots: a virtual machine, emulated in software (needs no /dev/kvm).
#   vm.sh [-w WORKDIR] root                     the root file system as a tarball (prints its path), made if need be
#   vm.sh [-w WORKDIR] [-p PID] start NAME      boots it, waits for ssh; -p: stop it when this process ends
#   vm.sh [-w WORKDIR] exec NAME COMMAND...     runs a command in it, as root, with this script's input
#   vm.sh [-w WORKDIR] reboot NAME              an orderly reboot: what comes up is GRUB's choice; the clock chip goes on
#   vm.sh [-w WORKDIR] stop NAME                removes it with its disk
# The root holds the oldest kernel in reach (linux-image-cloud-amd64) and glibc; the newer ones' packages lie in its apt
# cache, so that `apt-get -y install linux-image-cloud-amd64 libc6` is a real upgrade without a network.
set -u
owner=''
while getopts +w:p:h o; do
	case $o in
	w) export LAB_WORK=$OPTARG ;; p) owner=$OPTARG ;;
	*) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0"; exit 2 ;;
	esac
done
shift $((OPTIND - 1))
# shellcheck source=lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"
suite=bookworm
vms=$WORK/vm
cmd=${1:-} name=${2:-}
d=$vms/$name
mkdir -p "$vms" "$WORK/cache"

# What such a system is made of; 99-lab-vm.sh in it does what a chroot is needed for.
packages=apt,systemd,systemd-sysv,dbus,udev,kmod,procps,iproute2,tzdata,util-linux-extra,openssh-server,busybox-static,cpio
packages+=,initramfs-tools,grub2-common,grub-pc-bin,debconf,linux-image-cloud-amd64

# An initrd of three drivers instead of initramfs-tools': that takes minutes where a processor is emulated.
initrd_maker() {
	cat <<'INITRD'
#!/bin/bash
# update-initramfs -c|-u|-d -k VERSION: busybox, the modules of virtio and ext4, and a script
set -eu
do='' version=''
while getopts cudk:b:tsv o; do
	case $o in c | u | d) do=$o ;; k) version=$OPTARG ;; *) ;; esac
done
[[ -n $version && $version != all ]] || exit 0
image=/boot/initrd.img-$version
if [[ $do = d ]]; then rm -f "$image"; exit 0; fi
t=$(mktemp -d)
mkdir -p "$t"/{dev,root,modules}
cp /bin/busybox "$t/busybox"
modprobe -a -S "$version" --show-depends virtio_pci virtio_blk ext4 | sed -n 's/^insmod \([^ ]*\).*/\1/p' | awk '!seen[$0]++' >"$t/list"
while read -r module; do cp "$module" "$t/modules/"; done <"$t/list"
{
	printf '#!/busybox sh\n/busybox mount -t devtmpfs dev /dev\n'
	sed 's#.*/#/busybox insmod /modules/#' "$t/list"
	printf 'i=0; while [ $i -lt 100 ] && [ ! -b /dev/vda ]; do /busybox sleep 0.1; i=$((i + 1)); done\n'
	printf '/busybox mount -t ext4 /dev/vda /root && /busybox mount --move /dev /root/dev\nexec /busybox switch_root /root /sbin/init\n'
} >"$t/init"
chmod 755 "$t/init"
(cd "$t" && find . | cpio --quiet -o -H newc) >"$image"
rm -rf "$t"
INITRD
}

root_tarball() { # -> its path
	local key tar tmp v low='' versions
	key=$(cat "$0" "$here/vm-customize.sh" "$here/lib.sh" | sha256sum | cut -c1-8)
	tar=$WORK/cache/vm-$suite-$key.tar
	lab_lock bootstrap
	if [[ ! -s $tar ]]; then
		lab_need mmdebstrap:mmdebstrap
		tmp=$(mktemp -d "$WORK/cache/mk.XXXXXX")
		lab_sources "$suite" >"$tmp/sources.list"
		lab_old_pins "$suite" >"$tmp/pins"
		versions=$(lab_apt "$suite" apt-cache madison linux-image-cloud-amd64 | awk -F'|' '/Packages/ { gsub(" ", "", $2); print $2 }' | sort -u)
		[[ $(wc -l <<<"$versions") -ge 2 ]] || packages=${packages/linux-image-cloud-amd64/$(oldest_image)}
		for v in $versions; do
			if [[ -z $low ]] || dpkg --compare-versions "$v" lt "$low"; then low=$v; fi
		done
		printf 'Package: linux-image-cloud-amd64\nPin: version %s\nPin-Priority: 1001\n' "$low" >>"$tmp/pins"
		initrd_maker >"$tmp/update-initramfs"
		log "bootstrapping the VM's root: kernel $low"
		if ! mmdebstrap --variant=minbase --format=tar --skip=cleanup/apt --aptopt='Acquire::Check-Valid-Until "false"' \
			--dpkgopt=force-unsafe-io --include="$packages" \
			--setup-hook="mkdir -p \"\$1/etc/apt/preferences.d\" && cp '$tmp/pins' \"\$1/etc/apt/preferences.d/00lab-old\"" \
			--essential-hook="chroot \"\$1\" dpkg-divert --quiet --local --rename --add /usr/sbin/update-initramfs" \
			--essential-hook="install -m 755 '$tmp/update-initramfs' \"\$1/usr/sbin/update-initramfs\"" \
			--customize-hook="'$here/vm-customize.sh' \"\$1\"" \
			"$suite" "$tar.part" "$tmp/sources.list" >"$tmp/log" 2>&1; then
			tail -n 40 "$tmp/log" >&2
			rm -rf "$tmp" "$tar.part"
			die "mmdebstrap of the VM's root failed"
		fi
		rm -rf "$tmp"
		mv "$tar.part" "$tar"
	fi
	lab_unlock
	printf '%s\n' "$tar"
}

# Where the archive has one version of the metapackage only (just after a point release): the oldest image by its name.
oldest_image() {
	lab_apt "$suite" apt-cache search --names-only '^linux-image-6[.]1[.]0-[0-9]+-cloud-amd64$' | awk '{ print $1 }' | sort -V | head -n 1
}

# The disk of the root, and another one with nothing but GRUB: hd0 to the firmware, whose configuration is on the other.
disks() {
	local r=$d/root
	lab_need mke2fs:e2fsprogs ssh-keygen:openssh-client
	ssh-keygen -q -t ed25519 -N '' -C lab -f "$d/id"
	mkdir "$r"
	tar -C "$r" --numeric-owner --xattrs --xattrs-include='*' -xpf "$1" || die "cannot unpack $1"
	mkdir -p "$r/root/.ssh"
	cp "$d/id.pub" "$r/root/.ssh/authorized_keys"
	chmod 700 "$r/root/.ssh"
	cat "$r/usr/lib/grub/i386-pc/boot.img" "$r/boot/grub/core.img" >"$d/grub.img"
	truncate -s 1M "$d/grub.img"
	# GRUB 2.06 reads no file system with these two, which newer e2fsprogs switch on
	mke2fs -q -t ext4 -O '^metadata_csum_seed,^orphan_file' -L root -d "$r" "$d/disk.img" 3G >/dev/null 2>"$d/mke2fs.log" ||
		mke2fs -q -t ext4 -L root -d "$r" "$d/disk.img" 3G >/dev/null || die "mke2fs failed"
	rm -rf --one-file-system "$r"
}

free_port() {
	local port
	for ((port = 22100; port < 22300; port++)); do
		(exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port"; return; }
	done
	die "no free port"
}

ssh_vm() {
	ssh -i "$d/id" -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -o ConnectTimeout=10 \
		-p "$(<"$d/port")" root@127.0.0.1 "$@"
}

running() {
	local pid
	pid=$(cat "$d/pid" 2>/dev/null) && [[ $(cat "/proc/$pid/comm" 2>/dev/null) = qemu-system-* ]]
}
boot_id() { ssh_vm cat /proc/sys/kernel/random/boot_id 2>/dev/null; }

launch() {
	qemu-system-x86_64 -machine q35 -accel tcg,thread=multi -cpu max -m 1024 -smp 2 \
		-display none -nodefaults -no-user-config -daemonize -pidfile "$d/pid" -serial "file:$d/serial.log" \
		-drive "file=$d/disk.img,format=raw,if=none,id=root,cache=unsafe" -device virtio-blk-pci,drive=root,bootindex=1 \
		-drive "file=$d/grub.img,format=raw,if=none,id=grub,readonly=on" -device virtio-blk-pci,drive=grub,bootindex=0 \
		-netdev "user,id=n0,restrict=on,hostfwd=tcp:127.0.0.1:$(<"$d/port")-:22" -device virtio-net-pci,netdev=n0 \
		-device virtio-rng-pci || die "qemu failed"
}

wait_ssh() { # [BOOT-ID]: not with this one any more
	local i id t=$SECONDS
	for ((i = 0; i < 600; i++)); do
		running || { tail -n 20 "$d/serial.log" >&2; die "$name: qemu is gone"; }
		timeout 10 bash -c "exec 3<>/dev/tcp/127.0.0.1/$(<"$d/port") && read -r -t 8 l <&3" 2>/dev/null &&
			id=$(boot_id) && [[ -n $id && $id != "${1:-}" ]] && { log "$name: up after $((SECONDS - t)) s"; return 0; }
		((SECONDS - t < 300)) || break
		sleep 0.5
	done
	tail -n 20 "$d/serial.log" >&2
	die "$name did not come up"
}

stop() {
	[[ -d $d ]] || return 0
	if running; then
		kill -TERM "$(<"$d/pid")"
		for _ in {1..50}; do running || break; sleep 0.1; done
		running && kill -KILL "$(<"$d/pid")"
	fi
	rm -rf --one-file-system "$d"
}

watch() { # stops it when its owner is gone, however that went
	(
		exec </dev/null >/dev/null 2>&1 9>&-
		while kill -0 "$owner" && [[ -d $d ]]; do sleep 1; done
		stop
	) &
	disown
}

[[ $cmd = root || $name =~ ^[a-z][a-z0-9-]{0,30}$ ]] || usage
case $cmd in
root) root_tarball ;;
start)
	lab_need qemu-system-x86_64:qemu-system-x86
	[[ -d $d ]] && die "a VM $name is there already: vm.sh stop $name"
	tar=$(root_tarball) || exit 1
	mkdir "$d"
	# shellcheck disable=SC2317,SC2329
	cleanup() { local rc=$?; [[ $rc = 0 ]] || stop; exit "$rc"; }
	trap cleanup EXIT
	trap 'exit 143' INT TERM HUP
	[[ -z $owner ]] || watch
	disks "$tar"
	free_port >"$d/port"
	launch
	wait_ssh
	;;
exec)
	running || die "$name is not up"
	shift 2
	# the arguments as they are, not joined and split again
	ssh_vm "$(printf '%q ' "$@")"
	;;
reboot)
	running || die "$name is not up"
	id=$(boot_id)
	[[ -n $id ]] || die "$name does not answer"
	ssh_vm systemctl reboot
	wait_ssh "$id"
	;;
stop) stop ;;
*) usage ;;
esac
