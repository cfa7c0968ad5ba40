import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Pids on this machine of all processes in a control group and below. */
export function processesOf(cgroup: string): number[] {
  try {
    const own = readFileSync(join(cgroup, 'cgroup.procs'), 'utf8').split('\n').filter((line) => line !== '').map(Number);
    const below = readdirSync(cgroup, { withFileTypes: true }).filter((entry) => entry.isDirectory()).flatMap((entry) => processesOf(join(cgroup, entry.name)));
    return [...own, ...below];
  } catch {
    // It went meanwhile.
    return [];
  }
}

/** Where the container has the gateway's program. */
export const gatewayProgram = '/opt/pathproof/gateway.mjs';

/** Pid on this machine of the gateway that runs in a host's control group: that of its program, not of the init beside it. */
export function gatewayPid(cgroup: string): number | undefined {
  return processesOf(cgroup).find((pid) => {
    try {
      const [program = '', script] = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
      return /(^|\/)node$/.test(program) && script === gatewayProgram;
    } catch {
      return false;
    }
  });
}
