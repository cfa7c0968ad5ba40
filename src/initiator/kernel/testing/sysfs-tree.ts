import fs from 'node:fs';
import { dirname, join } from 'node:path';
import { sysfsCalls } from '../sysfs.js';
import type { KernelRoots, SysfsCalls } from '../sysfs.js';

export const testNqn = 'nqn.2026-01.io.pathproof:test';
export const uuidOf = (nsid: number): string => `00000000-0000-4000-8000-00000000000${nsid}`;

const attributeBytes = 256;

export interface TreeController {
  name: string;
  traddr: string;
  state?: string;
  cntlid?: number;
  nqn?: string;
  hostnqn?: string;
}
export interface TreePath {
  name: string;
  controller: string;
  nsid: number;
  group: number;
  ana?: string;
}

/**
 * A folder that looks like /sys and /dev of a host with NVMe multipath (Linux 7.2), and system calls that answer
 * ENODEV for descriptors of objects that were removed, as kernfs does and ordinary files do not.
 */
export class SysfsTree {
  readonly roots: KernelRoots;
  readonly calls: SysfsCalls;
  readonly #open = new Map<number, string>();
  readonly #gone = new Set<number>();
  reads = 0;

  constructor(root: string) {
    this.roots = { sys: join(root, 'sys'), dev: join(root, 'dev'), tracing: join(root, 'tracing') };
    for (const folder of ['class/nvme', 'class/nvme-subsystem/nvme-subsys0', 'block', 'devices/virtual/nvme-fabrics/ctl', 'module/nvme_core/parameters']) fs.mkdirSync(join(this.roots.sys, folder), { recursive: true });
    fs.mkdirSync(this.roots.dev, { recursive: true });
    fs.writeFileSync(join(this.roots.dev, 'nvme-fabrics'), '');
    for (const [name, value] of Object.entries({ io_timeout: '30', admin_timeout: '60', iopolicy: 'numa' })) this.write(`module/nvme_core/parameters/${name}`, value);
    this.write('class/nvme-subsystem/nvme-subsys0/subsysnqn', testNqn);
    this.write('class/nvme-subsystem/nvme-subsys0/iopolicy', 'numa');
    this.calls = {
      ...sysfsCalls,
      openSync: (path) => {
        const fd = sysfsCalls.openSync(path);
        this.#open.set(fd, path);
        this.#gone.delete(fd);
        return fd;
      },
      readSync: (fd, into) => {
        this.reads++;
        if (this.#gone.has(fd)) throw Object.assign(new Error('ENODEV: no such device, read'), { code: 'ENODEV' });
        return sysfsCalls.readSync(fd, into);
      },
      closeSync: (fd) => {
        this.#open.delete(fd);
        sysfsCalls.closeSync(fd);
      },
    };
  }

  /** Descriptors that are open now. */
  get openCount(): number {
    return this.#open.size;
  }

  write(path: string, text: string): void {
    const file = join(this.roots.sys, path);
    fs.mkdirSync(dirname(file), { recursive: true });
    // In one write and always as long: a reader in another thread must see the old text or the new one, as with sysfs.
    const fd = fs.openSync(file, fs.constants.O_WRONLY | fs.constants.O_CREAT, 0o644);
    fs.writeSync(fd, `${text}\n`.padEnd(attributeBytes, '\n'), 0);
    fs.closeSync(fd);
  }

  addController({ name, traddr, state = 'live', cntlid = 1, nqn = testNqn, hostnqn = 'nqn.host' }: TreeController): void {
    const folder = `devices/virtual/nvme-fabrics/ctl/${name}`;
    const attributes = { state, subsysnqn: nqn, hostnqn, hostid: 'id', transport: 'tcp', address: `traddr=${traddr},trsvcid=4420,src_addr=192.0.2.9`, cntlid: String(cntlid), kato: '5', reconnect_delay: '10', ctrl_loss_tmo: '600', fast_io_fail_tmo: 'off', queue_count: '3' };
    for (const [attribute, text] of Object.entries(attributes)) this.write(`${folder}/${attribute}`, text);
    fs.symlinkSync(`../../${folder}`, join(this.roots.sys, 'class/nvme', name));
  }

  /** `ana: undefined` in the attributes: a controller without ANA has no such file. */
  addPath({ name, controller, nsid, group, ana = 'optimized' }: TreePath): void {
    const folder = `devices/virtual/nvme-fabrics/ctl/${controller}/${name}`;
    for (const [attribute, text] of Object.entries({ ana_grpid: String(group), nsid: String(nsid), uuid: uuidOf(nsid).toUpperCase(), stat: statText({}) })) this.write(`${folder}/${attribute}`, text);
    if (ana !== '') this.write(`${folder}/ana_state`, ana);
    fs.symlinkSync(`../${folder}`, join(this.roots.sys, 'block', name));
  }

  addHead(name: string, nsid: number, more: { nguid?: string; blockSize?: number; sectors?: number } = {}): void {
    const folder = `devices/virtual/nvme-subsystem/nvme-subsys0/${name}`;
    const attributes = { nsid: String(nsid), uuid: uuidOf(nsid), size: String(more.sectors ?? 131_072), 'queue/logical_block_size': String(more.blockSize ?? 4096), 'queue/max_sectors_kb': '1024' };
    for (const [attribute, text] of Object.entries(attributes)) this.write(`${folder}/${attribute}`, text);
    if (more.nguid !== undefined) this.write(`${folder}/nguid`, more.nguid);
    fs.symlinkSync(`../${folder}`, join(this.roots.sys, 'block', name));
    fs.mkdirSync(join(this.roots.sys, 'class/nvme-subsystem/nvme-subsys0', name), { recursive: true });
  }

  setState(controller: string, state: string): void {
    this.write(`class/nvme/${controller}/state`, state);
  }
  setAna(path: string, ana: string): void {
    this.write(`block/${path}/ana_state`, ana);
  }
  setStat(path: string, fields: Parameters<typeof statText>[0]): void {
    this.write(`block/${path}/stat`, statText(fields));
  }

  remove(kind: 'controller' | 'path', name: string): void {
    const link = join(this.roots.sys, kind === 'controller' ? 'class/nvme' : 'block', name);
    const folder = fs.realpathSync(link);
    for (const [fd, path] of this.#open) if (path.startsWith(link)) this.#gone.add(fd);
    fs.unlinkSync(link);
    fs.rmSync(folder, { recursive: true });
  }
}

/** /sys/block/NAME/stat with these fields (Documentation/block/stat.rst). */
export function statText(fields: { reads?: number; sectorsRead?: number; writes?: number; sectorsWritten?: number; inflight?: number }): string {
  const { reads = 0, sectorsRead = 0, writes = 0, sectorsWritten = 0, inflight = 0 } = fields;
  return [reads, 0, sectorsRead, 1, writes, 0, sectorsWritten, 2, inflight, 3, 4, 0, 0, 0, 0, 0, 0].map((field) => String(field).padStart(8)).join(' ');
}
