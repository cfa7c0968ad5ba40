import { LOG_DIRECTIONS, type LogColumn, type LogPriority, type LogRecord } from './types.js';

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** Builds a record from fields that fit the columns. */
export function recordOf(fields: readonly string[], columns: readonly LogColumn[]): LogRecord {
  const record: Mutable<LogRecord> = { timeMs: 0, value: 0, direction: 'read', blockSize: 0 };
  for (let index = 0; index < columns.length; index += 1) {
    const text = fields[index]!;
    switch (columns[index]!) {
      case 'time':
        record.timeMs = Number(text);
        break;
      case 'value':
        record.value = Number(text);
        break;
      case 'max':
        record.max = Number(text);
        break;
      case 'direction':
        record.direction = LOG_DIRECTIONS[Number(text)]!;
        break;
      case 'blockSize':
        record.blockSize = Number(text);
        break;
      case 'offset':
        record.offset = Number(text);
        break;
      case 'priority':
        if (text.startsWith('0x')) record.priority = priorityOf(Number.parseInt(text.slice(2), 16));
        else record.highPriority = text === '1';
        break;
      case 'issueTime':
        record.issueTimeNs = Number(text);
        break;
    }
  }
  return record;
}

/** Linux: class in the upper 3 bits of 16, hint in the next 10, level in the lower 3. */
export function priorityOf(value: number): LogPriority {
  return { priorityClass: (value >> 13) & 7, hint: (value >> 3) & 0x3ff, level: value & 7 };
}
