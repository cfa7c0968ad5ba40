import type { ProblemList } from '../errors.js';
import { JsonReader, type JsonDocument } from './reader.js';

/** Stretch of text that belongs to no report. */
export interface JunkRange {
  readonly start: number;
  readonly end: number;
}

/** Where a top-level object may begin: fio's own first key anywhere, or any object that starts a line. */
const START = /\{\s*"fio version"|^\{\s*(?:"|\})/gm;

/** All JSON objects of a text, in order, and what lies between and inside them. */
export function findDocuments(text: string, problems: ProblemList): { documents: JsonDocument[]; junk: JunkRange[] } {
  const documents: JsonDocument[] = [];
  const junk: JunkRange[] = [];
  let at = 0;
  START.lastIndex = 0;
  for (let match = START.exec(text); match !== null; match = START.exec(text)) {
    if (match.index > at) junk.push({ start: at, end: match.index });
    const reader = new JsonReader(text, problems);
    const document = reader.read(match.index);
    documents.push(document);
    junk.push(...reader.junk);
    // Always forward, however little was read.
    at = Math.max(document.end, match.index + 1);
    START.lastIndex = at;
  }
  if (at < text.length) junk.push({ start: at, end: text.length });
  return { documents, junk };
}
