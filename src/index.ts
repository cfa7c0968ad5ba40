/** What a suite file imports. */
export { suite } from './plan/suite.js';
export type { Scenario, SuiteDefinition } from './plan/scenario.js';
export type { Plan } from './plan/types.js';
export type { CheckResult, Evidence, RunVerdict, Verdict } from './verify/types.js';
