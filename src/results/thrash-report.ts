import type { Verdict } from '../verify/types.js';

/** One round of a soak. */
export interface ThrashRound {
  round: number;
  seed: string;
  scenario: string;
  verdict: Verdict;
  /** Injections of its schedule. */
  faults: number;
  durationMs: number;
  /** When it ended, milliseconds since 1970 UTC. */
  atMs: number;
  /** Its run's folder; null once it was removed. */
  dir: string | null;
  /** What kept it from passing, empty for a pass. */
  summary: string;
  /** Checkers that failed. */
  failed: string[];
}

/** A soak as it stands (rounds.json). `counts` counts all rounds, `rounds` lists the newest and all that did not pass. */
export interface ThrashRecord {
  format: 1;
  suite: string;
  seed: string;
  git: string;
  startedAt: string;
  forMs: number;
  defects: string[];
  repeat: string;
  rounds: ThrashRound[];
  counts: Record<Verdict, number>;
}

/** Rounds that passed and are shown one by one. */
const passesShown = 20;

/** The rolling report of a soak, Markdown. */
export function renderThrash(record: ThrashRecord): string {
  const { counts, rounds } = record;
  const total = Object.values(counts).reduce((sum, n) => sum + n, 0);
  const notPassed = rounds.filter(({ verdict }) => verdict !== 'pass');
  const passed = rounds.filter(({ verdict }) => verdict === 'pass').slice(-passesShown).reverse();
  const lastMs = rounds.at(-1)?.atMs;
  const byChecker = new Map<string, number>();
  for (const { failed } of notPassed) for (const checker of failed) byChecker.set(checker, (byChecker.get(checker) ?? 0) + 1);
  return [
    `# Thrash, seed ${record.seed}`,
    '',
    `${total} rounds of suite ${record.suite}: ${counts.pass} pass, ${counts.fail} fail, ${counts.unknown} unknown, ${counts.infra} infra.`,
    `Begun ${record.startedAt}${lastMs === undefined ? '' : `, last round ended ${new Date(lastMs).toISOString()}`}; commit ${record.git}.`,
    ...(record.defects.length === 0 ? [] : ['', `**Defects on: ${record.defects.join(', ')}. This says nothing about an honest system.**`]),
    '',
    `Repeat: \`${record.repeat}\``,
    '',
    '## Rounds that did not pass',
    '',
    ...(notPassed.length === 0 ? ['None.'] : [
      ...(byChecker.size === 0 ? [] : [`By checker: ${[...byChecker].map(([checker, n]) => `${checker} ${n}`).join(', ')}.`, '']),
      '| Round | Verdict | Scenario | Seed | What | Folder |', '|---|---|---|---|---|---|', ...notPassed.map(rowOf),
    ]),
    '',
    '## Last rounds that passed',
    '',
    ...(passed.length === 0 ? ['None.'] : ['| Round | Verdict | Scenario | Seed | What | Folder |', '|---|---|---|---|---|---|', ...passed.map(rowOf)]),
    '',
  ].join('\n');
}

function rowOf({ round, verdict, scenario, seed, faults, durationMs, summary, dir }: ThrashRound): string {
  const text = summary.length > 200 ? `${summary.slice(0, 200)}…` : summary;
  return `| ${round} | ${verdict} | ${scenario} | ${seed} | ${faults} faults, ${Math.round(durationMs / 1_000)} s${text === '' ? '' : `: ${text.replaceAll('|', '\\|').replaceAll('\n', ' ')}`} | ${dir ?? 'removed'} |`;
}
