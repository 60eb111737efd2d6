# shellcheck shell=bash
# Run inside a Debian lab machine after services.sh: a unit of each kind that a restart has to tell apart. What is stale
# later is the C library, so all that runs here is. tests/lab/restart.rs says what is right for each.
units=/etc/systemd/system
unit() { cat >"$units/$1"; }
simple() { # NAME COMMAND LINE... - a service, and more lines of its [Service]
	local name=$1 command=$2
	shift 2
	printf '%s\n' '[Service]' "ExecStart=$command" "$@" >"$units/$name"
}

# --- what can be restarted
# Its socket stays while it goes: whoever connects waits, and is not refused.
cat >/usr/local/lib/lab-socket.py <<'PY'
import os
import signal
import socket

going = False


def go(*_):
    global going
    going = True


signal.signal(signal.SIGTERM, go)
listening = socket.socket(fileno=3)
listening.settimeout(0.05)
while not going:
    try:
        connection, _ = listening.accept()
    except TimeoutError:
        continue
    connection.sendall(os.environ["INVOCATION_ID"].encode())
    connection.close()
PY
printf '[Socket]\nListenStream=127.0.0.1:4501\n' | unit lab-socket.socket
simple lab-socket.service '/usr/bin/python3 /usr/local/lib/lab-socket.py'
cat >/usr/local/lib/lab-client.py <<'PY'
# Connects over and over, and counts who answers.
import collections
import socket
import time

answers = collections.Counter()
while True:
    try:
        with socket.create_connection(("127.0.0.1", 4501), 10) as connection:
            answers[connection.recv(64).decode() or "nothing"] += 1
    except OSError as error:
        answers[str(error)] += 1
    with open("/run/lab-client", "w") as out:
        for answer in answers.items():
            print(*answer, sep="\t", file=out)
    time.sleep(0.02)
PY
# Another goes down and comes back with it, and is stale too: one restart for both.
simple lab-back.service '/usr/bin/sleep infinity'
printf '[Unit]\nRequires=lab-back.service\nAfter=lab-back.service\n[Service]\nExecStart=/usr/bin/sleep infinity\n' |
	unit lab-front.service
# Its file changed since the manager read it.
simple lab-reread.service '/usr/bin/sleep infinity'
# A process of it outlives the main process, as sessions of sshd do.
simple lab-linger.service "/bin/sh -c 'sleep infinity & exec sleep infinity'" KillMode=process

# --- what comes to grief
# A web server whose settings the upgrade breaks.
printf 'pid /run/lab-bad.pid;\nevents {}\n' >/etc/lab-bad.conf
simple lab-bad.service "/usr/sbin/nginx -c /etc/lab-bad.conf -g 'daemon off;'" \
	"ExecStartPre=/usr/sbin/nginx -t -q -c /etc/lab-bad.conf"
# A program that starts, and dies soon.
printf '#!/bin/sh\nexec sleep infinity\n' >/usr/local/bin/lab-dies
chmod 755 /usr/local/bin/lab-dies
simple lab-dies.service /usr/local/bin/lab-dies Restart=on-failure RestartSec=1

# --- what is not to be touched
simple lab-stopped.service '/usr/bin/sleep infinity'
simple lab-idle.service '/usr/bin/python3 /usr/local/lib/lab-socket.py'
printf '[Socket]\nListenStream=127.0.0.1:4502\n' | unit lab-idle.socket
printf '[Service]\nType=oneshot\nExecStart=/usr/bin/sleep infinity\n' | unit lab-once.service
printf '[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/sh -c "sleep infinity & exit"\n' |
	unit lab-left.service
printf '[Unit]\nRefuseManualStop=yes\n[Service]\nExecStart=/usr/bin/sleep infinity\n' | unit lab-refuses.service
units=/usr/local/lib/systemd/system
mkdir -p $units
simple lab-masked.service '/usr/bin/sleep infinity'
simple lab-vanished.service '/usr/bin/sleep infinity'
units=/etc/systemd/system
cp /usr/bin/sleep /usr/local/bin/lab-gone
simple lab-gone.service '/usr/local/bin/lab-gone infinity'
# A restart of the one would take the other along, which policy holds back.
simple lab-base.service '/usr/bin/sleep infinity'
printf '[Unit]\nRequires=lab-base.service\nAfter=lab-base.service\n[Service]\nExecStart=/usr/bin/sleep infinity\n' |
	unit lab-held.service
simple lab-left-alone.service '/usr/bin/sleep infinity'
simple lab-hidden.service '/usr/bin/sleep infinity'

systemctl daemon-reload
systemctl start lab-socket.socket lab-idle.socket lab-front.service lab-reread.service lab-linger.service \
	lab-bad.service lab-dies.service lab-left.service lab-refuses.service lab-masked.service lab-vanished.service \
	lab-gone.service lab-held.service lab-left-alone.service lab-hidden.service
systemctl start --no-block lab-once.service
systemd-run -q --unit=lab-transient sleep infinity
python3 -c 'import socket; print(socket.create_connection(("127.0.0.1", 4501)).recv(64))'
systemctl -q mask lab-masked.service
rm /usr/local/lib/systemd/system/lab-vanished.service /usr/local/bin/lab-gone
systemctl daemon-reload

# --- a container, with a system of its own
web=/var/lib/machines/mweb
mkdir -p $web/{usr/{bin,lib,lib64},etc,proc,sys,dev,run,tmp,var}
for top in bin lib lib64; do ln -s usr/$top $web/$top; done
for file in /usr/bin/sleep $(ldd /usr/bin/sleep | grep -oE '/(usr/)?lib[^ ]+'); do
	mkdir -p "$web${file%/*}"
	cp -L "$file" "$web$file"
done
echo ID=lab >$web/usr/lib/os-release
systemd-run -q --unit=by-hand -p KillMode=mixed systemd-nspawn -q -a -D $web -M mweb --private-network sleep infinity
for _ in $(seq 50); do machinectl -q show mweb >/dev/null 2>&1 && break; sleep 0.1; done
