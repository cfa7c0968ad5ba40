import type { FioReport } from '../json/types.js';

/** How a fio process ended, as node's `exit` event tells it. */
export interface FioExit {
  /** 0 … 255, or null when a signal ended it. */
  readonly code: number | null;
  readonly signal?: string | null;
}

/**
 * What an exit of fio means.
 *
 * - `ok`: every job ran to its end without an error that counted.
 * - `errors-tolerated`: the status is 0, but there were errors: `continue_on_error` makes fio count errors and
 *   succeed all the same. **A status of 0 is no proof that the data verified.**
 * - `failed`: a job failed, or fio did not accept its options (status 1).
 * - `interrupted`: fio was told to stop by SIGINT or SIGTERM and wrote its report (status 128).
 * - `killed`: a signal ended fio itself; there is no report, or half of one.
 * - `unknown`: a status that fio is not known to use.
 */
export type FioExitMeaning = 'ok' | 'errors-tolerated' | 'failed' | 'interrupted' | 'killed' | 'unknown';

/**
 * Judges an exit, with the reports that came with it. Without a report an `ok` only says what the status says.
 */
export function explainExit(exit: FioExit, reports: readonly FioReport[] = []): { meaning: FioExitMeaning; explanation: string } {
  if (exit.code === null) return { meaning: 'killed', explanation: `fio was ended by ${exit.signal ?? 'a signal'} and could not write a whole report` };
  const jobs = reports.at(-1)?.jobs ?? [];
  const bad = jobs.filter(({ error, totalErrors }) => error !== 0 || (totalErrors ?? 0) > 0);
  const details = bad.map(({ name, error, totalErrors }) => `${name}: errno ${error}${totalErrors === undefined ? '' : `, ${totalErrors} in all`}`).join('; ');
  switch (exit.code) {
    case 0:
      return bad.length === 0
        ? { meaning: 'ok', explanation: 'every job ended without an error' }
        : { meaning: 'errors-tolerated', explanation: `status 0, yet there were errors (continue_on_error): ${details}` };
    case 1:
      return { meaning: 'failed', explanation: bad.length === 0 ? 'a job failed, or the options were not accepted; see the messages' : `a job failed: ${details}` };
    case 128:
      return { meaning: 'interrupted', explanation: 'fio was told to stop and wrote what it had' };
    default:
      return { meaning: 'unknown', explanation: `exit status ${exit.code}` };
  }
}
