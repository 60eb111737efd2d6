# shellcheck shell=bash
# Run inside a Debian lab machine after restart-start.sh and an upgrade: what an upgrade may do besides to services.
echo 'no_such_directive;' >>/etc/lab-bad.conf
printf '#!/bin/sh\nsleep 0.5\necho "lost its mind" >&2\nexit 1\n' >/usr/local/bin/lab-dies
echo Environment=LAB=2 >>/etc/systemd/system/lab-reread.service
# the container's own system, upgraded from inside
libc=$(realpath /usr/lib/*-linux-gnu/libc.so.6)
cp "$libc" "/var/lib/machines/mweb$libc.new"
mv "/var/lib/machines/mweb$libc.new" "/var/lib/machines/mweb$libc"
systemd-run -q --unit=lab-client python3 /usr/local/lib/lab-client.py
# Its package ran programs of this user, whose manager would end some time later.
systemctl stop "user@$(id -u postgres).service"
