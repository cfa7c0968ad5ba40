import { homedir } from 'node:os';
import { join } from 'node:path';

/** `$XDG_CACHE_HOME/pathproof`, else `~/.cache/pathproof` (XDG Base Directory Specification). Everything in it can be made again. */
export function cacheDir(): string {
  const { XDG_CACHE_HOME } = process.env;
  return join(XDG_CACHE_HOME !== undefined && XDG_CACHE_HOME !== '' ? XDG_CACHE_HOME : join(homedir(), '.cache'), 'pathproof');
}
