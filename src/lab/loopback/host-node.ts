import type { HeldWrite, HostNode } from '../types.js';
import type { MemberProcess } from './member-process.js';

/** Requests that wait for I/O: whoever asks has a limit of its own, and a system that hangs is a finding, no broken lab. */
const ioRequestTimeoutMs = 3_600_000;

/** A userspace initiator of the loopback lab, in a process of its own. */
export class LoopbackHost implements HostNode {
  readonly name: string;
  readonly #member: MemberProcess;

  constructor(name: string, member: MemberProcess) {
    this.name = name;
    this.#member = member;
  }

  /** Resolves when its process runs. */
  async ready(): Promise<void> {
    await this.#member.info;
  }

  async connect(): Promise<{ missing: string[] }> {
    return this.#member.request('connect');
  }

  async inventory(label: string): Promise<void> {
    await this.#member.request('inventory', { label });
  }

  async startLoad(): Promise<void> {
    await this.#member.request('startLoad');
  }

  async stopLoad(): Promise<void> {
    await this.#member.request('stopLoad', {}, ioRequestTimeoutMs);
  }

  async audit(): Promise<{ answered: number; refused: number }> {
    return this.#member.request('audit', {}, ioRequestTimeoutMs);
  }

  async holdWrites(gateway: string, nsids: readonly number[], perNamespace: number): Promise<HeldWrite[]> {
    return this.#member.request<HeldWrite[]>('holdWrites', { gateway, nsids, perNamespace });
  }

  async releaseWrites(which: { unserved?: boolean } = {}): Promise<{ sent: number; dropped: number }> {
    return this.#member.request('releaseWrites', which);
  }

  async reread(pass: 'at-once' | 'delayed'): Promise<void> {
    await this.#member.request('reread', { pass }, ioRequestTimeoutMs);
  }
}
