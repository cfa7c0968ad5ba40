import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

/** A stream of lines that can be ended. */
export interface LineSource {
  /** Why there is nothing more: its last words; '' after `stop`. */
  ended: Promise<string>;
  stop(): void;
}
export type OpenLines = (path: string, onLine: (line: string) => void) => LineSource;

/**
 * The lines of a file whose reads block until there is something (/dev/kmsg, trace_pipe), read by a `cat`:
 * a blocking read in this process would hold one of its few I/O threads for ever and hang its exit.
 */
export const catLines: OpenLines = (path, onLine) => {
  const child = spawn('cat', [path], { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  let stopped = false;
  createInterface({ input: child.stdout }).on('line', onLine).on('error', () => undefined);
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-500);
  });
  return {
    ended: new Promise((resolve) => {
      child.once('error', (error) => resolve(error.message));
      child.once('close', (code, signal) => resolve(stopped ? '' : said.trim() || `cat ${path} ended (${signal ?? `exit code ${code ?? 'none'}`})`));
    }),
    stop: () => {
      stopped = true;
      child.kill('SIGKILL');
    },
  };
};
