import { parseFioVersion, readLogBatches } from 'fio-parser';
import type { EventOf } from '../history/events.js';
import { fioDir, fioLogName } from '../history/fio/index.js';
import { fioWrites, type FioJobPlan, type FioSection } from '../plan/fio.js';
import { LogAnalysis, recoveredShare, type AnalysisOptions, type Gap, type LatencySummary, type Mark, type Stretch } from './fio-analysis.js';
import { Findings } from './result.js';
import { measureStall } from './stalls.js';
import { starvation } from './standstill.js';
import { allowanceWindows, boundOf, eventsOf, faultRecords, healedUs, healUs, injectUs, type AllowanceWindow, type Period } from './timeline.js';
import type { CheckInput, Checker } from './types.js';
import { at, count, ms, runStartUs, toMs } from './words.js';

/** Gaps shorter than this are not listed. */
const gapFloorUs = 20_000;
/** Gaps shown per namespace and job. */
const gapsShown = 5;
/** A log that steps back by more than this was not written in the order of completions. */
const backwardsMaxUs = 10_000;

/** One fault as the analysis sees it. */
interface FaultTimes {
  id: string;
  fromUs: number;
  /** When the injection was done. */
  injectedUs: number;
  /** Begin of the heal; Infinity: never healed. */
  healUs: number;
  goneUs: number;
  before: Period;
  after: Period;
}

/** What the log of one namespace says, as `details` of the result has it: times relative to the run's start. */
interface SectionDetails {
  job: string;
  nsid: number;
  anaGroup: number;
  completions: number;
  /** Half-width of the error of all times here, milliseconds. */
  clockErrorMs: number;
  gaps: { fromMs: number; toMs: number; gapMs: number; stallMs: number; fault: string | null; boundMs: number; verdict: 'within' | 'over' | 'doubtful'; anaChanges: { atMs: number; path: string; ana: string }[] }[];
  faults: {
    fault: string;
    /** From the begin of the injection to the first completion of I/O that was issued once it was done; null: none. */
    firstCompletionMs: number | null;
    /** From the first path of the namespace that became optimized after the injection; null: none did, or no I/O followed. */
    firstCompletionAfterAnaMs: number | null;
    anaChangedMs: number | null;
    /** Completions per second before the fault; null: it was not watched long enough. */
    baselineIops: number | null;
    recoveryMs: number | null;
    before: LatencySummary | null;
    during: LatencySummary | null;
    after: LatencySummary | null;
  }[];
}

/**
 * Proves the same of fio's I/O as `availability` of the stamp workload's: no namespace was without a completion for
 * longer than the plan allows, measured from fio's per-I/O logs. It says what overlapped each gap, how latencies were
 * before, during and after each fault, when the first I/O completed again, and when throughput was back at 90 % of the
 * baseline.
 *
 * fio's clock is known with an error (event `fio.clock`). Within one log it does not matter; against faults and ANA
 * changes it does: a gap that is too long only if the error is taken one way is `unknown`.
 *
 * What a machine that stood still made too long is `unknown`, as it is for `availability` (standstill.ts).
 *
 * Nor does fio log the reads with which a job verifies what it wrote while it runs (`verify_backlog`): a gap that is too
 * long by no more than so many reads take is `unknown`, too.
 */
export const fioStalls: Checker = {
  name: 'fio-stalls',
  proves: 'By fio’s own logs no namespace went without a completion for longer than the bound of the moment.',
  applies: (plan) => plan.fio?.some(({ log }) => log) === true,
  async check(input) {
    const findings = new Findings('fio-stalls', starvation(input));
    const details: SectionDetails[] = [];
    for (const job of (input.plan.fio ?? []).filter(({ log }) => log)) {
      for (const [index, section] of job.sections.entries()) {
        const found = await analyse(input, job, section, index + 1, findings);
        if (found !== undefined) details.push(found);
      }
    }
    measure(details, findings);
    findings.details = { recoveredShare, sections: details };
    const stallMaxMs = findings.metrics['stallMaxMs'];
    return findings.result(`${count(details.length, 'log')} with ${details.reduce((sum, { completions }) => sum + completions, 0)} completions; longest stall ${stallMaxMs === undefined ? '–' : `${stallMaxMs} ms`}, all within their bounds`);
  },
};

