import { usageError, type PathproofError } from '../../util/errors.js';

export interface IniValue { value: string; line: number }

/** An ini file with the places of its values, so that an error can point at one. */
export interface Ini {
  file: string;
  sections: ReadonlyMap<string, ReadonlyMap<string, IniValue>>;
}

/**
 * Reads what Python's configparser and Ceph's own parser agree on: sections, `key = value`, whole-line comments by `#` or `;`,
 * values that go on in indented lines. In keys blanks, dashes and underscores are the same, as in ceph.conf; of a repeated
 * key the last value counts there, while configparser refuses it: so does this. Throws CONFIG_FILE with file and line.
 */
export function parseIni(text: string, file: string): Ini {
  const sections = new Map<string, Map<string, IniValue>>();
  let section: Map<string, IniValue> | undefined;
  let last: IniValue | undefined;
  text.split(/\r?\n/).forEach((raw, index) => {
    const line = index + 1;
    const trimmed = raw.trim();
    if (trimmed === '' || /^[#;]/.test(trimmed)) return;
    const header = /^\[([^\]]*)\]$/.exec(trimmed)?.[1]?.trim();
    const pair = /^([^=]+?)\s*=\s*(.*)$/.exec(trimmed);
    if (/^\s/.test(raw) && last !== undefined && header === undefined && pair === null) {
      last.value = `${last.value} ${trimmed}`.trim();
      return;
    }
    if (header !== undefined) {
      if (header === '') throw iniError(file, line, 'a section without a name');
      section = sections.get(header) ?? new Map<string, IniValue>();
      sections.set(header, section);
      last = undefined;
      return;
    }
    if (pair === null) throw iniError(file, line, `neither "[section]" nor "key = value": ${trimmed}`);
    if (section === undefined) throw iniError(file, line, `"${pair[1]!}" stands before the first section`);
    const key = keyOf(pair[1]!);
    const before = section.get(key);
    if (before !== undefined) throw iniError(file, line, `"${pair[1]!}" again, it is in line ${before.line} already`);
    last = { value: pair[2]!.trim(), line };
    section.set(key, last);
  });
  return { file, sections };
}

/** Throws CONFIG_FILE if it is missing or empty. */
export function required(ini: Ini, section: string, key: string): IniValue {
  const found = optional(ini, section, key);
  if (found === undefined || found.value === '') {
    throw iniError(ini.file, found?.line, `[${section}] has no ${key}`);
  }
  return found;
}

export function optional(ini: Ini, section: string, key: string): IniValue | undefined {
  return ini.sections.get(section)?.get(keyOf(key));
}

export function iniError(file: string, line: number | undefined, why: string): PathproofError {
  return usageError('CONFIG_FILE', `${file}${line === undefined ? '' : `:${line}`}: ${why}`);
}

function keyOf(key: string): string {
  return key.trim().replace(/[\s_-]+/g, '_');
}
