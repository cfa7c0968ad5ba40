import type { Command } from 'commander';
import { relative } from 'node:path';
import { listRuns } from '../results/store.js';

export function addListCommand(program: Command): void {
  program.command('list')
    .description('list stored runs, oldest first')
    .option('--results <dir>', 'folder of the results', 'results')
    .option('--json', 'as JSON')
    .addHelpText('after', `
Examples:
  $ pathproof list
  $ pathproof list --json | jq '.[] | select(.verdict != "pass") | .dir'`)
    .action((flags: { results: string; json?: boolean }) => {
      const rows = listRuns(flags.results).map((run) => ({
        runId: run.runId, suite: run.suite, scenario: run.info?.scenario ?? '?', lab: run.info?.lab ?? '?',
        verdict: run.verdict?.verdict ?? 'not judged', interrupted: run.verdict?.interrupted ?? false, dir: relative(process.cwd(), run.dir),
      }));
      if (flags.json === true) {
        process.stdout.write(`${JSON.stringify(rows, null, 2)}\n`);
        return;
      }
      if (rows.length === 0) process.stdout.write(`no runs in ${flags.results}\n`);
      for (const row of rows) process.stdout.write(`${row.verdict.padEnd(10)} ${row.suite}/${row.scenario}  ${row.lab}  ${row.dir}${row.interrupted ? '  (interrupted)' : ''}\n`);
    });
}
