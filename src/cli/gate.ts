import { appendFileSync, writeFileSync } from 'node:fs';
import { relative } from 'node:path';
import type { Command } from 'commander';
import { gateAnnotations, gateHtml, gateJunit, gateLines, gateMarkdown, onGithub, painterFor } from '../report/index.js';
import { judgeGate, loadPolicy } from '../results/gate/index.js';
import { infraError, messageOf } from '../util/errors.js';
import { packageVersion } from './package.js';

interface GateFlags { policy: string; baseline?: string[]; json?: string; junit?: string; markdown?: string; html?: string }

export function addGateCommand(program: Command): void {
  program.command('gate')
    .description('judge stored runs by a written policy: may this be released?')
    .argument('<run...>', 'folders of runs, or folders with runs in them')
    .requiredOption('--policy <file>', 'the policy (YAML; docs/GATE.md)')
    .option('--baseline <run...>', 'runs to compare metrics with, for limits that name a baseline')
    .option('--json <file>', 'write the whole judgement as JSON (docs/SCHEMA.md); - for stdout')
    .option('--junit <file>', 'write a JUnit XML file')
    .option('--markdown <file>', 'write the page for a release manager as Markdown')
    .option('--html <file>', 'write the page for a release manager as one HTML file')
    .addHelpText('after', `
Each run's files are compared with its manifest, and the run is judged again from its raw evidence. Nothing is written to it.

Examples:
  $ pathproof gate results --policy suites/loopback.policy.yaml
  $ pathproof gate results/smoke/* results/failover/* --policy suites/gate.policy.yaml --html gate.html --markdown gate.md
  $ pathproof gate new/smoke --policy gate.policy.yaml --baseline old/smoke --junit gate.xml --json gate.json

Exit codes:
  0 go · 1 a demand of the policy is not met · 2 something could not be told · 3 the lab broke in runs that are needed · 64 usage, a mistake in the policy`)
    .action(async (runs: string[], flags: GateFlags) => {
      const policy = loadPolicy(flags.policy);
      const out = flags.json === '-' ? process.stderr : process.stdout;
      out.write(`pathproof ${packageVersion} · gate ${policy.name} · ${relative(process.cwd(), policy.file) || policy.file} SHA-256 ${policy.sha256.slice(0, 16)}…\n`);
      const report = await judgeGate({
        policy, runs, baseline: flags.baseline ?? [], version: packageVersion, judgedAt: new Date(),
        progress: (dir) => {
          if (out.isTTY) out.write(`reading ${dir}\n`);
        },
      });
      out.write(`${gateLines(report, painterFor(out)).join('\n')}\n`);
      const json = `${JSON.stringify(report, null, 2)}\n`;
      if (flags.json === '-') process.stdout.write(json);
      else write(flags.json, json);
      write(flags.junit, gateJunit(report));
      write(flags.markdown, gateMarkdown(report));
      write(flags.html, gateHtml(report));
      if (onGithub()) {
        for (const line of gateAnnotations(report)) out.write(`${line}\n`);
        const summary = process.env['GITHUB_STEP_SUMMARY'];
        if (summary !== undefined && summary !== '') appendFileSync(summary, gateMarkdown(report));
      }
      process.exitCode = report.exitCode;
    });
}

function write(file: string | undefined, text: string): void {
  if (file === undefined) return;
  try {
    writeFileSync(file, text);
  } catch (error) {
    throw infraError('GATE_WRITE', `cannot write ${file}: ${messageOf(error)}`, { cause: error });
  }
}
