import { FioParseError, ProblemList } from '../errors.js';
import { parseMessages } from '../messages/parse.js';
import type { FioMessage } from '../messages/types.js';
import { LineIndex, toText, type TextInput } from '../text.js';
import { parseFioVersion } from '../version.js';
import { findDocuments, type JunkRange } from './documents.js';
import { Fields } from './fields.js';
import { diskUtil, job } from './job.js';
import type { JsonDocument } from './reader.js';
import { withoutMessages } from './splice.js';
import type { FioJsonResult, FioReport } from './types.js';

/** Largest text accepted, in UTF-16 code units: a node string can hold 2^29, and twice the text is in memory at times. */
export const JSON_INPUT_MAX = 2 ** 28;

/**
 * Reads what fio printed with `--output-format=json` or `json+`: any number of reports (`--status-interval`),
 * with warnings and errors of fio (and of others) before, between and inside them, and possibly cut off.
 *
 * Never throws for bad text. What is whole is returned; what is not is described in `problems`, with line and
 * column. No report at all is the problem NO_REPORT.
 *
 * @throws FioParseError INPUT_TOO_LARGE above JSON_INPUT_MAX.
 */
export function parseFioJson(input: TextInput): FioJsonResult {
  if (input.length > JSON_INPUT_MAX) throw new FioParseError('INPUT_TOO_LARGE', `fio output of ${input.length} characters; at most ${JSON_INPUT_MAX}`);
  const text = toText(input);
  const first = read(text);
  if (first.damage === 0) return first.result;
  // A message of fio may have landed in the middle of a line of JSON: take those out and try again.
  const spliced = withoutMessages(text);
  if (spliced === undefined) return first.result;
  const second = read(spliced.text, spliced.originalOffset, text);
  return second.damage < first.damage ? { ...second.result, messages: [...spliced.messages, ...second.result.messages] } : first.result;
}

/**
 * The last whole report of fio's output: with `--status-interval` the final one.
 *
 * @throws FioParseError NO_REPORT with all problems when there is none.
 */
export function wholeReport(input: TextInput): FioReport {
  const { reports, problems } = parseFioJson(input);
  const report = reports.filter(({ complete }) => complete).at(-1);
  if (report !== undefined) return report;
  const cause = problems.find(({ severity }) => severity === 'error') ?? problems[0];
  const where = cause === undefined ? '' : `: ${cause.message} at line ${cause.line}, column ${cause.column}`;
  throw new FioParseError('NO_REPORT', `no whole JSON report of fio${where}`, { ...place(cause), problems });
}

function place(cause: { line: number; column: number; offset: number } | undefined): { line?: number; column?: number; offset?: number } {
  return cause === undefined ? {} : { line: cause.line, column: cause.column, offset: cause.offset };
}

/** One pass. `damage` counts the errors found, to compare two passes over the same output. */
function read(text: string, originalOffset: (offset: number) => number = (offset) => offset, original = text): { result: FioJsonResult; damage: number } {
  const lines = new LineIndex(original);
  const problems = new ProblemList((offset) => lines.locate(originalOffset(offset)));
  const { documents, junk } = findDocuments(text, problems);
  const reports = documents.map((document) => report(document, problems, lines.locate(originalOffset(document.start)).line));
  const { messages, rest } = junkMessages(text, junk, (offset) => lines.locate(originalOffset(offset)).line);
  for (const { offset, line } of rest) problems.add('JUNK', 'note', offset, 'a line that belongs to no report', line);
  if (reports.length === 0) {
    problems.add('NO_REPORT', 'error', Math.max(0, text.length - 1), text.trim() === '' ? 'fio printed nothing' : 'no JSON report of fio in this text');
  }
  const damage = problems.items.filter(({ severity, code }) => severity === 'error' || code === 'JUNK' || code === 'SYNTAX').length;
  return { result: { reports, messages, problems: problems.items }, damage };
}

function report(document: JsonDocument, problems: ProblemList, line: number): FioReport {
  const fields = new Fields(document.value, document, problems);
  const versionText = fields.string('fio version');
  const version = parseFioVersion(versionText);
  if (version === undefined && versionText !== '') problems.add('VERSION_UNKNOWN', 'warning', document.start, 'this is not a version of fio', versionText);
  const clients = fields.objects('client_stats');
  const jobs = [...fields.objects('jobs'), ...clients];
  const cut = jobs.find(({ isCut }) => isCut);
  return {
    versionText,
    ...(version === undefined ? {} : { version }),
    timestampMs: fields.optionalNumber('timestamp_ms') ?? fields.number('timestamp') * 1000,
    time: fields.string('time'),
    globalOptions: fields.object('global options')?.stringEntries() ?? {},
    jobs: jobs.filter(({ isCut }) => !isCut).map(job),
    disks: fields.objects('disk_util').filter(({ isCut }) => !isCut).map(diskUtil),
    client: clients.length > 0,
    complete: document.complete,
    ...(cut === undefined ? {} : { cutJob: cut.raw }),
    line,
    raw: document.value,
  };
}

/** Turns the text between reports into messages; lines that fio did not write are left over. */
function junkMessages(
  text: string,
  junk: readonly JunkRange[],
  lineOf: (offset: number) => number,
): { messages: FioMessage[]; rest: { offset: number; line: string }[] } {
  const messages: FioMessage[] = [];
  const rest: { offset: number; line: string }[] = [];
  for (const { start, end } of junk) {
    const piece = text.slice(start, end);
    if (piece.trim() === '') continue;
    const found = parseMessages(piece, 0);
    const taken = new Set(found.flatMap(({ line, lines }) => Array.from({ length: lines }, (_, index) => line + index)));
    let offset = start;
    for (const [index, line] of piece.split('\n').entries()) {
      if (line.trim() !== '' && !taken.has(index)) rest.push({ offset, line: line.trim() });
      offset += line.length + 1;
    }
    const firstLine = lineOf(start);
    for (const message of found) messages.push({ ...message, line: message.line + firstLine });
  }
  return { messages, rest };
}
