import { isMap, isPair, isScalar, LineCounter, parseDocument, type Document, type Node } from 'yaml';
import type { z } from 'zod';
import { usageError } from './errors.js';

/** A mistake that a schema cannot see, e.g. a name that is there twice. */
export interface YamlMistake { path: readonly PropertyKey[]; text: string }

export interface YamlRules<T> {
  schema: z.ZodType<T>;
  /** Code and hint of the usage error. */
  code: string;
  hint: string;
  /** Called only with data that fits the schema. */
  further?: (data: T) => YamlMistake[];
}

/**
 * Reads a YAML text that a person has written. Throws a usage error that names file, line and column of each mistake, in
 * the order of the lines: of the YAML itself, else of the schema, else of `further`.
 */
export function parseYamlFile<T>(text: string, file: string, { schema, code, hint, further = () => [] }: YamlRules<T>): T {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const place = (offset: number): string => {
    const { line, col } = lines.linePos(offset);
    return `${file}:${line}:${col}`;
  };
  const mistakes = [...document.errors, ...document.warnings].map((error) => ({ offset: error.pos[0], text: `${place(error.pos[0])}: ${error.message.split('\n')[0]}` }));
  if (mistakes.length === 0) {
    const parsed = schema.safeParse(document.toJS());
    if (parsed.success) {
      const found = further(parsed.data);
      if (found.length === 0) return parsed.data;
      mistakes.push(...found.map((mistake) => {
        const offset = offsetOf(document, mistake.path);
        return { offset, text: `${place(offset)}: ${mistake.text}` };
      }));
    } else {
      for (const issue of parsed.error.issues) mistakes.push(...describeIssue(document, issue, place));
    }
  }
  mistakes.sort((a, b) => a.offset - b.offset);
  throw usageError(code, mistakes.map((mistake) => mistake.text).join('\n'), hint);
}

function describeIssue(document: Document, issue: z.core.$ZodIssue, place: (offset: number) => string): { offset: number; text: string }[] {
  const field = issue.path.map(String).join('.');
  const say = (offset: number, text: string): { offset: number; text: string } => ({ offset, text: `${place(offset)}: ${field === '' ? '' : `${field}: `}${text}` });
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => say(offsetOf(document, issue.path, key), `unknown field "${key}"`));
  if (issue.code === 'invalid_key') return [say(offsetOf(document, issue.path.slice(0, -1), String(issue.path.at(-1))), issue.issues.map(({ message }) => message).join(', '))];
  return [say(offsetOf(document, issue.path), issue.message)];
}

/** Where a value (or with `key` a key of the map there) stands; the nearest parent that is there, else the beginning. */
function offsetOf(document: Document, path: readonly PropertyKey[], key?: string): number {
  for (let length = path.length; length >= 0; length--) {
    const keys = path.slice(0, length);
    const node = (keys.length === 0 ? document.contents : document.getIn(keys, true)) as Node | null | undefined;
    if (node === null || node === undefined || typeof node !== 'object' || !('range' in node)) continue;
    if (key !== undefined && length === path.length && isMap(node)) {
      const pair = node.items.find((item) => isPair(item) && isScalar(item.key) && String(item.key.value) === key);
      const range = (pair?.key as Node | undefined)?.range;
      if (range !== null && range !== undefined) return range[0];
    }
    if (node.range !== null && node.range !== undefined) return node.range[0];
  }
  return 0;
}
