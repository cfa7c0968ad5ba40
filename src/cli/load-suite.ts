import { existsSync, readdirSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { tsImport } from 'tsx/esm/api';
import { parseSuite, type Scenario, type SuiteDefinition } from '../plan/scenario.js';
import { messageOf, PathproofError, usageError } from '../util/errors.js';
import { packageRoot } from './package.js';

const ending = '.suite.ts';

/**
 * Finds a suite by a path (`suites/smoke.suite.ts`) or by a name (`smoke`): a file as given first, then
 * `suites/` of the current folder, then the suites that come with pathproof.
 */
export function findSuite(argument: string): string {
  const fileName = argument.endsWith(ending) || /\.[cm]?[jt]s$/.test(argument) ? argument : `${argument}${ending}`;
  const candidates = [resolve(argument), resolve(fileName), resolve('suites', fileName), join(packageRoot, fileName), join(packageRoot, 'suites', basename(fileName))];
  const found = candidates.find((file) => existsSync(file) && !file.endsWith('/') && /\.[cm]?[jt]s$/.test(file));
  if (found === undefined) throw usageError('UNKNOWN_SUITE', `there is no suite ${argument}`, `Suites: ${knownSuites().join(', ')}; or the path of a *${ending} file.`);
  return found;
}

/** Names of the suites of the current folder and of those that come with pathproof. */
export function knownSuites(): string[] {
  const names = [resolve('suites'), join(packageRoot, 'suites')].flatMap((dir) => (existsSync(dir) ? readdirSync(dir) : []))
    .filter((name) => name.endsWith(ending)).map((name) => name.slice(0, -ending.length));
  return [...new Set(names)].sort();
}

/** Imports a suite file (TypeScript or JavaScript) and checks every field of it. Usage errors name file, scenario and field. */
export async function loadSuite(file: string): Promise<SuiteDefinition> {
  let module: { default?: unknown };
  try {
    module = (await tsImport(pathToFileURL(file).href, import.meta.url)) as { default?: unknown };
  } catch (error) {
    if (error instanceof PathproofError) throw error;
    const [reason] = messageOf(error).split('\n');
    throw usageError('SUITE_IMPORT', `${file} cannot be imported: ${reason}`, "A suite imports { suite } from 'pathproof', which has to be installed where the suite is; a plain object with name and scenarios is a suite, too.");
  }
  return parseSuite(unwrap(module.default), file);
}

/** In a folder whose package.json does not say `"type": "module"` the file becomes CommonJS, and its default export sits one level deeper. */
function unwrap(exported: unknown): unknown {
  const inner = typeof exported === 'object' && exported !== null && 'default' in exported ? exported.default : undefined;
  return inner === undefined ? exported : unwrap(inner);
}

/** The scenario of that very name, else those whose name or title contains the filter, ignoring case. */
export function filterScenarios(suite: SuiteDefinition, filter: string | undefined): Scenario[] {
  if (filter === undefined) return suite.scenarios;
  const exact = suite.scenarios.find((s) => s.name === filter);
  if (exact !== undefined) return [exact];
  const wanted = filter.toLowerCase();
  const chosen = suite.scenarios.filter((s) => s.name.toLowerCase().includes(wanted) || s.title.toLowerCase().includes(wanted));
  if (chosen.length === 0) throw usageError('NO_SCENARIO', `no scenario of suite ${suite.name} matches --filter ${filter}`, `Scenarios: ${suite.scenarios.map((s) => s.name).join(', ')}`);
  return chosen;
}
