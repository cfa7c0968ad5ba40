import type { RunVerdict } from '../verify/types.js';
import { failsAlike, signatureOf, type Signature } from './signature.js';

/** What a run's verdict is, beside that of the stored run whose plan it repeats. */
export interface Likeness {
  /** Both failed by the same checker with a finding of the same kind, or neither failed and the verdicts are the same. */
  alike: boolean;
  /** For a person. */
  text: string;
}

/** Compares a repetition with the stored run. Whether two failures are one is `failsAlike`'s word: the checker that failed first counts. */
export function likenessOf(stored: Pick<RunVerdict, 'verdict' | 'checks'>, again: Pick<RunVerdict, 'verdict' | 'checks'>): Likeness {
  const before = signatureOf(stored);
  const after = signatureOf(again);
  if (before === undefined) {
    return after === undefined && again.verdict === stored.verdict
      ? { alike: true, text: `${again.verdict}, as the stored run` }
      : { alike: false, text: `${endOf(again, after)}; the stored run: ${stored.verdict}` };
  }
  if (failsAlike(again, before)) return { alike: true, text: `failed as the stored run did, by ${textOf(before)}` };
  return { alike: false, text: `${endOf(again, after)}; the stored run failed by ${textOf(before)}` };
}

function endOf({ verdict }: Pick<RunVerdict, 'verdict'>, signature: Signature | undefined): string {
  return signature === undefined ? verdict : `failed by ${textOf(signature)}`;
}

function textOf({ checker, kinds }: Signature): string {
  return `${checker} (${kinds.join(', ')})`;
}