async function analyse(input: CheckInput, job: FioJobPlan, section: FioSection, number: number, findings: Findings): Promise<SectionDetails | undefined> {
  const { plan, events, fio: source } = input;
  const name = `${job.name}, namespace ${section.nsid}`;
  const id = { host: job.host, job: job.name, phase: 'main' as const };
  const mine = <T extends { host: string; job: string; phase: string }>(event: T): boolean => event.host === id.host && event.job === id.job && event.phase === id.phase;
  const anchor = eventsOf(events, 'fio.clock').filter(mine).at(-1);
  const started = eventsOf(events, 'fio.process').find((event) => mine(event) && event.state === 'started');
  if (source === undefined || started === undefined) {
    findings.unknown(`${name}: fio never ran, so nothing was measured`);
    return undefined;
  }
  if (anchor === undefined) {
    findings.unknown(`${name}: no fio.clock event says where the log’s clock begins`);
    return undefined;
  }
  const dir = fioDir(id);
  const wanted = fioLogName(number);
  const file = (await source.list(dir)).find((each) => each === wanted || each === `${wanted}.gz`);
  if (file === undefined) {
    findings.unknown(`${name}: there is no log ${wanted}`);
    return undefined;
  }
  const faults = faultTimes(input);
  const options = analysisOptions(input, job.host, section, faults);
  const analysis = new LogAnalysis(options);
  const version = parseFioVersion(started.version);
  const log = readLogBatches(source.open(dir, file), version === undefined ? {} : { version });
  for (let next = await log.next(); ; next = await log.next()) {
    if (next.done === true) {
      for (const problem of next.value.problems.filter(({ severity }) => severity === 'error')) findings.unknown(`${name}: ${file} line ${problem.line}: ${problem.message}`);
      break;
    }
    for (const { timeMs, value } of next.value) analysis.add({ tUs: timeMs * 1_000 + anchor.zeroUs, latencyUs: value / 1_000 });
  }
  if (analysis.completions === 0) {
    findings.unknown(`${name}: ${file} has no completion, so nothing was measured`);
    return undefined;
  }
  if (analysis.backwardsUs > backwardsMaxUs) findings.unknown(`${name}: ${file} steps back by ${ms(analysis.backwardsUs)}: it was not written in the order of completions`);
  const quiet = boundOf(plan, plan.expect.quietStall);
  const smallestUs = Math.min(quiet.ms, ...plan.expect.stalls.map(({ bound }) => boundOf(plan, bound).ms)) * 1_000;
  if (analysis.gapFloorUs > smallestUs) findings.unknown(`${name}: too many gaps to list: only those above ${ms(analysis.gapFloorUs)} were kept`);
  const anaGroup = plan.topology.namespaces.find(({ uuid }) => uuid === section.uuid)?.anaGroup ?? 0;
  return {
    job: job.name, nsid: section.nsid, anaGroup, completions: analysis.completions, clockErrorMs: toMs(anchor.zeroErrUs),
    gaps: judgeGaps(input, name, job, section, anaGroup, analysis, anchor, findings),
    faults: faults.map((fault) => describeFault(input, job.host, section, fault, analysis)),
  };
}

function analysisOptions(input: CheckInput, host: string, section: FioSection, faults: readonly FaultTimes[]): AnalysisOptions {
  const stretches: Stretch[] = [{ name: 'all', fromUs: -Infinity, toUs: Infinity }];
  const marks: Mark[] = [];
  for (const fault of faults) {
    stretches.push({ name: `before ${fault.id}`, ...fault.before }, { name: `during ${fault.id}`, fromUs: fault.fromUs, toUs: fault.healUs }, { name: `after ${fault.id}`, ...fault.after });
    marks.push({ name: `fault ${fault.id}`, tUs: fault.injectedUs, issuedAfter: true });
    const changedUs = optimizedAfter(input, host, section, fault);
    if (changedUs !== undefined) marks.push({ name: `ana ${fault.id}`, tUs: changedUs, issuedAfter: false });
  }
  return { stretches, marks, gapFloorUs };
}

/** Faults that were injected, by time; before and after reach to their neighbours, and overlapping ones have none. */
function faultTimes({ events }: CheckInput): FaultTimes[] {
  const faults = [...faultRecords(events)].flatMap(([id, record]) => {
    const fromUs = injectUs(record);
    return fromUs === undefined ? [] : [{ id, fromUs, injectedUs: record.injected?.tUs ?? fromUs, healUs: healUs(record) ?? Infinity, goneUs: healedUs(record) ?? Infinity }];
  }).sort((a, b) => a.fromUs - b.fromUs);
  return faults.map((fault, index) => {
    const earlierUs = Math.max(-Infinity, ...faults.slice(0, index).map(({ goneUs }) => goneUs));
    return { ...fault, before: { fromUs: earlierUs, toUs: fault.fromUs }, after: { fromUs: fault.goneUs, toUs: faults[index + 1]?.fromUs ?? Infinity } };
  });
}

