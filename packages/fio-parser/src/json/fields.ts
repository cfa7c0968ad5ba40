import type { ProblemList } from '../errors.js';
import type { JsonDocument, JsonObject, JsonValue } from './reader.js';

/** Typed reads of one object; what is missing or of another type becomes a problem and a neutral value. */
export class Fields {
  readonly raw: JsonObject;
  readonly #document: JsonDocument;
  readonly #problems: ProblemList;

  constructor(raw: JsonObject, document: JsonDocument, problems: ProblemList) {
    this.raw = raw;
    this.#document = document;
    this.#problems = problems;
  }

  get isCut(): boolean {
    return this.#document.isCut(this.raw);
  }

  #get(key: string): JsonValue | undefined {
    return Object.hasOwn(this.raw, key) ? this.raw[key] : undefined;
  }

  #complain(key: string, wanted: string, value: JsonValue | undefined): void {
    const at = this.#document.offsetOf(this.raw);
    if (value === undefined) {
      // In an object that was cut off, what is missing is no news.
      if (!this.isCut) this.#problems.add('FIELD_MISSING', 'warning', at, `no "${key}" in this object`);
    } else {
      this.#problems.add('FIELD_TYPE', 'error', at, `"${key}" is not ${wanted}`, JSON.stringify(value) ?? '');
    }
  }

  number(key: string): number {
    const value = this.#get(key);
    if (typeof value === 'number') return value;
    this.#complain(key, 'a number', value);
    return 0;
  }

  optionalNumber(key: string): number | undefined {
    return this.#get(key) === undefined ? undefined : this.number(key);
  }

  string(key: string): string {
    const value = this.#get(key);
    if (typeof value === 'string') return value;
    this.#complain(key, 'a string', value);
    return '';
  }

  optionalString(key: string): string | undefined {
    return this.#get(key) === undefined ? undefined : this.string(key);
  }

  /** A nested object, or undefined when there is none. */
  object(key: string): Fields | undefined {
    const value = this.#get(key);
    if (value === undefined || value === null) return undefined;
    if (!isObject(value)) {
      this.#complain(key, 'an object', value);
      return undefined;
    }
    return new Fields(value, this.#document, this.#problems);
  }

  /** The objects of an array; empty when there is none. */
  objects(key: string): Fields[] {
    const value = this.#get(key);
    if (value === undefined || value === null) return [];
    if (!Array.isArray(value)) {
      this.#complain(key, 'an array', value);
      return [];
    }
    const found: Fields[] = [];
    for (const item of value) {
      if (isObject(item)) found.push(new Fields(item, this.#document, this.#problems));
      else this.#complain(key, 'an array of objects', item);
    }
    return found;
  }

  /** Numbers of an array; empty when there is none. */
  numbers(key: string): number[] {
    const value = this.#get(key);
    return Array.isArray(value) ? value.filter((item) => typeof item === 'number') : [];
  }

  /** All entries that are numbers. */
  numberEntries(): [string, number][] {
    return Object.entries(this.raw).filter((entry): entry is [string, number] => typeof entry[1] === 'number');
  }

  /** All entries as text; fio writes every option value as a string. */
  stringEntries(): Record<string, string> {
    const out = Object.create(null) as Record<string, string>;
    for (const [key, value] of Object.entries(this.raw)) out[key] = typeof value === 'string' ? value : JSON.stringify(value);
    return out;
  }
}

export function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
