# shellcheck shell=bash
# Starts one more of each, called …fresh, anew: run inside the machine of engines-start.sh.
docker rm -f dfresh >/dev/null 2>&1 || true
docker run -d --name dfresh --network none lab/small:1 >/dev/null
podman rm -f -t 0 -i pfresh >/dev/null
podman run -d --name pfresh --network none localhost/lab/small:1 >/dev/null

lxc-stop -k -n lfresh >/dev/null 2>&1 || true
if [[ ! -e /var/lib/lxc/lfresh ]]; then
	cp -a /var/lib/lxc/lweb /var/lib/lxc/lfresh
	sed -i s/lweb/lfresh/ /var/lib/lxc/lfresh/config
fi
lxc-start -n lfresh

fresh=/var/lib/machines/mfresh
if [[ ! -e $fresh ]]; then
	cp -a /var/lib/machines/mweb $fresh
	: >$fresh/etc/machine-id
fi
systemctl restart systemd-nspawn@mfresh.service

/srv/engines-qemu.sh 2 vmfresh
