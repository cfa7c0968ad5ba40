import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { renderSummary } from '../src/report/json.js';
import { gateSchema, reproSchema, summarySchema } from '../src/report/schema.js';
import { policySchema } from '../src/results/gate/policy.js';

/**
 * docs/schema/ is made from the schemas in the sources. After a change of one of them:
 *
 *   PATHPROOF_WRITE_SCHEMAS=1 npx vitest run test/schema.test.ts
 */
const schemas: Record<string, [title: string, schema: z.ZodType]> = {
  summary: ['pathproof run --json, pathproof recheck --json', summarySchema],
  gate: ['pathproof gate --json', gateSchema],
  repro: ['pathproof repro --json', reproSchema],
  policy: ['The policy of pathproof gate (YAML)', policySchema],
};
const file = (name: string): string => fileURLToPath(new URL(`../docs/schema/${name}.schema.json`, import.meta.url));

describe('docs/schema', () => {
  it.each(Object.entries(schemas))('%s.schema.json is what the sources say', (name, [title, schema]) => {
    const text = `${JSON.stringify({ title, ...z.toJSONSchema(schema, { io: 'input' }) }, null, 2)}\n`;
    if (process.env['PATHPROOF_WRITE_SCHEMAS'] === '1') {
      mkdirSync(fileURLToPath(new URL('../docs/schema', import.meta.url)), { recursive: true });
      writeFileSync(file(name), text);
    }
    expect(existsSync(file(name)) ? readFileSync(file(name), 'utf8') : '').toBe(text);
  });

  it('the summary of a run has its shape', () => {
    const text = renderSummary([
      { kind: 'skipped', suite: 's', scenario: 'x', title: 'X', lab: 'loopback', reason: 'no fio' },
      {
        kind: 'ran', plan: { suite: 's', scenario: 'y', title: 'Y', seed: '1', lab: 'loopback', defects: [] }, git: 'abc', startedMs: 0, durationMs: 5, runDir: 'r', repro: 'again',
        verdict: { format: 1, runId: 'r', verdict: 'pass', interrupted: false, checks: [{ checker: 'fio', verdict: 'pass', summary: '', evidence: [{ text: 'x', tUs: 1 }], metrics: { a: 1 }, details: { b: [] } }] },
      },
    ], '0.1.0');
    expect(z.strictObject(summarySchema.shape).parse(JSON.parse(text)).totals).toEqual({ pass: 1, fail: 0, unknown: 0, infra: 0, skip: 1 });
  });
});
