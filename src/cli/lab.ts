import { spawnSync } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { loadInventory } from '../lab/inventory/file.js';
import { HostConnections } from '../lab/inventory/hosts.js';
import { healInventory } from '../lab/inventory/undo.js';
import { openProvider } from '../lab/providers.js';
import { keptNodes, sshInto } from '../lab/qemu/kept.js';
import { findLabs, removeLab } from '../lab/registry.js';
import { planScenario } from '../plan/planner.js';
import { ExitCode, infraError, usageError } from '../util/errors.js';
import { interruptible } from './interruptible.js';
import { labProgress } from './lab-progress.js';
import { addPlanOptions, planOptions, type PlanFlags } from './options.js';

export function addLabCommand(program: Command): void {
  const lab = program.command('lab').description('bring labs up, look at them, and end what was left behind');
  lab.exitOverride().enablePositionalOptions();
  addPlanOptions(lab.command('up'))
    .description('bring up a lab of virtual machines and leave it up: runs with the same shape use it')
    .option('--cold', 'start from nothing, even if there is a snapshot')
    .addHelpText('after', `
Examples:
  $ pathproof lab up --lab qemu
  $ pathproof lab up --lab qemu --gateways 4 --ana-groups 4 --cold
  $ pathproof lab up --lab vagrant
  $ pathproof lab ssh gw1
  $ pathproof run failover --lab qemu`)
    .exitOverride()
    .action(async (flags: PlanFlags & { cold?: boolean }) => {
      await labUp(flags);
    });
  lab.command('ssh')
    .description('get into a node of a lab that is up')
    .argument('<node>', 'e.g. ceph, gw1, host1')
    .argument('[command...]', 'run this there instead of a shell')
    .passThroughOptions()
    .exitOverride()
    .action((node: string, command: string[]) => {
      const result = spawnSync('ssh', [...(command.length === 0 ? ['-t'] : []), ...sshInto(node), ...(command.length === 0 ? [] : ['--', ...command])], { stdio: 'inherit' });
      if (result.error !== undefined) throw infraError('TOOL_MISSING', `ssh: ${result.error.message}`, { hint: 'see `pathproof doctor --lab qemu`' });
      process.exitCode = result.status ?? ExitCode.infra;
    });
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
  lab.command('heal')
    .description('undo what a killed run has left on the hosts of an inventory')
    .requiredOption('--inventory <file>', 'the file that names the hosts')
    .addHelpText('after', `
A run notes how each change is undone before it makes it. This runs those commands, the last change first; what could
not be undone stays noted, and the command can be repeated.

Example:
  $ pathproof lab heal --inventory rack.yaml`)
    .exitOverride()
    .action(async (flags: { inventory: string }) => {
      process.exitCode = await heal(flags.inventory);
    });
  lab.command('status')
    .description('list the labs of this machine')
    .option('--json', 'as JSON')
    .exitOverride()
    .action((flags: { json?: boolean }) => {
      const rows = findLabs().map((l) => ({ lab: l.record.lab, runDir: l.record.runDir, harnessPid: l.record.harness.pid, harnessAlive: l.harnessAlive, kept: l.record.kept, members: l.alive.map(({ name, pid }) => ({ name, pid })) }));
      if (flags.json === true) process.stdout.write(`${JSON.stringify(rows, null, 2)}\n`);
      else if (rows.length === 0) process.stdout.write('no lab is up\n');
      else for (const row of rows) process.stdout.write(`${row.lab}  ${row.harnessAlive ? `run by pid ${row.harnessPid}` : row.kept ? 'left up' : 'left behind'}  ${row.members.map((m) => `${m.name}:${m.pid}`).join(' ')}  ${row.runDir}\n`);
    });
  lab.action(() => {
    throw usageError('NO_SUBCOMMAND', 'lab needs a command: up, ssh, status, heal or down');
  });
}

async function heal(file: string): Promise<ExitCode> {
  const hosts = new HostConnections();
  try {
    const results = await healInventory(loadInventory(file).name, hosts, ({ entry: { host, what }, problem }) => {
      process.stdout.write(problem === undefined ? `undone      ${host}: ${what}\n` : `NOT UNDONE  ${host}: ${what}: ${problem}\n`);
    });
    if (results.length === 0) process.stdout.write('nothing is left to be undone\n');
    return results.some(({ problem }) => problem !== undefined) ? ExitCode.infra : ExitCode.pass;
  } finally {
    hosts.close();
  }
}

/** Any scenario: only the shape of its lab counts. */
const anyScenario = { name: 'lab', title: 'A lab that is only up', description: 'nothing.', steps: [{ do: 'run' as const, forMs: 0 }] };

async function labUp(flags: PlanFlags & { cold?: boolean }): Promise<void> {
  if (flags.lab === 'loopback') throw usageError('LAB_UP', 'the loopback lab is started by each run and ends with it', 'Use --lab qemu.');
  if (flags.lab === 'inventory') throw usageError('LAB_UP', 'hosts of an inventory are prepared by each run and left as they were', '`pathproof inventory check FILE` looks whether they are ready.');
  if (flags.lab === 'native' || flags.lab === 'native-linux') throw usageError('LAB_UP', 'the native lab is started by each run and ends with it', 'Use --lab qemu.');
  const plan = planScenario('lab', anyScenario, planOptions(flags));
  const provider = openProvider(flags.lab, { keep: true, ...(flags.cold === true ? { cold: true } : {}) });
  const { signal, release } = interruptible(process.stdout, 'interrupted: taking the machines down');
  try {
    const logDir = mkdtempSync(join(tmpdir(), 'pathproof-logs-'));
    const platform = await provider.prepare(plan, { progress: labProgress(process.stdout), signal, logDir });
    process.stdout.write(`up: ${platform.accel}${platform.accel === 'tcg' ? `, processors ${platform.emulationFactor} times slower than this machine's` : ''}\n`);
    for (const { node } of keptNodes()) process.stdout.write(`  pathproof lab ssh ${node}\n`);
    process.stdout.write('end it by `pathproof lab down`\n');
  } finally {
    await provider.close();
    release();
  }
}
