import { defects, type DefectName } from '../plan/defects.js';
import { defectExpectations } from './expectations.js';
import { fieldBugs } from './field-bugs.js';
import { counted, type Matrix, type Measured, type Outcome } from './matrix.js';

/**
 * The matrix as a page (docs/DETECTION.md). A pure function of the matrix and the catalogs: the page is written by
 * `pathproof detect`, and a test compares the two.
 */
export function renderMatrix(matrix: Matrix): string {
  const runs = counted(matrix);
  const honest = runs.filter(({ defect }) => defect === null);
  const broken = runs.filter(({ defect }) => defect !== null);
  return [
    '# What pathproof finds',
    '',
    'Written by `pathproof detect`, from measurements; do not edit. Each row is a lab that was broken on purpose in one',
    'way (`--defect NAME`), run with several seeds. *Detected* means: the run failed, and a checker whose business the',
    'defect is said so. A failure for another reason only, or a lab that merely broke, counts as not detected.',
    '',
    ...summary(honest, broken),
    '',
    '## The honest lab',
    '',
    'No defect. Every alarm here would be a false one.',
    '',
    ...honestTable(honest),
    '',
    '## Defects',
    '',
    ...defectTable(broken),
    '',
    '## Not detected',
    '',
    ...escapes(broken),
    '',
    '## Bugs of the field',
    '',
    'Bugs that were really there, and which defect stands for each (`n`: ceph-nvmeof issue, `c`: ceph pull request).',
    '',
    ...fieldTable(broken),
    '',
    '## How it was measured',
    '',
    `On ${matrix.machine}, the loopback lab, ${atOnce(runs)}. ${commits(runs)} A run in which the machine did not let the`,
    'processes of the lab run (self-watch, run-queue waits) proves nothing and was repeated; what could not be measured at',
    'all is counted as such and as nothing else. `after` is the time from the run’s start to what the finding is about,',
    'the median over the seeds; the defect is there from the start, its harm usually not before the first fault.',
    '',
  ].join('\n');
}

function summary(honest: readonly Measured[], broken: readonly Measured[]): string[] {
  const names = new Set(broken.map(({ defect }) => defect));
  const always = [...names].filter((name) => broken.filter(({ defect, outcome }) => defect === name && outcome !== 'unmeasured').every(({ outcome }) => outcome === 'detected') && broken.some(({ defect, outcome }) => defect === name && outcome === 'detected'));
  const n = (runs: readonly Measured[], outcome: Outcome): number => runs.filter((run) => run.outcome === outcome).length;
  return [
    '| | |',
    '|---|---|',
    `| runs of the honest lab | ${honest.length}, of which ${n(honest, 'quiet')} passed, ${n(honest, 'alarm')} gave a false alarm, ${n(honest, 'undecided')} could not tell${unmeasured(honest)} |`,
    `| runs with a defect | ${broken.length}, of which ${n(broken, 'detected')} detected it, ${broken.length - n(broken, 'detected') - n(broken, 'unmeasured')} did not${unmeasured(broken)} |`,
    `| defects | ${names.size} of ${Object.keys(defects).length} measured, ${always.length} of them detected in every measured run |`,
  ];
}

function unmeasured(runs: readonly Measured[]): string {
  const n = runs.filter(({ outcome }) => outcome === 'unmeasured').length;
  return n === 0 ? '' : `, ${n} could not be measured`;
}

function honestTable(honest: readonly Measured[]): string[] {
  const rows = [...new Set(honest.map(({ scenario }) => scenario))].sort().map((scenario) => {
    const runs = honest.filter((run) => run.scenario === scenario);
    const n = (outcome: Outcome): number => runs.filter((run) => run.outcome === outcome).length;
    return `| ${scenario} | ${runs.length - n('unmeasured')} | ${n('quiet')} | ${n('alarm')} | ${n('undecided')} | ${n('unmeasured')} |`;
  });
  return ['| Scenario | measured | pass | false alarm | cannot tell | not measurable |', '|---|---|---|---|---|---|', ...rows];
}

