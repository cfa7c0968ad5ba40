import { hostFiles, imageStorePath, sysctlShim } from '../../src/lab/native/host-files.js';
import { diskLayout } from './disk.js';
import { rootDevice } from './init.js';

/** The key with which Vagrant gets into every new box; its private half is in Vagrant itself, and so is no secret. */
const insecurePublicKey = 'ssh-rsa AAAAB3NzaC1yc2EAAAABIwAAAQEA6NF8iallvQVp22WDkTkyrtvp9eWW6A8YVr+kz4TjGYe7gHzIw+niNltGEFHzD8+v1I2YJ6oXevct1YeS0o9HZyN1Q9qgCgzUFtdOKLv6IedplqoPkcmF0aYet2PkEDo3MlTBckFXPITAMzF8dJSIFo9D8HfdOV0IAdx4O7PtixWKn5y2hMNG0zQPyUecp4pzC6kivAIhyfHilFR61RGL+GPXQ2MWZWFYbAGjyiYJnAmCP3NOTd0jMZEnDkbUvxhMmBYSdETk1rRgm+R4LOzFUGaHqHDLKLX+FIPKcF96hrucXzcWyLbIbEgE98OHlnVYCzRdK8jlqm8tehUc9c9WhQ== vagrant insecure public key';

/** Started by Debian's packages, and no use in a lab; each costs an emulated boot some of its time. */
const maskedUnits = [
  'systemd-timesyncd.service', 'systemd-logind.service', 'systemd-resolved.service', 'systemd-pstore.service', 'systemd-update-utmp.service',
  'systemd-hwdb-update.service', 'systemd-binfmt.service', 'systemd-journal-flush.service', 'systemd-journal-catalog-update.service',
  'systemd-boot-random-seed.service', 'systemd-growfs-root.service', 'systemd-tpm2-setup.service', 'systemd-tpm2-setup-early.service',
  'systemd-pcrphase.service', 'systemd-pcrphase-sysinit.service', 'systemd-networkd-wait-online.service', 'systemd-networkd-persistent-storage.service',
  'apt-daily.timer', 'apt-daily-upgrade.timer', 'dpkg-db-backup.timer', 'e2scrub_all.timer', 'e2scrub_reap.service', 'fstrim.timer', 'systemd-tmpfiles-clean.timer',
  'getty@tty1.service', 'serial-getty@ttyS0.service', 'ceph-crash.service', 'lvm2-monitor.service', 'systemd-sysusers.service', 'systemd-firstboot.service', 'ldconfig.service', 'systemd-udev-settle.service', 'nvme-suspend-inhibitor.service', 'nvmefc-boot-connections.service', 'nvmf-autoconnect.service', 'xfs_healer_start.service', 'dm-event.socket', 'lvm2-lvmpolld.socket', 'console-setup.service', 'keyboard-setup.service',
] as const;

const kernelOptions = [
  'console=ttyS0', 'loglevel=4', 'net.ifnames=0', 'random.trust_cpu=on',
  // The test of the timer counts ticks against the processor's own clock, and panics an emulated machine that has to wait for a processor (arch/x86/kernel/apic/io_apic.c, check_timer).
  'no_timer_check', 'watchdog_thresh=60',
  // A processor that was not run for a while does not make its counter a bad clock; its frequency is given where it is the clock (grub.cfg).
  'tsc=nowatchdog',
  // Page tables of the kernel's own cost an emulated processor its whole translation cache at each system call; a lab has no secrets.
  'mitigations=off',
  // Nice values count between sessions, too (sched(7)).
  'noautogroup',
  // One that panics all the same is not waited for until the end of all patience.
  'panic=10',
] as const;

/** Family in SMBIOS' system information (DSP0134, 7.2): there libvirt has one more option for the kernel, which a box cannot know (Vagrantfile). */
const familyOffset = 26;

