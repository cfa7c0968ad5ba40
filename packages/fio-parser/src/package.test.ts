import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { afterAll, describe, expect, it } from 'vitest';

const run = promisify(execFile);
const root = fileURLToPath(new URL('..', import.meta.url));
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Record<string, unknown>;

function sources(dir: string): string[] {
  return readdirSync(dir, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts') && !entry.name.endsWith('.test.ts') && !entry.parentPath.includes('testing'))
    .map((entry) => join(entry.parentPath, entry.name));
}

describe('the package', () => {
  const folder = mkdtempSync(join(tmpdir(), 'fio-parser-pack-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('needs nothing but Node', () => {
    expect(Object.keys(manifest).filter((key) => /dependencies/i.test(key))).toEqual([]);
    const files = sources(join(root, 'src'));
    expect(files.length).toBeGreaterThan(30);
    for (const file of files) {
      const foreign = [...readFileSync(file, 'utf8').matchAll(/from\s+'([^']+)'/g)].map((match) => match[1]!).filter((name) => !name.startsWith('.') && !name.startsWith('node:'));
      expect(foreign, file).toEqual([]);
    }
  });

  it('can be packed, unpacked elsewhere and imported', { timeout: 120_000 }, async () => {
    // Built into a folder of its own: dist/ belongs to whoever built it.
    const built = join(folder, 'package');
    const tsc = fileURLToPath(new URL('../../../node_modules/typescript/bin/tsc', import.meta.url));
    await run(process.execPath, [tsc, '-p', join(root, 'tsconfig.build.json'), '--outDir', join(built, 'dist')]);
    for (const name of ['package.json', 'README.md']) writeFileSync(join(built, name), readFileSync(join(root, name)));
    await run('npm', ['pack', '--ignore-scripts', '--pack-destination', folder], { cwd: built });
    const tarball = readdirSync(folder).find((name) => name.endsWith('.tgz'))!;
    const { stdout: inside } = await run('tar', ['tzf', join(folder, tarball)]);
    expect(inside).toMatch(/package\/dist\/index\.js\n/);
    expect(inside).toMatch(/package\/dist\/index\.d\.ts\n/);
    expect(inside).toMatch(/package\/README\.md\n/);
    expect(inside).not.toMatch(/\.test\.|testing|\/src\//);
    await run('tar', ['xzf', join(folder, tarball), '-C', folder]);
    const { stdout } = await run(process.execPath, ['--input-type=module', '-e', `
      const { parseFioJson, parseFioVersion } = await import(${JSON.stringify(join(built, 'dist', 'index.js'))});
      console.log(parseFioVersion('fio-3.41').minor, parseFioJson('warning\\n{').problems[0].code);
    `]);
    expect(stdout.trim()).toMatch(/^41 [A-Z_]+$/);
  });
});
