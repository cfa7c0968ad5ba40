import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { EventBody, NodeEvent } from '../../history/events.js';
import { journalFileName } from '../../history/journal-source.js';
import type { Plan } from '../../plan/types.js';
import { messageOf } from '../../util/errors.js';
import { AttachedMember } from '../guest/attached-member.js';
import type { Accel } from '../qemu/accel.js';
import { hostConfigOf, hostNode } from '../qemu/design.js';
import type { LabImage } from '../qemu/image/image.js';
import { collectNodeLogs } from '../qemu/lab/node-logs.js';
import { QemuHost } from '../qemu/lab/qemu-host.js';
import { addressOf, macOf, prefixLength } from '../qemu/network.js';
import { boot, fabricCard } from '../qemu/nodes.js';
import { GuestPrograms } from '../qemu/programs.js';
import { findingText } from '../qemu/vm/console.js';
import { ensureKeys } from '../qemu/vm/keys.js';
import { managementNetwork } from '../qemu/vm/role.js';
import type { Tap } from '../qemu/vm/tap.js';
import { QemuVm } from '../qemu/vm/vm.js';
import type { LabRegistration } from '../registry.js';

export interface LinuxHostsOptions {
  plan: Plan;
  runId: string;
  runDir: string;
  image: LabImage;
  accel: Accel;
  /** The lab's folder; short, since sockets are in it. */
  dir: string;
  registration: LabRegistration;
  /** A tap on fabric a's bridge for a host. */
  tap: (host: string) => Tap;
  sink: (node: string, event: NodeEvent | EventBody, errUs?: number) => void;
  /** A machine panics, ends, or its program does. */
  broken: (reason: string) => void;
}

const attachMaxMs = 60_000;

/**
 * Linux initiators in virtual machines on the bridge of the native hosts: the kernel's NVMe/TCP multipath, nvme-cli and fio,
 * as in the qemu lab, against gateways that cephadm has deployed. Nothing of an earlier run is in them: each boots anew.
 */
export class LinuxHosts {
  readonly #o: LinuxHostsOptions;
  readonly #vms = new Map<string, QemuVm>();
  readonly #members: AttachedMember[] = [];
  readonly #hosts: QemuHost[] = [];
  #down = false;

  constructor(options: LinuxHostsOptions) {
    this.#o = options;
  }

  /** Boots them and starts their programs; resolves to the hosts in the order of the plan. */
  async start(): Promise<QemuHost[]> {
    const { plan, dir, runDir, runId, sink } = this.#o;
    const [keys, programs] = await Promise.all([ensureKeys(dir), GuestPrograms.bundle()]);
    const names = plan.topology.hosts.map(({ name }) => name);
    for (const name of names) this.#vms.set(name, this.#makeVm(name, keys));
    await Promise.all([...this.#vms].map(async ([name, vm]) => {
      await boot(vm, (node, text) => sink('harness', { type: 'log', level: 'info', message: `${node}: ${text}` }));
      this.#watch(vm);
      await programs.install(vm.ssh, 'host', name, hostConfigOf(plan, name));
      await programs.start(vm.ssh, 'host', name);
      const member = await AttachedMember.attach({
        name, ssh: vm.ssh, dir, timeoutMs: attachMaxMs, onEvent: (event, errUs) => sink(name, event, errUs),
        onClock: ({ shiftUs, errUs }) => sink('harness', { type: 'clock', of: name, shiftUs, clockErrUs: errUs }),
      });
      this.#members.push(member);
      sink(name, { type: 'node', name, role: 'host', state: 'ready' });
      void member.closed.then(() => this.#break(`${name}: its program in the guest ended`));
    }));
    for (const name of names) {
      const member = this.#members.find((each) => each.name === name)!;
      this.#hosts.push(new QemuHost({ name, member, ssh: this.#vms.get(name)!.ssh, plan, runId, journalFile: join(runDir, journalFileName(name)), runDir, emit: (event) => sink(name, event) }));
    }
    return this.#hosts;
  }

  processes(): { name: string; pid: number }[] {
    return [...this.#vms.values()].flatMap(({ name, identity }) => (identity === undefined ? [] : [{ name, pid: identity.pid }]));
  }

  /** Brings journals and logs out and switches the machines off. Never throws. */
  async end(): Promise<void> {
    this.#down = true;
    const { runDir, sink } = this.#o;
    await Promise.all(this.#hosts.map((host) => host.finish().catch((error: unknown) => sink('harness', { type: 'log', level: 'warn', message: messageOf(error) }))));
    for (const member of this.#members) member.close();
    await collectNodeLogs(this.#vms.values(), join(runDir, 'logs'));
    await Promise.all([...this.#vms.values()].map((vm) => vm.kill().catch(() => undefined)));
  }

  #makeVm(name: string, keys: Awaited<ReturnType<typeof ensureKeys>>): QemuVm {
    const { plan, image, accel, dir, runDir, registration, tap } = this.#o;
    const logDir = join(runDir, 'logs');
    mkdirSync(logDir, { recursive: true });
    const { memoryMb, cpus, modules = [] } = hostNode(name);
    const mac = macOf('a', name);
    return new QemuVm({
      name, memoryMb, cpus, accel, image, keys, dir, logDir, observes: true,
      networks: [{ name: 'a', mac, tap: tap(name) }],
      role: {
        hostname: name, keys, modules, files: [],
        hosts: [name, ...plan.topology.gateways.map((gateway) => gateway.name)].map((node) => ({ address: addressOf('a', node), name: node })),
        networks: [managementNetwork(macOf('mgmt', name)), { name: fabricCard('a'), mac, addresses: [`${addressOf('a', name)}/${prefixLength}`] }],
      },
      onStarted: ({ pid }) => registration.add(name, pid),
    });
  }

  #watch(vm: QemuVm): void {
    void vm.broken.then((finding) => this.#break([`${vm.name}: ${findingText(finding)}`, ...vm.consoleTail()].join('\n')));
    void vm.exited.then(({ exitCode, signal }) => this.#break(`${vm.name}: its machine ended (${signal ?? `exit code ${exitCode ?? 'none'}`})`));
  }

  #break(reason: string): void {
    if (!this.#down) this.#o.broken(reason);
  }
}
