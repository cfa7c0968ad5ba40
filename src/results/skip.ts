import { sealRun } from './manifest.js';
import { createRunDir, runFiles, writeRunFile, type SkipInfo } from './store.js';

/**
 * Stores that a scenario was left out, in the folder where its run would be. A skip is evidence, too: a gate has to see
 * that a scenario did not run, and why. Throws an infra error when it cannot be written.
 */
export async function storeSkip(resultsDir: string, skip: Omit<SkipInfo, 'format' | 'runId' | 'startedAt'>): Promise<void> {
  const { runId, dir } = createRunDir(resultsDir, skip.suite, skip.seed);
  const info: SkipInfo = { format: 1, runId, ...skip, startedAt: new Date().toISOString() };
  writeRunFile(dir, runFiles.skip, info);
  await sealRun(dir, info);
}
