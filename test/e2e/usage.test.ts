import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { pathproof, sandbox, type Sandbox } from './pathproof.js';

let box: Sandbox;
beforeAll(() => {
  box = sandbox();
  writeFileSync(join(box.dir, 'typo.suite.ts'), `
    import { suite } from 'pathproof';
    export default suite({ name: 'typo', scenarios: [{ name: 'a', title: 'A thing', description: 'do a thing.', steps: [{ do: 'run', forMs: 1, colour: 'red' }] } as never] });
  `);
  writeFileSync(join(box.dir, 'broken.suite.ts'), 'export default suite(');
});
afterAll(() => box.remove());

describe('bad input', () => {
  it.each<[string, string[], RegExp]>([
    ['an unknown suite', ['run', 'smokey'], /no suite smokey[\s\S]*smoke/],
    ['an unknown lab', ['run', 'smoke', '--lab', 'moon'], /moon[\s\S]*loopback/],
    ['an unknown option', ['run', '--speed', '3'], /unknown option '--speed'/],
    ['an unknown command', ['rum'], /unknown command 'rum'/],
    ['an unknown scenario field', ['run', './typo.suite.ts'], /scenario a: steps\.0: unknown field "colour"/],
    ['a suite that does not parse', ['run', './broken.suite.ts'], /broken\.suite\.ts cannot be imported/],
    ['a filter that matches nothing', ['run', 'failover', '--filter', 'xyz'], /xyz[\s\S]*gateway-dead/],
    ['17 gateways', ['run', '--gateways', '17'], /--gateways[\s\S]*from 1 to 16/],
    ['more groups than gateways', ['run', '--ana-groups', '5'], /lab\.anaGroups/],
    ['more hosts than namespaces with load', ['run', '--hosts', '4'], /lab\.hosts: 4 hosts need as many namespaces with load, there are 3/],
    ['9 hosts', ['run', '--hosts', '9'], /--hosts[\s\S]*from 1 to 8/],
    ['a seed that is no folder name', ['run', '--seed', '../x'], /--seed/],
    ['a folder that is no run', ['recheck', '.'], /is no run folder/],
    ['a gate without a policy', ['gate', '.'], /required option '--policy <file>'/],
    ['a policy that is not there', ['gate', '.', '--policy', 'nowhere.yaml'], /cannot read the policy/],
    ['lab without a command', ['lab'], /lab/],
  ])('%s: one clear error, exit 64, nothing started', async (_, args, message) => {
    const result = await pathproof(box, ...args);
    expect(result.stderr).toMatch(message);
    expect(result.code).toBe(64);
    expect(existsSync(box.results)).toBe(false);
    expect(existsSync(box.state)).toBe(false);
  });

  it.each([['run'], ['plan'], ['recheck'], ['gate'], ['list'], ['lab down']])('%s --help has examples', async (command) => {
    const result = await pathproof(box, ...command.split(' '), '--help');
    expect(result.code).toBe(0);
    expect(result.stdout).toContain('Examples:');
  });
});

describe('plan', () => {
  it('prints plans that are the same for the same seed, and starts nothing', async () => {
    const [a, b, c] = await Promise.all(['1', '1', '2'].map((seed) => pathproof(box, 'plan', 'failover', '--seed', seed)));
    expect(a!.code).toBe(0);
    expect(a!.stdout).toBe(b!.stdout);
    expect(a!.stdout).not.toBe(c!.stdout);
    const plans = JSON.parse(a!.stdout) as { scenario: string; topology: { gateways: unknown[] } }[];
    expect(plans.map((p) => p.scenario)).toContain('partition-both');
    expect(existsSync(box.results)).toBe(false);
  });

  it('takes the shape from the command line', async () => {
    const { stdout } = await pathproof(box, 'plan', 'smoke', '--gateways', '5', '--hosts', '3', '--ana-groups', '5', '--namespaces', '10');
    const [plan] = JSON.parse(stdout) as { topology: { gateways: unknown[]; hosts: unknown[]; namespaces: { anaGroup: number }[] } }[];
    expect(plan!.topology.gateways).toHaveLength(5);
    expect(plan!.topology.hosts).toHaveLength(3);
    expect(new Set(plan!.topology.namespaces.map((n) => n.anaGroup)).size).toBe(5);
  });
});
