import { explainBlock, LatencyHistogram } from 'fio-parser';
import type { EventOf, FioProcessId } from '../history/events.js';
import { fioDir, readFioProcess, readFioState, skipsErroredWrites, type FioFault, type FioReading } from '../history/fio/index.js';
import { fioReads, fioWrites, type FioJobPlan, type FioPhaseName } from '../plan/fio.js';
import { Findings } from './result.js';
import { eventsOf } from './timeline.js';
import type { CheckInput, Checker } from './types.js';
import { at, count, runStartUs } from './words.js';

/** Corrupt blocks that are explained from their dumps, per process. */
const explainedMax = 8;
/** Share of its runtime that a timed job must have run for: fio stops a little early or late. */
const runtimeShareMin = 0.9;

/**
 * Proves that fio did what the plan asked of it and found nothing wrong: every phase of every job ran to its end and
 * said so, no I/O failed beyond what is allowed, no block failed its verification while the job ran or afterwards,
 * every namespace had I/O, and the final verification read the whole region.
 *
 * - `fail`: failed verifications, failed I/O, an exit status that is not 0.
 * - `unknown`: a phase that never ran or was cut off, output without a final report, a namespace without I/O, a
 *   verification that did not read everything; and corruption that this fio is known to report for writes which ended
 *   in an error.
 * - `infra`: fio did not start, or did not accept what it was told.
 *
 * The exit status alone proves nothing: with errors tolerated it is 0 (fio-parser, `explainExit`).
 */
export const fio: Checker = {
  name: 'fio',
  proves: 'Every fio job ran to its end with I/O on each of its namespaces, without an I/O error or a failed verification, and everything was verified at the end.',
  applies: (plan) => plan.fio !== undefined && plan.fio.length > 0,
  async check(input) {
    const findings = new Findings('fio');
    const jobs = input.plan.fio ?? [];
    const totals = { reads: 0, writes: 0, ioErrors: 0, verifyErrors: 0, bytesVerified: 0, processes: 0 };
    let latency = new LatencyHistogram();
    let latencyMaxNs = 0;
    if (input.fio === undefined) findings.unknown('the artifacts of fio cannot be read');
    for (const job of input.fio === undefined ? [] : jobs) {
      for (const phase of job.phases) {
        const reading = await checkProcess(input, job, phase, findings);
        if (reading === undefined) continue;
        totals.processes += 1;
        totals.ioErrors += reading.ioErrors;
        totals.verifyErrors += reading.verifyErrors;
        if (phase === 'verify') totals.bytesVerified += reading.bytesRead;
        if (phase !== 'main') continue;
        totals.reads += reading.reads;
        totals.writes += reading.writes;
        for (const stats of reading.jobs.flatMap(({ read, write, mixed }) => [read, write, mixed])) {
          if (stats?.total.histogram !== undefined) latency = latency.merge(stats.total.histogram);
          latencyMaxNs = Math.max(latencyMaxNs, stats?.total.maxNs ?? 0);
        }
      }
    }
    if (totals.ioErrors > input.plan.expect.failedIoMax) findings.fail(`${count(totals.ioErrors, 'I/O error')}, ${input.plan.expect.failedIoMax} may be`);
    Object.assign(findings.metrics, { jobs: jobs.length, ...totals });
    for (const [name, percent] of [['latencyP50Ms', 50], ['latencyP99Ms', 99], ['latencyP999Ms', 99.9]] as const) {
      const ns = latency.percentileNs(percent);
      if (ns !== undefined) findings.metrics[name] = nsToMs(ns);
    }
    if (latency.total > 0) findings.metrics['latencyMaxMs'] = nsToMs(latencyMaxNs);
    return findings.result(
      `${count(jobs.length, 'job')} in ${totals.processes} processes: ${totals.reads} reads and ${totals.writes} writes without an error, ${(totals.bytesVerified / 1_048_576).toFixed(1)} MiB verified at the end`,
    );
  },
};

