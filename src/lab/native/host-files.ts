/** A file that every native host gets. */
export interface HostFile { path: string; mode: number; text: string }

/** Names of the container images, in the one store that all native hosts share. */
export const daemonImage = 'localhost/ceph:20';
export const gatewayImage = 'localhost/pathproof-gateway:dev';
/** Where a native host has that store, read-only. */
export const imageStorePath = '/var/lib/imagestore';

/**
 * OCI runtime in front of crun: a container asks for what a lab in namespaces cannot give, and would not start.
 * Limits of pids, memory and processor need cgroup controllers that a hybrid machine keeps in its v1 hierarchies; an
 * unlimited RLIMIT_MEMLOCK needs CAP_SYS_RESOURCE; /sys/kernel/config needs configfs in the kernel.
 */
const runtimeShim = `#!/usr/bin/python3
import json, os, sys

arguments = sys.argv[1:]

def value_of(*names):
    for index, argument in enumerate(arguments):
        if argument in names and index + 1 < len(arguments):
            return arguments[index + 1]
        for name in names:
            if argument.startswith(name + "="):
                return argument[len(name) + 1:]
    return None

def edited(path, edit):
    with open(path) as file:
        content = json.load(file)
    edit(content)
    with open(path, "w") as file:
        json.dump(content, file)

def without_memlock(process):
    process["rlimits"] = [limit for limit in process.get("rlimits", []) if limit.get("type") != "RLIMIT_MEMLOCK"]

def edit_container(config):
    resources = config.get("linux", {}).get("resources", {})
    for controller in ("pids", "memory", "cpu"):
        resources.pop(controller, None)
    without_memlock(config.get("process", {}))
    config["mounts"] = [mount for mount in config.get("mounts", []) if mount.get("destination") != "/sys/kernel/config"]

bundle = value_of("--bundle", "-b")
process = value_of("--process", "-p")
if bundle is not None and any(verb in arguments for verb in ("create", "run")):
    edited(os.path.join(bundle, "config.json"), edit_container)
elif process is not None and "exec" in arguments:
    edited(process, without_memlock)
os.execv("/usr/bin/crun", ["crun", *arguments])
`;

/**
 * A `sysctl` that cephadm can live with: `-a` must succeed, which it does not on recent kernels and where /proc/sys is read-only, although it
 * says all there is to say. `otherwise`: shell lines for all that is not `-a`.
 */
export function sysctlShim(otherwise: string): string {
  return `#!/bin/sh
for argument; do
  case $argument in -a) exec 2>/dev/null; /usr/sbin/sysctl -a; exit 0;; esac
done
${otherwise}
`;
}

/** cephadm writes /etc/sysctl.d/90-ceph-*.conf and applies it: on a shared kernel that would change the whole machine, so nothing is set. */
const sysctlOfSharedKernel = sysctlShim(`logger -t sysctl "not applied on a shared kernel: $*" 2>/dev/null
exit 0`);

/** cephadm wants a time service that is enabled and active; native hosts have the machine's own clock. */
const chronyUnit = `[Unit]
Description=Stands for a time service: this host has the clock of its machine
[Service]
ExecStart=/usr/bin/sleep infinity
[Install]
WantedBy=multi-user.target
`;

export const hostFiles: readonly HostFile[] = [
  { path: '/usr/local/bin/crun-lab', mode: 0o755, text: runtimeShim },
  { path: '/usr/local/sbin/sysctl', mode: 0o755, text: sysctlOfSharedKernel },
  { path: '/etc/systemd/system/chrony.service', mode: 0o644, text: chronyUnit },
  { path: '/etc/containers/containers.conf', mode: 0o644, text: '[engine]\nruntime = "crun-lab"\n[engine.runtimes]\ncrun-lab = ["/usr/local/bin/crun-lab"]\n' },
  { path: '/etc/containers/storage.conf', mode: 0o644, text: `[storage]\ndriver = "overlay"\nrunroot = "/run/containers/storage"\ngraphroot = "/var/lib/containers/storage"\n[storage.options]\nadditionalimagestores = ["${imageStorePath}"]\n` },
  { path: '/etc/containers/policy.json', mode: 0o644, text: '{"default": [{"type": "insecureAcceptAnything"}]}\n' },
  { path: '/etc/ssh/sshd_config.d/lab.conf', mode: 0o644, text: 'PermitRootLogin prohibit-password\nUsePAM no\nUseDNS no\n' },
  { path: '/etc/fstab', mode: 0o644, text: '' },
];

/** Units of a native host: what a lab has no use for, or what reaches for the machine's hardware, is masked. */
export const hostUnits = {
  enabled: [['multi-user.target.wants', 'chrony.service', '/etc/systemd/system/chrony.service'], ['multi-user.target.wants', 'ssh.service', '/usr/lib/systemd/system/ssh.service']],
  masked: [
    'systemd-udevd.service', 'systemd-udevd-kernel.socket', 'systemd-udevd-control.socket', 'systemd-udevd-varlink.socket', 'systemd-udev-trigger.service', 'systemd-udev-settle.service', 'systemd-modules-load.service', 'systemd-sysctl.service',
    'systemd-networkd.service', 'systemd-networkd.socket', 'systemd-resolved.service', 'systemd-timesyncd.service', 'systemd-logind.service', 'systemd-binfmt.service', 'systemd-oomd.service',
    'systemd-pcrlock.service', 'systemd-homed.service', 'getty.target', 'console-getty.service', 'lvm2-monitor.service', 'lvm2-lvmpolld.socket', 'dm-event.socket', 'blk-availability.service',
    'apt-daily.timer', 'apt-daily-upgrade.timer', 'dpkg-db-backup.timer', 'e2scrub_all.timer', 'e2scrub_reap.service', 'fstrim.timer', 'podman-auto-update.timer', 'netavark-dhcp-proxy.service', 'netavark-dhcp-proxy.socket',
    'proc-sys-fs-binfmt_misc.automount', 'proc-sys-fs-binfmt_misc.mount', 'sys-kernel-config.mount', 'sys-kernel-debug.mount', 'sys-kernel-tracing.mount', 'sys-fs-fuse-connections.mount', 'dev-hugepages.mount', 'dev-mqueue.mount', 'systemd-journald-audit.socket', 'kmod-static-nodes.service',
    'systemd-tmpfiles-setup-dev.service', 'systemd-tmpfiles-setup-dev-early.service', 'systemd-remount-fs.service', 'systemd-firstboot.service', 'nftables.service', 'ssh.socket',
  ],
} as const;

/**
 * Debian's ceph-mgr embeds a Python in which sys.executable is empty; whether its resource tracker can be started by
 * then is a race that the cephadm module loses on slow machines.
 */
export const daemonSiteCustomize = 'import multiprocessing.spawn\nmultiprocessing.spawn.set_executable("/usr/bin/python3")\n';

/** The image that cephadm deploys as nvmeof: the daemon image with another program, which is mounted so that a change of it needs no new image. */
export const containerfile = `FROM ${daemonImage}
LABEL io.ceph.version=pathproof
WORKDIR /src
ENTRYPOINT ["/usr/bin/node", "/opt/pathproof/gateway.mjs"]
CMD ["-c", "/src/ceph-nvmeof.conf"]
`;
