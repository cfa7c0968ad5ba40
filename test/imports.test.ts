import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

/**
 * The import directions of docs/ARCHITECTURE.md, as a test. For each folder of src: what its files may
 * import. A folder that is missing here fails the test, so that a new one has to be thought about.
 * Type-only imports count: a type is a dependency, too.
 */
const allowed: Record<string, readonly string[]> = {
  util: [],
  nvme: ['util', 'history'],
  history: ['util', 'nvme'],
  plan: ['util', 'fault/specs'],
  'fault/specs': ['plan/types'],
  fault: ['util', 'plan', 'observe', 'lab', 'history', 'fault/specs'],
  verify: ['util', 'history', 'plan', 'nvme'],
  report: ['util', 'history', 'plan', 'verify'],
  results: ['util', 'history', 'plan', 'verify', 'report'],
  workload: ['util', 'history', 'plan', 'nvme'],
  initiator: ['util', 'history', 'plan', 'nvme', 'workload'],
  gateway: ['util', 'history', 'plan', 'nvme', 'monitor', 'store', 'ceph'],
  monitor: ['util', 'history', 'plan', 'ceph', 'nvme'],
  ceph: ['util', 'nvme'],
  // The backend interface is the gateway's; the store implements it and sees nothing else of it.
  store: ['util', 'history', 'gateway/backend', 'nvme'],
  observe: ['util', 'history', 'plan', 'monitor'],
  lab: ['util', 'history', 'plan', 'monitor', 'ceph', 'fault/specs', 'observe', 'gateway', 'store', 'initiator', 'workload', 'nvme'],
  run: ['util', 'history', 'plan', 'fault', 'fault/specs', 'lab', 'observe', 'results', 'verify', 'report'],
  detect: ['util', 'plan', 'verify'],
  conform: ['util', 'history', 'plan', 'ceph', 'monitor', 'gateway', 'lab'],
  shrink: ['util', 'plan', 'verify'],
  cli: ['detect', 'shrink', 'util', 'history', 'plan', 'fault', 'lab', 'observe', 'results', 'verify', 'report', 'run', 'conform'],
};

const src = fileURLToPath(new URL('../src', import.meta.url));

function sources(dir: string): string[] {
  return readdirSync(dir, { withFileTypes: true }).flatMap((entry) => {
    const path = join(dir, entry.name);
    if (entry.isDirectory()) return sources(path);
    return entry.name.endsWith('.ts') && !entry.name.endsWith('.test.ts') && !path.includes('/testing/') ? [path] : [];
  });
}

/** `fault/specs` (with those of cephadm's faults) and `plan/types` are units of their own: pure data that others may see without the rest. */
function unitOf(path: string): string {
  const inside = relative(src, path).replace(/\.(js|ts)$/, '');
  return /^fault\/(cephadm-)?specs$/.test(inside) ? 'fault/specs' : inside.split('/')[0]!;
}

describe('import directions', () => {
  const files = sources(src).filter((file) => relative(src, file).includes('/'));

  it('finds the sources', () => {
    expect(files.length).toBeGreaterThan(50);
  });

  it.each(files.map((file) => [relative(src, file), file]))('%s imports only what its folder may', (_, file) => {
    const unit = unitOf(file);
    const may = allowed[unit];
    expect(may, `no rule for src/${unit}: add one to test/imports.test.ts`).toBeDefined();
    const bad = [...readFileSync(file, 'utf8').matchAll(/^(?:import|export)\b[^'"]*?from\s+'(\.[^']+)'|import\('(\.[^']+)'\)/gm)]
      .map((match) => resolve(dirname(file), match[1] ?? match[2]!))
      .filter((target) => {
        const other = unitOf(target);
        const inside = relative(src, target).replace(/\.(js|ts)$/, '');
        // The setup file for vitest registers with the suite API, and only it may know the CLI's package helpers.
        if (unit === 'run' && other === 'cli') return !(file.endsWith('vitest-suite.ts') && inside === 'cli/package');
        return other !== unit && !may!.includes(other) && !may!.includes(inside);
      })
      .map((target) => relative(src, target));
    expect(bad).toEqual([]);
  });
});
