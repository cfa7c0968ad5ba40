/**
 * What a parser can complain about. The codes are stable and meant for scripts; the message is for people.
 *
 * Text parsers do not throw for bad input: they return what is whole, with a list of problems. Only a call
 * that must return exactly one thing (`wholeReport`, `parseVerifyState`, `parseVerifyHeader`, …) throws, and then
 * always a FioParseError.
 */
export type ProblemCode =
  | 'INPUT_TOO_LARGE'
  | 'NO_REPORT'
  | 'JUNK'
  | 'TRUNCATED'
  | 'SYNTAX'
  | 'TOO_DEEP'
  | 'DUPLICATE_KEY'
  | 'NUMBER_NOT_FINITE'
  | 'NUMBER_IMPRECISE'
  | 'FIELD_MISSING'
  | 'FIELD_TYPE'
  | 'VERSION_UNKNOWN'
  | 'LINE_TOO_LONG'
  | 'LAYOUT_AMBIGUOUS'
  | 'COMPRESSION'
  | 'OUTSIDE_SECTION'
  | 'SECTION_NAME'
  | 'INCLUDE'
  | 'TOO_MANY_PROBLEMS';

/** `error`: data was lost. `warning`: all data is here but something is odd. `note`: normal, worth knowing. */
export type Severity = 'error' | 'warning' | 'note';

/** One complaint, with the place in the input. */
export interface Problem {
  readonly code: ProblemCode;
  readonly severity: Severity;
  readonly message: string;
  /** 1-based line in the input. */
  readonly line: number;
  /** 1-based column, in UTF-16 code units. */
  readonly column: number;
  /** 0-based offset in the input, in UTF-16 code units (in bytes for binary input). */
  readonly offset: number;
  /** The offending text, cut to 200 characters. */
  readonly text?: string;
}

export type FioErrorCode =
  | ProblemCode
  | 'BAD_MAGIC'
  | 'BAD_CRC'
  | 'BAD_LENGTH'
  | 'UNSUPPORTED_VERSION'
  | 'BAD_ARGUMENT';

/** The only error this package throws for bad input. I/O errors of the streams it reads pass through unchanged. */
export class FioParseError extends Error {
  readonly code: FioErrorCode;
  /** Where in the input, when it is known. For binary input `offset` is in bytes and line and column are 0. */
  readonly line: number;
  readonly column: number;
  readonly offset: number;
  /** Everything the parser had to say before it gave up. */
  readonly problems: readonly Problem[];

  constructor(
    code: FioErrorCode,
    message: string,
    place: { line?: number; column?: number; offset?: number; problems?: readonly Problem[]; cause?: unknown } = {},
  ) {
    super(message, place.cause === undefined ? undefined : { cause: place.cause });
    this.name = 'FioParseError';
    this.code = code;
    this.line = place.line ?? 0;
    this.column = place.column ?? 0;
    this.offset = place.offset ?? 0;
    this.problems = place.problems ?? [];
  }
}

/** Most complaints kept per input; after that one TOO_MANY_PROBLEMS closes the list. */
export const PROBLEMS_MAX = 200;
const TEXT_MAX = 200;

/** Collects problems, bounded, with lines and columns filled in from offsets. */
export class ProblemList {
  readonly items: Problem[] = [];
  readonly #locate: (offset: number) => { line: number; column: number };

  constructor(locate: (offset: number) => { line: number; column: number }) {
    this.#locate = locate;
  }

  add(code: ProblemCode, severity: Severity, offset: number, message: string, text?: string): void {
    if (this.items.length > PROBLEMS_MAX) return;
    const place = { ...this.#locate(offset), offset };
    if (this.items.length === PROBLEMS_MAX) {
      this.items.push({ code: 'TOO_MANY_PROBLEMS', severity: 'warning', message: `more than ${PROBLEMS_MAX} problems; the rest is not listed`, ...place });
      return;
    }
    this.items.push({ code, severity, message, ...place, ...(text === undefined ? {} : { text: text.slice(0, TEXT_MAX) }) });
  }
}
