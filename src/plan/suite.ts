import type { Scenario, SuiteDefinition } from './scenario.js';

/**
 * Declares a suite. The file that calls it default-exports the result:
 *
 * ```ts
 * import { suite } from 'pathproof';
 * export default suite({ name: 'smoke', scenarios: [ ... ] });
 * ```
 *
 * `pathproof run` imports the file and reads the default export. Under vitest (an editor's test button,
 * `npm run suites`) the same call registers one vitest test per scenario, so that filters, `--shard` and
 * reporters work as everywhere else. What a scenario's test does is in src/run/vitest-suite.ts.
 */
export function suite(definition: { name: string; scenarios: Scenario[] }): SuiteDefinition {
  registrar?.(definition);
  return definition;
}

type Registrar = (definition: SuiteDefinition) => void;
let registrar: Registrar | undefined;
/** Set by the vitest setup file, before any suite file is imported. */
export function onSuite(callback: Registrar | undefined): void {
  registrar = callback;
}
