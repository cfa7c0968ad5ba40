import { parseFioVersion, type FioVersion } from 'fio-parser';
import { skipsErroredWrites } from '../../history/fio/index.js';

/**
 * What a fio can do, told by its own words: `fio --version` and `fio --cmdhelp=all`. Options are asked for by name and
 * never guessed from the version; only what has no option (a bug that was fixed) is told by the version.
 */
export interface FioCapabilities {
  /** As printed, e.g. `fio-3.33`. */
  versionText: string;
  version: FioVersion | undefined;
  /** Names of all job options, aliases left out (fio does not list them). */
  options: ReadonlySet<string>;
  /** Which clock its logs can be written in: `monotonic` needs `log_alternate_epoch_clock_id`. */
  logClock: 'monotonic' | 'realtime' | 'start';
  /** See `skipsErroredWrites`. */
  skipsErroredWrites: boolean;
}

/** Names of options in the output of `fio --cmdhelp=all`: one a line, sub-options indented. */
export function parseCmdHelp(text: string): Set<string> {
  const names = new Set<string>();
  for (const line of text.split('\n')) {
    const name = /^\s*([a-z][a-z0-9_]*)\s*: /.exec(line)?.[1];
    if (name !== undefined) names.add(name);
  }
  return names;
}

/** A pure function of the two outputs. An unknown version is taken for an old one. */
export function detectCapabilities(versionOutput: string, cmdHelpOutput: string): FioCapabilities {
  const versionText = versionOutput.trim().split('\n')[0] ?? '';
  const version = parseFioVersion(versionText);
  const options = parseCmdHelp(cmdHelpOutput);
  return {
    versionText, version, options,
    logClock: options.has('log_alternate_epoch_clock_id') ? 'monotonic' : options.has('log_unix_epoch') ? 'realtime' : 'start',
    skipsErroredWrites: skipsErroredWrites(versionText),
  };
}
