import { gateFormat, type GateBaseline, type GateFinding, type GateProduct, type GateReport, type GateRun, type GateScenario, type GateSkip } from '../../report/gate/types.js';
import type { Verdict } from '../../verify/types.js';
import { judgeLimit, type BaselineOf } from './limits.js';
import { loadRun, loadSkip, runFolders, type LoadedRun, type LoadedSkip } from './load.js';
import type { Policy, PolicyProduct, PolicyScenario, RelativeLimit } from './policy.js';

export interface GateOptions {
  policy: Policy;
  /** Run folders, or folders with runs in them. */
  runs: readonly string[];
  baseline: readonly string[];
  /** pathproof's own version. */
  version: string;
  judgedAt: Date;
  /** Told of each run before it is read: a long journal takes its time. */
  progress?: (dir: string) => void;
}

/** What counts most first; the same as for the exit codes of runs (results/exit-code.ts). */
const order: readonly Exclude<Verdict, 'pass'>[] = ['fail', 'infra', 'unknown'];
const exitCodes = { pass: 0, fail: 1, unknown: 2, infra: 3 } as const;

/**
 * Judges stored runs by a policy. Everything is found out from the evidence: each run's files are compared with its
 * manifest, and the run is judged again by today's checkers; nobody's word for it counts.
 *
 * A run counts when its evidence is as it was left, it ran on a lab and against a product that the policy asks for, no
 * defect was switched on, and it is a pass. Runs on other labs or of other products are left out, without a finding as
 * long as enough others count. A run that was given and is no pass is a finding however many others are: the runs
 * that failed cannot be outvoted.
 */
export async function judgeGate(options: GateOptions): Promise<GateReport> {
  const { policy, version, judgedAt } = options;
  const { runs, skips } = await load(options.runs, options.progress);
  const baselines = new Baselines(new Set(runs.flatMap(({ evidence }) => evidence.manifestSha256 ?? [])), options.progress);
  await baselines.add(undefined, options.baseline);
  for (const { run } of relativeLimits(policy)) if (run !== undefined) await baselines.add(run, [run]);

  const findings: GateFinding[] = [];
  const gateSkips = skips.map((skip) => judgeSkip(policy, skip, findings));
  const names = new Set([...policy.scenarios.map(({ scenario }) => scenario), ...runs.map(scenarioName)]);
  const duplicates = duplicatesOf(runs);
  const scenarios = [...names].map((name) => {
    const required = policy.scenarios.find(({ scenario }) => scenario === name);
    const wanted = required ?? { ...policy.defaults, scenario: name, runs: 0 };
    return judgeScenario({ wanted, required: required !== undefined, runs: runs.filter((run) => scenarioName(run) === name), skips: gateSkips.filter(({ scenario }) => scenario === name), duplicates, baselines, findings });
  });
  if (relativeLimits(policy).length > 0) findings.push(...baselines.findings());
  const verdict = order.find((each) => findings.some((finding) => finding.verdict === each)) ?? 'pass';
  return {
    format: gateFormat, tool: 'pathproof', kind: 'gate', version, judgedAt: judgedAt.toISOString(), policy: { name: policy.name, file: policy.file, sha256: policy.sha256 },
    verdict, exitCode: exitCodes[verdict], scenarios, skips: gateSkips, baseline: baselines.all(), findings,
  };
}

async function load(args: readonly string[], progress: GateOptions['progress']): Promise<{ runs: LoadedRun[]; skips: LoadedSkip[] }> {
  const runs: LoadedRun[] = [];
  const skips: LoadedSkip[] = [];
  for (const dir of runFolders(args)) {
    progress?.(dir);
    const skip = await loadSkip(dir);
    if (skip === undefined) runs.push(await loadRun(dir));
    else skips.push(skip);
  }
  return { runs, skips };
}

const scenarioName = ({ suite, scenario }: Pick<LoadedRun, 'suite' | 'scenario'>): string => `${suite}/${scenario}`;

