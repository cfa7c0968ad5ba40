import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/**
 * When the process with this pid was started, as an opaque text that differs between two processes that
 * had the same pid one after the other; undefined when there is none (a zombie counts as none).
 *
 * Linux: field 22 of /proc/PID/stat (proc(5)), in clock ticks since boot. Elsewhere: `ps -o lstart=`.
 */
export function processStartTime(pid: number): string | undefined {
  if (process.platform === 'linux') {
    let stat: string;
    try {
      stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    } catch {
      return undefined;
    }
    // The command name is in parentheses and may itself contain spaces and parentheses.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (fields[0] === 'Z' || fields[0] === 'X') return undefined;
    return fields[19];
  }
  try {
    const line = execFileSync('ps', ['-o', 'stat=,lstart=', '-p', String(pid)], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
    return line === '' || line.startsWith('Z') ? undefined : line.replace(/^\S+\s+/, '');
  } catch {
    return undefined;
  }
}

/** Is this process stopped by a signal (state `T` of ps and /proc/PID/stat)? False for one that is not there. */
export function isStopped(pid: number): boolean {
  try {
    const state = process.platform === 'linux'
      ? readFileSync(`/proc/${pid}/stat`, 'latin1').replace(/^.*\) /s, '')
      : execFileSync('ps', ['-o', 'stat=', '-p', String(pid)], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
    return state.startsWith('T');
  } catch {
    return false;
  }
}

/** Is exactly the process that was recorded still there? */
export function isSameProcess(recorded: { pid: number; startTime: string }): boolean {
  return processStartTime(recorded.pid) === recorded.startTime;
}
