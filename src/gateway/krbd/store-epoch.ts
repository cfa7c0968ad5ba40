import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { sleep } from '../../util/clock.js';

export interface StoreEpochOptions {
  /** The client's osdmap in debugfs: /sys/kernel/debug/ceph/FSID.clientID/osdmap. */
  osdmapFile: string;
  /** A device whose reads this client does. It must not be one that queues what is refused. */
  device: string;
  /** Reads one block of the device around every cache; settles when the OSD has answered, whatever it said. */
  probe?: (device: string) => Promise<void>;
}

/** Between two looks at the epoch while it is waited for, milliseconds. */
const lookMs = 10;
/** Between two probes, milliseconds: an OSD that has not got the map itself yet will have it soon. */
const probeAgainMs = 100;

/**
 * The osdmap epoch of the kernel client that does a gateway's I/O. What it sends carries its epoch, and no
 * OSD executes an operation before it has that map itself: so once the client has the epoch of a blocklist
 * entry, whatever the blocklisted one still sends can no longer come after what this client has done.
 *
 * The kernel client subscribes to the next map now and then (it does so every 5 s for its watches), so it
 * may be 5 s behind. An OSD that gets an operation of a client with an older map sends it the newer one:
 * hence the read.
 */
export class StoreEpoch {
  readonly #osdmapFile: string;
  readonly #device: string;
  readonly #probe: (device: string) => Promise<void>;
  readonly #closed = new AbortController();
  #probing = false;

  constructor({ osdmapFile, device, probe = readDirect }: StoreEpochOptions) {
    this.#osdmapFile = osdmapFile;
    this.#device = device;
    this.#probe = probe;
  }

  /** 0 while the client has no map, or is gone. */
  current(): number {
    try {
      return Number(/^epoch (\d+)/.exec(readFileSync(this.#osdmapFile, 'utf8'))?.[1] ?? 0);
    } catch {
      return 0;
    }
  }

  /** Resolves when the client has this epoch; rejects when `close` is called before. While no OSD answers it waits. */
  async waitFor(epoch: number): Promise<void> {
    let probeAtMs = 0;
    while (this.current() < epoch) {
      if (this.#closed.signal.aborted) throw new Error(`closed while waiting for osdmap epoch ${epoch}`);
      const nowMs = performance.now();
      // One at a time: a read that the OSD does not answer cannot be ended, not even by a signal.
      if (!this.#probing && nowMs >= probeAtMs) {
        probeAtMs = nowMs + probeAgainMs;
        this.#probing = true;
        void this.#probe(this.#device).catch(() => undefined).finally(() => { this.#probing = false; });
      }
      await sleep(lookMs, this.#closed.signal);
    }
  }

  close(): void {
    this.#closed.abort();
  }
}

/** By a process of its own: a thread of this one that hung in a read would keep it from ending. */
function readDirect(device: string): Promise<void> {
  return new Promise((resolve) => {
    execFile('/usr/bin/dd', [`if=${device}`, 'of=/dev/null', 'bs=4096', 'count=1', 'iflag=direct', 'status=none'], () => resolve()).unref();
  });
}
