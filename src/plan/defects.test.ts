import { describe, expect, it } from 'vitest';
import { defectExpectations } from '../detect/expectations.js';
import { fieldBugs } from '../detect/field-bugs.js';
import { gatewayDefectNames } from '../gateway/defects/index.js';
import { linkDefectNames } from '../lab/link/defects.js';
import { monitorDefectNames } from '../monitor/defects/index.js';
import { storeDefects } from '../store/index.js';
import failover from '../../suites/failover.suite.js';
import nightly from '../../suites/nightly.suite.js';
import regressions from '../../suites/regressions.suite.js';
import smoke from '../../suites/smoke.suite.js';
import { allCheckers } from '../verify/index.js';
import { defectNames } from './defects.js';

describe('the catalog of defects', () => {
  it('names exactly what the parts of the lab have', () => {
    expect([...defectNames].sort()).toEqual([...gatewayDefectNames, ...monitorDefectNames, ...linkDefectNames, ...storeDefects.map((name) => `store.${name}`)].sort());
  });

  it('has each looked for in scenarios that exist, by checkers that exist', () => {
    const known = new Set([smoke, failover, nightly, regressions].flatMap(({ name, scenarios }) => scenarios.map((scenario) => `${name}/${scenario.name}`)));
    const checkers = new Set(allCheckers.map(({ name }) => name));
    for (const [name, { scenarios, finds }] of Object.entries(defectExpectations)) {
      expect(scenarios.length, name).toBeGreaterThan(0);
      expect(finds.length, name).toBeGreaterThan(0);
      for (const scenario of scenarios) expect(known, name).toContain(scenario);
      for (const { checker } of finds) expect(checkers, name).toContain(checker);
    }
  });

  it('has a defect, or a reason why there is none, for every bug of the field', () => {
    expect(fieldBugs.map(({ row }) => row)).toEqual(Array.from({ length: 25 }, (_, i) => i + 1));
    for (const { row, notHere } of fieldBugs) {
      const standIns = Object.values(defectExpectations).filter(({ rows }) => rows.includes(row));
      expect(standIns.length > 0, `row ${row}`).toBe(notHere === undefined);
    }
  });
});
