import { execa } from 'execa';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { sandbox, type Sandbox } from './pathproof.js';

const root = fileURLToPath(new URL('../..', import.meta.url));

let box: Sandbox;
beforeAll(() => {
  box = sandbox({ linked: false });
});
afterAll(() => box.remove());

it('is packed, installed into an empty folder and run there with npx', { timeout: 300_000 }, async () => {
  // The dist/ that `npm test` has just built is packed as it is: building it anew would pull it away from under other tests.
  await execa('npm', ['pack', '--ignore-scripts', '--pack-destination', box.dir], { cwd: root });
  const tarball = readdirSync(box.dir).find((name) => name.endsWith('.tgz'))!;
  const inside = await execa('tar', ['tzf', join(box.dir, tarball)]);
  expect(inside.stdout).not.toMatch(/\.test\.|\/testing\//);
  // fio-parser comes along in the tarball; everything else comes from the registry.
  const bundled = inside.stdout.split('\n').flatMap((path) => /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1] ?? []);
  expect([...new Set(bundled)]).toEqual(['fio-parser']);
  expect(inside.stdout).toMatch(/node_modules\/fio-parser\/dist\/index\.js/);
  const env = { PATHPROOF_STATE: box.state, NO_COLOR: '1' };
  await execa('npm', ['init', '-y'], { cwd: box.dir });
  await execa('npm', ['install', '--prefer-offline', `./${tarball}`], { cwd: box.dir });
  const lock = JSON.parse(readFileSync(join(box.dir, 'package-lock.json'), 'utf8')) as { packages: Record<string, { inBundle?: boolean; resolved?: string }> };
  const parser = Object.entries(lock.packages).filter(([path]) => path.endsWith('node_modules/fio-parser'));
  expect(parser).toMatchObject([['node_modules/pathproof/node_modules/fio-parser', { inBundle: true }]]);
  expect(parser[0]![1].resolved).toBeUndefined();
  const run = await execa('npx', ['pathproof', 'run', '--seed', 'packed'], { cwd: box.dir, env, reject: false });
  expect(run.exitCode, run.stdout + run.stderr).toBe(0);
  expect(run.stdout).toMatch(/PASS/);
  expect(run.stdout.trimEnd().split('\n').at(-1)).toMatch(/^repeat: npx pathproof run \S+smoke\.suite\.ts --filter gateway-dies --seed packed/);
});
