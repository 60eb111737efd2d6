# shellcheck shell=sh
# Run inside a Debian lab machine: services besides the usual ones. Template instances (one with an escaped name), a
# lingering user with a service, a login over ssh.
tls() { printf '[Service]\nExecStart=/usr/bin/openssl s_server -nocert -accept 127.0.0.1:%s\n' "$1"; }
tls %i >/etc/systemd/system/lab-tls@.service
tls 4403 >/etc/systemd/system/lab-escaped@.service
useradd --create-home --shell /bin/bash --uid 1000 lab
home=/home/lab
mkdir -p $home/.config/systemd/user/default.target.wants $home/.ssh
tls 4404 >$home/.config/systemd/user/lab-user.service
ln -s ../lab-user.service $home/.config/systemd/user/default.target.wants/
ssh-keygen -q -N '' -t ed25519 -f /root/.ssh/id_ed25519
cp /root/.ssh/id_ed25519.pub $home/.ssh/authorized_keys
chown -R lab: $home
cat >/etc/systemd/system/lab-login.service <<UNIT
[Unit]
After=ssh.service
[Service]
ExecStart=/usr/bin/ssh -i /root/.ssh/id_ed25519 -o StrictHostKeyChecking=no lab@localhost sleep infinity
Restart=on-failure
UNIT
systemctl daemon-reload
systemctl start lab-tls@4401.service lab-tls@4402.service 'lab-escaped@a\x2db.service' lab-login.service
loginctl enable-linger lab
for _ in $(seq 100); do
	[ -e /run/user/1000/systemd/private ] && pgrep -u lab openssl >/dev/null && pgrep -u lab sleep >/dev/null && break
	sleep 0.1
done
