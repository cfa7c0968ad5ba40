import { join, relative } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { gitCommit, packageVersion, shellQuote } from '../cli/package.js';
import { loadInventory } from '../lab/inventory/file.js';
import { platformOf } from '../lab/inventory/platform.js';
import { openProvider } from '../lab/providers.js';
import { skipReason } from '../plan/fits.js';
import { planScenario } from '../plan/planner.js';
import { parseSuite } from '../plan/scenario.js';
import { onSuite } from '../plan/suite.js';
import { labKinds, type LabKind } from '../plan/types.js';
import { storeSkip } from '../results/skip.js';
import { createRunDir, runFiles } from '../results/store.js';
import { usageError } from '../util/errors.js';
import { executePlan } from './runner.js';

/**
 * The vitest side of a suite: loaded as a setup file, it turns each scenario into one vitest test.
 * Settings come from the environment, since vitest owns the command line: PATHPROOF_LAB, PATHPROOF_SEED,
 * PATHPROOF_RESULTS.
 */
const scenarioTimeoutMs = 30 * 60_000;

onSuite((definition) => {
  const { name, scenarios } = parseSuite(definition, 'suite');
  const lab = labFromEnvironment();
  const seed = process.env['PATHPROOF_SEED'] ?? Math.floor(Math.random() * 2 ** 32).toString(16).padStart(8, '0');
  const inventory = lab === 'inventory' ? loadInventory(process.env['PATHPROOF_INVENTORY'] ?? '') : undefined;
  const provider = openProvider(lab, inventory === undefined ? {} : { inventory });
  const known = inventory === undefined ? undefined : platformOf(inventory);
  afterAll(() => provider.close(), 60_000);
  for (const scenario of scenarios) {
    test(`${name}/${scenario.name}: ${scenario.title}`, { timeout: scenarioTimeoutMs }, async (context) => {
      const reason = skipReason(scenario, lab, known);
      const results = process.env['PATHPROOF_RESULTS'] ?? 'results';
      if (reason !== undefined) {
        await storeSkip(results, { suite: name, scenario: scenario.name, title: scenario.title, lab, reason, seed, git: await gitCommit(), version: packageVersion, argv: ['vitest'] });
        context.skip(reason);
      }
      const { runId, dir } = createRunDir(results, name, seed);
      const repro = `PATHPROOF_SEED=${shellQuote(seed)} PATHPROOF_LAB=${lab} npm run suites -- -t ${shellQuote(`${name}/${scenario.name}:`)}`;
      const outcome = await executePlan(provider, (platform = known) => planScenario(name, scenario, { seed, lab, ...(platform === undefined ? {} : { platform }) }), {
        format: 1, runId, suite: name, scenario: scenario.name, seed, lab, git: await gitCommit(), version: packageVersion,
        argv: ['vitest'], startedAt: new Date().toISOString(), repro,
      }, dir, context.signal);
      const bad = outcome.result.verdict.checks.filter((c) => c.verdict !== 'pass').map((c) => `${c.checker}: ${c.verdict}: ${c.summary}`);
      expect(outcome.result.verdict.verdict, [...bad, outcome.error?.message ?? '', `report: ${relative(process.cwd(), join(dir, runFiles.report))}`, `repeat: ${repro}`].join('\n')).toBe('pass');
    });
  }
});

function labFromEnvironment(): LabKind {
  const wanted = process.env['PATHPROOF_LAB'] ?? 'loopback';
  const lab = labKinds.find((kind) => kind === wanted);
  if (lab === undefined) throw usageError('UNKNOWN_LAB', `PATHPROOF_LAB=${wanted}: no such lab`, `Labs: ${labKinds.join(', ')}`);
  return lab;
}
