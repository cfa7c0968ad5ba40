import type { FioMessage, HeaderField, RequestedBlock, VerifyDataMessage } from './types.js';

/** A longer line is no message of fio (its own buffer for one is 1 KiB plus a file name). */
export const MESSAGE_LINE_MAX = 16_384;

const PLACE = String.raw`at file (?<file>.*) offset (?<offset>\d+), length (?<length>\d+)`;
const REQUEST = String.raw`(?: \(requested block: offset=(?<reqOffset>\d+), length=(?<reqLength>\d+)(?:, flags=[0-9a-f]+)?\))?`;
const HEADER = new RegExp(
  String.raw`^verify: (?:(?<badMagic>bad magic header)|(?<version>unsupported header version)|bad header (?<field>length|rand_seed|offset|numberio|crc)) (?<actual>[0-9a-f]+), (?:wanted|calculated) (?<wanted>[0-9a-f]+)(?:\. Are you trying .*?\?)? ${PLACE}${REQUEST}$`,
);
const DATA = new RegExp(String.raw`^(?<check>[a-z0-9-]{1,8}): verify failed ${PLACE}${REQUEST}$`);
const TRIM = new RegExp(String.raw`^trim: verify failed ${PLACE}, block offset (?<block>\d+)$`);
const PATTERN = /^fio: got pattern '?([0-9a-f]{1,8})'?, wanted '?([0-9a-f]{1,8})'?\. Bad bits (\d+)$/;
const PATTERN_AT = /^fio: bad pattern block offset (\d+)$/;
const CRC = /^\s+(Expected|Received) CRC: ([0-9a-f]*)$/;
const DUMP = /^\s+(\w+) data dumped as (.*)$/;
const MISMATCH = /^fio: verify type mismatch \((\d+) media, (\d+) given\)$/;
const IO_ERROR = /^fio: io_u error(?: on file (.*))?: ([^:]*): (\w+) offset=(\d+), (?:buflen|xfer_buflen)=(\d+)/;
const JOB_ERROR = /^fio: pid=(\d+), (?:got signal=(\d+)|err=(\d+)\/(?:file:([^,]*), func=([^,]*), error=)?(.*))$/;
const TERMINATED = /^fio: terminating on signal (\d+)/;
const OPTION =
  /^(?:fio: (?:option <|failed parsing|job .* dropped|unable to open '.*' job file|unrecognized option|bad terse version|invalid output format|failed parsing output-format|output file open error)|\S*fio: unrecognized option|Bad option <|Did you mean |No new sections in included files|Error \d+ while parsing include file|[^:]{1,255}: you need to specify size=|[a-z0-9_]+: (?:'.*' suffix isn't applicable|(?:min|max) value out of range|invalid value))/;
const STATE = /^(?:fio: (?:.*verify state|failed reading verity state|open state file|state file: |failed to write state file|read verify state)|Stop verify because seq )/;

/**
 * Finds fio's errors and warnings in what it wrote to stderr (or to stdout around a report). Lines that are none
 * are passed over. Lines that belong together, like a failed checksum and the two sums below it, become one message.
 *
 * @param firstLine 1-based number of the first line of `text`, when it is a piece of a larger one.
 */
export function parseMessages(text: string, firstLine = 1): FioMessage[] {
  const messages: FioMessage[] = [];
  const lines = text.split('\n');
  for (let index = 0; index < lines.length; ) {
    const found = messageAt(lines, index, firstLine);
    if (found === undefined) {
      index += 1;
      continue;
    }
    messages.push(found);
    index += found.lines;
  }
  return messages;
}

function messageAt(lines: readonly string[], index: number, firstLine: number): FioMessage | undefined {
  const text = line(lines, index);
  if (text === undefined || text === '' || text.length > MESSAGE_LINE_MAX) return undefined;
  const at = { line: firstLine + index, lines: 1, text };
  const header = HEADER.exec(text)?.groups;
  if (header !== undefined) {
    const field: HeaderField = header['badMagic'] !== undefined ? 'magic' : header['version'] !== undefined ? 'version' : fieldName(header['field']!);
    // fio prints magic, version and crc in hex and the rest in decimal.
    const base = field === 'magic' || field === 'version' || field === 'crc' ? '0x' : '';
    const actual = bigint(base, header['actual']!);
    const wanted = bigint(base, header['wanted']!);
    if (actual !== undefined && wanted !== undefined) return { ...at, kind: 'verify-header', field, actual, wanted, ...place(header) };
  }
  const trim = TRIM.exec(text)?.groups;
  if (trim !== undefined) return { ...at, kind: 'verify-trim', ...place(trim), blockOffset: Number(trim['block']) };
  if (DATA.test(text) || PATTERN.test(text)) return dataAt(lines, index, firstLine);
  const io = IO_ERROR.exec(text);
  if (io !== null) return { ...at, kind: 'io-error', file: io[1] ?? '', error: io[2]!, direction: io[3]!, offset: Number(io[4]), length: Number(io[5]) };
  const job = JOB_ERROR.exec(text);
  if (job !== null) return { ...at, kind: 'job-error', pid: Number(job[1]), ...jobError(job) };
  const terminated = TERMINATED.exec(text);
  if (terminated !== null) return { ...at, kind: 'terminated', signal: Number(terminated[1]) };
  if (STATE.test(text)) return { ...at, kind: 'verify-state' };
  if (OPTION.test(text)) return { ...at, kind: 'option' };
  return text.startsWith('fio: ') ? { ...at, kind: 'other' } : undefined;
}

/** A failed payload: optional pattern lines, the line itself, then sums, dumps and a type mismatch. */
function dataAt(lines: readonly string[], start: number, firstLine: number): FioMessage | undefined {
  let index = start;
  let pattern: { got: number; wanted: number; badBits: number; blockOffset?: number } | undefined;
  const got = PATTERN.exec(line(lines, index) ?? '');
  if (got !== null) {
    // Older releases print a byte with its sign extended; the low byte counts.
    pattern = { got: Number.parseInt(got[1]!, 16) & 0xff, wanted: Number.parseInt(got[2]!, 16) & 0xff, badBits: Number(got[3]) };
    index += 1;
    const where = PATTERN_AT.exec(line(lines, index) ?? '');
    if (where !== null) {
      pattern.blockOffset = Number(where[1]);
      index += 1;
    }
  }
  const data = DATA.exec(line(lines, index) ?? '')?.groups;
  if (data === undefined) return { kind: 'other', line: firstLine + start, lines: index - start, text: lines.slice(start, index).join('\n') };
  index += 1;
  let extra: Partial<Pick<VerifyDataMessage, 'expectedHex' | 'receivedHex' | 'typeMismatch'>> = {};
  const dumps: { what: string; path: string }[] = [];
  for (; index < lines.length; index += 1) {
    const next = line(lines, index)!;
    const sum = CRC.exec(next);
    const dump = DUMP.exec(next);
    const mismatch = MISMATCH.exec(next);
    if (sum !== null) extra = { ...extra, [sum[1] === 'Expected' ? 'expectedHex' : 'receivedHex']: sum[2]! };
    else if (dump !== null) dumps.push({ what: dump[1]!, path: dump[2]! });
    else if (mismatch !== null) extra = { ...extra, typeMismatch: { media: Number(mismatch[1]), given: Number(mismatch[2]) } };
    else break;
  }
  return {
    kind: 'verify-data',
    line: firstLine + start,
    lines: index - start,
    text: lines.slice(start, index).join('\n'),
    check: data['check']!,
    ...place(data),
    ...extra,
    ...(pattern === undefined ? {} : { pattern }),
    dumps,
  };
}

function line(lines: readonly string[], index: number): string | undefined {
  const text = lines[index];
  return text?.endsWith('\r') === true ? text.slice(0, -1) : text;
}

function fieldName(word: string): HeaderField {
  return word === 'rand_seed' ? 'seed' : (word as HeaderField);
}

/** Undefined when a decimal field holds hex digits. */
function bigint(base: '0x' | '', digits: string): bigint | undefined {
  return base === '' && !/^\d+$/.test(digits) ? undefined : BigInt(base + digits);
}

function place(groups: Record<string, string | undefined>): { file: string; offset: number; length: number; request?: RequestedBlock } {
  const request = groups['reqOffset'] === undefined ? {} : { request: { offset: Number(groups['reqOffset']), length: Number(groups['reqLength']) } };
  return { file: groups['file']!, offset: Number(groups['offset']), length: Number(groups['length']), ...request };
}

function jobError(match: RegExpExecArray): { errno?: number; signal?: number; source?: string; function?: string; error?: string } {
  if (match[2] !== undefined) return { signal: Number(match[2]) };
  return {
    errno: Number(match[3]),
    ...(match[4] === undefined ? {} : { source: match[4] }),
    ...(match[5] === undefined ? {} : { function: match[5] }),
    error: match[6] ?? '',
  };
}
