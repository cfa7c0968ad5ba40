import { closeSync, fstatSync, openSync, writeSync } from 'node:fs';
import type { AttachedMember } from '../../guest/attached-member.js';
import { hostJournalPath } from '../../guest/host-config.js';
import type { Plan } from '../../../plan/types.js';
import { sleep } from '../../../util/clock.js';
import { infraError } from '../../../util/errors.js';
import type { HostNode } from '../../types.js';
import type { ExecStream, Ssh } from '../vm/ssh.js';

/** Requests that wait for I/O: whoever asks has a limit of its own, and a system that hangs is a finding, no broken lab. */
const ioRequestTimeoutMs = 3_600_000;
const connectTimeoutMs = 120_000;
/** How long the rest of the journal may take to arrive once it is closed. */
const journalRestMaxMs = 15_000;

export interface QemuHostOptions {
  name: string;
  member: AttachedMember;
  ssh: Ssh;
  plan: Plan;
  runId: string;
  /** Where the journal goes on this machine. */
  journalFile: string;
}

/**
 * The Linux initiator in its virtual machine. Its journal is written in the guest, ahead of each I/O, and copied out
 * as it grows: what a guest that dies had written last may be missing, and a journal without its end says so.
 */
export class QemuHost implements HostNode {
  readonly name: string;
  readonly #o: QemuHostOptions;
  #journal: { fd: number; stream: ExecStream; bytes: () => number } | undefined;

  constructor(options: QemuHostOptions) {
    this.name = options.name;
    this.#o = options;
  }

  async connect(): Promise<void> {
    await this.#o.member.request('connect', { namespaces: this.#o.plan.topology.namespaces.map(({ uuid }) => uuid) }, connectTimeoutMs);
    await this.#o.member.request('begin', { runId: this.#o.runId, plan: this.#o.plan });
    this.#journal = this.#follow();
  }

  async inventory(label: string): Promise<void> {
    await this.#o.member.request('inventory', { label });
  }

  async startLoad(): Promise<void> {
    await this.#o.member.request('startLoad', {}, connectTimeoutMs);
  }

  async stopLoad(): Promise<void> {
    await this.#o.member.request('stopLoad', {}, ioRequestTimeoutMs);
  }

  async reread(pass: 'at-once' | 'delayed'): Promise<void> {
    await this.#o.member.request('reread', { pass }, ioRequestTimeoutMs);
  }

  /** Closes the journal and waits until it is here as a whole; an infra error when it does not come. */
  async finish(): Promise<void> {
    if (this.#journal === undefined) return;
    const { fd, stream, bytes } = this.#journal;
    this.#journal = undefined;
    try {
      if (!this.#o.member.running) return;
      const { bytes: wanted } = await this.#o.member.request<{ bytes: number }>('finish');
      const deadline = Date.now() + journalRestMaxMs;
      while (bytes() < wanted) {
        if (Date.now() >= deadline) throw infraError('JOURNAL_REST', `${this.name}: ${wanted - bytes()} of ${wanted} bytes of the journal did not arrive`, { hint: 'the run is stored without them and its integrity is unknown' });
        await sleep(20);
      }
    } finally {
      stream.stop();
      await stream.ended;
      closeSync(fd);
    }
  }

  #follow(): { fd: number; stream: ExecStream; bytes: () => number } {
    const { journalFile, ssh } = this.#o;
    const fd = openSync(journalFile, 'a');
    const stream = ssh.pipe(`exec tail -q -c +1 -F ${hostJournalPath(this.name)}`, (chunk) => {
      let at = 0;
      while (at < chunk.length) at += writeSync(fd, chunk, at);
    });
    return { fd, stream, bytes: () => fstatSync(fd).size };
  }
}