/** Runs whose evidence is that of an earlier one in the list: a copy is no second run. By its folder, the first one's. */
function duplicatesOf(runs: readonly LoadedRun[]): Map<string, string> {
  const first = new Map<string, string>();
  const duplicates = new Map<string, string>();
  for (const { dir, evidence } of runs) {
    if (evidence.manifestSha256 === undefined) continue;
    const earlier = first.get(evidence.manifestSha256);
    if (earlier === undefined) first.set(evidence.manifestSha256, dir);
    else duplicates.set(dir, earlier);
  }
  return duplicates;
}

function judgeSkip(policy: Policy, { dir, info, evidence }: LoadedSkip, findings: GateFinding[]): GateSkip {
  const scenario = scenarioName(info);
  const wanted = policy.scenarios.find((each) => each.scenario === scenario) ?? policy.defaults;
  const allowed = policy.skips.find((each) => each.scenario === scenario && (each.labs.length === 0 || each.labs.includes(info.lab)));
  const elsewhere = wanted.labs.length > 0 && !wanted.labs.includes(info.lab);
  const because = allowed?.because ?? (elsewhere ? `the policy asks for ${wanted.labs.join(', ')}` : undefined);
  const problem = evidence.problems[0];
  if (problem !== undefined) findings.push({ kind: problem.kind === 'unsealed' ? 'unsealed-evidence' : 'altered-evidence', verdict: 'fail', scenario, run: dir, text: `the record of a skip: ${problem.text}` });
  if (because === undefined) findings.push({ kind: 'unexpected-skip', verdict: 'fail', scenario, run: dir, text: `skipped on ${info.lab}: ${info.reason}` });
  return { dir, scenario, lab: info.lab, reason: info.reason, expected: because !== undefined, ...(because === undefined ? {} : { because }) };
}

interface ScenarioInput {
  wanted: PolicyScenario;
  required: boolean;
  runs: readonly LoadedRun[];
  skips: readonly GateSkip[];
  duplicates: ReadonlyMap<string, string>;
  baselines: Baselines;
  findings: GateFinding[];
}

function judgeScenario(input: ScenarioInput): GateScenario {
  const { wanted, runs, findings } = input;
  const own: GateFinding[] = [];
  const find = (finding: Omit<GateFinding, 'scenario'>): void => void own.push({ ...finding, scenario: wanted.scenario });
  const left = { lab: 0, product: 0 };
  const judged = runs.map((run) => judgeRunFor(input, run, left, find));
  const counted = judged.filter((run) => run.counted);
  const thresholds = wanted.limits.flatMap((limit) => counted.map((run) => {
    const { verdict, text, limit: words } = judgeLimit(limit, run.checks, input.baselines.of(run));
    if (verdict !== 'pass') find({ kind: 'threshold', verdict, run: run.dir, text });
    return { metric: limit.key, limit: words, run: run.dir, verdict, text };
  }));
  if (input.required && counted.length < wanted.runs) judgeShortage(input, judged, counted.length, left, find);
  findings.push(...own);
  return {
    scenario: wanted.scenario, title: runs.find(({ title }) => title !== '')?.title ?? '', required: input.required, labs: wanted.labs, product: wanted.product,
    runsWanted: wanted.runs, runsCounted: counted.length, verdict: order.find((each) => own.some(({ verdict }) => verdict === each)) ?? 'pass', runs: judged, thresholds,
  };
}

