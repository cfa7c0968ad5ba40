import type { Command } from 'commander';
import { findLabs, removeLab } from '../lab/registry.js';
import { usageError } from '../util/errors.js';

export function addLabCommand(program: Command): void {
  const lab = program.command('lab').description('look at labs and end what was left behind');
  lab.exitOverride();
  lab.command('down')
    .description('end the processes of labs whose run was killed, and remove their scratch files')
    .option('--all', 'also labs whose run still goes on (that run ends as infra)')
    .addHelpText('after', `
A process is ended only if its pid and its start time are the recorded ones.

Examples:
  $ pathproof lab down
  $ pathproof lab down --all`)
    .exitOverride()
    .action(async (flags: { all?: boolean }) => {
      const labs = findLabs();
      const chosen = labs.filter((l) => flags.all === true || !l.harnessAlive);
      for (const leftover of chosen) {
        const { ended } = await removeLab(leftover);
        process.stdout.write(`${leftover.record.runDir}: ${ended.length === 0 ? 'nothing was running any more' : `ended ${ended.join(', ')}`}\n`);
      }
      const busy = labs.length - chosen.length;
      if (chosen.length === 0) process.stdout.write('nothing was left behind\n');
      if (busy > 0) process.stdout.write(`${busy} lab(s) belong to a run that still goes on; --all ends those, too\n`);
    });
  lab.command('status')
    .description('list the labs of this machine')
    .option('--json', 'as JSON')
    .exitOverride()
    .action((flags: { json?: boolean }) => {
      const rows = findLabs().map((l) => ({ lab: l.record.lab, runDir: l.record.runDir, harnessPid: l.record.harness.pid, harnessAlive: l.harnessAlive, members: l.alive.map(({ name, pid }) => ({ name, pid })) }));
      if (flags.json === true) process.stdout.write(`${JSON.stringify(rows, null, 2)}\n`);
      else if (rows.length === 0) process.stdout.write('no lab is up\n');
      else for (const row of rows) process.stdout.write(`${row.lab}  ${row.harnessAlive ? `run by pid ${row.harnessPid}` : 'left behind'}  ${row.members.map((m) => `${m.name}:${m.pid}`).join(' ')}  ${row.runDir}\n`);
    });
  lab.action(() => {
    throw usageError('NO_SUBCOMMAND', 'lab needs a command: down or status');
  });
}
