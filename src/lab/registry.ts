import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { writeFileAtomic } from '../util/atomic-file.js';
import { sleep } from '../util/clock.js';
import { isPopulated, machinePartsSchema, removeMachineParts, type MachineParts } from './machine-parts.js';
import { isSameProcess, processStartTime } from './process-identity.js';

/**
 * The list of labs that are up on this machine, one small file each, so that what a killed harness left
 * behind is found by the next run or by `pathproof lab down`. Every process is recorded with its pid and
 * its start time: a pid alone may meanwhile belong to somebody else.
 */
const recordSchema = z.object({
  lab: z.string(),
  harness: z.object({ pid: z.number(), startTime: z.string() }),
  runDir: z.string(),
  /** Folders that belong to the lab alone and go with it. */
  scratch: z.array(z.string()),
  members: z.array(z.object({ name: z.string(), pid: z.number(), startTime: z.string() })),
  /** Left up on purpose when its harness ended: only `lab down` ends it. */
  kept: z.boolean().default(false),
  /** Of a lab of namespaces; recorded before they are made. */
  parts: machinePartsSchema.optional(),
});
export type LabRecord = z.infer<typeof recordSchema>;

/** `$PATHPROOF_STATE`, else `$XDG_STATE_HOME/pathproof`, else `~/.local/state/pathproof`. */
export function stateDir(): string {
  const { PATHPROOF_STATE, XDG_STATE_HOME } = process.env;
  if (PATHPROOF_STATE !== undefined && PATHPROOF_STATE !== '') return PATHPROOF_STATE;
  return join(XDG_STATE_HOME !== undefined && XDG_STATE_HOME !== '' ? XDG_STATE_HOME : join(homedir(), '.local', 'state'), 'pathproof');
}

export class LabRegistration {
  readonly #file: string;
  readonly #record: LabRecord;

  /** `runDir`: the folder that people are told of; for a lab that outlives runs its own. */
  constructor(lab: string, runDir: string, scratch: string[], members: LabRecord['members'] = []) {
    const dir = join(stateDir(), 'labs');
    mkdirSync(dir, { recursive: true });
    const startTime = processStartTime(process.pid);
    if (startTime === undefined) throw new Error('cannot read the start time of this process');
    this.#record = { lab, harness: { pid: process.pid, startTime }, runDir, scratch, members, kept: false };
    this.#file = join(dir, `${process.pid}-${Date.now().toString(36)}-${Math.floor(Math.random() * 1e6).toString(36)}.json`);
    this.#write();
  }

  /** Takes over the record of a lab that was left up: it is this process's until it is kept again. */
  static adopt(kept: Leftover): LabRegistration {
    const { lab, runDir, scratch, parts } = kept.record;
    const registration = new LabRegistration(lab, runDir, scratch, kept.alive);
    if (parts !== undefined) registration.addParts(parts);
    rmSync(kept.file, { force: true });
    return registration;
  }

  add(name: string, pid: number): void {
    // A process that is already gone needs no record.
    const startTime = processStartTime(pid);
    if (startTime !== undefined && !this.#record.members.some((m) => m.pid === pid && m.startTime === startTime)) this.#record.members.push({ name, pid, startTime });
    this.#write();
  }

  removePid(pid: number): void {
    this.#record.members = this.#record.members.filter((m) => m.pid !== pid);
    this.#write();
  }

  /** What is about to be made on this machine. */
  addParts(more: Partial<MachineParts>): void {
    const { cgroups = [], loopFiles = [] } = this.#record.parts ?? {};
    this.#record.parts = { cgroups: [...new Set([...cgroups, ...(more.cgroups ?? [])])], loopFiles: [...new Set([...loopFiles, ...(more.loopFiles ?? [])])] };
    this.#write();
  }

  get parts(): MachineParts {
    return this.#record.parts ?? { cgroups: [], loopFiles: [] };
  }

  /** The lab outlives this process. */
  keep(): void {
    this.#record.kept = true;
    this.#write();
  }

  close(): void {
    rmSync(this.#file, { force: true });
  }

  #write(): void {
    writeFileAtomic(this.#file, JSON.stringify(this.#record));
  }
}

export interface Leftover { file: string; record: LabRecord; harnessAlive: boolean; alive: LabRecord['members'] }

/** All recorded labs, with what of them still runs. Unreadable records are removed: they name nothing to end. */
export function findLabs(): Leftover[] {
  const dir = join(stateDir(), 'labs');
  let files: string[];
  try {
    files = readdirSync(dir).filter((f) => f.endsWith('.json'));
  } catch {
    return [];
  }
  return files.flatMap((name) => {
    const file = join(dir, name);
    let record: LabRecord;
    try {
      record = recordSchema.parse(JSON.parse(readFileSync(file, 'utf8')));
    } catch {
      rmSync(file, { force: true });
      return [];
    }
    return [{ file, record, harnessAlive: isSameProcess(record.harness), alive: record.members.filter(isSameProcess) }];
  });
}

/** Ends every process of one recorded lab (SIGKILL: a paused member would not answer anything else) and removes what belongs to it. */
export async function removeLab(leftover: Leftover): Promise<{ ended: string[] }> {
  const ended: string[] = [];
  for (const member of leftover.alive) {
    try {
      process.kill(member.pid, 'SIGKILL');
      ended.push(`${member.name} (pid ${member.pid})`);
    } catch {
      // It ended by itself between the look and the signal.
    }
  }
  const deadline = Date.now() + 5_000;
  while (leftover.alive.some(isSameProcess) && Date.now() < deadline) await sleep(20);
  const stuck = leftover.alive.filter(isSameProcess);
  if (stuck.length > 0) throw new Error(`still running after SIGKILL: ${stuck.map((m) => `${m.name} (pid ${m.pid})`).join(', ')}`);
  if (leftover.record.parts !== undefined) ended.push(...await removeMachineParts(leftover.record.parts));
  forgetLab(leftover);
  return { ended };
}

/** Removes a lab's record and scratch folders; its processes are gone, or have become somebody else's. */
function forgetLab(leftover: Leftover): void {
  for (const dir of leftover.record.scratch) rmSync(dir, { recursive: true, force: true });
  rmSync(leftover.file, { force: true });
}

/** Does anything of it run? */
export function stillUp({ alive, record }: Leftover): boolean {
  return alive.length > 0 || (record.parts?.cgroups.some(isPopulated) ?? false);
}

/** Ends what harnesses that no longer run left behind. Labs with a live harness, and those kept on purpose, are not touched. */
export async function removeAbandonedLabs(): Promise<{ runDir: string; ended: string[] }[]> {
  const removed = [];
  for (const leftover of findLabs().filter((l) => !l.harnessAlive && !(l.record.kept && stillUp(l)))) {
    removed.push({ runDir: leftover.record.runDir, ...(await removeLab(leftover)) });
  }
  return removed;
}
