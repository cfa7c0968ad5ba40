/** What the kernel needs before it has the box's disk. */
export const boxModules: readonly string[] = ['virtio_pci', 'virtio_blk', 'ext4'];

/** The box's root partition; libvirt's machines have their disks on virtio. */
export const rootDevice = '/dev/vda1';

/**
 * /init of the box's initramfs: the modules, the disk, systemd. Debian's own one starts udev and asks it for all devices,
 * which takes an emulated processor nine seconds more. Where there is no KVM the clock is not the processor's counter unless the kernel
 * was told its frequency: measured at boot, on a busy machine it came out wrong by a factor. The other clocks are emulated devices, and
 * a look at them is a thousand times slower.
 */
export const boxInit = `#!/bin/busybox sh
export PATH=/bin
/bin/busybox --install -s /bin
mkdir -p /proc /sys /root
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
for module in $(cat /modules/order); do insmod "/modules/$module" || echo "insmod $module failed"; done
tries=0
until [ -b ${rootDevice} ]; do
  tries=$((tries + 1))
  if [ $tries -gt 300 ]; then echo "pathproof-fatal no disk ${rootDevice}"; poweroff -f; fi
  sleep 0.1
done
mount -t ext4 -o rw,noatime ${rootDevice} /root || { echo "pathproof-fatal cannot mount ${rootDevice}"; poweroff -f; }
clock=/sys/devices/system/clocksource/clocksource0
read clocks <$clock/available_clocksource
case "$clocks $(cat /proc/cmdline)" in
  *kvm-clock*|*tsc_early_khz=*) ;;
  *hpet*) echo hpet >$clock/current_clocksource ;;
  *acpi_pm*) echo acpi_pm >$clock/current_clocksource ;;
esac
mount --move /dev /root/dev
mount --move /proc /root/proc
mount --move /sys /root/sys
exec switch_root /root /sbin/init
`;
