import type { Command } from 'commander';
import { checkInventory, type InventoryCheck } from '../lab/inventory/check.js';
import { loadInventory } from '../lab/inventory/file.js';
import { HostConnections } from '../lab/inventory/hosts.js';
import { ExitCode, usageError } from '../util/errors.js';

export function addInventoryCommand(program: Command): void {
  const inventory = program.command('inventory').description('your own hosts: look whether a run may begin on them');
  inventory.exitOverride();
  inventory.command('check')
    .description('reach every host, say what is there, and prove that the namespaces may be overwritten; changes nothing')
    .argument('<file>', 'the inventory')
    .option('--json', 'as JSON')
    .addHelpText('after', `
Exit codes:
  0 ready · 3 not ready: each reason is printed · 64 the file has mistakes: each with its line

Example:
  $ pathproof inventory check rack.yaml`)
    .exitOverride()
    .action(async (file: string, flags: { json?: boolean }) => {
      const connections = new HostConnections();
      try {
        const found = await checkInventory(loadInventory(file), connections, { say: (text) => void process.stderr.write(`${text}\n`) });
        process.stdout.write(flags.json === true ? `${JSON.stringify(found, null, 2)}\n` : textOf(found));
        process.exitCode = found.ready ? ExitCode.pass : ExitCode.infra;
      } finally {
        connections.close();
      }
    });
  inventory.action(() => {
    throw usageError('NO_SUBCOMMAND', 'inventory needs a command: check');
  });
}

function textOf({ name, ready, hosts, namespaces }: InventoryCheck): string {
  const lines: string[] = [];
  for (const { host, facts, clock, problems } of hosts) {
    const parts = facts === undefined ? [] : [facts.os, `Linux ${facts.kernel}`, facts.node === null ? undefined : `node ${facts.node}`, facts.nvme, facts.fio, facts.nft, facts.ceph, facts.spdk].filter((part): part is string => part !== undefined && part !== null && part !== '');
    lines.push(`${problems.length === 0 ? '✓' : '✗'} ${host}: ${parts.join(', ')}${clock === undefined ? '' : `; clock ${clock.offsetMs >= 0 ? '+' : ''}${clock.offsetMs} ms (± ${clock.errMs})`}`);
    for (const problem of problems) lines.push(`    ${problem}`);
  }
  for (const { image, proof, problem } of namespaces) lines.push(problem === undefined ? `✓ image ${image} may be overwritten: ${proof}` : `✗ image ${image} must not be overwritten: ${problem}`);
  lines.push(ready ? `${name}: ready` : `${name}: not ready`);
  return `${lines.join('\n')}\n`;
}
