import type { ChildProcess } from 'node:child_process';
import { sleep } from '../../util/clock.js';
import { infraError, messageOf } from '../../util/errors.js';
import { isSameProcess, processStartTime } from '../process-identity.js';

/** A process of the lab, so recorded that no other with the same pid is ever taken for it. */
export interface ProcessIdentity { name: string; pid: number; startTime: string }

const killMaxMs = 10_000;

/** The identity of a process just spawned. Rejects when it could not be spawned or is gone already. */
export async function identityOf(name: string, child: ChildProcess): Promise<ProcessIdentity> {
  if (child.pid === undefined) {
    const error = await new Promise<unknown>((resolve) => child.once('error', resolve));
    throw infraError('PROCESS_SPAWN', `cannot start ${name}: ${messageOf(error)}`, { hint: 'see `pathproof doctor`' });
  }
  const startTime = processStartTime(child.pid);
  if (startTime === undefined) throw infraError('PROCESS_SPAWN', `${name} ended as soon as it was started`);
  return { name, pid: child.pid, startTime };
}

/** SIGTERM, SIGKILL after `termMs` (at once when 0); resolves when exactly this process is gone. */
export async function endProcess(identity: ProcessIdentity, options: { termMs: number }): Promise<void> {
  if (options.termMs > 0) {
    signalProcess(identity, 'SIGTERM');
    if (await gone(identity, options.termMs)) return;
  }
  signalProcess(identity, 'SIGKILL');
  if (!(await gone(identity, killMaxMs))) throw infraError('PROCESS_STUCK', `${identity.name} (pid ${identity.pid}) still runs after SIGKILL`);
}

/** Sends a signal to exactly this process; false when it is gone. */
export function signalProcess(identity: ProcessIdentity, signal: NodeJS.Signals): boolean {
  if (!isSameProcess(identity)) return false;
  try {
    process.kill(identity.pid, signal);
    return true;
  } catch {
    return false;
  }
}

async function gone(identity: ProcessIdentity, timeoutMs: number): Promise<boolean> {
  const deadline = Date.now() + timeoutMs;
  while (isSameProcess(identity)) {
    if (Date.now() >= deadline) return false;
    await sleep(10);
  }
  return true;
}
