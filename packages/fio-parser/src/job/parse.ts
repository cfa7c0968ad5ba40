import { FioParseError, ProblemList, type Problem } from '../errors.js';
import { LineIndex, toText, type TextInput } from '../text.js';
import { trimEnd, trimStart } from './blank.js';
import type { JobFile, JobLine } from './types.js';

/** Largest job file accepted, UTF-16 code units. */
export const JOB_FILE_MAX = 2 ** 24;
/** fio's line buffer: a longer line is cut there by fio itself. */
export const JOB_LINE_MAX = 8191;
/** fio reads at most this much of a section name. */
const SECTION_NAME_MAX = 255;

export interface JobFileResult {
  readonly file: JobFile;
  /** What fio would refuse, or take in an unexpected way. */
  readonly problems: readonly Problem[];
}

/**
 * Reads a job file by fio's rules. Nothing is lost and nothing thrown: what fio would refuse is in `problems`.
 *
 * A comment begins at the first `;` or `#` of a line, wherever that is; nothing quotes them. Blanks at both ends of a
 * line and before `=` do not count, those behind `=` belong to the value: `bs = 4k` is four bytes to fio. A line that
 * begins with `include` is an include line, even `included=1`.
 *
 * @throws FioParseError INPUT_TOO_LARGE above JOB_FILE_MAX.
 */
export function parseJobFile(input: TextInput): JobFileResult {
  if (input.length > JOB_FILE_MAX) throw new FioParseError('INPUT_TOO_LARGE', `a job file of ${input.length} characters; at most ${JOB_FILE_MAX}`);
  const text = toText(input);
  const index = new LineIndex(text);
  const problems = new ProblemList((offset) => index.locate(offset));
  const lines: JobLine[] = [];
  let inSection = false;
  for (let offset = 0; offset < text.length; ) {
    const newline = text.indexOf('\n', offset);
    const stop = newline < 0 ? text.length : newline;
    const crlf = newline > offset && text[newline - 1] === '\r';
    const end = newline < 0 ? '' : crlf ? '\r\n' : '\n';
    const line = parseLine(text.slice(offset, crlf ? stop - 1 : stop), end);
    complain(line, inSection, offset, stop - offset, problems);
    inSection ||= line.kind === 'section';
    lines.push(line);
    offset = stop + 1;
  }
  return { file: { lines }, problems: problems.items };
}

function parseLine(raw: string, end: '\n' | '\r\n' | ''): JobLine {
  const start = trimStart(raw);
  const indent = raw.slice(0, raw.length - start.length);
  if (start[0] === ';' || start[0] === '#') {
    const text = trimEnd(start);
    return { kind: 'comment', text, indent, trailing: start.slice(text.length), end };
  }
  const commentAt = start.search(/[;#]/);
  const bare = commentAt < 0 ? start : start.slice(0, commentAt);
  const text = trimEnd(bare);
  const layout = { indent, trailing: bare.slice(text.length), ...(commentAt < 0 ? {} : { comment: start.slice(commentAt) }), end };
  if (text === '') return { kind: 'blank', ...layout };
  // Whatever ends the line is taken for the bracket by fio; complain() tells when it is none.
  if (text[0] === '[' && text.endsWith(']')) return { kind: 'section', name: text.slice(1, -1), ...layout };
  if (/^include[ \t\v\f\r]/.test(text)) {
    const path = trimStart(text.slice('include'.length));
    return { kind: 'include', path, separator: text.slice('include'.length, text.length - path.length), ...layout };
  }
  const equals = text.indexOf('=');
  if (equals < 0) return { kind: 'option', name: text, ...layout };
  const name = trimEnd(text.slice(0, equals));
  return { kind: 'option', name, value: text.slice(equals + 1), separator: text.slice(name.length, equals + 1), ...layout };
}

function complain(line: JobLine, inSection: boolean, offset: number, length: number, problems: ProblemList): void {
  if (length > JOB_LINE_MAX) problems.add('LINE_TOO_LONG', 'error', offset, `fio cuts lines at ${JOB_LINE_MAX} characters`);
  if (line.kind === 'section') {
    if (line.name.length === 0) problems.add('SECTION_NAME', 'error', offset, 'a section without a name');
    if (line.name.length >= SECTION_NAME_MAX) problems.add('SECTION_NAME', 'error', offset, `fio reads ${SECTION_NAME_MAX} characters of a section name`);
    if (line.name !== 'global' && line.name.startsWith('global')) problems.add('SECTION_NAME', 'warning', offset, `fio takes [${line.name}] for [global]`);
  }
  if (line.kind !== 'option' && line.kind !== 'include') return;
  if (!inSection) problems.add('OUTSIDE_SECTION', 'error', offset, 'an option before the first section; fine only in an included file');
  if (line.kind === 'include') return;
  if (line.name.startsWith('[')) problems.add('SECTION_NAME', 'error', offset, 'a section line without "]" at its end: fio takes off its last character instead', line.name);
  else if (line.name === '') problems.add('SYNTAX', 'error', offset, 'a value without a name');
  else if (/^[ \t\v\f\r]/.test(line.value ?? '')) problems.add('SYNTAX', 'warning', offset, `fio keeps the blank behind "="; it misreads a number or a choice behind one`, line.value);
  else if (line.name.startsWith('include')) problems.add('INCLUDE', 'error', offset, `fio takes "${line.name}" for an include line`);
}
