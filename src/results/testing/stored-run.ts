import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { JournalWriter } from '../../history/journal-writer.js';
import { writeRecord } from '../../history/testing/journal-fixtures.js';
import { healthyRun } from '../../verify/testing/healthy-run.js';
import { recordsOf, testHeader } from '../../verify/testing/journal.js';
import type { DraftRun } from '../../verify/testing/run.js';
import { judgeRun } from '../judge.js';
import { sealRun } from '../manifest.js';
import { runFiles, writeRunFile, type RunInfo, type SkipInfo } from '../store.js';

export interface StoredRunOptions {
  runId?: string;
  suite?: string;
  scenario?: string;
  product?: { name: string; version: string; components?: Record<string, string> } | null;
  /** Changes the run before it is stored. */
  change?: (run: DraftRun) => void;
  /** Default: sealed and judged, as a run that came to its end. */
  seal?: boolean;
}

/** The healthy run of the checkers' tests as a folder on disk, as a run leaves it. */
export async function storeRun(parent: string, options: StoredRunOptions = {}): Promise<string> {
  const { runId = 'run-1', suite = 'smoke', scenario = 'gateway-dies', product = { name: 'model', version: '1.0.0' }, seal = true } = options;
  const run = healthyRun();
  run.plan.suite = suite;
  run.plan.scenario = scenario;
  run.change('run.start', () => true, () => ({ runId, suite, scenario }));
  if (product !== null) run.add(1, { type: 'run.product', name: product.name, version: product.version, components: product.components ?? {} });
  options.change?.(run);
  const dir = join(parent, suite, runId);
  mkdirSync(join(dir, 'logs'), { recursive: true });
  writeRunFile(dir, runFiles.plan, run.plan);
  const info: RunInfo = {
    format: 1, runId, suite, scenario, seed: run.plan.seed, lab: run.plan.lab, git: 'abc123', version: '0.1.0', argv: ['run', suite], startedAt: '2026-11-25T12:00:00.000Z', repro: 'pathproof run',
  };
  writeRunFile(dir, runFiles.run, info);
  writeFileSync(join(dir, runFiles.history), run.history.map((event) => `${JSON.stringify(event)}\n`).join(''));
  writeFileSync(join(dir, 'logs', 'gw1.log'), `${runId}\n`);
  const namespaces = run.plan.topology.namespaces.map(({ uuid, nsid, blockSize, blocks }) => ({ uuid, nsid, blockSize, blocks }));
  const journal = JournalWriter.open(join(dir, 'journal-host1.ppj'), testHeader({ runId, namespaces }));
  for (const record of recordsOf(run.ops)) {
    writeRecord(journal, record);
    journal.flushSync();
  }
  journal.close();
  if (!seal) return dir;
  await sealRun(dir, { runId, version: '0.1.0' });
  await judgeRun(dir, { by: 'run', version: '0.1.0' });
  return dir;
}

export async function storeSkip(parent: string, skip: Partial<SkipInfo> = {}): Promise<string> {
  const info: SkipInfo = {
    format: 1, runId: 'skip-1', suite: 'smoke', scenario: 'gateway-dies', title: 'A gateway dies', seed: '1', lab: 'loopback', reason: 'the lab has no fio', git: 'abc123', version: '0.1.0', argv: [], startedAt: '2026-11-25T12:00:00.000Z', ...skip,
  };
  const dir = join(parent, info.suite, info.runId);
  mkdirSync(dir, { recursive: true });
  writeRunFile(dir, runFiles.skip, info);
  await sealRun(dir, info);
  return dir;
}
