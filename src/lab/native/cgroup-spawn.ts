import { mkdirSync } from 'node:fs';
import { join } from 'node:path';

export interface CommandLine { file: string; args: string[] }

/** Moves itself into the control group of its first argument, then becomes the command that follows: no process of it is ever elsewhere. */
const joinScript = 'echo $$ > "$1/cgroup.procs" && shift && exec "$@"';

/** A command as a process of a control group, which has to be there. */
export function inCgroup(cgroup: string, command: readonly string[]): CommandLine {
  return { file: '/bin/sh', args: ['-c', joinScript, 'sh', cgroup, ...command] };
}

/** Makes a control group below a lab's, which was recorded before. */
export function makeCgroup(lab: string, name: string): string {
  const path = join(lab, name);
  mkdirSync(path, { recursive: true });
  return path;
}
