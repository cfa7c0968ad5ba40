import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { addInventoryCommand } from '../src/cli/inventory.js';
import { addLabCommand } from '../src/cli/lab.js';
import { addRunCommand } from '../src/cli/run.js';
import { parseInventory } from '../src/lab/inventory/file.js';

const dir = fileURLToPath(new URL('../examples/nightly/', import.meta.url));
const read = (name: string): string => readFileSync(`${dir}${name}`, 'utf8');

/** The calls of pathproof in a file, as words, with something in place of each variable of its system. */
function callsIn(text: string): string[][] {
  const joined = text.replaceAll(/\n {10}(?=--|npx pathproof)/g, ' ').replaceAll('>- ', '');
  return [...joined.matchAll(/(?:npx|\.bin\/)\s*pathproof ((?:run|lab|inventory)[^\n']*)/g)].map((match) => match[1]!
    .replaceAll(/\$\{\{[^}]*\}\}/g, '1').replaceAll(/"\$\{SEED[^"]*"/g, 'seed').replaceAll('$SHARD', '1').replaceAll('$TESTDIR', '/tmp').trim().split(/\s+/));
}

/** Parses words as the command line does; throws what it would print. */
function accept(words: readonly string[]): void {
  const program = new Command('pathproof').exitOverride();
  for (const add of [addRunCommand, addLabCommand, addInventoryCommand]) add(program);
  const quiet = (command: Command): void => {
    command.exitOverride().configureOutput({ writeErr: () => undefined }).action(() => undefined);
    command.commands.forEach(quiet);
  };
  program.commands.forEach(quiet);
  program.parse(words, { from: 'user' });
}

const inventories = ['inventory.yaml', 'ceph-nvmeof.yaml', 'spdk.yaml'];

describe('examples of nightlies', () => {
  it.each(readdirSync(dir).filter((name) => !name.endsWith('.timer') && !inventories.includes(name)))('%s calls pathproof with options that it has', (name) => {
    const calls = callsIn(read(name));
    expect(calls.some(([command]) => command === 'run')).toBe(true);
    expect(calls.some(([command, sub]) => command === 'lab' && sub === 'heal')).toBe(true);
    for (const words of calls) expect(() => accept(words), words.join(' ')).not.toThrow();
  });

  it('are looked at by a test that can fail', () => {
    expect(() => accept(['run', 'nightly', '--shards', '1/2'])).toThrow(/unknown option/);
    expect(() => accept(['run', 'nightly', '--shard', '3/2'])).toThrow(/I\/N is wanted/);
    expect(() => accept(['lab', 'heal'])).toThrow(/--inventory/);
  });

  it('have an inventory and YAML files that are sound', () => {
    expect(parseInventory(read('inventory.yaml'), 'inventory.yaml').allow).toEqual(['kill', 'powerOff', 'network']);
    expect(parseInventory(read('ceph-nvmeof.yaml'), 'ceph-nvmeof.yaml').gateways.kind).toBe('ceph-nvmeof');
    expect(parseInventory(read('spdk.yaml'), 'spdk.yaml').gateways.kind).toBe('spdk');
    for (const name of ['github-workflow.yml', 'teuthology.yaml']) expect(parse(read(name))).toBeTypeOf('object');
  });
});
