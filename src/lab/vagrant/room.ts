import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, openSync, closeSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { execa } from 'execa';
import { sleep } from '../../util/clock.js';
import { infraError } from '../../util/errors.js';
import { findProgram } from '../qemu/tools.js';
import { isSameProcess, processStartTime } from '../process-identity.js';
import { LabRegistration, type Leftover } from '../registry.js';
import { shellQuote } from '../ssh/connection.js';

/** Programs that the room needs, with the Debian packages that have them. */
export const roomTools: Readonly<Record<string, string>> = {
  vagrant: 'vagrant', libvirtd: 'libvirt-daemon-system', virtlogd: 'libvirt-daemon-system', virsh: 'libvirt-clients', dnsmasq: 'dnsmasq-base', iptables: 'iptables',
  'qemu-system-x86_64': 'qemu-system-x86', 'qemu-img': 'qemu-utils', rsync: 'rsync', ssh: 'openssh-client', dmidecode: 'dmidecode', ip: 'iproute2', unshare: 'util-linux', nsenter: 'util-linux', mount: 'mount',
};

const startMaxMs = 120_000;
const endMaxMs = 30_000;
/** In the list of labs: process 1 of the room. */
const initName = 'libvirt';

/** Node's program that connects its standard input and output to HOST PORT. */
const proxyProgram = `const [host, port] = process.argv.slice(1);
const socket = require("node:net").connect({ host, port: Number(port), noDelay: true });
socket.on("error", () => process.exit(1)).on("close", () => process.exit(0));
process.stdin.pipe(socket).pipe(process.stdout);`;

/**
 * Without the sandboxes that want devices or services of the machine. QEMU stays an ordinary user's process (libvirt's default): to
 * root a hidden /dev/kvm would look usable, QEMU says it is not, and libvirt then asks QEMU anew at each call, seconds each.
 */
const qemuConf = 'namespaces = []\ncgroup_controllers = []\nsecurity_driver = "none"\n';
/** Root needs no polkit, which is not there. */
const libvirtdConf = 'auth_unix_rw = "none"\nauth_unix_ro = "none"\nlog_outputs = "2:stderr"\n';

/**
 * Process 1 of the room. Its mounts are private: what libvirt keeps under /etc, /var and /run is the room's, and /sys shows the
 * room's interfaces (and no cgroups: QEMU stays in the one in which it was started). /dev/kvm is hidden where it is of no use,
 * as libvirt asks it again for each call otherwise. Then it waits for ever and reaps.
 */
export const roomScript = `set -e
dir=$1 kvm=$2
mount --make-rprivate /
mount -t proc proc /proc
umount -l /sys
mount -t sysfs sysfs /sys
mount -t tmpfs -o mode=0755 tmpfs /run
mkdir -p /run/lock /etc/libvirt /var/lib/libvirt /var/log/libvirt /var/cache/libvirt
for each in etc/libvirt var/lib/libvirt var/log/libvirt var/cache/libvirt; do
  mkdir -p "$dir/$each"
  mount --bind "$dir/$each" "/$each"
done
mkdir -p /etc/libvirt/qemu/networks /var/lib/libvirt/images
chmod 0755 /etc/libvirt /var/lib/libvirt /var/log/libvirt /var/cache/libvirt
cp "$dir/qemu.conf" "$dir/libvirtd.conf" /etc/libvirt/
if [ "$kvm" = hidden ] && [ -e /dev/kvm ]; then
  : >"$dir/no-kvm"
  chmod 0 "$dir/no-kvm"
  mount --bind "$dir/no-kvm" /dev/kvm
fi
ip link set lo up
virtlogd -d -p /run/virtlogd.pid
libvirtd -d -p /run/libvirtd.pid
tries=0
until virsh -c qemu:///system version >"$dir/version" 2>&1; do
  tries=$((tries + 1))
  [ $tries -lt 300 ]
  sleep 0.2
done
: >"$dir/ready"
while :; do sleep 3600 & wait $!; done
`;

