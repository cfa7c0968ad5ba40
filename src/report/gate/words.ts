import type { Verdict } from '../../verify/types.js';
import type { GateFinding, GateProduct, GateReport, GateRun, GateScenario } from './types.js';

/** Words that the pages of a gate share. */

/** The decision: only a pass is a go. */
export function decision(verdict: Verdict): 'GO' | 'NO GO' {
  return verdict === 'pass' ? 'GO' : 'NO GO';
}

/** What the verdict means, in one sentence for somebody who knows nothing of verdicts. */
export const meanings: Record<Verdict, string> = {
  pass: 'Every demand of the policy is met by stored evidence that is as the runs left it.',
  fail: 'At least one demand of the policy is not met.',
  unknown: 'No demand is proved broken, but at least one is not proved: something could not be told.',
  infra: 'The lab broke in runs that are needed: nothing can be said about the system under test.',
};

export function productText(product: GateProduct): string {
  if (product === null) return 'not named';
  const components = Object.entries(product.components).map(([name, version]) => `${name} ${version}`);
  return `${product.name} ${product.version}${components.length === 0 ? '' : ` (${components.join(', ')})`}`;
}

export function runsText({ required, runsCounted, runsWanted }: GateScenario): string {
  return required ? `${runsCounted} of ${runsWanted}` : `${runsCounted}, not required`;
}

/** Verdict of a run, and whether the stored one says something else. */
export function runVerdictText({ verdict, storedVerdict }: GateRun): string {
  if (verdict === null) return 'not judged';
  return storedVerdict === null || storedVerdict === verdict ? verdict : `${verdict} (stored: ${storedVerdict})`;
}

export function evidenceText({ evidence }: GateRun): string {
  if (evidence.manifestSha256 === null) return 'not sealed';
  return evidence.problems.length === 0 ? `intact, ${evidence.files} files, manifest ${evidence.manifestSha256.slice(0, 12)}` : `ALTERED: ${evidence.problems[0]}`;
}

export function whereText({ scenario, run }: GateFinding): string {
  return [scenario, run].filter((part) => part !== undefined).join(' · ');
}

export function allRuns(report: GateReport): GateRun[] {
  return report.scenarios.flatMap(({ runs }) => runs);
}

/** `kind` as words: `altered-evidence` → `altered evidence`. */
export function kindText(kind: string): string {
  return kind.replaceAll('-', ' ');
}