/** When a path of the job's host to the namespace first became optimized and usable after the fault began, and before its heal ended. */
function optimizedAfter({ events }: CheckInput, host: string, section: FioSection, fault: FaultTimes): number | undefined {
  return eventsOf(events, 'host.path').find((event) => event.host === host && event.nsUuid === section.uuid && event.tUs >= fault.fromUs && event.tUs < fault.goneUs && event.ana === 'optimized' && event.usable)?.tUs;
}

function judgeGaps(input: CheckInput, name: string, job: FioJobPlan, section: FioSection, anaGroup: number, analysis: LogAnalysis, anchor: EventOf<'fio.clock'>, findings: Findings): SectionDetails['gaps'] {
  const { plan, events } = input;
  const { host } = job;
  const verifiesAsItRuns = job.verify !== null && fioWrites(job.mode) && job.end.by !== 'passes';
  const silentUs = verifiesAsItRuns ? job.verify!.backlogBlocks * (analysis.latencies('all')?.p50Us ?? 0) : 0;
  const startUs = runStartUs(events);
  const windows = allowanceWindows(plan, events, plan.expect.stalls);
  const quiet = boundOf(plan, plan.expect.quietStall);
  const paths = eventsOf(events, 'host.path').filter((event) => event.host === host && event.nsUuid === section.uuid);
  const listed: SectionDetails['gaps'] = [];
  for (const [index, gap] of analysis.gaps().entries()) {
    const judged = judgeGap(gap, windows, anaGroup, quiet.ms * 1_000, anchor.zeroErrUs);
    if (judged.verdict === 'within' && index >= gapsShown) continue;
    const changes = anaChanges(paths, gap, anchor.zeroErrUs);
    const boundUs = judged.window?.boundUs ?? quiet.ms * 1_000;
    const stallUs = gap.toUs - gap.stallFromUs;
    const overlap = changes.length === 0 ? 'no ANA change in it' : `in it ${changes.map((event) => `${event.path} ${event.ana} ${at(event.tUs, startUs)}`).join(', ')}`;
    const text = `${name} (ANA group ${anaGroup}): ${ms(stallUs)} without a completion from ${at(gap.stallFromUs, startUs)} (± ${ms(anchor.zeroErrUs)}); ${judged.window === undefined ? 'outside all fault windows' : `in the window of ${judged.window.fault} (${judged.window.reason})`}, ${overlap}; bound ${judged.window?.bound.name ?? quiet.name} = ${ms(boundUs)}`;
    const where = { tUs: gap.stallFromUs, toUs: gap.toUs, events: changes.map(({ seq }) => seq) };
    if (judged.verdict === 'over' && judged.excessUs <= silentUs) {
      findings.unknown(`${text}: ${ms(judged.excessUs)} too long, unless it verified ${job.verify!.backlogBlocks} blocks meanwhile, which its log does not show (a smaller backlogBlocks would tell)`, where);
    } else if (judged.verdict === 'over') findings.failInTime(`${text}: ${ms(judged.excessUs)} too long`, where, { excessUs: judged.excessUs });
    else if (judged.verdict === 'doubtful') findings.unknown(`${text}: ${ms(judged.excessUs)} too long, unless fio’s clock is off by as much as it may be`, where);
    else findings.note(`${text}: within`, where);
    listed.push({
      fromMs: toMs(gap.fromUs - startUs), toMs: toMs(gap.toUs - startUs), gapMs: toMs(gap.toUs - gap.fromUs), stallMs: toMs(stallUs), fault: judged.window?.fault ?? null, boundMs: toMs(boundUs), verdict: judged.verdict,
      anaChanges: changes.map(({ tUs, path, ana }) => ({ atMs: toMs(tUs - startUs), path, ana })),
    });
  }
  return listed;
}

