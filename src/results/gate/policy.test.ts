import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { loadPolicy, parsePolicy } from './policy.js';

const suites = fileURLToPath(new URL('../../../suites', import.meta.url));
const base = 'format: 1\nname: A release\n';
const mistake = (text: string): string => {
  try {
    parsePolicy(text, 'p.yaml');
  } catch (error) {
    return (error as Error).message;
  }
  return 'no mistake';
};

describe('a policy', () => {
  it('gives each scenario what it says itself, else what is said for all', () => {
    const policy = parsePolicy(`${base}labs: [qemu]
product: { name: ceph, version: "20.2.*", components: { kernel: "7.*" } }
runs: 3
scenarios:
  - scenario: smoke/gateway-dies
  - { scenario: failover/gateway-dead, runs: 1, labs: [loopback], product: { name: other, version: "1" }, thresholds: { availability.stallMaxMs: { max: 5 } } }
thresholds:
  availability.stallMaxMs: { max: 10 % above baseline, reason: as before }
  fio.latencyP99Ms: { within: 12.5 % of baseline results/smoke/a b, optional: true }
skips: [ { scenario: failover/gateway-dead, because: nobody needs it } ]
`, 'p.yaml');
    expect(policy.scenarios).toEqual([
      {
        scenario: 'smoke/gateway-dies', labs: ['qemu'], runs: 3, product: { name: 'ceph', version: '20.2.*', components: { kernel: '7.*' } },
        limits: [
          { key: 'availability.stallMaxMs', checker: 'availability', metric: 'stallMaxMs', optional: false, max: { percent: 10, run: undefined }, reason: 'as before' },
          { key: 'fio.latencyP99Ms', checker: 'fio', metric: 'latencyP99Ms', optional: true, within: { percent: 12.5, run: 'results/smoke/a b' } },
        ],
      },
      {
        scenario: 'failover/gateway-dead', labs: ['loopback'], runs: 1, product: { name: 'other', version: '1', components: {} },
        limits: [{ key: 'availability.stallMaxMs', checker: 'availability', metric: 'stallMaxMs', optional: false, max: 5 }, expect.objectContaining({ key: 'fio.latencyP99Ms' })],
      },
    ]);
    expect(policy.skips).toEqual([{ scenario: 'failover/gateway-dead', labs: [], because: 'nobody needs it' }]);
    expect(policy.sha256).toMatch(/^[0-9a-f]{64}$/);
  });

  it('asks for one run on any lab of any product when it says nothing of that', () => {
    expect(parsePolicy(`${base}scenarios: [{ scenario: smoke/a }]`, 'p').scenarios).toEqual([{ scenario: 'smoke/a', labs: [], product: null, runs: 1, limits: [] }]);
  });

  it.each<[string, string, RegExp]>([
    ['YAML that is none', `${base}scenarios: [`, /^p\.yaml:3:\d+: /],
    ['a tab for indentation', `${base}scenarios:\n\t- scenario: smoke/a\n`, /^p\.yaml:4:1: /],
    ['a key twice', `${base}name: Another\nscenarios: [{ scenario: smoke/a }]`, /^p\.yaml:3:1: Map keys must be unique/],
    ['another format', 'format: 2\nname: A release\nscenarios: [{ scenario: smoke/a }]', /^p\.yaml:1:9: format: /],
    ['a missing field', 'format: 1\nscenarios: [{ scenario: smoke/a }]', /^p\.yaml:1:1: name: /],
    ['a field that does not exist, at its key', `${base}scenarios:\n  - scenario: smoke/a\n    retries: 3\n`, /^p\.yaml:5:5: scenarios\.0: unknown field "retries"/],
    ['a word for a number, at its value', `${base}scenarios:\n  - scenario: smoke/a\n    runs: many\n`, /^p\.yaml:5:11: scenarios\.0\.runs: /],
    ['a scenario without its suite', `${base}scenarios:\n  - scenario: gateway-dies\n`, /^p\.yaml:4:15: .*<suite>\/<scenario>/],
    ['a scenario that is required twice', `${base}scenarios:\n  - scenario: smoke/a\n  - scenario: smoke/a\n`, /^p\.yaml:5:15: smoke\/a is required twice/],
    ['a metric without its checker', `${base}scenarios: [{ scenario: smoke/a }]\nthresholds:\n  stallMaxMs: { max: 1 }\n`, /^p\.yaml:5:3: .*<checker>\.<metric>/],
    ['a limit without a number', `${base}scenarios: [{ scenario: smoke/a }]\nthresholds:\n  availability.stallMaxMs: { reason: why }\n`, /^p\.yaml:5:28: .*needs max, min, equals or within/],
    ['a share of nothing', `${base}scenarios: [{ scenario: smoke/a }]\nthresholds:\n  availability.stallMaxMs:\n    within: about 10 percent\n`, /^p\.yaml:6:13: .*10 % of baseline/],
    ['a skip without a reason', `${base}scenarios: [{ scenario: smoke/a }]\nskips:\n  - scenario: smoke/b\n`, /^p\.yaml:5:5: skips\.0\.because: /],
    ['no scenario at all', `${base}scenarios: []\n`, /^p\.yaml:3:12: scenarios: /],
    ['a list', '- a\n', /^p\.yaml:1:1: /],
    ['nothing', '', /^p\.yaml:1:1: /],
  ])('with %s is refused, with line and column', (_, text, expected) => {
    expect(mistake(text)).toMatch(expected);
  });

  it('names every mistake, in the order of the file', () => {
    const lines = mistake(`${base}scenarios:\n  - scenario: x\n    runs: -1\nfoo: 1\n`).split('\n');
    expect(lines.map((line) => /^p\.yaml:(\d+):/.exec(line)?.[1])).toEqual(['4', '5', '6']);
  });

  it('that cannot be read is a usage error', () => {
    expect(() => loadPolicy('/nonexistent/policy.yaml')).toThrow(expect.objectContaining({ code: 'BAD_POLICY', exitCode: 64 }));
  });

  it('of each kind that comes with pathproof can be read', () => {
    const files = readdirSync(suites).filter((name) => name.endsWith('.policy.yaml'));
    expect(files).toEqual(expect.arrayContaining(['gate.policy.yaml', 'loopback.policy.yaml']));
    for (const file of files) expect(loadPolicy(`${suites}/${file}`).scenarios.length, file).toBeGreaterThan(0);
  });
});
