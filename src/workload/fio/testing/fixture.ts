import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { EventBody, HistoryEvent } from '../../../history/events.js';
import { resolveFioJobs, type FioJobInput, type FioJobPlan } from '../../../plan/fio.js';
import type { StampWorkload, Topology } from '../../../plan/types.js';
import { nowUs } from '../../../util/clock.js';
import { Random } from '../../../util/random.js';

/** The fio that tests run: FIO_BIN, or the one of the machine. */
export const fioBinary = process.env['FIO_BIN'] ?? 'fio';
const probe = spawnSync(fioBinary, ['--version'], { encoding: 'utf8', timeout: 30_000 });
export const hasFio = probe.status === 0;
/** For the title of a skipped suite. */
export const fioTitle = hasFio ? `(${probe.stdout.trim()})` : `(skipped: there is no ${fioBinary}; install fio or set FIO_BIN)`;

const stampBlocks = 256;
const namespaceBlocks = 2_048;
export const testWorkload: StampWorkload = {
  kind: 'stamp', queueDepth: 1, readPercent: 50, ioBytes: [4_096], workingSetBlocks: stampBlocks, maxIops: 0, idleNamespaces: 1, probePeriodMs: 100, delayedRereadMs: 500,
};

/** Three namespaces of 8 MiB, the last one idle; the first MiB of each belongs to the stamp workload. */
export function testTopology(): Topology {
  return {
    pool: 'rbd', group: 'grp1', nqn: 'nqn.2026-01.io.pathproof:test', gateways: [{ name: 'gw1', index: 0, anaGroup: 1 }, { name: 'gw2', index: 1, anaGroup: 2 }],
    namespaces: [1, 2, 3].map((nsid) => ({ nsid, uuid: `uuid-${nsid}`, nguid: `nguid-${nsid}`, anaGroup: ((nsid - 1) % 2) + 1, blockSize: 4_096, blocks: namespaceBlocks, idle: nsid === 3, image: `image${nsid}` })),
    hosts: [{ name: 'host1', hostNqn: 'nqn.host1', hostId: 'id-1' }],
  };
}

export function testJobs(inputs: FioJobInput[], seed = 'seed'): FioJobPlan[] {
  return resolveFioJobs('scenario test', inputs, testTopology(), testWorkload, new Random(seed));
}

/** A run's folder, files that stand for namespaces, and the events that were emitted. */
export class FioBench {
  readonly root = mkdtempSync(join(tmpdir(), 'pathproof-fio-'));
  readonly runDir = join(this.root, 'run');
  readonly nodeDir = join(this.root, 'node');
  readonly events: HistoryEvent[] = [];

  constructor() {
    for (const dir of [this.runDir, this.nodeDir]) mkdirSync(dir);
  }

  device(nsid: number): string {
    return join(this.root, `ns${nsid}`);
  }

  readonly emit = (event: EventBody): void => {
    this.events.push({ ...event, seq: this.events.length + 1, tUs: nowUs(), wallMs: Date.now(), node: 'host1', offUs: 0, errUs: 0 });
  };

  of<T extends HistoryEvent['type']>(type: T): Extract<HistoryEvent, { type: T }>[] {
    return this.events.filter((event): event is Extract<HistoryEvent, { type: T }> => event.type === type);
  }

  remove(): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}
