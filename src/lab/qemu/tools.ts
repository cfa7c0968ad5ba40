import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { execa } from 'execa';
import { infraError } from '../../util/errors.js';

/** The path of a program, undefined when the machine has none. Looks into the sbin folders, too, which a user's PATH may lack. */
export function findProgram(name: string): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/local/sbin', '/usr/sbin', '/sbin'];
  for (const folder of folders) {
    if (folder === '') continue;
    const path = join(folder, name);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Not here.
    }
  }
  return undefined;
}

export interface ToolOptions {
  input?: Buffer | string;
  timeoutMs?: number;
  env?: Record<string, string>;
  cwd?: string;
}

const outputMaxBytes = 64 * 1024 * 1024;
const errorLines = 15;

/**
 * Runs a program of this machine and resolves to its standard output. Anything but exit code 0 is an
 * infra error with the last lines of what it said.
 */
export async function runTool(program: string, args: readonly string[], options: ToolOptions = {}): Promise<Buffer> {
  const path = findProgram(program);
  if (path === undefined) throw infraError('TOOL_MISSING', `${program} is not installed`, { hint: 'see `pathproof doctor --lab qemu`' });
  const result = await execa(path, args, {
    reject: false, encoding: 'buffer', stdin: options.input === undefined ? 'ignore' : 'pipe', maxBuffer: outputMaxBytes,
    ...(options.input === undefined ? {} : { input: options.input }),
    ...(options.timeoutMs === undefined ? {} : { timeout: options.timeoutMs }),
    ...(options.env === undefined ? {} : { env: options.env }),
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  });
  if (result.exitCode === 0) return Buffer.from(result.stdout);
  const why = result.timedOut ? `did not end within ${(options.timeoutMs ?? 0) / 1_000} s` : `ended with ${result.exitCode === undefined ? (result.signal ?? result.originalMessage) : `exit code ${result.exitCode}`}`;
  const said = Buffer.from(result.stderr).toString('utf8').trimEnd().split('\n').slice(-errorLines);
  throw infraError('TOOL_FAILED', `${program} ${args.slice(0, 3).join(' ')} ${why}`, { details: said });
}