export interface RoomOptions {
  /** Is this machine's KVM used? */
  kvm: boolean;
  /** Folder for everything that the room writes; default: one in the temporary folder. */
  parent?: string;
}

export interface RoomRunOptions {
  env?: Record<string, string>;
  timeoutMs?: number;
  /** Each line of both outputs as it comes. */
  onLine?: (line: string) => void;
}

/** `output` is standard output and error as they came; exit code -1: ended by a signal. */
export interface RoomResult { exitCode: number; output: string; stdout: string; timedOut: boolean }

const outputMaxBytes = 64 * 1024 * 1024;

/**
 * Where libvirt runs: a network, mount, process and IPC namespace of its own, with process 1 whose end is the end of everything
 * in it. No bridge, address, firewall rule, mount or daemon of it is in the machine's own namespaces. The list of labs
 * (registry.ts) has it from the start, so `pathproof lab down` ends it when its harness was killed.
 */
export class LibvirtRoom {
  readonly dir: string;
  /** Absent when another command has opened the room. */
  readonly #outer: ChildProcess | undefined;
  readonly #init: number;
  readonly #registration: LabRegistration;
  readonly #identity: { pid: number; startTime: string };

  private constructor(dir: string, outer: ChildProcess | undefined, init: number, registration: LabRegistration) {
    this.dir = dir;
    this.#outer = outer;
    this.#init = init;
    this.#identity = { pid: init, startTime: processStartTime(init) ?? '' };
    this.#registration = registration;
  }

