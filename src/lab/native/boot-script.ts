import { imageStorePath } from './host-files.js';

/**
 * The shell script that becomes the PID 1 of a native host, in namespaces of its own (mounts, processes, network, UTS,
 * IPC, control groups), started from the host's control group.
 *
 * Arguments: the hosts' root, the host's folder (`upper`, `work`, `root`, `containers`, `ceph`, `run` in it), podman's
 * store, the host's name, then any number of `SOURCE:TARGET` bind mounts and
 * `dev:NAME:MAJOR:MINOR` block devices. It says `made` when the root is complete,
 * waits for a line on its standard input, which whoever has given the host its network sends, and becomes systemd.
 *
 * What it sees of the machine: a read-only /proc/sys but for /proc/sys/net, control groups below its own only, and no
 * device but those of every container and the loop devices that are given to it.
 */
export const bootScript = `set -e
root=$1 dir=$2 store=$3 name=$4
shift 4
hostname "$name"
mount --make-rprivate /
mount -t overlay overlay -o "lowerdir=$root,upperdir=$dir/upper,workdir=$dir/work" "$dir/root"
cd "$dir/root"
mount -t proc proc proc
mount -t sysfs -o ro,nosuid,nodev,noexec sysfs sys
mount -t cgroup2 -o nosuid,nodev,noexec cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755,nosuid tmpfs dev
mkdir dev/pts dev/shm dev/mqueue
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts dev/pts
mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs dev/shm
mknod -m 666 dev/null c 1 3
mknod -m 666 dev/zero c 1 5
mknod -m 666 dev/full c 1 7
mknod -m 666 dev/random c 1 8
mknod -m 666 dev/urandom c 1 9
mknod -m 666 dev/tty c 5 0
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
ln -s /proc/self/fd/0 dev/stdin
ln -s /proc/self/fd/1 dev/stdout
ln -s /proc/self/fd/2 dev/stderr
[ ! -e /dev/fuse ] || mknod -m 666 dev/fuse c 10 229
mount -t tmpfs -o mode=755,nosuid,nodev tmpfs run
# cephadm binds these into containers.
mkdir -p run/udev run/lvm run/lock/lvm
mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs tmp
mount --bind "$dir/containers" var/lib/containers
mount --bind "$dir/ceph" var/lib/ceph
# Shared with the harness; a host that is to be a stranger's has none.
if [ -d "$dir/run" ]; then
  mkdir run/pathproof
  mount --bind "$dir/run" run/pathproof
fi
mount --bind "$store" var${imageStorePath.slice('/var'.length)}
mount -o remount,bind,ro var${imageStorePath.slice('/var'.length)}
for pair; do
  case $pair in dev:*) mknod -m 660 "dev/$(echo "$pair" | cut -d: -f2)" b "$(echo "$pair" | cut -d: -f3)" "$(echo "$pair" | cut -d: -f4)"; continue;; esac
  mkdir -p ".\${pair#*:}"
  mount --bind "\${pair%%:*}" ".\${pair#*:}"
done
mount --bind proc/sys proc/sys
mount --bind proc/sys/net proc/sys/net
mount -o remount,bind,ro proc/sys
echo made
read -r line
mkdir -p mnt/old
pivot_root . mnt/old
cd /
exec env -i container=lab PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 TERM=dumb \\
  sh -c 'umount -l /mnt/old; exec /sbin/init </dev/null'
`;
