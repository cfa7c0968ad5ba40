/** What the kernel needs before it can use the image: its disk, its file system, the writable layer, and the network cards. */
export const initramfsModules: readonly string[] = ['virtio_pci', 'virtio_blk', 'squashfs', 'overlay', 'virtio_net'];

/** Each step of the boot says so on the console with this word, the step and the seconds of the guest's clock (vm/console.ts reads it). */
export const milestoneMark = 'pathproof-milestone';

/** With this on the kernel's command line the initramfs only powers off: the boot probe of accel.ts. */
export const probeArgument = 'pathproof.probe';

/** Where the role of the VM lies in the initramfs: a tree that is copied over the image's root. */
export const roleFolder = 'role';
/** The program that becomes process 1, below the role's folder. */
export const roleInit = 'etc/pathproof/init';

/**
 * /init of the initramfs: the image as a read-only squashfs below a tmpfs (so that nothing of a VM
 * outlives it and all VMs share one file), the role copied over it, and off to the role's init.
 */
export const initramfsInit = `#!/bin/busybox sh
export PATH=/bin
/bin/busybox --install -s /bin
mkdir -p /proc /sys /lower /upper /root
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
milestone() { read up idle </proc/uptime; echo "${milestoneMark} $1 $up"; }
if grep -q ${probeArgument} /proc/cmdline; then poweroff -f; fi
milestone initramfs
for module in $(cat /modules/order); do insmod "/modules/$module" || echo "insmod $module failed"; done
tries=0
until [ -b /dev/vda ]; do
  tries=$((tries + 1))
  if [ $tries -gt 300 ]; then echo "pathproof-fatal no disk /dev/vda"; poweroff -f; fi
  sleep 0.1
done
mount -t squashfs -o ro /dev/vda /lower || { echo "pathproof-fatal cannot mount the image"; poweroff -f; }
mount -t tmpfs -o mode=0755,size=75% tmpfs /upper
mkdir /upper/data /upper/work
mount -t overlay -o lowerdir=/lower,upperdir=/upper/data,workdir=/upper/work overlay /root || { echo "pathproof-fatal cannot mount the overlay"; poweroff -f; }
cp -a /${roleFolder}/. /root/
mount --move /dev /root/dev
mount --move /proc /root/proc
mount --move /sys /root/sys
exec switch_root /root /${roleInit}
`;
