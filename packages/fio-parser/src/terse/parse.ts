import { FioParseError, ProblemList } from '../errors.js';
import { JSON_INPUT_MAX } from '../json/report.js';
import { parseMessages } from '../messages/parse.js';
import { LineIndex, toText, type TextInput } from '../text.js';
import { parseFioVersion } from '../version.js';
import { DISK_FIELDS, isDisk, PERCENTILE_FIELDS, terseLayout, type TerseVersion } from './layout.js';
import type { TerseDirection, TerseDisk, TerseJob, TerseLatency, TerseResult } from './types.js';

/** A longer line is not read: no terse line comes near it. */
export const TERSE_LINE_MAX = 1_048_576;
const START = /^([2-9]|\d\d+);(fio-[^;]*);/;

/**
 * Reads `--output-format=terse`, versions 3, 4 and 5, among whatever other lines there are. Each terse line is one
 * job; a line that is cut off or does not fit its version becomes a problem and is left out.
 *
 * @throws FioParseError INPUT_TOO_LARGE above JSON_INPUT_MAX.
 */
export function parseFioTerse(input: TextInput): TerseResult {
  if (input.length > JSON_INPUT_MAX) throw new FioParseError('INPUT_TOO_LARGE', `fio output of ${input.length} characters; at most ${JSON_INPUT_MAX}`);
  const text = toText(input);
  const lines = new LineIndex(text);
  const problems = new ProblemList((offset) => lines.locate(offset));
  const jobs: TerseJob[] = [];
  let offset = 0;
  for (const [index, raw] of text.split('\n').entries()) {
    const line = raw.endsWith('\r') ? raw.slice(0, -1) : raw;
    const start = START.exec(line);
    if (start !== null && line.length > TERSE_LINE_MAX) {
      problems.add('LINE_TOO_LONG', 'error', offset, `a terse line of ${line.length} characters; at most ${TERSE_LINE_MAX}`);
    } else if (start !== null) {
      const version = Number(start[1]);
      if (version === 3 || version === 4 || version === 5) {
        // The last line of fio ends with a newline, too.
        const cut = offset + raw.length >= text.length;
        const job = terseJob(line, version, index + 1, offset, cut, problems);
        if (job !== undefined) jobs.push(job);
      } else {
        problems.add('VERSION_UNKNOWN', 'error', offset, `terse version ${version}; this reads 3, 4 and 5`, line);
      }
    }
    offset += raw.length + 1;
  }
  return { jobs, messages: parseMessages(text), problems: problems.items };
}

function terseJob(line: string, terseVersion: TerseVersion, lineNumber: number, offset: number, cut: boolean, problems: ProblemList): TerseJob | undefined {
  const fields = line.split(';');
  const layout = terseLayout(fields, terseVersion);
  if (layout === undefined) {
    const what = cut ? 'a terse line that is cut off' : `not the fields of terse version ${terseVersion}`;
    problems.add(cut ? 'TRUNCATED' : 'SYNTAX', 'error', offset, `${what} (${fields.length} of them)`, line);
    return undefined;
  }
  // The fixed fields are whole, but what follows them may not be.
  if (cut) problems.add('TRUNCATED', 'warning', offset, 'a terse line without its newline; disks and description may be cut off');
  const row = new Row(fields, layout.groupAt);
  const version = parseFioVersion(fields[1]!);
  if (version === undefined) problems.add('VERSION_UNKNOWN', 'warning', offset + 2, 'this is not a version of fio', fields[1]);
  const job = {
    terseVersion,
    versionText: fields[1]!,
    ...(version === undefined ? {} : { version }),
    name: fields.slice(2, layout.groupAt).join(';'),
    groupId: row.number(),
    error: row.number(),
    ...directions(row, terseVersion, layout.directions),
    userCpuPercent: row.number(),
    systemCpuPercent: row.number(),
    contextSwitches: row.number(),
    majorFaults: row.number(),
    minorFaults: row.number(),
    ioDepthPercent: row.numbers(7),
    latencyUsPercent: row.numbers(10),
    latencyMsPercent: row.numbers(12),
  };
  return { ...job, ...rest(fields, layout.end), line: lineNumber };
}

