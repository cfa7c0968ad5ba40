import { readFileSync } from 'node:fs';

/**
 * Byte-exact captures of a real ceph-mon 20.2.4 and vectors of Ceph's own encoder (facts: msgr2.md §16). Keys in
 * them were made for the capture and protect nothing.
 */
export interface CapturedFrame {
  fromClient: boolean;
  name: string;
  bytes: Buffer;
}

function lines(file: string): string[] {
  return readFileSync(new URL(`./fixtures/${file}`, import.meta.url), 'utf8').split('\n').filter((line) => line !== '');
}

/** The frames of one capture file, or of one `# section` of it. */
export function captured(file: 'cap-none.txt' | 'cap-cephx.txt' | 'cap-badauth.txt', section?: string): CapturedFrame[] {
  const frames: CapturedFrame[] = [];
  let inside = section === undefined;
  for (const line of lines(file)) {
    if (line.startsWith('#')) {
      if (section !== undefined) inside = line === `# ${section}`;
      continue;
    }
    const [direction, ...rest] = line.split(' ');
    if (!inside || direction === undefined) continue;
    frames.push({ fromClient: direction === 'C>S', name: rest[0]!, bytes: Buffer.from(rest.at(-1)!, 'hex') });
  }
  return frames;
}

/** One line of oracle-vectors.txt: `beacon ver=… compat=… prio=… type=… n=… HEX` or `gwmap features=… HEX`. */
export function oracleVectors(): { kind: string; fields: Record<string, string>; bytes: Buffer }[] {
  return lines('oracle-vectors.txt').map((line) => {
    const [kind, ...rest] = line.split(' ');
    const fields = Object.fromEntries(rest.slice(0, -1).map((field) => field.split('=') as [string, string]));
    return { kind: kind!, fields, bytes: Buffer.from(rest.at(-1)!, 'hex') };
  });
}
