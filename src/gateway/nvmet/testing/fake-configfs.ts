import { mkdirSync, mkdtempSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConfigFs } from '../configfs.js';
import type { NamespaceDevice } from '../device.js';

const attributes: Record<string, Record<string, string>> = {
  port: { addr_trtype: '', addr_adrfam: '', addr_traddr: '', addr_trsvcid: '' },
  group: { ana_state: 'inaccessible' },
  subsystem: { attr_cntlid_min: '1', attr_cntlid_max: '65519', attr_serial: 'random', attr_model: 'Linux', attr_allow_any_host: '0' },
  namespace: { device_path: '(null)', device_uuid: '', device_nguid: '', ana_grpid: '1', enable: '0' },
};

/**
 * A folder that behaves as the kernel's tree does where a driver could go wrong: objects are born with their
 * attributes, ANA group 1 is born optimized, what is in use cannot be changed, an address can be listened at once.
 */
export class FakeConfigFs extends ConfigFs {
  /** Everything that was changed, in order: `mkdir PATH`, `VALUE > PATH`, `link PATH`, `unlink PATH`, `rm PATH`. */
  readonly trace: string[] = [];
  /** Writes to paths that end so get lost. */
  readonly lose = new Set<string>();
  /** Addresses that somebody else listens at. */
  readonly taken = new Set<string>();
  /** Set: `removeBlocking` waits for it. */
  ioEnds: Promise<void> | undefined;

  constructor() {
    super(mkdtempSync(join(tmpdir(), 'pathproof-nvmet-')));
    for (const folder of ['ports', 'subsystems', 'hosts']) mkdirSync(join(this.root, folder));
  }

  remove(): void {
    rmSync(this.root, { recursive: true });
  }

  override makeFolder(...parts: string[]): void {
    if (this.exists(...parts)) return;
    super.makeFolder(...parts);
    this.trace.push(`mkdir ${parts.join('/')}`);
    const [kind, , child] = parts;
    if (kind === 'ports' && parts.length === 2) {
      this.#born('port', parts);
      for (const folder of ['subsystems', 'referrals', 'ana_groups', 'ana_groups/1']) mkdirSync(this.path(...parts, folder));
      writeFileSync(this.path(...parts, 'ana_groups/1/ana_state'), 'optimized\n');
    }
    if (child === 'ana_groups') this.#born('group', parts);
    if (kind === 'subsystems' && parts.length === 2) {
      this.#born('subsystem', parts);
      for (const folder of ['namespaces', 'allowed_hosts']) mkdirSync(this.path(...parts, folder));
    }
    if (child === 'namespaces') this.#born('namespace', parts);
  }

  override write(value: string | number, ...parts: string[]): void {
    const path = parts.join('/');
    const name = parts.at(-1)!;
    if (name.startsWith('addr_') && this.list(...parts.slice(0, 2), 'subsystems').length > 0) throw new Error(`EACCES ${path}`);
    if (name.startsWith('device_') && this.read(...parts.slice(0, -1), 'enable') === '1') throw new Error(`EBUSY ${path}`);
    if (name === 'enable' && this.read(...parts.slice(0, -1), 'device_path') === '(null)') throw new Error(`ENXIO ${path}`);
    this.trace.push(`${value} > ${path}`);
    if ([...this.lose].some((end) => path.endsWith(end))) return;
    super.write(`${value}\n`, ...parts);
  }

  override link(target: string, ...parts: string[]): void {
    const [, port] = parts;
    const address = this.#addressOf(port!);
    const others = this.list('ports').filter((id) => id !== port && this.list('ports', id, 'subsystems').length > 0).map((id) => this.#addressOf(id));
    if (this.taken.has(address) || others.includes(address)) throw new Error(`EADDRINUSE ${address}`);
    super.link(target, ...parts);
    this.trace.push(`link ${parts.join('/')}`);
  }

  override unlink(...parts: string[]): void {
    if (this.exists(...parts)) this.trace.push(`unlink ${parts.join('/')}`);
    super.unlink(...parts);
  }

  override async removeBlocking(_limitMs: number, ...parts: string[]): Promise<void> {
    await this.ioEnds;
    this.trace.push(`rm ${parts.join('/')}`);
    // In configfs attributes go with their folder; children do not.
    if (parts[0] === 'subsystems' && parts.length === 2) rmdirSync(this.path(...parts, 'namespaces'));
    rmSync(this.path(...parts), { recursive: true });
  }

  /** As somebody with a shell would. */
  meddle(value: string, ...parts: string[]): void {
    readFileSync(this.path(...parts));
    writeFileSync(this.path(...parts), `${value}\n`);
  }

  ana(port: number, group: number): string {
    return this.read('ports', String(port), 'ana_groups', String(group), 'ana_state');
  }

  #born(kind: keyof typeof attributes, parts: string[]): void {
    for (const [name, value] of Object.entries(attributes[kind]!)) writeFileSync(this.path(...parts, name), `${value}\n`);
  }

  #addressOf(port: string): string {
    return `${this.read('ports', port, 'addr_traddr')}:${this.read('ports', port, 'addr_trsvcid')}`;
  }
}

/** Devices whose commands under way a test counts. */
export class FakeDevices {
  readonly inflight = new Map<string, number>();
  readonly opened: string[] = [];

  readonly open = async (image: string): Promise<NamespaceDevice> => {
    this.opened.push(image);
    return { path: `/dev/${image}`, inflight: () => this.inflight.get(image) ?? 0 };
  };
}
