import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { commandsFile } from '../inventory-lab.js';

export interface RunCommand { host: string; command: string }

/** Every command that the last run of a suite has executed on a host. `results`: the folder of all results. */
export function commandsOfLastRun(results: string, suite: string): RunCommand[] {
  const runDir = join(results, suite, readdirSync(join(results, suite)).sort().at(-1)!);
  return readFileSync(join(runDir, 'logs', commandsFile), 'utf8').trimEnd().split('\n').map((line) => JSON.parse(line) as RunCommand);
}

/** The dry run shows a line per job; the commands around it are many (workload/fio). */
export function isFio(command: string): boolean {
  return /'fio'|pathproof-fio-/.test(command);
}

/** Those that the dry run had not shown: it has capitals for what only a host can tell. */
export function unforeseen(commands: readonly RunCommand[], dryRun: string): RunCommand[] {
  const planned = (command: string): string => command.replaceAll(/rbd_data\.[0-9a-f]+/g, 'PREFIX').replace(/(kill -\w+|\/proc\/) ?\d+/, (_, before: string) => (before === '/proc/' ? '/proc/PID' : `${before} PID`));
  return commands.filter(({ command }) => !isFio(command) && !dryRun.includes(planned(command)));
}
