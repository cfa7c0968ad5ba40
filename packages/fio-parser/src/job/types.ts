/**
 * A job file as a list of lines that loses nothing: `writeJobFile(parseJobFile(text).file)` is the same text again,
 * byte for byte. Values stay text: `${VAR}`, `$pagesize` and arithmetic are not expanded.
 */
export interface JobFile {
  readonly lines: readonly JobLine[];
}

/** Blanks around the parts of a line, kept for writing. New lines may leave them out. */
interface Layout {
  /** Before the first character. */
  readonly indent?: string;
  /** Behind the last one, without comment and end of the line. */
  readonly trailing?: string;
  /** A comment behind the text, with its `;` or `#`. fio has no way to quote them. */
  readonly comment?: string;
  /** `\n` unless given; empty on a last line without one. */
  readonly end?: '\n' | '\r\n' | '';
}

/** `[name]`. A name that begins with `global` sets defaults for the sections below it, as fio has it. */
export interface SectionLine extends Layout {
  readonly kind: 'section';
  readonly name: string;
}

/** `name=value`, or a name alone, which means 1. */
export interface OptionLine extends Layout {
  readonly kind: 'option';
  readonly name: string;
  readonly value?: string;
  /** `=` with the blanks before it; `=` unless given. Blanks behind it are part of the value, for fio too. */
  readonly separator?: string;
}

/** `include file`: the options of that file, here. */
export interface IncludeLine extends Layout {
  readonly kind: 'include';
  readonly path: string;
  /** Blank between the word and the path; one space unless given. */
  readonly separator?: string;
}

/** A line that begins with `;` or `#`; `text` has that character. */
export interface CommentLine extends Layout {
  readonly kind: 'comment';
  readonly text: string;
}

export interface BlankLine extends Layout {
  readonly kind: 'blank';
}

export type JobLine = SectionLine | OptionLine | IncludeLine | CommentLine | BlankLine;

/** A job with everything it inherits: what fio would run. */
export interface ResolvedJob {
  readonly name: string;
  /** In the order fio reads them: global ones first; a later one of the same name replaces an earlier one. A name alone has the value undefined. */
  readonly options: ReadonlyMap<string, string | undefined>;
}
