import { explainExit, parseFioJson, parseMessages, parseVerifyState, verifyStateName, FioParseError, type FioExit, type FioExitMeaning, type FioJob, type FioMessage, type FioReport, type Problem, type VerifyState } from 'fio-parser';
import type { FioProcessId } from '../events.js';
import { fioDir, fioFiles, type FioSource } from './files.js';

/** The texts that one process of fio left; absent files are undefined. */
export interface FioTexts {
  report: string | undefined;
  stdout: string | undefined;
  stderr: string | undefined;
}

/** An I/O that failed, or a block that did not verify: where. */
export interface FioFault {
  file: string;
  /** Bytes. */
  offset: number;
  length: number;
  /** fio's own line. */
  text: string;
  direction?: string;
}

/** What one process of fio said, its texts taken together. */
export interface FioReading {
  meaning: FioExitMeaning;
  explanation: string;
  /** The last whole report; undefined: fio was killed before it wrote one. */
  report: FioReport | undefined;
  jobs: readonly FioJob[];
  /** There is a final report and nothing of the output was cut off. */
  complete: boolean;
  reads: number;
  writes: number;
  bytesRead: number;
  bytesWritten: number;
  /** Lines about failed I/O, and about blocks that did not verify. */
  ioFaults: FioFault[];
  verifyFaults: FioFault[];
  /** Errors in all: by fio's counters or by its lines, whichever are more. Some of its errors are only counted, some only printed. */
  ioErrors: number;
  verifyErrors: number;
  /** Lines that say fio did not accept what it was told. */
  optionErrors: string[];
  messages: readonly FioMessage[];
  /** What could not be read, severity `error` only, with line and column. */
  problems: string[];
}

/** errno of a failed verification: EILSEQ. */
const verifyErrno = 84;

/** Puts together what a process said and how it ended. A pure function; never throws for bad input. */
export function readFio(texts: FioTexts, exit: FioExit): FioReading {
  const fromReport = parseFioJson(texts.report ?? '');
  const fromStdout = parseFioJson(texts.stdout ?? '');
  const report = fromReport.reports.findLast(({ complete }) => complete);
  const jobs = report?.jobs ?? [];
  const messages = [...fromReport.messages, ...fromStdout.messages, ...withoutCopies(parseMessages(texts.stderr ?? ''), fromReport.messages)];
  const torn = fromStdout.reports.length > 0 || fromReport.reports.some(({ complete }) => !complete);
  const { meaning, explanation } = explainExit(exit, report === undefined ? [] : [report]);

  const ioFaults: FioFault[] = [];
  const verifyFaults: FioFault[] = [];
  for (const message of messages) {
    if (message.kind === 'io-error') ioFaults.push({ file: message.file, offset: message.offset, length: message.length, direction: message.direction, text: firstLine(message.text) });
    if (message.kind === 'verify-header' || message.kind === 'verify-data') verifyFaults.push({ file: message.file, offset: message.offset, length: message.length, text: firstLine(message.text) });
    if (message.kind === 'verify-trim') verifyFaults.push({ file: message.file, offset: message.offset, length: message.length, text: firstLine(message.text) });
  }
  let countedIo = 0;
  let countedVerify = 0;
  for (const job of jobs) {
    const errors = Math.max(job.totalErrors ?? 0, job.error === 0 ? 0 : 1);
    // With continue_on_error=verify (or io) only one kind is counted; the errno says which.
    const errno = job.firstError !== undefined && job.firstError !== 0 ? job.firstError : job.error;
    if (errno === verifyErrno) countedVerify += errors;
    else countedIo += errors;
  }
  const sum = (of: (job: FioJob) => number | undefined): number => jobs.reduce((total, job) => total + (of(job) ?? 0), 0);
  return {
    meaning, explanation, report, jobs,
    complete: report !== undefined && !torn && meaning !== 'killed',
    reads: sum((job) => job.read?.totalIos), writes: sum((job) => job.write?.totalIos), bytesRead: sum((job) => job.read?.ioBytes), bytesWritten: sum((job) => job.write?.ioBytes),
    ioFaults, verifyFaults,
    ioErrors: Math.max(countedIo, ioFaults.length), verifyErrors: Math.max(countedVerify, verifyFaults.length),
    optionErrors: messages.filter(({ kind }) => kind === 'option').map(({ text }) => firstLine(text)),
    messages,
    problems: [
      ...(texts.report === undefined ? [] : fromReport.problems.filter(isError).map((problem) => `${fioFiles.report} ${describe(problem)}`)),
      ...(texts.stdout === undefined ? [] : fromStdout.problems.filter(isError).map((problem) => `${fioFiles.stdout} ${describe(problem)}`)),
    ],
  };
}

/** Reads the artifacts of one process. */
export async function readFioProcess(source: FioSource, id: FioProcessId, exit: FioExit): Promise<FioReading> {
  const dir = fioDir(id);
  const [report, stdout, stderr] = await Promise.all([source.text(dir, fioFiles.report), source.text(dir, fioFiles.stdout), source.text(dir, fioFiles.stderr)]);
  return readFio({ report, stdout, stderr }, exit);
}

/** The verify state that fio's job number `index` (from 0) left, or why there is none. */
export async function readFioState(source: FioSource, id: FioProcessId, jobName: string, index: number): Promise<VerifyState | string> {
  const name = verifyStateName(jobName, index);
  const bytes = await source.bytes(fioDir(id), name);
  if (bytes === undefined) return `${name} is not there`;
  try {
    return parseVerifyState(bytes);
  } catch (error) {
    if (error instanceof FioParseError) return `${name}: ${error.message}`;
    throw error;
  }
}

/** With `--output` fio writes each error twice, to standard error and into the report's file (log_err of its log.c). */
function withoutCopies(messages: readonly FioMessage[], copied: readonly FioMessage[]): FioMessage[] {
  const copies = new Map<string, number>();
  for (const { text } of copied) copies.set(text, (copies.get(text) ?? 0) + 1);
  return messages.filter(({ text }) => {
    const left = copies.get(text) ?? 0;
    if (left > 0) copies.set(text, left - 1);
    return left === 0;
  });
}

/** That a text has no report is none: fio was killed, or said it in another one; `report` tells. */
function isError({ severity, code }: Problem): boolean {
  return severity === 'error' && code !== 'NO_REPORT';
}

function describe({ line, column, message }: Problem): string {
  return `line ${line}, column ${column}: ${message}`;
}

function firstLine(text: string): string {
  return text.split('\n')[0]!.trim();
}