  /** Resolves when libvirt answers in it. An infra error with what the daemons said otherwise. */
  static async open(options: RoomOptions): Promise<LibvirtRoom> {
    const missing = [...new Set(Object.entries(roomTools).filter(([program]) => findProgram(program) === undefined).map(([, name]) => name))];
    if (missing.length > 0) throw infraError('TOOL_MISSING', `Vagrant with libvirt needs ${missing.join(', ')}`, { hint: `apt-get install --no-install-recommends ${missing.join(' ')} vagrant-libvirt` });
    if (process.getuid?.() !== 0) throw infraError('ROOM_RIGHTS', 'libvirt in a namespace of its own needs root', { hint: 'with a libvirtd that this machine runs anyway, `vagrant up` needs no root' });
    const dir = mkdtempSync(join(options.parent ?? tmpdir(), 'pathproof-room-'));
    const registration = new LabRegistration('vagrant', dir, [dir]);
    writeFileSync(join(dir, 'qemu.conf'), qemuConf);
    writeFileSync(join(dir, 'libvirtd.conf'), libvirtdConf);
    mkdirSync(join(dir, 'vagrant'));
    const log = openSync(join(dir, 'room.log'), 'w');
    const outer = spawn(findProgram('unshare')!, ['--net', '--mount', '--pid', '--ipc', '--uts', '--fork', '--kill-child', 'sh', '-c', roomScript, 'room', dir, options.kvm ? 'shown' : 'hidden'], { stdio: ['ignore', log, log], detached: true, env: { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` } });
    closeSync(log);
    let ended = false;
    outer.once('exit', () => {
      ended = true;
    });
    outer.once('error', () => {
      ended = true;
    });
    if (outer.pid !== undefined) registration.add('unshare', outer.pid);
    const deadline = Date.now() + startMaxMs;
    let init: number | undefined;
    for (;;) {
      if (init === undefined && outer.pid !== undefined) {
        init = childOf(outer.pid);
        if (init !== undefined) registration.add(initName, init);
      }
      if (init !== undefined && existsSync(join(dir, 'ready'))) return new LibvirtRoom(dir, outer, init, registration);
      if (ended || Date.now() >= deadline) {
        const details = readFileSync(join(dir, 'room.log'), 'utf8').trimEnd().split('\n').slice(-15);
        if (init !== undefined) endProcess(init);
        outer.kill('SIGKILL');
        rmSync(dir, { recursive: true, force: true });
        registration.close();
        throw infraError('ROOM_START', `libvirt does not answer in its namespace${ended ? '' : ` within ${startMaxMs / 1_000} s`}`, { details });
      }
      await sleep(50);
    }
  }

  /** The room that another command has left open. An infra error when its process 1 is gone. */
  static adopt(kept: Leftover): LibvirtRoom {
    const init = kept.alive.find(({ name }) => name === initName);
    if (init === undefined) throw infraError('LAB_ADOPT', 'libvirt of the lab that is up does not run any more', { hint: 'end the rest by `pathproof lab down --all`' });
    return new LibvirtRoom(kept.record.runDir, undefined, init.pid, LabRegistration.adopt(kept));
  }

  /** It stays open when this process ends; `pathproof lab down` ends it. */
  keep(): void {
    this.#registration.keep();
    this.#outer?.unref();
  }

  /** What ssh(1) takes as ProxyCommand: a way into the room's network, which ends with the room, and the connection with it. */
  get sshProxy(): string {
    return [findProgram('nsenter')!, '--target', String(this.#init), '--net', '--pid', '--', process.execPath, '-e', proxyProgram].map(shellQuote).join(' ').concat(' %h %p');
  }

  /** Runs a program inside, in a folder of this machine, with an environment that tells Vagrant where it is. Resolves however it ends. */
  async run(program: string, args: readonly string[], cwd: string, options: RoomRunOptions = {}): Promise<RoomResult> {
    const enter = ['--target', String(this.#init), '--net', '--mount', '--pid', '--ipc', '--uts', '--', 'sh', '-c', 'cd "$1"; shift; exec "$@"', 'room', cwd, program, ...args];
    const child = execa(findProgram('nsenter')!, enter, {
      all: true, stdin: 'ignore', reject: false, maxBuffer: outputMaxBytes, env: { ...this.environment(), ...options.env },
      ...(options.timeoutMs === undefined ? {} : { timeout: options.timeoutMs }),
    });
    const { onLine } = options;
    if (onLine !== undefined) createInterface({ input: child.all }).on('line', (line) => {
      // Vagrant's progress bars are a line for each step of theirs.
      if (!line.includes('Progress: ')) onLine(line);
    });
    const { exitCode, all, stdout, timedOut } = await child;
    return { exitCode: exitCode ?? -1, output: all, stdout, timedOut };
  }

  /** Where Vagrant keeps what it knows of its machines. */
  get machinesDir(): string {
    return join(this.dir, 'machines');
  }

  /** Vagrant's own folders are the room's, too: boxes and machines go with it. */
  environment(): Record<string, string> {
    return {
      VAGRANT_HOME: join(this.dir, 'vagrant'), VAGRANT_DOTFILE_PATH: this.machinesDir, VAGRANT_DEFAULT_PROVIDER: 'libvirt', VAGRANT_CHECKPOINT_DISABLE: '1',
      PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`,
    };
  }

  /** Processes of the room as this machine sees them. */
  processes(): number[] {
    return descendants(this.#init);
  }

  /** Ends everything in it and removes its folder. */
  async close(): Promise<void> {
    endProcess(this.#init);
    const deadline = Date.now() + endMaxMs;
    while (isSameProcess(this.#identity) && Date.now() < deadline) await sleep(20);
    this.#outer?.kill('SIGKILL');
    rmSync(this.dir, { recursive: true, force: true });
    this.#registration.close();
  }
}

function endProcess(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It is gone.
  }
}

function childrenOf(pid: number): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter((text) => text !== '').map(Number);
  } catch {
    return [];
  }
}

function childOf(pid: number): number | undefined {
  return childrenOf(pid)[0];
}

function descendants(pid: number): number[] {
  return [pid, ...childrenOf(pid).flatMap(descendants)];
}