/** The files of the box that no package has, by their paths. */
export const boxFiles: Readonly<Record<string, string>> = {
  'etc/fstab': `${rootDevice} / ext4 noatime 0 1\n`,
  'etc/hostname': 'pathproof\n',
  'etc/hosts': '127.0.0.1 localhost\n127.0.1.1 pathproof\n',
  'etc/systemd/network/10-management.network': '[Match]\nName=eth0\n\n[Network]\nDHCP=ipv4\nIPv6AcceptRA=no\nLinkLocalAddressing=no\n\n[DHCPv4]\nClientIdentifier=mac\nUseDNS=no\n',
  'etc/sudoers.d/vagrant': 'vagrant ALL=(ALL) NOPASSWD: ALL\n',
  'etc/ssh/sshd_config.d/vagrant.conf': 'UseDNS no\nHostKey /etc/ssh/ssh_host_ed25519_key\nPerSourcePenalties no\nMaxStartups 100\nMaxSessions 100\n',
  // Each machine has a host key of its own, of the kind that is made in no time.
  'etc/systemd/system/ssh.service.d/host-key.conf': '[Service]\nExecStartPre=\nExecStartPre=/bin/sh -c "test -e /etc/ssh/ssh_host_ed25519_key || ssh-keygen -q -t ed25519 -N \'\' -f /etc/ssh/ssh_host_ed25519_key"\n',
  'etc/systemd/journald.conf.d/lab.conf': '[Journal]\nStorage=volatile\nRuntimeMaxUse=32M\n',
  'boot/grub/grub.cfg': `set timeout=0\nsmbios -t 1 -s ${familyOffset} --set option\nlinux /boot/vmlinuz root=${rootDevice} rw ${kernelOptions.join(' ')} $option\ninitrd /boot/initramfs\nboot\n`,
  'home/vagrant/.ssh/authorized_keys': `${insecurePublicKey}\n`,
};

/** Run by sh in the box's root once all packages are there: what has to be done rather than written. */
export const boxScript = `set -e
useradd --create-home --shell /bin/bash vagrant
chown -R vagrant:vagrant /home/vagrant
chmod 700 /home/vagrant/.ssh
chmod 600 /home/vagrant/.ssh/authorized_keys
chmod 440 /etc/sudoers.d/vagrant
# Nobody logs in by a password; an account that is locked ("!") could not log in at all.
usermod -p '*' vagrant
rm -f /etc/ssh/ssh_host_*
: >/etc/machine-id
for unit in ${maskedUnits.join(' ')}; do ln -sf /dev/null /etc/systemd/system/$unit; done
systemctl enable systemd-networkd.service ssh.service
rm -rf /var/cache/apt/*.bin /var/lib/apt/lists/*
# Nothing has to be made anew at the first boot (systemd-update-done.service(8)).
touch /etc/.updated /var/.updated
`;

/** Of the native hosts, what makes podman find the images. */
const podmanFiles = new Set(['/etc/containers/storage.conf', '/etc/containers/policy.json']);

/** What a box of the flavour cephadm has besides. */
export const cephadmFiles: Readonly<Record<string, string>> = {
  'usr/local/sbin/sysctl': sysctlShim('exec /usr/sbin/sysctl "$@"'),
  ...Object.fromEntries(hostFiles.filter(({ path }) => podmanFiles.has(path)).map(({ path, text }) => [path.slice(1), text])),
};

export const cephadmScript = `chmod 755 /usr/local/sbin/sysctl
mkdir -p ${imageStorePath}
systemctl enable chrony.service
`;

export const grubModules = ['biosdisk', 'part_msdos', 'ext2', 'linux', 'normal', 'configfile', 'smbios'] as const;
export const grubOptions = ['-O', 'i386-pc', '-p', '(hd0,msdos1)/boot/grub'] as const;

/**
 * Run by sh with the arguments root.tar, kernel and initramfs, the folder for the unpacked root, the raw disk, and podman's storage
 * (empty: none): the file system is written straight into its partition. Needs no mount and no loop device; only the owner ids of the files,
 * as root has them or a user namespace. Features that GRUB 2.06 cannot read are left out.
 */
export const diskScript = `set -e
tar=$1 kernel=$2 initramfs=$3 root=$4 disk=$5 store=$6
mkdir -p "$root"
tar -C "$root" --exclude='./dev/*' -xf "$tar"
rm -f "$root"/boot/vmlinuz-* "$root"/boot/initrd* "$root"/boot/System.map-* "$root"/vmlinuz* "$root"/initrd.img*
cp "$kernel" "$root/boot/vmlinuz"
cp "$initramfs" "$root/boot/initramfs"
if [ -n "$store" ]; then cp -a "$store/." "$root${imageStorePath}/"; fi
PATH=$PATH:/usr/sbin:/sbin mke2fs -q -t ext4 -O ^metadata_csum,^64bit,^orphan_file -E offset=${diskLayout.offsetBytes},lazy_itable_init=1,lazy_journal_init=1 -m 1 -d "$root" "$disk" ${diskLayout.fileSystemKb}k
rm -rf "$root"
`;
