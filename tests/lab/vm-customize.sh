#!/bin/bash
# Makes a bootable system of a bootstrapped root; vm.sh has mmdebstrap call it. vm-customize.sh ROOT
set -eu
root=$1
echo lab-vm >"$root/etc/hostname"
printf '127.0.0.1 localhost lab-vm\n' >"$root/etc/hosts"
printf '/dev/vda / ext4 defaults 0 1\n' >"$root/etc/fstab"
printf '[Match]\nName=eth0\n[Network]\nAddress=10.0.2.15/24\n' >"$root/etc/systemd/network/10-eth0.network"
: >"$root/etc/machine-id"
ssh-keygen -q -A -f "$root"
chroot "$root" systemctl -q enable systemd-networkd
chroot "$root" systemctl -q mask systemd-networkd-wait-online e2scrub_reap apt-daily.timer apt-daily-upgrade.timer man-db.timer
# a saved entry is the default, as on a machine whose administrator chose one; submenus and recovery entries as usual
cat >"$root/etc/default/grub" <<'GRUB'
GRUB_DEFAULT=saved
GRUB_TIMEOUT=0
GRUB_DISTRIBUTOR=Debian
GRUB_CMDLINE_LINUX="console=ttyS0 net.ifnames=0"
GRUB_CMDLINE_LINUX_DEFAULT=quiet
GRUB_TERMINAL=serial
GRUB_DISABLE_LINUX_UUID=true
GRUB_DISABLE_OS_PROBER=true
GRUB
# what grub-install would do on a disk of its own
mkdir -p "$root/boot/grub"
cp -r "$root/usr/lib/grub/i386-pc" "$root/boot/grub/"
chroot "$root" grub-mkimage -O i386-pc -p '(hd1)/boot/grub' -o /boot/grub/core.img biosdisk ext2 normal
# grub-mkconfig asks for the device below the root, which there is not yet: the first start is by the links
cat >"$root/boot/grub/grub.cfg" <<'GRUB'
set root=(hd1)
linux /vmlinuz root=/dev/vda ro console=ttyS0 net.ifnames=0 quiet
initrd /initrd.img
boot
GRUB
echo 'APT::Install-Recommends "false";' >"$root/etc/apt/apt.conf.d/90lab"
# the newer versions, fetched but not installed
rm -f "$root/etc/apt/preferences.d/00lab-old"
chroot "$root" apt-get -q clean
chroot "$root" apt-get -q -y -d -o APT::Keep-Downloaded-Packages=true install linux-image-cloud-amd64 libc6
