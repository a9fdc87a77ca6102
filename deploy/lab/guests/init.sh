#!/bin/sh
# The guest's first process, once the host's files are its root: makes what may be written, runs the job, ends.
# Runs in both guests; the kernel command line says how the exchange folder is reached and where output goes.
# Needs nothing but dash, coreutils, util-linux, iproute2 and kmod.
PATH=/usr/sbin:/usr/bin:/sbin:/bin
export PATH

setting() { # the value of NAME= on the kernel command line
    for word in $(cat /proc/cmdline); do
        case $word in "$1"=*) printf '%s' "${word#*=}" ;; esac
    done
}

mounted() { grep -q " $1 " /proc/self/mounts; }

mount -t proc proc /proc
mount -t sysfs sysfs /sys
mounted /dev || mount -t devtmpfs devtmpfs /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs -o mode=1777 tmpfs /run
mkdir -p /run/lock /run/netns /run/home /run/exchange /run/project
# A project below /tmp would vanish behind the next mounts: it is held on to, and put back where it was.
project=$(setting piranha.project)
mount --bind "$project" /run/project
for folder in /dev/shm /tmp /var/tmp; do mount -t tmpfs -o mode=1777 tmpfs "$folder"; done
[ -d "$project" ] || { mkdir -p "$project" && mount --bind /run/project "$project"; }
[ -e /dev/fd ] || ln -s /proc/self/fd /dev/fd

case $(setting piranha.share) in
hostfs) mount -t hostfs -o "$(setting piranha.exchange)" exchange /run/exchange ;;
9p) mount -t 9p -o trans=virtio,version=9p2000.L,msize=262144 exchange /run/exchange ;;
esac

# modprobe looks in /lib/modules; User-Mode Linux keeps its modules elsewhere.
release=$(uname -r)
if [ ! -d "/lib/modules/$release" ] && [ -d "/usr/lib/uml/modules/$release" ]; then
    mount -t tmpfs tmpfs /lib/modules
    ln -s "/usr/lib/uml/modules/$release" "/lib/modules/$release"
fi

hostname piranha-guest
ip link set lo up
# QEMU's user network is always the same: this machine is 10.0.2.15, the host's loopback 10.0.2.2.
for card in /sys/class/net/e*; do
    [ -e "$card" ] || continue
    ip link set "${card##*/}" up
    ip address add 10.0.2.15/24 dev "${card##*/}"
    ip route add default via 10.0.2.2
done

# The kernel's messages have a console of their own; what the job prints goes to this one, as it is.
output=$(setting piranha.output)
case $output in /dev/tty*) stty -F "$output" raw -echo ;; esac
setsid -w sh /run/exchange/job.sh </dev/null >"$output" 2>&1
status=$?
printf '%s\n' "$status" >/run/exchange/status.new
mv /run/exchange/status.new /run/exchange/status
sync
# The magic key o: the kernel stops at once. Should it not, the end of the first process stops it too (panic=-1).
echo o >/proc/sysrq-trigger
sleep 5
