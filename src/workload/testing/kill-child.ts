import fs from 'node:fs';
import path from 'node:path';
import { JournalWriter, journalFileName } from '../../history/index.js';
import type { BlockDevice, IoResult } from '../device.js';
import { journalHeaderOf, StampRunner } from '../stamp/index.js';

/**
 * Runs the stamp workload until it is killed, on devices that note every operation in the file `wire`
 * at the moment it is submitted: what is in that file has reached the wire, whatever happens next.
 */
const dir = process.argv[2]!;
const wire = fs.openSync(path.join(dir, 'wire'), 'a');

class WireDevice implements BlockDevice {
  readonly uuid: string;
  readonly nsid: number;
  readonly blockSize = 512;
  readonly blocks = 256;
  readonly #bytes = Buffer.alloc(512 * 256);

  constructor(nsid: number) {
    this.nsid = nsid;
    this.uuid = `0f6c2a3e-58d1-4d0b-9f6e-00000000000${nsid}`;
  }
  async read(slba: number, nlb: number): Promise<IoResult> {
    fs.writeSync(wire, `${this.nsid} read ${slba} ${nlb} 0\n`);
    return this.#answer(Buffer.from(this.#bytes.subarray(slba * 512, (slba + nlb) * 512)));
  }
  async write(slba: number, data: Buffer): Promise<IoResult> {
    fs.writeSync(wire, `${this.nsid} write ${slba} ${data.length / 512} ${data.readBigUInt64LE(56)}\n`);
    data.copy(this.#bytes, slba * 512);
    return this.#answer(undefined);
  }
  flush(): Promise<IoResult> {
    return this.#answer(undefined);
  }
  async #answer(data: Buffer | undefined): Promise<IoResult> {
    await new Promise((resolve) => setImmediate(resolve));
    return { outcome: 'ok', status: 0, dnr: false, code: '', path: 'gw1:nvme0:q1', sends: 1, ...(data === undefined ? {} : { data }) };
  }
}

const devices = [new WireDevice(1), new WireDevice(2)];
const runner = new StampRunner({
  host: 'host1', runId: 'run-1', seed: 'kill', writer: 1, devices,
  journal: JournalWriter.open(path.join(dir, journalFileName('host1')), journalHeaderOf('run-1', 'host1', 1, devices)),
  workload: { kind: 'stamp', queueDepth: 8, readPercent: 40, ioBytes: [512, 2048], workingSetBlocks: 256, maxIops: 0, idleNamespaces: 0, probePeriodMs: 10, delayedRereadMs: 0 },
});
await runner.start();
