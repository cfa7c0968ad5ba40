import { readFileSync } from 'node:fs';
import { messageOf, usageError } from '../util/errors.js';

/** The key of an entity in a keyring file, as ceph-authtool writes them. Throws KEYRING; no message has a key in it. `hint`: what to do if it has none. */
export function keyFromKeyring(file: string, entity: string, hint = 'name the entity with --name'): string {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw usageError('KEYRING', `cannot read the keyring ${file}: ${messageOf(error)}`);
  }
  const key = keyInKeyring(text, entity);
  if (key !== undefined) return key;
  throw usageError('KEYRING', `the keyring ${file} has no key of ${entity}`, hint);
}

/** The key of an entity in the text of a keyring; undefined: it has none. */
export function keyInKeyring(text: string, entity: string): string | undefined {
  let section = '';
  for (const line of text.split('\n')) {
    section = /^\s*\[([^\]]+)\]\s*$/.exec(line)?.[1] ?? section;
    const key = /^\s*key\s*=\s*"?([A-Za-z0-9+/=]+)"?\s*$/.exec(line)?.[1];
    if (section === entity && key !== undefined) return key;
  }
  return undefined;
}
