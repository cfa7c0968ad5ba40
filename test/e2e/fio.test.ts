import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LoopbackLab, type LoopbackLabOptions } from '../../src/lab/loopback/lab.js';
import type { LabOptions, LabProvider } from '../../src/lab/provider.js';
import type { Lab } from '../../src/lab/types.js';
import { planScenario } from '../../src/plan/planner.js';
import type { Plan } from '../../src/plan/types.js';
import { checkEvidence } from '../../src/results/manifest.js';
import { executePlan, type RunOutcome } from '../../src/run/runner.js';
import { fioBinary, fioTitle, hasFio } from '../../src/workload/fio/testing/fixture.js';
import { FioWorkload, LocalFioRunner } from '../../src/workload/fio/index.js';

/**
 * The whole way of fio through a run: the loopback lab with a host that can run fio, which is the real one on files of
 * this machine. Its I/O does not go through the lab, so no fault stalls it; everything else is as in a lab whose host
 * has block devices.
 */
class LabWithFio extends LoopbackLab {
  readonly #fio: FioWorkload;
  constructor(options: LoopbackLabOptions, fio: FioWorkload) {
    super(options);
    this.#fio = fio;
  }
  override async up(progress: (step: string) => void): Promise<void> {
    await super.up(progress);
    const fio = this.#fio;
    for (const [of, node] of this.hosts) {
      this.hosts.set(of, new Proxy(node, {
        get(host, name): unknown {
          if (name === 'fio') return fio;
          const value: unknown = Reflect.get(host, name, host);
          return typeof value === 'function' ? (value.bind(host) as unknown) : value;
        },
      }));
    }
  }
}

const plan = (): Plan => planScenario('fio-e2e', {
  name: 'mixed', title: 'fio beside the stamp workload', description: 'run fio and the stamp workload together.',
  workload: { delayedRereadMs: 200 },
  fio: [{ name: 'mix', rateIops: 200 }, { name: 'once', namespaces: [4], mode: 'randwrite', passes: 1 }],
  expect: { thresholds: { 'fio.verifyErrors': { equals: 0 } } },
  steps: [{ do: 'phase', name: 'load' }, { do: 'run', forMs: 3_000 }],
}, { seed: 'fio', lab: 'loopback' });

describe.skipIf(!hasFio)(`a run with fio jobs ${fioTitle}`, () => {
  let root: string;
  let dir: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'pathproof-fio-run-'));
    dir = join(root, 'run');
    process.env['PATHPROOF_STATE'] = join(root, 'state');
    mkdirSync(dir);
    mkdirSync(join(root, 'node'));
  });
  afterEach(() => {
    delete process.env['PATHPROOF_STATE'];
    rmSync(root, { recursive: true, force: true });
  });

  async function run(withFio: Plan, options: { fio: boolean; onPhase?: (phase: string) => void; abort?: AbortController }): Promise<RunOutcome> {
    const { topology } = withFio;
    for (const { nsid, blocks, blockSize } of topology.namespaces) writeFileSync(join(root, `ns${nsid}`), Buffer.alloc(blocks * blockSize));
    const create = (lab: Plan, labOptions: LabOptions): Lab => {
      if (!options.fio) return new LoopbackLab({ plan: lab, ...labOptions });
      const fio = new FioWorkload({
        host: 'host1', jobs: lab.fio!, runner: new LocalFioRunner(join(root, 'node')), device: (nsid) => Promise.resolve(join(root, `ns${nsid}`)), runDir: labOptions.runDir, binary: fioBinary,
        emit: (event) => labOptions.sink('host1', event),
      });
      return new LabWithFio({ plan: lab, ...labOptions }, fio);
    };
    const provider: LabProvider = { prepare: () => Promise.resolve(withFio.platform), create, close: () => Promise.resolve() };
    return executePlan(provider, () => withFio, {
      format: 1, runId: 'run-1', suite: withFio.suite, scenario: withFio.scenario, seed: withFio.seed, lab: withFio.lab, git: 'abc', version: '0.1.0', argv: [], startedAt: new Date().toISOString(), repro: 'again',
    }, dir, (options.abort ?? new AbortController()).signal, { status: ({ phase }) => options.onPhase?.(phase) });
  }

  it('proves them: artifacts, events and two more checkers in the verdict, all of it sealed', { timeout: 180_000 }, async () => {
    const { result, error } = await run(plan(), { fio: true });
    expect(error).toBeUndefined();
    const checks = Object.fromEntries(result.verdict.checks.map((check) => [check.checker, check]));
    expect(checks['fio'], JSON.stringify(checks['fio']?.evidence)).toMatchObject({ verdict: 'pass', metrics: { jobs: 2, processes: 6, ioErrors: 0, verifyErrors: 0 } });
    // The last namespace is idle for the stamp workload, and has a job of its own.
    expect(checks['fio']!.metrics['bytesVerified']).toBe(4 * 12 * 1_048_576);
    expect(checks['fio-stalls']!.metrics['completions']).toBeGreaterThan(1_000);
    expect(checks['expectations']).toMatchObject({ verdict: 'pass' });
    const { problems, files } = await checkEvidence(dir);
    expect(problems).toEqual([]);
    expect(files).toBeGreaterThan(25);
    const manifest = readFileSync(join(dir, 'manifest.json'), 'utf8');
    for (const path of ['fio/host1/mix/main/io_lat.1.log.gz', 'fio/host1/mix/main/report.json', 'fio/host1/once/verify/job.fio', 'history.ndjson', 'journal-host1.ppj']) expect(manifest).toContain(`"${path}"`);
    expect(readFileSync(join(dir, 'history.ndjson'), 'utf8')).toMatch(/"type":"run\.product","name":"pathproof-model","version":"0\.1\.0"/);
  });

  it('ends with the run: interrupted in the middle, nothing of fio is left, and the verdict is no pass', { timeout: 180_000 }, async () => {
    const abort = new AbortController();
    const { result } = await run(plan(), { fio: true, abort, onPhase: (phase) => phase === 'load' && abort.abort() });
    expect(result.verdict).toMatchObject({ interrupted: true, verdict: 'unknown' });
    const history = readFileSync(join(dir, 'history.ndjson'), 'utf8');
    expect(history).toMatch(/"type":"fio\.process"[^\n]*"state":"ended"[^\n]*"endedBy":"kill"/);
    expect(result.verdict.checks.find(({ checker }) => checker === 'fio')).toMatchObject({ verdict: 'unknown' });
  });

  it('is infra on a lab whose host cannot run fio', { timeout: 180_000 }, async () => {
    const { result, error } = await run(plan(), { fio: false });
    expect(error).toMatchObject({ code: 'NO_FIO', exitCode: 3 });
    expect(result.verdict.verdict).toBe('infra');
  });
});