/** What the process said; undefined when there is nothing to be read. */
async function checkProcess(input: CheckInput, job: FioJobPlan, phase: FioPhaseName, findings: Findings): Promise<FioReading | undefined> {
  const id: FioProcessId = { host: job.host, job: job.name, phase };
  const name = `${job.name} (${phase}) on ${job.host}`;
  const startUs = runStartUs(input.events);
  const events = eventsOf(input.events, 'fio.process').filter((event) => event.host === id.host && event.job === id.job && event.phase === id.phase);
  const failed = events.find(({ state }) => state === 'failed');
  const ended = events.find(({ state }) => state === 'ended');
  if (failed !== undefined) {
    findings.infra(`${name} could not be started: ${failed.message ?? 'no reason given'}`, { tUs: failed.tUs, events: [failed.seq] });
    return undefined;
  }
  const started = events.find(({ state }) => state === 'started');
  if (started === undefined) {
    findings.unknown(phase === 'verify' ? `${name}: the final verification never ran` : `${name} never ran`);
    return undefined;
  }
  if (ended === undefined) {
    findings.unknown(`${name} started ${at(started.tUs, startUs)}, and its end is not in the record`, { tUs: started.tUs, events: [started.seq] });
    return undefined;
  }
  const where = { tUs: started.tUs, toUs: ended.tUs, events: [started.seq, ended.seq] };
  if (events.length > 2) findings.unknown(`${name} was started more than once`, where);
  if (ended.message !== undefined) findings.unknown(`${name}: ${ended.message}`, where);
  const reading = await readFioProcess(input.fio!, id, { code: ended.exitCode ?? null, signal: ended.signal ?? null });
  for (const problem of reading.problems) findings.unknown(`${name}: ${problem}`, where);
  checkExit(name, job, phase, ended, reading, findings);
  await checkVerifications(input, name, job, id, ended, reading, findings);
  for (const fault of reading.ioFaults.slice(0, explainedMax)) findings.note(`${name}: ${fault.text}`, where);
  if (!reading.complete) {
    findings.unknown(`${name}: its output is cut off${reading.report === undefined ? ', there is no report' : ''}`, where);
    return reading;
  }
  if (phase === 'main') await checkMain(input, name, job, id, ended, reading, findings);
  else checkRegion(name, job, phase, reading, findings);
  return reading;
}

function checkExit(name: string, job: FioJobPlan, phase: FioPhaseName, ended: EventOf<'fio.process'>, reading: FioReading, findings: Findings): void {
  const where = { tUs: ended.tUs, events: [ended.seq] };
  switch (reading.meaning) {
    case 'ok':
    case 'errors-tolerated':
      if (phase === 'main' && job.end.by === 'load') findings.unknown(`${name} ended by itself before the load did`, where);
      break;
    case 'interrupted':
      // The only way in which a job that runs as long as the load can end.
      if (ended.endedBy !== 'stop' || phase !== 'main' || job.end.by !== 'load') findings.unknown(`${name} was told to stop before its end`, where);
      break;
    case 'killed':
      findings.unknown(ended.endedBy === 'kill' ? `${name} did not end and was killed` : `${name} was ended by ${ended.signal ?? 'a signal'}, which pathproof did not send`, where);
      break;
    case 'failed':
    case 'unknown':
      if (reading.optionErrors.length > 0) findings.infra(`${name} did not accept what it was told: ${reading.optionErrors[0]}`, where);
      else findings.fail(`${name} ended with status ${ended.exitCode}: ${reading.explanation}`, where);
      break;
  }
}

async function checkVerifications({ fio: source }: CheckInput, name: string, job: FioJobPlan, id: FioProcessId, ended: EventOf<'fio.process'>, reading: FioReading, findings: Findings): Promise<void> {
  const where = { tUs: ended.tUs, events: [ended.seq] };
  let proved = 0;
  const files = new Set(await source!.list(fioDir(id)));
  for (const [index, fault] of reading.verifyFaults.entries()) {
    const errored = job.onIoError === 'continue' ? reading.ioFaults.find((each) => each.direction === 'write' && overlaps(each, fault)) : undefined;
    if (errored !== undefined && !skipsErroredWrites(ended.version)) {
      findings.unknown(`${name}: ${fault.text}; but a write there had ended in an error, and ${ended.version} reports such blocks as corrupt`, where);
      continue;
    }
    proved += 1;
    findings.fail(`${name}: ${fault.text}${index < explainedMax ? await explanation(source!, id, files, fault) : ''}`, where);
  }
  const uncounted = reading.verifyErrors - reading.verifyFaults.length;
  if (uncounted > 0) findings.fail(`${name}: fio counted ${count(uncounted, 'failed verification')} more than it named`, where);
  if (proved > 1) findings.note(`${name}: ${count(proved, 'block')} failed verification`, where);
}