function defectTable(broken: readonly Measured[]): string[] {
  const rows = (Object.keys(defects) as DefectName[]).flatMap((defect) => {
    const { class: harm, scenarios } = defectExpectations[defect];
    return scenarios.map((scenario) => {
      const runs = broken.filter((run) => run.defect === defect && run.scenario === scenario);
      const measured = runs.filter(({ outcome }) => outcome !== 'unmeasured');
      const detected = measured.filter(({ outcome }) => outcome === 'detected');
      const word = measured.length === 0 ? 'not measured' : detected.length === measured.length ? 'yes' : detected.length > 0 ? 'at times' : 'no';
      const by = [...new Set(detected.flatMap((run) => run.by))].sort().join(', ');
      const after = median(detected.map(({ afterS }) => afterS).filter((s) => s !== null));
      return `| \`${defect}\` | ${harm} | ${scenario} | ${word} | ${detected.length} of ${measured.length} | ${by || '–'} | ${after === null ? '–' : `${after.toFixed(1)} s`} |`;
    });
  });
  return ['| Defect | Harm | Scenario | detected | in seeds | by | after |', '|---|---|---|---|---|---|---|', ...rows];
}

const words: Partial<Record<Outcome, string>> = {
  'wrong-checker': 'failed, but no checker whose business it is said so',
  crashed: 'the lab broke, which is no detection',
  escaped: 'passed',
  undecided: 'could not tell',
};

function escapes(broken: readonly Measured[]): string[] {
  const missed = broken.filter(({ outcome }) => words[outcome] !== undefined);
  if (missed.length === 0) return ['Nothing: every measured run of a defect detected it.'];
  return [
    '| Defect | Scenario | Seed | What happened | Why |',
    '|---|---|---|---|---|',
    ...missed.map(({ defect, scenario, seed, outcome, by, finding }) => `| \`${defect}\` | ${scenario} | ${seed} | ${words[outcome]}${by.length === 0 ? '' : ` (${by.join(', ')}: ${cell(finding)})`} | ${(defect === null ? undefined : defectExpectations[defect].limit) ?? 'not known'} |`),
  ];
}

function fieldTable(broken: readonly Measured[]): string[] {
  const rows = fieldBugs.map(({ row, id, symptom, notHere }) => {
    const standIns = (Object.keys(defects) as DefectName[]).filter((defect) => defectExpectations[defect].rows.includes(row));
    const state = (defect: DefectName): string => {
      const measured = broken.filter((run) => run.defect === defect && run.outcome !== 'unmeasured');
      const detected = measured.filter(({ outcome }) => outcome === 'detected');
      return `\`${defect}\` (${measured.length === 0 ? 'not measured' : `${detected.length} of ${measured.length}`})`;
    };
    return `| ${row} | ${id} | ${symptom} | ${standIns.length > 0 ? standIns.map(state).join(', ') : `not here: ${notHere ?? '?'}`} |`;
  });
  return ['| | Id | Symptom | Defect (detected in runs) |', '|---|---|---|---|', ...rows];
}

/** Durations are rounded to tenths of a second: runs one after the other may seem to overlap by this much, milliseconds. */
const roundedMs = 200;

/** How many runs went on at the same time, in words, by when they ended and how long they took. */
function atOnce(runs: readonly Measured[]): string {
  const turns = runs.flatMap(({ atMs, durationS }) => [{ ms: atMs - durationS * 1_000 + roundedMs, step: 1 }, { ms: atMs, step: -1 }]).sort((a, b) => a.ms - b.ms || a.step - b.step);
  let now = 0;
  let most = 0;
  for (const { step } of turns) most = Math.max(most, (now += step));
  return most <= 1 ? 'one run at a time' : `up to ${most} runs at a time`;
}

function commits(runs: readonly Measured[]): string {
  const all = [...new Set(runs.map(({ git }) => git))].sort();
  return all.length === 1 ? `Commit ${all[0]}.` : `Commits ${all.join(', ')}.`;
}

function median(values: readonly number[]): number | null {
  if (values.length === 0) return null;
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Text that stays in its table cell. */
function cell(text: string): string {
  const short = text.length > 160 ? `${text.slice(0, 160)}…` : text;
  return short.replaceAll('|', '\\|').replaceAll('\n', ' ');
}
