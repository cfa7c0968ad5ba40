import { MESSAGE_LINE_MAX, parseMessages } from '../messages/parse.js';
import type { FioMessage } from '../messages/types.js';
import { LineIndex } from '../text.js';

/** Beginnings of messages that fio writes while others of its output are under way. */
const MESSAGE = /fio: (?:pid=\d|io_u error|terminating on signal|got pattern|verify )|verify: (?:bad |unsupported )|(?:md5|crc(?:64|32c?|16|7)|sha(?:1|256|512|3-(?:224|256|384|512))|xxhash|meta|pattern|trim): verify failed at file /g;
/** Most lines that one message spans. */
const MESSAGE_LINES_MAX = 8;
/** Most beginnings looked at in one line; a message holds few words that look like another one. */
const TRIES_PER_LINE = 4;

/**
 * The text without fio's messages, wherever they begin. When stdout and stderr share a pipe, a message can land in
 * the middle of a line of JSON, because stdout is flushed at buffer boundaries and stderr at once.
 *
 * `originalOffset` maps an offset in the new text to the old one. Undefined when there is no message.
 */
export function withoutMessages(text: string): { text: string; messages: FioMessage[]; originalOffset: (offset: number) => number } | undefined {
  const kept: { at: number; from: number }[] = [{ at: 0, from: 0 }];
  const messages: FioMessage[] = [];
  const lines = new LineIndex(text);
  let out = '';
  let from = 0;
  MESSAGE.lastIndex = 0;
  let lineEnd = -1;
  let tries = 0;
  for (let match = MESSAGE.exec(text); match !== null; match = MESSAGE.exec(text)) {
    if (match.index > lineEnd) {
      const newline = text.indexOf('\n', match.index);
      lineEnd = newline < 0 ? text.length : newline;
      tries = 0;
    }
    tries += 1;
    if (lineEnd - match.index > MESSAGE_LINE_MAX || tries > TRIES_PER_LINE) continue;
    const piece = firstLines(text, match.index, MESSAGE_LINES_MAX);
    const { line } = lines.locate(match.index);
    const message = parseMessages(piece, line)[0];
    if (message === undefined || message.line !== line) continue;
    messages.push(message);
    const end = match.index + firstLines(piece, 0, message.lines).length;
    out += text.slice(from, begin(text, from, match.index, message));
    from = end;
    kept.push({ at: out.length, from });
    MESSAGE.lastIndex = end;
  }
  if (messages.length === 0) return undefined;
  out += text.slice(from);
  return { text: out, messages, originalOffset: (offset) => original(kept, offset) };
}

/** fio begins "terminating" with a newline of its own; behind half a line of JSON it has to go too. */
function begin(text: string, from: number, index: number, message: FioMessage): number {
  if (message.kind !== 'terminated' || index <= from || text[index - 1] !== '\n') return index;
  return /[,{}[\]]\s*$/.test(text.slice(Math.max(from, index - 40), index - 1)) ? index : index - 1;
}

function firstLines(text: string, start: number, count: number): string {
  let end = start;
  for (let lines = 0; lines < count; lines += 1) {
    const newline = text.indexOf('\n', end);
    if (newline < 0) return text.slice(start);
    end = newline + 1;
  }
  return text.slice(start, end);
}

function original(kept: readonly { at: number; from: number }[], offset: number): number {
  let low = 0;
  let high = kept.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (kept[middle]!.at <= offset) low = middle;
    else high = middle - 1;
  }
  return kept[low]!.from + (offset - kept[low]!.at);
}
