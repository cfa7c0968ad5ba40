import { cpioArchive, type CpioEntry } from '../image/cpio.js';
import { milestoneMark, roleFolder, roleInit } from '../image/init-script.js';
import { managementAddress } from '../network.js';
import type { LabKeys } from './keys.js';

/** A card of the VM; `name` is what it is called in the guest. */
export interface RoleNetwork { name: string; mac: string; addresses: readonly string[] }

/** A file put over the image's root; `path` without a slash at its start. */
export interface RoleFile { path: string; text: string | Buffer; mode?: number }

export interface Role {
  hostname: string;
  networks: readonly RoleNetwork[];
  keys: LabKeys;
  /** Names of other nodes: lines for /etc/hosts. */
  hosts: readonly { address: string; name: string }[];
  /** Loaded at boot, by the guest's modprobe. */
  modules: readonly string[];
  files: readonly RoleFile[];
}

/** The network that QEMU's user mode gives each VM. */
export function managementNetwork(mac: string): RoleNetwork {
  return { name: 'mgmt', mac, addresses: [managementAddress] };
}

/**
 * Process 1 of every node: mounts, names the cards, starts sshd, then waits for children for ever (which
 * also reaps orphans). No systemd: it would take 20 s of an emulated boot, and nothing here needs it.
 */
export const labInit = `#!/bin/sh
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8
milestone() { read up idle </proc/uptime; echo "${milestoneMark} $1 $up"; }
milestone root
mount -t tmpfs -o mode=0755 tmpfs /run
mkdir -p /run/lock /run/sshd /dev/pts /dev/shm
mount -t devpts -o gid=5,mode=620,ptmxmode=666 devpts /dev/pts
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
mount -t tmpfs -o mode=1777 tmpfs /tmp
mount -t debugfs debugfs /sys/kernel/debug 2>/dev/null
mount -t tracefs tracefs /sys/kernel/tracing 2>/dev/null
read name </etc/hostname; hostname "$name"
ln -sf /proc/self/fd /dev/fd
ip link set lo up
while read name mac addresses; do
  for card in /sys/class/net/*; do
    read found <"$card/address"
    [ "$found" = "$mac" ] || continue
    ip link set "\${card##*/}" name "$name"
    for address in $addresses; do ip address add "$address" dev "$name"; done
    ip link set "$name" up
  done
done </etc/pathproof/networks
milestone network
while read module; do modprobe "$module" || echo "modprobe $module failed"; done </etc/pathproof/modules
mountpoint -q /sys/kernel/config || mount -t configfs configfs /sys/kernel/config 2>/dev/null
/usr/sbin/sshd -f /etc/pathproof/sshd_config -o PerSourcePenalties=no 2>/dev/null || /usr/sbin/sshd -f /etc/pathproof/sshd_config
milestone ready
# What the kernel says from now on belongs in the node's log.
dmesg -n 7
while :; do sleep 86400 & wait $!; done
`;

/** Cheap ciphers first: an emulated CPU has no AES instructions, and post-quantum key exchange takes it a second. */
const sshdConfig = `Port 22
HostKey /etc/pathproof/ssh_host_key
AuthorizedKeysFile /etc/pathproof/authorized_keys
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
UseDNS no
StrictModes no
MaxSessions 100
MaxStartups 100
KexAlgorithms curve25519-sha256
Ciphers chacha20-poly1305@openssh.com,aes128-gcm@openssh.com
Subsystem sftp internal-sftp
PidFile /run/sshd.pid
`;

/** The second part of the VM's initramfs: unpacked over the first one, then copied over the image's root. */
export function roleArchive(role: Role): Buffer {
  const files: RoleFile[] = [
    { path: 'etc/hostname', text: `${role.hostname}\n` },
    { path: 'etc/hosts', text: `127.0.0.1 localhost\n${role.hosts.map((h) => `${h.address} ${h.name}\n`).join('')}` },
    { path: roleInit, text: labInit, mode: 0o755 },
    { path: 'etc/pathproof/networks', text: role.networks.map((n) => `${n.name} ${n.mac} ${n.addresses.join(' ')}\n`).join('') },
    { path: 'etc/pathproof/modules', text: role.modules.map((m) => `${m}\n`).join('') },
    { path: 'etc/pathproof/sshd_config', text: sshdConfig },
    { path: 'etc/pathproof/ssh_host_key', text: role.keys.hostKey, mode: 0o600 },
    { path: 'etc/pathproof/authorized_keys', text: `${role.keys.userPublic}\n`, mode: 0o600 },
    ...role.files,
  ];
  return cpioArchive(files.map((file): CpioEntry => ({
    kind: 'file', path: `${roleFolder}/${file.path}`, data: typeof file.text === 'string' ? Buffer.from(file.text, 'utf8') : file.text,
    ...(file.mode === undefined ? {} : { mode: file.mode }),
  })));
}