function judgeRunFor({ wanted, duplicates }: ScenarioInput, run: LoadedRun, left: { lab: number; product: number }, find: (finding: Omit<GateFinding, 'scenario'>) => void): GateRun {
  const notCounted: string[] = [];
  const [problem] = run.evidence.problems;
  const mismatch = run.verdict === undefined ? undefined : productMismatch(wanted.product, run.product);
  if (problem !== undefined) {
    const more = run.evidence.problems.length > 1 ? ` (and ${run.evidence.problems.length - 1} more)` : '';
    notCounted.push(`${problem.text}${more}`);
    find({ kind: problem.kind === 'unsealed' ? 'unsealed-evidence' : 'altered-evidence', verdict: 'fail', run: run.dir, text: `${problem.text}${more}` });
  } else if (duplicates.has(run.dir)) {
    notCounted.push(`the same evidence as ${duplicates.get(run.dir)}`);
  } else if (wanted.labs.length > 0 && !wanted.labs.includes(run.lab)) {
    left.lab += 1;
    notCounted.push(`ran on ${run.lab}, not on ${wanted.labs.join(' or ')}`);
  } else if (mismatch !== undefined) {
    left.product += 1;
    notCounted.push(mismatch);
  } else {
    if (run.defects.length > 0) {
      notCounted.push(`defects were switched on: ${run.defects.join(', ')}`);
      find({ kind: 'defects-on', verdict: 'fail', run: run.dir, text: `defects were switched on in the lab: ${run.defects.join(', ')}` });
    }
    if (run.verdict !== undefined && run.verdict !== 'pass') {
      const guilty = run.checks.filter(({ verdict }) => verdict === run.verdict);
      const text = `${run.interrupted ? 'interrupted; ' : ''}${guilty.map(({ checker, summary }) => `${checker}: ${summary}`).join('; ') || `verdict ${run.verdict}`}`;
      notCounted.push(`the run is ${run.verdict}`);
      find({ kind: runKinds[run.verdict], verdict: run.verdict, run: run.dir, text });
    }
  }
  return {
    dir: run.dir, runId: run.runId, suite: run.suite, scenario: run.scenario, title: run.title, lab: run.lab, product: run.product, seed: run.seed, git: run.git, startedAt: run.startedAt, durationMs: run.durationMs,
    verdict: run.verdict ?? null, storedVerdict: run.storedVerdict ?? null, interrupted: run.interrupted, defects: run.defects,
    evidence: {
      manifestSha256: run.evidence.manifestSha256 ?? null, files: run.evidence.files, bytes: run.evidence.bytes, judgings: run.evidence.judgings.length, problems: run.evidence.problems.map(({ text }) => text),
    },
    counted: notCounted.length === 0, notCounted, checks: run.checks,
  };
}

const runKinds = { fail: 'run-failed', unknown: 'run-unknown', infra: 'run-infra' } as const;

/** Too few runs count: which demand of the policy that breaks. */
function judgeShortage({ wanted, runs, skips }: ScenarioInput, judged: readonly GateRun[], counted: number, left: { lab: number; product: number }, find: (finding: Omit<GateFinding, 'scenario'>) => void): void {
  // An expected skip stands for the runs, if nobody tried.
  if (runs.length === 0 && skips.some(({ expected, because }) => expected && because !== undefined)) return;
  const count = `${counted} of ${wanted.runs} required runs`;
  if (runs.length === 0) {
    find({ kind: 'missing-scenario', verdict: 'fail', text: `required, but no run of it was given${skips.length > 0 ? '; it was skipped' : ''}` });
    return;
  }
  if (left.lab > 0) find({ kind: 'wrong-lab', verdict: 'fail', text: `${count}: ${left.lab} ran on ${labsOf(judged, wanted)}, the policy asks for ${wanted.labs.join(' or ')}` });
  if (left.product > 0) find({ kind: 'wrong-product', verdict: 'fail', text: `${count}: ${judged.flatMap(({ notCounted }) => notCounted.filter((text) => text.startsWith(productWords)))[0]}${left.product > 1 ? ` (${left.product} runs)` : ''}` });
  // Runs that were judged and are no pass have findings of their own, and theirs is the reason.
  const open = judged.filter(({ verdict, notCounted }) => verdict !== null && verdict !== 'pass' && notCounted.some((text) => text === `the run is ${verdict}`));
  const verdict = counted + open.length >= wanted.runs ? (order.find((each) => open.some((run) => run.verdict === each)) ?? 'fail') : 'fail';
  find({ kind: 'too-few-runs', verdict, text: `${count} count` });
}

