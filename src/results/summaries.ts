import { writeFileSync } from 'node:fs';
import { renderJunit, renderSummary, type ScenarioResult } from '../report/index.js';
import { infraError, messageOf } from '../util/errors.js';

/** Where the summary of one invocation goes besides the terminal. */
export interface SummaryTargets {
  /** Path of a JUnit XML file. */
  junit?: string;
  /** Stream for the JSON summary. */
  json?: { write(text: string): unknown };
}

/** Writes the summaries that were asked for. Throws an infra error when a file cannot be written. */
export function writeSummaries(results: readonly ScenarioResult[], version: string, targets: SummaryTargets): void {
  targets.json?.write(`${renderSummary(results, version).trimEnd()}\n`);
  if (targets.junit === undefined) return;
  try {
    writeFileSync(targets.junit, renderJunit(results));
  } catch (error) {
    throw infraError('JUNIT_WRITE', `cannot write ${targets.junit}: ${messageOf(error)}`, { cause: error });
  }
}