/** fio's own dump of the block, taken apart: whose it is, of when, for which offset, and what is wrong. */
async function explanation(source: NonNullable<CheckInput['fio']>, id: FioProcessId, files: ReadonlySet<string>, fault: FioFault): Promise<string> {
  const file = `${fault.file.slice(fault.file.lastIndexOf('/') + 1)}.${fault.offset}.received`;
  if (!files.has(file)) return '';
  const bytes = await source.bytes(fioDir(id), file);
  return bytes === undefined || bytes.length === 0 ? '' : ` — ${explainBlock(bytes, { offset: fault.offset }).summary}`;
}

async function checkMain({ fio: source }: CheckInput, name: string, job: FioJobPlan, id: FioProcessId, ended: EventOf<'fio.process'>, reading: FioReading, findings: Findings): Promise<void> {
  const clean = reading.ioErrors === 0 && reading.verifyErrors === 0;
  for (const [index, section] of job.sections.entries()) {
    const result = reading.jobs.find((each) => each.name === section.name);
    if (result === undefined) {
      findings.unknown(`${name}: its report says nothing of namespace ${section.nsid}`);
      continue;
    }
    const reads = result.read?.totalIos ?? 0;
    const writes = result.write?.totalIos ?? 0;
    const missing = [...(fioReads(job.mode, job.readPercent) && reads === 0 ? ['reads'] : []), ...(fioWrites(job.mode) && job.readPercent < 100 && writes === 0 ? ['writes'] : [])];
    if (missing.length > 0) findings.unknown(`${name}: namespace ${section.nsid} had no ${missing.join(' and no ')}, so nothing was tested there`);
    else findings.note(`${name}: namespace ${section.nsid}: ${reads} reads, ${writes} writes`);
    if (clean && job.end.by === 'time' && result.runtimeMs < runtimeShareMin * job.end.ms) {
      findings.unknown(`${name}: namespace ${section.nsid} ran for ${result.runtimeMs} of ${job.end.ms} ms`);
    }
    if (clean && job.end.by === 'passes' && fioWrites(job.mode)) {
      const wantedBytes = section.sizeBytes * job.end.count;
      const movedBytes = (result.write?.ioBytes ?? 0) + (job.mode.endsWith('rw') ? (result.read?.ioBytes ?? 0) : 0);
      if (movedBytes < wantedBytes) findings.unknown(`${name}: namespace ${section.nsid}: ${movedBytes} of ${wantedBytes} bytes of its ${count(job.end.count, 'pass', 'passes')}`);
    }
    if (job.verify === null || !fioWrites(job.mode)) continue;
    const state = await readFioState(source!, id, section.name, index);
    if (typeof state === 'string') findings.note(`${name}: no verify state: ${state}`);
    else findings.note(`${name}: namespace ${section.nsid}: the verify state says ${state.numberio} writes issued`, { tUs: ended.tUs });
  }
}

/** The prefill must have written everything, the verification must have read everything. */
function checkRegion(name: string, job: FioJobPlan, phase: FioPhaseName, reading: FioReading, findings: Findings): void {
  for (const section of job.sections) {
    const result = reading.jobs.find((each) => each.name === section.name);
    const bytes = (phase === 'verify' ? result?.read?.ioBytes : result?.write?.ioBytes) ?? 0;
    if (bytes < section.sizeBytes) {
      findings.unknown(`${name}: ${bytes} of ${section.sizeBytes} bytes of namespace ${section.nsid} were ${phase === 'verify' ? 'verified' : 'filled'}`);
    }
  }
}

function overlaps(a: FioFault, b: FioFault): boolean {
  return a.file === b.file && a.offset < b.offset + b.length && b.offset < a.offset + a.length;
}

function nsToMs(ns: number): number {
  return Math.round(ns / 1e4) / 100;
}