function labsOf(judged: readonly GateRun[], { labs }: PolicyScenario): string {
  return [...new Set(judged.map(({ lab }) => lab).filter((lab) => !labs.includes(lab)))].join(', ');
}

const productWords = 'under test was';

/** Why what was tested is not what the policy names; undefined: it is. */
function productMismatch(wanted: PolicyProduct | null, product: GateProduct): string | undefined {
  if (wanted === null) return undefined;
  const parts = `${wanted.name} ${wanted.version}`;
  if (product === null) return `${productWords} nothing that the lab named, the policy asks for ${parts}`;
  if (product.name !== wanted.name || !matches(wanted.version, product.version)) return `${productWords} ${product.name} ${product.version}, the policy asks for ${parts}`;
  for (const [name, version] of Object.entries(wanted.components)) {
    const found = product.components[name];
    if (found === undefined || !matches(version, found)) return `${productWords} ${name} ${found ?? '(not named)'}, the policy asks for ${name} ${version}`;
  }
  return undefined;
}

/** `*` stands for any text. */
function matches(pattern: string, text: string): boolean {
  return new RegExp(`^${pattern.split('*').map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&')).join('.*')}$`).test(text);
}

function relativeLimits(policy: Policy): RelativeLimit[] {
  return [policy.defaults, ...policy.scenarios].flatMap(({ limits }) => limits).flatMap(({ max, min, within }) => [max, min, within].filter((limit) => typeof limit === 'object'));
}

/** Runs to compare with: those of --baseline, and those that the policy names. */
class Baselines {
  readonly #sets = new Map<string | undefined, { run: LoadedRun; problems: string[] }[]>();
  /** Manifests of the runs that are judged: nothing is compared with itself. */
  readonly #judged: ReadonlySet<string>;
  readonly #progress: GateOptions['progress'];

  constructor(judged: ReadonlySet<string>, progress: GateOptions['progress']) {
    this.#judged = judged;
    this.#progress = progress;
  }

  async add(name: string | undefined, args: readonly string[]): Promise<void> {
    if (this.#sets.has(name)) return;
    const runs: { run: LoadedRun; problems: string[] }[] = [];
    for (const dir of args.length === 0 ? [] : runFolders(args)) {
      this.#progress?.(dir);
      if ((await loadSkip(dir)) !== undefined) continue;
      const run = await loadRun(dir);
      const problems = run.evidence.problems.map(({ text }) => text);
      if (run.verdict !== undefined && run.verdict !== 'pass') problems.push(`the run is ${run.verdict}`);
      if (run.defects.length > 0) problems.push(`defects were switched on: ${run.defects.join(', ')}`);
      if (run.evidence.manifestSha256 !== undefined && this.#judged.has(run.evidence.manifestSha256)) problems.push('it is one of the runs that are judged');
      runs.push({ run, problems });
    }
    this.#sets.set(name, runs);
  }

  /** Usable runs of the same scenario on the same lab. */
  of({ suite, scenario, lab }: GateRun): BaselineOf {
    return ({ run: name }) => (this.#sets.get(name) ?? []).filter(({ run, problems }) => problems.length === 0 && run.suite === suite && run.scenario === scenario && run.lab === lab).map(({ run }) => run.checks);
  }

  all(): GateBaseline[] {
    return [...this.#sets.values()].flat().map(({ run, problems }) => ({ dir: run.dir, runId: run.runId, scenario: scenarioName(run), lab: run.lab, product: run.product, problems }));
  }

  findings(): GateFinding[] {
    return [...this.#sets.values()].flat().filter(({ problems }) => problems.length > 0)
      .map(({ run, problems }) => ({ kind: 'baseline', verdict: 'unknown', scenario: scenarioName(run), run: run.dir, text: `cannot be compared with: ${problems[0]}` }));
  }
}

