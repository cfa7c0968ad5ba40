import { FioParseError } from '../errors.js';
import { BLANKS_ONLY, trim, trimEnd } from './blank.js';
import type { JobFile, JobLine } from './types.js';

/**
 * The text of a job file. A parsed one comes out as it went in.
 *
 * @throws FioParseError BAD_ARGUMENT for a line that would be read back as something else: a newline in a value, a
 * blank name, a comment without its `;` or `#`.
 */
export function writeJobFile(file: JobFile): string {
  const out: string[] = [];
  for (const [index, line] of file.lines.entries()) {
    check(line, index, index === file.lines.length - 1);
    out.push(line.indent ?? '', body(line), line.trailing ?? '', line.comment ?? '', line.end ?? '\n');
  }
  return out.join('');
}

function body(line: JobLine): string {
  switch (line.kind) {
    case 'blank':
      return '';
    case 'comment':
      return line.text;
    case 'section':
      return `[${line.name}]`;
    case 'include':
      return `include${line.separator ?? ' '}${line.path}`;
    case 'option':
      return line.value === undefined ? line.name : `${line.name}${line.separator ?? '='}${line.value}`;
  }
}

function check(line: JobLine, index: number, last: boolean): void {
  const text = body(line);
  const bad = (why: string): never => {
    throw new FioParseError('BAD_ARGUMENT', `line ${index + 1} of the job file: ${why}`, { line: index + 1 });
  };
  const { indent = '', trailing = '', comment = '', end = '\n' } = line;
  if (text.includes('\n') || comment.includes('\n') || !BLANKS_ONLY.test(indent) || !BLANKS_ONLY.test(trailing)) bad('a line end or text outside its place');
  if (end === '\n' && `${indent}${text}${trailing}${comment}`.endsWith('\r')) bad('it ends with a carriage return of its own');
  if (end === '' && !last) bad('only the last line can do without an end');
  if (comment !== '' && (line.kind === 'comment' || !/^[;#]/.test(comment))) bad('a comment begins with ";" or "#"');
  if (line.kind !== 'comment' && /[;#]/.test(text)) bad('fio takes everything from ";" or "#" on for a comment');
  if (line.kind === 'option') {
    if (trim(line.name) !== line.name || line.name === '' || /^[[=]/.test(line.name) || line.name.includes('=') || /^include(?:[ \t\v\f\r]|$)/.test(line.name)) bad(`"${line.name}" is no option name`);
    if (line.value !== undefined && trimEnd(line.value) !== line.value) bad('a value cannot end with a blank');
    if (line.separator !== undefined && !/^[ \t\v\f\r]*=$/.test(line.separator)) bad('the separator of an option is "=", with blanks before it');
  }
  if (line.kind === 'comment' && !/^[;#]/.test(line.text)) bad('a comment begins with ";" or "#"');
  if (line.kind === 'include' && (line.path === '' || trim(line.path) !== line.path || !/^[ \t\v\f\r]+$/.test(line.separator ?? ' '))) bad('an include needs a path');
  if (line.kind === 'section' && line.name === '') bad('a section needs a name');
}

/** A value as option text: booleans as 1 and 0, lists joined by `:`, as file lists are. */
export type OptionValue = string | number | boolean | readonly string[];

/**
 * Builds a job file from plain data, global defaults first.
 *
 * @throws FioParseError BAD_ARGUMENT as writeJobFile does, when it is written.
 */
export function jobFile(jobs: readonly { readonly name: string; readonly options: Readonly<Record<string, OptionValue>> }[]): JobFile {
  const lines: JobLine[] = [];
  for (const [index, { name, options }] of jobs.entries()) {
    if (index > 0) lines.push({ kind: 'blank' });
    lines.push({ kind: 'section', name });
    for (const [option, value] of Object.entries(options)) lines.push({ kind: 'option', name: option, value: optionText(value) });
  }
  return { lines };
}

function optionText(value: OptionValue): string {
  if (typeof value === 'boolean') return value ? '1' : '0';
  if (typeof value === 'number') return String(value);
  return typeof value === 'string' ? value : value.map((part) => part.replaceAll(':', '\\:')).join(':');
}
