import { join, relative } from 'node:path';
import type { Command } from 'commander';
import { exitCodeOf } from '../results/exit-code.js';
import { judgeRun } from '../results/judge.js';
import { readPlan, runFiles } from '../results/store.js';
import { writeSummaries } from '../results/summaries.js';
import { onGithub, runAnnotations } from '../report/index.js';
import { printEvidence, printVerdict } from './outcome.js';
import { packageVersion } from './package.js';

export function addRecheckCommand(program: Command): void {
  program.command('recheck')
    .description('judge stored runs again, with today’s checkers and without a lab')
    .argument('<run...>', 'folders of runs')
    .option('--json', 'print the verdicts as JSON on stdout')
    .option('--junit <file>', 'also write a JUnit XML file')
    .addHelpText('after', `
Writes verdict.json and report.html of each run anew. Also for runs that were interrupted or killed.

Examples:
  $ pathproof recheck results/smoke/20261121T101500123Z-4f2a9c10
  $ pathproof recheck results/*/* --json`)
    .action(async (dirs: string[], flags: { json?: boolean; junit?: string }) => {
      // All folders first: a wrong one must not be found after the others were judged.
      for (const dir of dirs) readPlan(dir);
      const out = flags.json === true ? process.stderr : process.stdout;
      const results = [];
      for (const dir of dirs) {
        out.write(`\n${dir}\n`);
        const result = await judgeRun(dir, { by: 'recheck', version: packageVersion });
        results.push(result);
        printVerdict(out, result);
        printEvidence(out, result.evidence);
        out.write(`report: ${relative(process.cwd(), join(dir, runFiles.report))}\n`);
      }
      if (onGithub()) for (const line of runAnnotations(results)) out.write(`${line}\n`);
      writeSummaries(results, packageVersion, { ...(flags.junit === undefined ? {} : { junit: flags.junit }), ...(flags.json === true ? { json: process.stdout } : {}) });
      process.exitCode = exitCodeOf(results.map((result) => result.verdict));
    });
}
