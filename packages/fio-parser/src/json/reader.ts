import type { ProblemList } from '../errors.js';

/** A JSON value as fio wrote it. Objects have no prototype, so no key can collide with one. */
export type JsonValue = string | number | boolean | null | JsonObject | JsonArray;
export type JsonArray = JsonValue[];
export interface JsonObject {
  [key: string]: JsonValue;
}

/** One top-level object found in the text. */
export interface JsonDocument {
  readonly value: JsonObject;
  /** Offset of the opening brace, and of the first character after the document (or after what could be read). */
  readonly start: number;
  readonly end: number;
  /** False when the closing brace was never reached; then `value` holds what was read until there. */
  readonly complete: boolean;
  /** True for an object or array of this document that was cut off before its end. */
  isCut(value: object): boolean;
  /** Offset of the opening bracket of an object or array of this document. */
  offsetOf(value: object): number;
}

/** Deepest nesting accepted; fio itself uses 7. */
export const JSON_DEPTH_MAX = 64;

/** A new fio report begins here; seen inside another one, that one was cut off. */
const REPORT_START = /\{\s*"fio version"/y;
const NUMBER = /-?(?:\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|nan|inf(?:inity)?)/iy;
const WORD = /true|false|null/y;
const ESCAPES: Readonly<Record<string, string>> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t' };

/** Leaves the document; everything read so far stays. */
class Cut extends Error {}

/**
 * Reads one JSON object at `start`, forgiving what fio and the shell around it do to JSON: lines of other
 * programs between its lines, `nan` and `inf`, raw control characters in strings, an end that is missing.
 */
export class JsonReader {
  readonly #text: string;
  readonly #problems: ProblemList;
  readonly #cut = new WeakSet<object>();
  readonly #offsets = new WeakMap<object, number>();
  /** Ranges of foreign lines inside the document. */
  readonly junk: { start: number; end: number }[] = [];
  #at = 0;

  constructor(text: string, problems: ProblemList) {
    this.#text = text;
    this.#problems = problems;
  }

  read(start: number): JsonDocument {
    this.#at = start;
    const value = this.#object(1);
    return {
      value,
      start,
      end: this.#at,
      complete: !this.#cut.has(value),
      isCut: (part) => this.#cut.has(part),
      offsetOf: (part) => this.#offsets.get(part) ?? start,
    };
  }

  /** Reads an object; a Cut below marks it, and is passed on only to be marked by every parent. */
  #object(depth: number): JsonObject {
    const object = Object.create(null) as JsonObject;
    this.#offsets.set(object, this.#at);
    try {
      this.#guardDepth(depth);
      this.#at += 1;
      if (this.#peek('a key or "}"', '"}') === '}') return this.#close(object);
      for (;;) {
        const keyAt = this.#at;
        const key = this.#string();
        this.#peek('":"', ':');
        this.#at += 1;
        if (Object.hasOwn(object, key)) {
          this.#problems.add('DUPLICATE_KEY', 'note', keyAt, `"${key}" appears again in one object; the last one counts`);
        }
        this.#child(depth, (value) => (object[key] = value));
        if (this.#peek('"," or "}"', ',}') === '}') return this.#close(object);
        this.#at += 1;
        // fio never writes a comma before the brace, but a removed line may leave one.
        if (this.#peek('a key', '"}') === '}') return this.#close(object);
      }
    } catch (error) {
      if (!(error instanceof Cut)) throw error;
      this.#cut.add(object);
      return object;
    }
  }

  #array(depth: number): JsonArray {
    const array: JsonArray = [];
    this.#offsets.set(array, this.#at);
    try {
      this.#guardDepth(depth);
      this.#at += 1;
      if (this.#peekValue(']') === ']') return this.#close(array);
      for (;;) {
        this.#child(depth, (value) => array.push(value));
        if (this.#peek('"," or "]"', ',]') === ']') return this.#close(array);
        this.#at += 1;
        if (this.#peekValue(']') === ']') return this.#close(array);
      }
    } catch (error) {
      if (!(error instanceof Cut)) throw error;
      this.#cut.add(array);
      return array;
    }
  }

  #close<T>(value: T): T {
    this.#at += 1;
    return value;
  }

  /** Reads one value and hands it over even when it was cut, so that the whole parts of it survive. */
  #child(depth: number, put: (value: JsonValue) => void): void {
    const first = this.#peekValue('');
    if (first === '{' || first === '[') {
      const value = first === '{' ? this.#object(depth + 1) : this.#array(depth + 1);
      put(value);
      if (this.#cut.has(value)) throw new Cut();
      return;
    }
    put(first === '"' ? this.#string() : this.#scalar());
  }

  #string(): string {
    const start = this.#at;
    let out = '';
    let from = start + 1;
    for (let at = from; at < this.#text.length; at += 1) {
      const char = this.#text.charCodeAt(at);
      if (char === 0x22) {
        this.#at = at + 1;
        out += this.#text.slice(from, at);
        if (!out.includes('\n')) return out;
        // A quote in the wrong place: the string lost its end and ran into the next line.
        if (!/^\s*(?:[,:}\]]|$)/.test(this.#text.slice(at + 1, at + 200))) this.#syntax(start, 'the end of a string');
        this.#problems.add('SYNTAX', 'warning', start, 'a line break inside a string', out);
        return out;
      }
      if (char !== 0x5c) continue;
      out += this.#text.slice(from, at);
      const escape = this.#text[at + 1];
      if (escape === undefined) break;
      const hex = escape === 'u' ? /^[0-9a-fA-F]{4}$/.exec(this.#text.slice(at + 2, at + 6)) : null;
      out += hex === null ? (ESCAPES[escape] ?? escape) : String.fromCharCode(Number.parseInt(hex[0], 16));
      at += hex === null ? 1 : 5;
      from = at + 1;
    }
    this.#at = this.#text.length;
    this.#end(start, 'inside a string');
  }

  #scalar(): JsonValue {
    const start = this.#at;
    WORD.lastIndex = start;
    const word = WORD.exec(this.#text)?.[0];
    if (word !== undefined) {
      this.#at += word.length;
      return word === 'null' ? null : word === 'true';
    }
    NUMBER.lastIndex = start;
    const digits = NUMBER.exec(this.#text)?.[0];
    if (digits === undefined) this.#syntax(start, 'a value');
    this.#at += digits.length;
    // A number at the very end of the text may have lost digits.
    if (this.#at >= this.#text.length) this.#end(start, 'inside a number');
    if (/[a-z]/i.test(digits) && !/^-?\d/.test(digits)) {
      this.#problems.add('NUMBER_NOT_FINITE', 'warning', start, `fio wrote ${digits} where a number belongs`, digits);
      return /nan/i.test(digits) ? Number.NaN : digits.startsWith('-') ? -Infinity : Infinity;
    }
    const value = Number(digits);
    if (Number.isInteger(value) && !Number.isSafeInteger(value)) {
      this.#problems.add('NUMBER_IMPRECISE', 'note', start, `${digits} does not fit a double exactly`, digits);
    }
    return value;
  }

  /** The next character that is one of `wanted`, foreign lines skipped. */
  #peek(what: string, wanted: string): string {
    for (;;) {
      this.#space();
      const char = this.#text[this.#at];
      if (char === undefined) this.#end(this.#at, `before ${what}`);
      if (wanted.includes(char)) return char;
      if (!this.#skipForeignLine()) this.#syntax(this.#at, what);
    }
  }

  /** Like #peek for the first character of a value. */
  #peekValue(closing: string): string {
    for (;;) {
      this.#space();
      const char = this.#text[this.#at];
      if (char === undefined) this.#end(this.#at, 'before a value');
      if (char === '{' && this.#atReportStart()) this.#syntax(this.#at, 'a value');
      if ('{["-0123456789'.includes(char) || (closing !== '' && char === closing)) return char;
      WORD.lastIndex = this.#at;
      NUMBER.lastIndex = this.#at;
      if (WORD.test(this.#text) || NUMBER.test(this.#text)) return char;
      if (!this.#skipForeignLine()) this.#syntax(this.#at, 'a value');
    }
  }

  #space(): void {
    for (;;) {
      const char = this.#text.charCodeAt(this.#at);
      if (char !== 0x20 && char !== 0x0a && char !== 0x0d && char !== 0x09) return;
      this.#at += 1;
    }
  }

  /** When the current character is the first one of its line, that whole line is not JSON: skips it. */
  #skipForeignLine(): boolean {
    if (this.#atReportStart()) return false;
    let lineStart = this.#at;
    while (lineStart > 0 && ' \t\r'.includes(this.#text[lineStart - 1]!)) lineStart -= 1;
    if (lineStart > 0 && this.#text[lineStart - 1] !== '\n') return false;
    const newline = this.#text.indexOf('\n', this.#at);
    const end = newline < 0 ? this.#text.length : newline + 1;
    this.#problems.add('JUNK', 'warning', this.#at, 'a line that is not JSON inside a report', this.#text.slice(this.#at, end).trimEnd());
    this.junk.push({ start: lineStart, end });
    this.#at = end;
    return true;
  }

  #atReportStart(): boolean {
    REPORT_START.lastIndex = this.#at;
    return REPORT_START.test(this.#text);
  }

  #guardDepth(depth: number): void {
    if (depth <= JSON_DEPTH_MAX) return;
    this.#problems.add('TOO_DEEP', 'error', this.#at, `nested deeper than ${JSON_DEPTH_MAX} levels`);
    throw new Cut();
  }

  #end(offset: number, where: string): never {
    this.#problems.add('TRUNCATED', 'error', offset, `the text ends ${where}`);
    throw new Cut();
  }

  #syntax(offset: number, what: string): never {
    if (this.#atReportStart()) {
      this.#problems.add('TRUNCATED', 'error', offset, `another report begins where ${what} was expected`);
    } else {
      const line = this.#text.slice(offset, offset + 80).split('\n', 1)[0] ?? '';
      this.#problems.add('SYNTAX', 'error', offset, `expected ${what}`, line);
    }
    throw new Cut();
  }
}
