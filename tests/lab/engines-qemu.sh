#!/bin/bash
# Starts a virtual machine that waits for its first instruction, anew if it runs, and has systemd-machined make a scope
# for it as libvirt does. Run inside a machine with qemu-system-x86 and systemd-container.
#   engines-qemu.sh NUMBER GUEST
set -eu
pid=/run/qemu-$2.pid
if [[ -e $pid ]]; then
	kill "$(<"$pid")"
	while [[ -e $pid ]] || machinectl show "qemu-$1-$2" >/dev/null 2>&1; do sleep 0.1; done
fi
setsid -f qemu-system-x86_64 -name "guest=$2,debug-threads=on" -S -machine none -nodefaults -display none \
	-pidfile "$pid" </dev/null >/dev/null 2>&1
for _ in $(seq 50); do [[ -s $pid ]] && break; sleep 0.1; done
busctl call -q org.freedesktop.machine1 /org/freedesktop/machine1 org.freedesktop.machine1.Manager CreateMachine \
	'sayssusa(sv)' "qemu-$1-$2" 0 libvirt-qemu vm "$(<"$pid")" '' 0