/** A gap is held against the windows where it seems to be, and where it may be at most by the error of the clock. */
function judgeGap(gap: Gap, windows: readonly AllowanceWindow[], anaGroup: number, quietUs: number, errUs: number): { window: AllowanceWindow | undefined; excessUs: number; verdict: 'within' | 'over' | 'doubtful' } {
  const shifted = (byUs: number): ReturnType<typeof measureStall> => measureStall(windows, anaGroup, { fromUs: gap.stallFromUs + byUs, toUs: gap.toUs + byUs }, quietUs);
  const best = shifted(0);
  if (best.excessUs <= 0) return { ...best, verdict: 'within' };
  const kindest = Math.min(shifted(-errUs).excessUs, shifted(errUs).excessUs);
  return { ...best, verdict: kindest <= 0 ? 'doubtful' : 'over' };
}

/** ANA changes of the namespace's paths that may lie in the gap, given the clock's error. */
function anaChanges(paths: readonly EventOf<'host.path'>[], gap: Gap, errUs: number): EventOf<'host.path'>[] {
  const last = new Map<string, string>();
  return paths.filter((event) => {
    const changed = last.get(event.path) !== event.ana;
    last.set(event.path, event.ana);
    return changed && event.tUs >= gap.fromUs - errUs && event.tUs <= gap.toUs + errUs;
  });
}

function describeFault(input: CheckInput, host: string, section: FioSection, fault: FaultTimes, analysis: LogAnalysis): SectionDetails['faults'][number] {
  const sinceMs = (fromUs: number | undefined, tUs: number | undefined): number | null => (fromUs === undefined || tUs === undefined ? null : toMs(tUs - fromUs));
  const changedUs = optimizedAfter(input, host, section, fault);
  const baseline = analysis.rate(fault.before);
  const recoveredUs = baseline === undefined || baseline === 0 ? undefined : analysis.recoveredUs({ fromUs: fault.fromUs, toUs: fault.goneUs }, baseline);
  return {
    fault: fault.id,
    firstCompletionMs: sinceMs(fault.fromUs, analysis.firstAfter(`fault ${fault.id}`)),
    firstCompletionAfterAnaMs: sinceMs(changedUs, analysis.firstAfter(`ana ${fault.id}`)),
    anaChangedMs: sinceMs(fault.fromUs, changedUs),
    baselineIops: baseline === undefined ? null : Math.round(baseline * 10) / 10,
    recoveryMs: sinceMs(fault.fromUs, recoveredUs),
    before: analysis.latencies(`before ${fault.id}`) ?? null, during: analysis.latencies(`during ${fault.id}`) ?? null, after: analysis.latencies(`after ${fault.id}`) ?? null,
  };
}

/** Metrics: the worst of all namespaces. One that cannot be told for a namespace is left out, so that no limit is met by chance. */
function measure(sections: readonly SectionDetails[], findings: Findings): void {
  const { metrics } = findings;
  if (sections.length === 0) return;
  const worst = (values: readonly number[]): number => Math.max(0, ...values);
  metrics['completions'] = sections.reduce((sum, { completions }) => sum + completions, 0);
  metrics['clockErrorMs'] = worst(sections.map(({ clockErrorMs }) => clockErrorMs));
  metrics['stallMaxMs'] = worst(sections.flatMap(({ gaps }) => gaps.map(({ stallMs }) => stallMs)));
  for (const nsid of new Set(sections.map((section) => section.nsid))) {
    metrics[`ns${nsid}.stallMaxMs`] = worst(sections.filter((section) => section.nsid === nsid).flatMap(({ gaps }) => gaps.map(({ stallMs }) => stallMs)));
  }
  for (const { fault } of sections[0]!.faults) {
    const own = sections.map(({ faults }) => faults.find((each) => each.fault === fault)!);
    metrics[`${fault}.stallMaxMs`] = worst(sections.flatMap(({ gaps }) => gaps.filter((gap) => gap.fault === fault).map(({ stallMs }) => stallMs)));
    const all = (name: string, values: readonly (number | null)[]): void => {
      if (values.every((value) => value !== null)) metrics[`${fault}.${name}`] = worst(values);
    };
    all('firstCompletionMs', own.map((each) => each.firstCompletionMs));
    all('recoveryMs', own.map((each) => each.recoveryMs));
    const moved = own.filter((each) => each.anaChangedMs !== null);
    if (moved.length > 0) all('firstCompletionAfterAnaMs', moved.map((each) => each.firstCompletionAfterAnaMs));
    for (const stretch of ['before', 'during', 'after'] as const) all(`${stretch}P99Ms`, own.map((each) => (each[stretch] === null ? null : toMs(each[stretch].p99Us))));
  }
}
