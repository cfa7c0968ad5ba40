import { closeSync, fstatSync, openSync, writeSync } from 'node:fs';
import type { EventBody } from '../../../history/events.js';
import type { AttachedMember } from '../../guest/attached-member.js';
import { hostJournalPath } from '../../guest/host-config.js';
import type { Plan } from '../../../plan/types.js';
import { sleep } from '../../../util/clock.js';
import { infraError } from '../../../util/errors.js';
import { FioWorkload, type NodeClock } from '../../../workload/fio/index.js';
import type { HostNode } from '../../types.js';
import { SshFioRunner } from './ssh-fio-runner.js';
import type { ExecStream, SshConnection } from '../../ssh/connection.js';

/** Requests that wait for I/O: whoever asks has a limit of its own, and a system that hangs is a finding, no broken lab. */
const ioRequestTimeoutMs = 3_600_000;
const connectTimeoutMs = 120_000;
/** Resolution of Date.now(). */
const realtimeStepUs = 1_000;
/** How long the rest of the journal may take to arrive once it is closed. */
const journalRestMaxMs = 15_000;

export interface QemuHostOptions {
  name: string;
  member: AttachedMember;
  ssh: SshConnection;
  plan: Plan;
  runId: string;
  /** Where the journal goes on this machine. */
  journalFile: string;
  runDir: string;
  /** Takes what fio says as the host's. */
  emit: (event: EventBody) => void;
}

/**
 * The Linux initiator in its virtual machine. Its journal is written in the guest, ahead of each I/O, and copied out
 * as it grows: what a guest that dies had written last may be missing, and a journal without its end says so.
 */
export class QemuHost implements HostNode {
  readonly name: string;
  readonly fio?: FioWorkload;
  readonly #o: QemuHostOptions;
  #journal: { fd: number; stream: ExecStream; bytes: () => number } | undefined;

  constructor(options: QemuHostOptions) {
    this.name = options.name;
    this.#o = options;
    const { name, ssh, member, plan, runDir, emit } = options;
    const jobs = (plan.fio ?? []).filter((job) => job.host === name);
    if (jobs.length > 0) {
      this.fio = new FioWorkload({
        host: name, jobs, runDir, emit, runner: new SshFioRunner(ssh, () => this.#clocks()),
        device: async (_nsid, uuid) => (await member.request<{ path: string }>('device', { uuid })).path,
      });
    }
  }

  async connect(): Promise<void> {
    const { topology, shape } = this.#o.plan;
    await this.#o.member.request('connect', { namespaces: topology.namespaces.map(({ uuid }) => uuid), policy: shape.policy }, connectTimeoutMs);
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

  /** The guest's clocks by the estimate that its events are stamped with; its real-time clock is read in whole milliseconds. */
  async #clocks(): Promise<NodeClock> {
    const { shiftUs, errUs } = await this.#o.member.measureClock();
    const { ownUs, realtimeUs } = await this.#o.member.request<{ ownUs: number; realtimeUs: number }>('clocks');
    return { monotonicOffUs: -shiftUs, realtimeOffUs: realtimeUs + realtimeStepUs / 2 - (ownUs + shiftUs), errUs: errUs + realtimeStepUs };
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