/** What may follow: disks, two numbers with `continue_on_error`, a description that may hold semicolons. */
function rest(fields: readonly string[], start: number): Pick<TerseJob, 'disks' | 'totalErrors' | 'firstError' | 'description'> {
  const disks: TerseDisk[] = [];
  let at = start;
  for (; isDisk(fields, at); at += DISK_FIELDS) {
    const row = new Row(fields, at + 1);
    disks.push({
      name: fields[at]!,
      readIos: row.number(),
      writeIos: row.number(),
      readMerges: row.number(),
      writeMerges: row.number(),
      readTicksMs: row.number(),
      writeTicksMs: row.number(),
      inQueueMs: row.number(),
      utilPercent: row.number(),
    });
  }
  let errors = {};
  if (/^\d+$/.test(fields[at] ?? '') && /^-?\d+$/.test(fields[at + 1] ?? '')) {
    errors = { totalErrors: Number(fields[at]), firstError: Number(fields[at + 1]) };
    at += 2;
  }
  const description = fields.slice(at).join(';');
  return { disks, ...errors, ...(description === '' ? {} : { description }) };
}

function directions(row: Row, version: TerseVersion, count: number): Pick<TerseJob, 'read' | 'write' | 'trim' | 'mixed'> {
  const next = (): TerseDirection => direction(row, version);
  if (count === 1) return { mixed: next() };
  const readWrite = { read: next(), write: next() };
  const withTrim = version === 3 ? readWrite : { ...readWrite, trim: next() };
  return count === (version === 3 ? 3 : 4) ? { ...withTrim, mixed: next() } : withTrim;
}

function direction(row: Row, version: TerseVersion): TerseDirection {
  const base = {
    totalKiB: row.number(),
    bandwidthKiBPerS: row.number(),
    iops: row.number(),
    runtimeMs: row.number(),
    submission: latency(row),
    completion: latency(row),
    percentiles: row.percentiles(),
    total: latency(row),
    bandwidthMinKiBPerS: row.number(),
    bandwidthMaxKiBPerS: row.number(),
    bandwidthOfGroupPercent: row.number(),
    bandwidthMeanKiBPerS: row.number(),
    bandwidthStddevKiBPerS: row.number(),
  };
  if (version !== 5) return base;
  return {
    ...base,
    bandwidthSamples: row.number(),
    iopsSampled: { min: row.number(), max: row.number(), mean: row.number(), stddev: row.number(), samples: row.number() },
  };
}

function latency(row: Row): TerseLatency {
  return { minUs: row.number(), maxUs: row.number(), meanUs: row.number(), stddevUs: row.number() };
}

/** A cursor over the fields. Object literals evaluate in order, so they read like the table in fio's manual. */
class Row {
  readonly #fields: readonly string[];
  at: number;

  constructor(fields: readonly string[], at: number) {
    this.#fields = fields;
    this.at = at;
  }

  number(): number {
    const field = this.#fields[this.at]!;
    this.at += 1;
    return Number.parseFloat(field);
  }

  numbers(count: number): number[] {
    return Array.from({ length: count }, () => this.number());
  }

  /** `99.000000%=187`; the unused ones of the 20 are `0%=0`. */
  percentiles(): { percent: number; us: number }[] {
    const found: { percent: number; us: number }[] = [];
    for (let index = 0; index < PERCENTILE_FIELDS; index += 1) {
      const match = /^([\d.]+)%=(\d+)$/.exec(this.#fields[this.at] ?? '');
      this.at += 1;
      if (match !== null && match[0] !== '0%=0') found.push({ percent: Number(match[1]), us: Number(match[2]) });
    }
    return found;
  }
}
